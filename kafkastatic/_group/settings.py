"""What a classic member is told of the configuration, and what it needs of the brokers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafkastatic._protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest
from kafkastatic._protocol.messages.join_group import JoinGroupRequest
from kafkastatic._protocol.messages.leave_group import LeaveGroupRequest
from kafkastatic._protocol.messages.offset_commit import OffsetCommitRequest
from kafkastatic._protocol.messages.sync_group import SyncGroupRequest
from kafkastatic._protocol.primitives import Request
from kafkastatic._value import Value
from kafkastatic.errors import UnsupportedVersionError
from kafkastatic.types import Assignor

STATIC_VERSIONS: tuple[tuple[type[Request[Any]], int], ...] = (
    (JoinGroupRequest, 5),
    (SyncGroupRequest, 3),
    (HeartbeatRequest, 3),
    (OffsetCommitRequest, 7),
    (LeaveGroupRequest, 3),
)
"""From which version on a request can carry an instance id. A static member needs them all."""

EPOCH_COMMITS = 9
"""From which version on OffsetCommit is taken from a member of a KIP-848 group."""


class Settings(Value):
    """What a classic member needs to know of the configuration. Times are seconds.

    Attributes:
        release_timeout: how long a static member that starts waits for its predecessor's session to expire.
        backoff: the jittered delay before the nth retry, counted from 0 (KIP-580).
    """

    group: str
    assignors: Sequence[Assignor]
    instance_id: str | None = None
    session_timeout: float = 45.0
    heartbeat_interval: float = 3.0
    rebalance_timeout: float = 300.0
    drain_timeout: float = 30.0
    request_timeout: float = 30.0
    release_timeout: float = 0.0
    rack: str | None = None
    backoff: Callable[[int], float] = lambda attempt: min(0.1 * 2**attempt, 1.0)


class ConsumerSettings(Value):
    """What a member of a KIP-848 group needs to know of the configuration. Times are seconds.

    Session timeout, heartbeat interval and assignors are the broker's here.

    Attributes:
        member_id: made by this client (KIP-1082), or kept from the process before.
        resumed: `member_id` was kept, so that the coordinator may still know it.
        persistent: `member_id` is to be made durable before anybody can depend on it.
        assignor: of the broker's assignors, the one that is asked for; `None` for its default.
        wait_timeout: how long a static member that starts waits for its instance id.
        backoff: the jittered delay before the nth retry, counted from 0 (KIP-580).
    """

    group: str
    member_id: str
    instance_id: str | None = None
    resumed: bool = False
    persistent: bool = False
    assignor: str | None = None
    rebalance_timeout: float = 300.0
    drain_timeout: float = 30.0
    request_timeout: float = 30.0
    wait_timeout: float = 60.0
    rack: str | None = None
    backoff: Callable[[int], float] = lambda attempt: min(0.1 * 2**attempt, 1.0)


def too_old(versions: Mapping[int, tuple[int, int]], settings: Settings) -> UnsupportedVersionError | None:
    """Why a broker with these API versions cannot have a static member, if that is what `settings` ask for.

    It is never a silent downgrade to a dynamic member.
    """
    for request, needed in STATIC_VERSIONS if settings.instance_id is not None else ():
        _, highest = versions.get(request.API_KEY, (0, -1))
        if highest < needed:
            return UnsupportedVersionError(
                api=request.NAME,
                detail=f"a static member needs version {needed} of it, the broker offers up to {highest}",
                group=settings.group,
                instance_id=settings.instance_id,
                remedy="Use brokers of Kafka 2.4 or newer, or leave group_instance_id out.",
            )
    return None


def lacks_kip848(versions: Mapping[int, tuple[int, int]], settings: ConsumerSettings) -> UnsupportedVersionError | None:
    """Why a member cannot live in a KIP-848 group at a broker with these API versions, if it cannot.

    One that has the APIs may refuse to use them all the same, in answer to a heartbeat.
    """
    _, commits = versions.get(OffsetCommitRequest.API_KEY, (0, -1))
    if ConsumerGroupHeartbeatRequest.API_KEY not in versions:
        api, detail = ConsumerGroupHeartbeatRequest.NAME, "the broker does not offer it"
    elif commits < EPOCH_COMMITS:
        api = OffsetCommitRequest.NAME
        detail = f"a member epoch needs version {EPOCH_COMMITS} of it, the broker offers up to {commits}"
    else:
        return None
    return UnsupportedVersionError(
        api=api,
        detail=detail,
        group=settings.group,
        instance_id=settings.instance_id,
        remedy="Use brokers of Kafka 4.0 or newer whose group.coordinator.rebalance.protocols names consumer,"
        " or group_protocol='classic'.",
    )
