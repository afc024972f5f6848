"""Group requests, each stamped with the member's whole identity.

This is the only place that builds them. A request that left the instance id out would be answered with
UNKNOWN_MEMBER_ID instead of FENCED_INSTANCE_ID once the member is replaced (KIP-345), and a client that then
rejoins would evict its own healthy successor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafkastatic._group.assignors import user_data
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.consumer_protocol import (
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from kafkastatic._protocol.faults import error_for
from kafkastatic._protocol.messages.describe_groups import DescribedGroup, DescribeGroupsRequest
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest
from kafkastatic._protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponseMember,
)
from kafkastatic._protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kafkastatic._protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from kafkastatic.types import Assignor, Membership, MemberSubscription, TopicPartition

PROTOCOL_TYPE = "consumer"
UUID_LENGTH = 36


def join(
    who: Membership,
    *,
    topics: frozenset[str],
    assignors: Sequence[Assignor],
    session_timeout_ms: int,
    rebalance_timeout_ms: int,
    generation: int,
    rack: str | None,
    reason: str,
    assigned: frozenset[TopicPartition] = frozenset(),
) -> JoinGroupRequest:
    """Join, or rejoin, with what we own (KIP-429).

    Args:
        generation: the last one we were in (KIP-792): bytes that differ make the broker rebalance.
        assigned: what we were assigned last, owned still or not.
    """

    def metadata(assignor: Assignor) -> bytes:
        said = user_data(assignor, topics, assigned, generation)
        return encode_subscription(sorted(topics), said, who.assignment, generation, rack)

    return JoinGroupRequest(
        group_id=who.group,
        session_timeout_ms=session_timeout_ms,
        rebalance_timeout_ms=rebalance_timeout_ms,
        member_id=who.member_id,
        group_instance_id=who.instance_id,
        protocol_type=PROTOCOL_TYPE,
        protocols=[JoinGroupRequestProtocol(name=each.name, metadata=metadata(each)) for each in assignors],
        reason=reason,
    )


def sync(
    who: Membership, protocol: str, assignments: Mapping[str, Sequence[TopicPartition]] | None = None
) -> SyncGroupRequest:
    """Ask for our assignment; a leader that balanced sends everybody's."""
    return SyncGroupRequest(
        group_id=who.group,
        generation_id=who.epoch,
        member_id=who.member_id,
        group_instance_id=who.instance_id,
        protocol_type=PROTOCOL_TYPE,
        protocol_name=protocol,
        assignments=[
            SyncGroupRequestAssignment(member_id=member, assignment=encode_assignment(partitions))
            for member, partitions in (assignments or {}).items()
        ],
    )


def heartbeat(who: Membership) -> HeartbeatRequest:
    return HeartbeatRequest(
        group_id=who.group, generation_id=who.epoch, member_id=who.member_id, group_instance_id=who.instance_id
    )


def leave(who: Membership, reason: str) -> LeaveGroupRequest:
    """Leave by member id, never by instance id alone: that would remove whoever holds the id now.

    Said in the words of version 3 (Kafka 2.4); an older broker waits for the session to time out instead.
    """
    return LeaveGroupRequest(
        group_id=who.group,
        members=[MemberIdentity(member_id=who.member_id, group_instance_id=who.instance_id, reason=reason)],
    )


def describe(group: str) -> DescribeGroupsRequest:
    """Ask who is in the group, and what they are subscribed to."""
    return DescribeGroupsRequest(groups=[group])


def described(group: DescribedGroup) -> list[JoinGroupResponseMember]:
    """A described group as JoinGroup lists it to its leader.

    Raises:
        BrokerError: if it was not described, as is a group that is none, or none of the classic protocol.
    """
    code = group.error_code
    if code == codes.NONE and group.group_state != "Stable":
        code = codes.GROUP_ID_NOT_FOUND  # said in the words of version 6
    if code != codes.NONE:
        raise error_for(code, api="DescribeGroups", group=group.group_id)
    return [
        JoinGroupResponseMember(
            member_id=member.member_id, group_instance_id=member.group_instance_id, metadata=member.member_metadata
        )
        for member in group.members
    ]


def assigned(group: DescribedGroup) -> dict[str, set[int]]:
    """The partitions of each topic that somebody in a described group is assigned.

    Raises:
        ProtocolError: if an assignment does not parse.
    """
    found: dict[str, set[int]] = {}
    for member in group.members:
        for topic, partition in decode_assignment(member.member_assignment):
            found.setdefault(topic, set()).add(partition)
    return found


def listed(who: Membership, topics: frozenset[str]) -> JoinGroupResponseMember:
    """One member as JoinGroup lists it to the leader."""
    metadata = encode_subscription(sorted(topics))
    return JoinGroupResponseMember(member_id=who.member_id, group_instance_id=who.instance_id, metadata=metadata)


def is_id_of(member_id: str, instance_id: str | None) -> bool:
    """Whether brokers gave this member id to a static member of that instance id: it is followed by a UUID."""
    prefix = f"{instance_id}-"
    return instance_id is not None and member_id.startswith(prefix) and len(member_id) == len(prefix) + UUID_LENGTH


def subscription(member: JoinGroupResponseMember) -> MemberSubscription:
    """What a member told the leader.

    Raises:
        ProtocolError: if its metadata does not parse.
    """
    parsed = decode_subscription(member.metadata)
    return MemberSubscription(
        member_id=member.member_id,
        instance_id=member.group_instance_id,
        topics=parsed.topics,
        user_data=parsed.user_data,
        owned=parsed.owned,
        generation=parsed.generation,
        rack=parsed.rack,
    )
