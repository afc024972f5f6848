"""Words for the tests of the membership machine: members in every state, answers, and the requests expected of them.

A member made here is `billing-0` of the group `payments`, reads `orders`, and calls its requests by number: the
first JoinGroup is 1, the SyncGroup after it 2, the first heartbeat 3, the DescribeGroups of one that may have
restarted 4.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from kafkastatic._group.assignors import RangeAssignor
from kafkastatic._group.classic import ClassicMember
from kafkastatic._group.member import (
    Action,
    Answered,
    AssignFinished,
    CloseRequested,
    CoordinatorFound,
    Fail,
    MetadataChanged,
    PollExpired,
    Report,
    RevokeFinished,
    Send,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.settings import Settings
from kafkastatic._group.states import State
from kafkastatic._protocol.consumer_protocol import encode_assignment, encode_subscription
from kafkastatic._protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkastatic._protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from kafkastatic._protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)
from kafkastatic._protocol.messages.sync_group import (
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)
from kafkastatic.errors import BrokerError, BrokerUnreachableError
from kafkastatic.types import ClusterSnapshot, PartitionInfo, TopicInfo, TopicPartition

GROUP = "payments"
INST = "billing-0"
MID = "billing-0-a"
DYNAMIC_MID = "consumer-1"


class CooperativeAssignor(RangeAssignor):
    """What makes a member cooperative. The tests say what is assigned; it is no assignor to use."""

    name = "cooperative"
    cooperative = True


STATIC = Settings(GROUP, (RangeAssignor(),), INST, backoff=lambda attempt: 0.1 * 2**attempt)
DYNAMIC = STATIC.evolve(instance_id=None)
COOPERATIVE = STATIC.evolve(assignors=(CooperativeAssignor(),))

VERSIONS = {8: (0, 10), 11: (0, 9), 12: (0, 4), 13: (0, 5), 14: (0, 5), 15: (0, 6)}
LOST = BrokerUnreachableError("The connection was lost.", address="b1:9092")

O0, O1, O2, O3 = (TopicPartition("orders", p) for p in range(4))
MINE = frozenset({O0, O1})
NOTHING: frozenset[TopicPartition] = frozenset()

# ── what is expected ───────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Failed:
    """A `Fail` that can be compared: the type of its error, and the API that answered it."""

    error: type[BaseException]
    api: str | None = None


def done(actions: list[Action]) -> list[Action | Failed]:
    """The actions but for the reports, and with errors made comparable."""
    return [_comparable(action) for action in actions if not isinstance(action, Report)]


def _comparable(action: Action) -> Action | Failed:
    if not isinstance(action, Fail):
        return action
    return Failed(type(action.error), action.error.api if isinstance(action.error, BrokerError) else None)


def reports(actions: list[Action]) -> list[str]:
    """The names of what is reported."""
    return [action.event for action in actions if isinstance(action, Report)]


def error_of(actions: list[Action]) -> BaseException:
    """The error that ends the consumer."""
    (error,) = [action.error for action in actions if isinstance(action, Fail)]
    return error


def join(
    key: int,
    member_id: str = "",
    *,
    reason: str,
    generation: int = -1,
    topics: Sequence[str] = ("orders",),
    instance_id: str | None = INST,
) -> Send:
    """A JoinGroup; `generation` is the last one that the member was in, told in its subscription."""
    metadata = encode_subscription(topics, None, [], generation, None)
    request = JoinGroupRequest(
        group_id=GROUP,
        session_timeout_ms=45_000,
        rebalance_timeout_ms=300_000,
        member_id=member_id,
        group_instance_id=instance_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
        reason=reason,
    )
    return Send(request, key, timeout=305.0)


def sync(
    key: int,
    member_id: str = MID,
    generation: int = 4,
    shares: dict[str, list[TopicPartition]] | None = None,
    instance_id: str | None = INST,
) -> Send:
    """A SyncGroup; `shares` is what a leader that balanced sends along."""
    request = SyncGroupRequest(
        group_id=GROUP,
        generation_id=generation,
        member_id=member_id,
        group_instance_id=instance_id,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[
            SyncGroupRequestAssignment(member_id=who, assignment=encode_assignment(partitions))
            for who, partitions in (shares or {}).items()
        ],
    )
    return Send(request, key, timeout=305.0)


def proof(key: int, member_id: str = MID, generation: int = 4) -> Send:
    """A SyncGroup of one who is in the group: whether the coordinator still knows it, which heartbeats do not tell."""
    return sync(key, member_id, generation).evolve(timeout=15.0)


def beat(key: int, member_id: str = MID, generation: int = 4, instance_id: str | None = INST) -> Send:
    """A Heartbeat."""
    request = HeartbeatRequest(
        group_id=GROUP, generation_id=generation, member_id=member_id, group_instance_id=instance_id
    )
    return Send(request, key, timeout=15.0)


def describe(key: int) -> Send:
    """A DescribeGroups."""
    return Send(DescribeGroupsRequest(groups=[GROUP]), key, timeout=30.0)


def leave(key: int, member_id: str = MID, *, reason: str, instance_id: str | None = INST) -> Send:
    """A LeaveGroup."""
    who = MemberIdentity(member_id=member_id, group_instance_id=instance_id, reason=reason)
    return Send(LeaveGroupRequest(group_id=GROUP, members=[who]), key, timeout=30.0)


# ── what is answered ───────────────────────────────────────────────────────────────────────────────────────────


def joined(
    member_id: str = MID,
    generation: int = 4,
    *,
    leader: str = "somebody",
    members: Sequence[JoinGroupResponseMember] = (),
    skip: bool = False,
) -> JoinGroupResponse:
    return JoinGroupResponse(
        generation_id=generation,
        protocol_type="consumer",
        protocol_name="range",
        leader=leader,
        skip_assignment=skip,
        member_id=member_id,
        members=members,
    )


def join_error(code: int, member_id: str = "") -> JoinGroupResponse:
    return JoinGroupResponse(error_code=code, member_id=member_id)


def subscribed(member_id: str, *topics: str, instance_id: str | None = None) -> JoinGroupResponseMember:
    """A member as the leader is told of it."""
    return JoinGroupResponseMember(
        member_id=member_id, group_instance_id=instance_id, metadata=encode_subscription(topics)
    )


def synced(partitions: frozenset[TopicPartition] = MINE) -> SyncGroupResponse:
    return SyncGroupResponse(
        protocol_type="consumer", protocol_name="range", assignment=encode_assignment(sorted(partitions))
    )


def sync_error(code: int) -> SyncGroupResponse:
    return SyncGroupResponse(error_code=code)


def beaten(code: int = 0) -> HeartbeatResponse:
    return HeartbeatResponse(error_code=code)


def left(code: int = 0, *, top: int = 0) -> LeaveGroupResponse:
    who = MemberResponse(member_id=MID, group_instance_id=INST, error_code=code)
    return LeaveGroupResponse(error_code=top, members=[who])


def described(
    code: int = 0,
    *members: JoinGroupResponseMember,
    assigned: Sequence[TopicPartition] = (),
    state: str = "Stable",
) -> DescribeGroupsResponse:
    """The group with these members, the first of whom is assigned these partitions."""
    shares = [assigned, *([] for _ in members)]
    found = [
        DescribedGroupMember(
            member_id=m.member_id, member_metadata=m.metadata, member_assignment=encode_assignment(share)
        )
        for m, share in zip(members, shares, strict=False)
    ]
    return DescribeGroupsResponse(
        groups=[DescribedGroup(error_code=code, group_id=GROUP, group_state=state, members=found)]
    )


def undescribed() -> DescribeGroupsResponse:
    """For want of rights."""
    return DescribeGroupsResponse(groups=[DescribedGroup(error_code=30, group_id=GROUP)])


def snapshot(**topics: int) -> ClusterSnapshot:
    """The cluster with these topics and their numbers of partitions; 0 for one that is known to be missing."""
    return ClusterSnapshot(
        topics={
            name: TopicInfo(name, bytes(16), {p: PartitionInfo(p, 1) for p in range(count)}, 0 if count else 3)
            for name, count in topics.items()
        }
    )


# ── members in every state ─────────────────────────────────────────────────────────────────────────────────────


def idle(settings: Settings = STATIC, topics: Sequence[str] = ("orders",)) -> ClassicMember:
    return ClassicMember(settings, frozenset(topics))


def finding(settings: Settings = STATIC) -> ClassicMember:
    """Started at 0.0."""
    member = idle(settings)
    member.handle(Started(), 0.0)
    return member


def joining(settings: Settings = STATIC) -> ClassicMember:
    """Its blind JoinGroup 1 was sent at 0.0."""
    member = finding(settings)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    return member


def syncing() -> ClassicMember:
    """A follower in generation 4; its SyncGroup 2 was sent at 0.1."""
    member = joining()
    member.handle(Answered(1, joined()), 0.1)
    return member


def assigning() -> ClassicMember:
    """Owns MINE since 0.2, when heartbeat 3 was sent; on_partitions_assigned runs."""
    member = syncing()
    member.handle(Answered(2, synced()), 0.2)
    return member


def stable() -> ClassicMember:
    """Owns MINE since 0.2; heartbeat 3 was answered at 0.3, DescribeGroups 4 refused; the next one is due at 3.2."""
    member = assigning()
    member.handle(Answered(3, beaten()), 0.3)
    member.handle(Answered(4, undescribed()), 0.3)
    member.handle(AssignFinished(), 0.3)
    return member


def revoking() -> ClassicMember:
    """Told at 3.3, by heartbeat 5, that the group rebalances."""
    member = stable()
    beat_again(member)
    member.handle(Answered(5, beaten(27)), 3.3)
    return member


def rejoining() -> ClassicMember:
    """Gave its partitions up; its JoinGroup 6, with the member id, was sent at 3.4."""
    member = revoking()
    revoked(member, 3.4)
    return member


def losing(code: int = 22) -> ClassicMember:
    """Told at 3.3, by heartbeat 5, that it lost its membership."""
    member = stable()
    beat_again(member)
    member.handle(Answered(5, beaten(code)), 3.3)
    return member


def paused() -> ClassicMember:
    """Unsubscribed at 1.0 and gave its partitions up."""
    member = stable()
    member.handle(SubscriptionChanged(frozenset()), 1.0)
    revoked(member, 1.1)
    return member


def expired() -> ClassicMember:
    """Held a record too long at 1.0; on_partitions_lost runs."""
    member = stable()
    member.handle(PollExpired(("orders", 0, 17), 0.5), 1.0)
    return member


def waiting() -> ClassicMember:
    """Told at 0.1 that the coordinator loads; tries again at 0.2."""
    member = joining()
    member.handle(Answered(1, join_error(14)), 0.1)
    return member


def balancing() -> ClassicMember:
    """Leads generation 4 since 0.1, and knows no topic yet."""
    member = joining()
    member.handle(Answered(1, joined(leader=MID, members=[subscribed(MID, "orders", instance_id=INST)])), 0.1)
    return member


def leading(skip: bool = False, **topics: int) -> ClassicMember:
    """Stable in generation 4, which it leads; the topics are those of the cluster, `orders` with 2 if none."""
    member = joining()
    member.handle(MetadataChanged(snapshot(**(topics or {"orders": 2}))), 0.0)
    me = subscribed(MID, "orders", instance_id=INST)
    member.handle(Answered(1, joined(leader=MID, members=[me], skip=skip)), 0.1)
    member.handle(Answered(2, synced()), 0.2)
    member.handle(Answered(3, beaten()), 0.3)
    if skip:
        member.handle(Answered(4, undescribed()), 0.3)
    member.handle(AssignFinished(), 0.3)
    return member


def leaving() -> ClassicMember:
    """Asked at 1.0 to leave for good, it sent LeaveGroup 5 at 1.1."""
    member = stable()
    member.handle(CloseRequested(leave=True), 1.0)
    revoked(member, 1.1)
    return member


def failed() -> ClassicMember:
    """Fenced at 3.3 by heartbeat 5."""
    return losing(82)


def stopped() -> ClassicMember:
    """Closed at 0.0 without having started."""
    member = idle()
    assert member.handle(CloseRequested(leave=False), 0.0)[-1] == Stop()
    return member


EVERYWHERE = {
    State.IDLE: idle,
    State.FINDING: finding,
    State.WAITING: waiting,
    State.JOINING: joining,
    State.BALANCING: balancing,
    State.SYNCING: syncing,
    State.ASSIGNING: assigning,
    State.STABLE: stable,
    State.REVOKING: revoking,
    State.LOSING: losing,
    State.PAUSED: paused,
    State.LEAVING: leaving,
    State.STOPPED: stopped,
    State.FAILED: failed,
}
"""How to make a member in each state."""


def dynamic() -> ClassicMember:
    """A dynamic member, stable in generation 4 as `consumer-1`; its next request is 5."""
    member = joining(DYNAMIC)
    member.handle(Answered(1, join_error(79, DYNAMIC_MID)), 0.1)
    member.handle(Answered(2, joined(DYNAMIC_MID)), 0.1)
    member.handle(Answered(3, synced()), 0.2)
    member.handle(Answered(4, beaten()), 0.3)
    member.handle(AssignFinished(), 0.3)
    return member


def beat_again(member: ClassicMember) -> None:
    """Let a stable member send its second heartbeat, 5, at 3.2."""
    assert done(member.handle(TimerFired(), 3.2)) == [beat(5)]


def revoked(member: ClassicMember, now: float) -> list[Action]:
    """End the revoking of its partitions."""
    return member.handle(RevokeFinished(), now)
