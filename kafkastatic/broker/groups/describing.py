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
from kafkastatic.broker.groups.desk import Asked, Desk
from kafkastatic.broker.groups.group import CONSUMER, ClassicGroup, GroupState, Member
from kafkastatic.broker.groups.offsets import Offsets
from kafkastatic.errors import ProtocolError
from kafkastatic.types import TopicPartition

_TYPE = "classic"
_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8  # READ, DELETE, DESCRIBE: what can be done to a group where nobody forbids it
_NOT_ASKED_FOR = -2147483648


class MemberSnapshot(Value):
    """A member of a group at one moment.

    Attributes:
        client_id, host: of the process that first came under this instance id: Kafka does not update them.
        assignment: its partitions, as its leader assigned them; none where the members are no consumers.
    """

    member_id: str
    instance_id: str | None
    client_id: str
    host: str
    assignment: frozenset[TopicPartition]


class GroupSnapshot(Value):
    """A group at one moment.

    Attributes:
        state: `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Stable`.
        protocol: the chosen assignor.
        leader: a member id.
    """

    state: Literal["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"]
    generation: int
    protocol: str | None
    leader: str | None
    members: tuple[MemberSnapshot, ...]


def snapshot(group: ClassicGroup) -> GroupSnapshot:
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
    described = [_described(desk.groups.get(group_id), group_id, asked.version) for group_id in request.groups]
    for group in described:
        group.authorized_operations = _OPERATIONS if request.include_authorized_operations else _NOT_ASKED_FOR
    desk.reply(asked, DescribeGroupsResponse(groups=described))


def _described(group: ClassicGroup | None, group_id: str, version: int) -> DescribedGroup:
    if group is None and version >= 6:
        return DescribedGroup(
            group_id=group_id,
            group_state="Dead",
            error_code=GROUP_ID_NOT_FOUND,
            error_message=f"Group {group_id} not found.",
        )
    if group is None:
        return DescribedGroup(group_id=group_id, group_state="Dead")
    stable = group.state is GroupState.STABLE
    return DescribedGroup(
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol or "") if stable else "",
        members=[_described_member(member, group.protocol if stable else None) for member in group.members.values()],
    )


def _described_member(member: Member, protocol: str | None) -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.host,
        member_metadata=member.metadata(protocol),
        member_assignment=member.assignment,
    )


def list_groups(desk: Desk, asked: Asked) -> None:
    request: ListGroupsRequest = asked.request
    states = {state.strip().lower() for state in request.states_filter}
    types = {group_type.lower() for group_type in request.types_filter}
    groups = [
        ListedGroup(
            group_id=group.group_id,
            protocol_type=group.protocol_type or "",
            group_state=group.state.value,
            group_type=_TYPE,
        )
        for group in desk.groups.values()
        if (not states or group.state.value.lower() in states) and (not types or _TYPE in types)
    ]
    desk.reply(asked, ListGroupsResponse(groups=groups))


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
    if group.state is not GroupState.EMPTY:
        return NON_EMPTY_GROUP
    del desk.groups[group_id]
    offsets.forget_group(group_id)
    return NONE


def _partitions(assignment: bytes) -> frozenset[TopicPartition]:
    try:
        return frozenset(decode_assignment(assignment))
    except ProtocolError:
        return frozenset()
