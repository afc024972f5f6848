"""Who holds an instance id now, by the coordinator's word: one request, bounded, best effort."""

from __future__ import annotations

from collections.abc import Iterator

import anyio

from kafkastatic._drivers.coordinator import Coordinator
from kafkastatic._net.pool import Role
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from kafkastatic._protocol.messages.describe_groups import DescribeGroupsRequest
from kafkastatic.errors import KafkaError
from kafkastatic.types import Membership

TIMEOUT = 2.0
"""Seconds for finding it out."""


async def owner_of(who: Membership, coordinator: Coordinator, *, server_side: bool) -> str | None:
    """Who holds the instance id of `who` now; `None` if the coordinator does not tell, in time.

    Args:
        server_side: the group is one of the consumer protocol (KIP-848).
    """
    look_up = _of_consumer_group if server_side else _of_classic_group
    try:
        with anyio.fail_after(TIMEOUT):
            return await look_up(who, coordinator)
    except (KafkaError, TimeoutError):
        return None


async def _of_consumer_group(who: Membership, coordinator: Coordinator) -> str | None:
    request = ConsumerGroupDescribeRequest(group_ids=[who.group])
    answer = await coordinator.request(request, Role.QUICK, timeout=TIMEOUT)
    found = (
        f"member {other.member_id}, {other.client_id} at {_host(other.client_host)}"
        for group in answer.groups
        for other in group.members
        if group.error_code == codes.NONE and other.instance_id == who.instance_id
    )
    return next(found, None)


async def _of_classic_group(who: Membership, coordinator: Coordinator) -> str | None:
    """Only the member id is sure to be the new holder's: a coordinator that replaces a static member keeps the client
    id and the host of the process that joined under this instance id first (seen on 4.4)."""
    request = DescribeGroupsRequest(groups=[who.group])
    answer = await coordinator.request(request, Role.QUICK, timeout=TIMEOUT)
    found: Iterator[str] = (
        f"member {other.member_id} (the id was first joined by {other.client_id} at {_host(other.client_host)})"
        for group in answer.groups
        for other in group.members
        if group.error_code == codes.NONE and other.group_instance_id == who.instance_id
    )
    return next(found, None)


def _host(client_host: str) -> str:
    return client_host.lstrip("/")
