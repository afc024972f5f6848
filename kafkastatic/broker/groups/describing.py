"""DescribeGroups, ListGroups, DeleteGroups, and snapshots for tests: what can be seen of groups. Pure."""

from __future__ import annotations

from typing import Literal

from kafkastatic._protocol.consumer_protocol import decode_assignment
from kafkastatic._protocol.error_codes import GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP, NONE
from kafkastatic._protocol.messages.delete_groups import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from kafkastatic._protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from kafkastatic._protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse
from kafkastatic._value import Value
from kafkastatic.broker.groups.consumer.group import ConsumerGroup
from kafkastatic.broker.groups.desk import Asked, Desk
from kafkastatic.broker.groups.group import CONSUMER, ClassicGroup, GroupState
from kafkastatic.broker.groups.offsets import Offsets
from kafkastatic.errors import ProtocolError
from kafkastatic.types import TopicPartition


class MemberSnapshot(Value):
    """A member of a group at one moment.

    Attributes:
        client_id, host: of the process that first came under this instance id: Kafka does not update them.
        assignment: its partitions, as its leader or the coordinator assigned them; none where the members are no
            consumers.
        epoch: of a member of a consumer group; -2 of a static one that has left and will be back.
    """

    member_id: str
    instance_id: str | None
    client_id: str
    host: str
    assignment: frozenset[TopicPartition]
    epoch: int | None = None


class GroupSnapshot(Value):
    """A group at one moment.

    Attributes:
        state: `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Stable`; of a consumer group `Empty`,
            `Assigning`, `Reconciling` or `Stable`.
        generation: the group epoch of a consumer group.
        protocol: the chosen assignor.
        leader: a member id; a consumer group has none.
        group_type: by Kafka's names.
    """

    state: Literal["Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Assigning", "Reconciling"]
    generation: int
    protocol: str | None
    leader: str | None
    members: tuple[MemberSnapshot, ...]
    group_type: Literal["classic", "consumer"] = "classic"


def snapshot(desk: Desk, group: ClassicGroup | ConsumerGroup) -> GroupSnapshot:
    return _consumers(desk, group) if isinstance(group, ConsumerGroup) else _classic(group)


def _consumers(desk: Desk, group: ConsumerGroup) -> GroupSnapshot:
    return GroupSnapshot(
        group.state,
        group.epoch,
        group.preferred_assignor() or desk.assignors[0],
        None,
        tuple(
            MemberSnapshot(
                member.member_id,
                member.instance_id,
                member.client_id,
                member.host,
                frozenset(
                    TopicPartition(name, number)
                    for topic_id, number in member.assigned
                    if (name := desk.catalog.name(topic_id)) is not None
                ),
                member.epoch,
            )
            for member in group.members.values()
        ),
        "consumer",
    )


def _classic(group: ClassicGroup) -> GroupSnapshot:
    consumers = group.protocol_type == CONSUMER
    return GroupSnapshot(
        group.state.value,
        group.generation,
        group.protocol,
        group.leader,
        tuple(
            MemberSnapshot(
                member.member_id,
                member.instance_id,
                member.client_id,
                member.host,
                _partitions(member.assignment) if consumers else frozenset(),
            )
            for member in group.members.values()
        ),
    )


def describe_groups(desk: Desk, asked: Asked) -> None:
    request: DescribeGroupsRequest = asked.request
    described = [_described(desk, group_id, asked.version) for group_id in request.groups]
    if request.include_authorized_operations:
        for group in described:
            group.authorized_operations = desk.group_operations
    desk.reply(asked, DescribeGroupsResponse(groups=described))


def _described(desk: Desk, group_id: str, version: int) -> DescribedGroup:
    group = desk.groups.get(group_id)
    if not isinstance(group, ClassicGroup):
        missing = DescribedGroup(group_id=group_id, group_state="Dead")
        if version >= 6:
            reason = "not found." if group is None else "is not a classic group."
            missing.error_code, missing.error_message = GROUP_ID_NOT_FOUND, f"Group {group_id} {reason}"
        return missing
    stable = group.state is GroupState.STABLE
    return DescribedGroup(
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol or "") if stable else "",
        members=[
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.host,
                member_metadata=member.metadata(group.protocol) if stable else b"",
                # During a rebalance the older coordinator keeps to itself what has been assigned.
                member_assignment=member.assignment if stable or not desk.older else b"",
            )
            for member in group.members.values()
        ],
    )


def list_groups(desk: Desk, asked: Asked) -> None:
    request: ListGroupsRequest = asked.request
    states = {state.strip().lower() for state in request.states_filter}
    types = {group_type.lower() for group_type in request.types_filter}
    listed = map(_listed, desk.groups.values())
    groups = [
        group
        for group in listed
        if (not states or group.group_state.lower() in states) and (not types or group.group_type in types)
    ]
    desk.reply(asked, ListGroupsResponse(groups=groups))


def _listed(group: ClassicGroup | ConsumerGroup) -> ListedGroup:
    if isinstance(group, ConsumerGroup):
        return ListedGroup(
            group_id=group.group_id, protocol_type=CONSUMER, group_state=group.state, group_type="consumer"
        )
    return ListedGroup(
        group_id=group.group_id,
        protocol_type=group.protocol_type or "",
        group_state=group.state.value,
        group_type="classic",
    )


def delete_groups(desk: Desk, offsets: Offsets, asked: Asked) -> None:
    request: DeleteGroupsRequest = asked.request
    results = [
        DeletableGroupResult(group_id=group_id, error_code=_delete(desk, offsets, group_id))
        for group_id in dict.fromkeys(request.groups_names)
    ]
    desk.reply(asked, DeleteGroupsResponse(results=results))


def _delete(desk: Desk, offsets: Offsets, group_id: str) -> int:
    group = desk.groups.get(group_id)
    if group is None:
        return GROUP_ID_NOT_FOUND
    if group.members if isinstance(group, ConsumerGroup) else group.state is not GroupState.EMPTY:
        return NON_EMPTY_GROUP
    del desk.groups[group_id]
    offsets.forget_group(group_id)
    return NONE


def _partitions(assignment: bytes) -> frozenset[TopicPartition]:
    try:
        return frozenset(decode_assignment(assignment))
    except ProtocolError:
        return frozenset()
