"""Words for the tests of the KIP-848 machine: members in every state, answers, and the heartbeats expected of them.

A member made here is `billing-0` of the group `payments`, reads `orders`, and calls its requests by number: the join
is 1, the heartbeat that acknowledges its assignment 2. The coordinator's heartbeat interval is 5 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafkastatic._group.kip848 import ConsumerMember
from kafkastatic._group.kip848.states import State
from kafkastatic._group.member import (
    Action,
    Answered,
    AssignFinished,
    CloseRequested,
    CoordinatorFound,
    MetadataChanged,
    RequestFailed,
    RevokeFinished,
    Send,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.settings import ConsumerSettings
from kafkastatic._protocol.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatResponseTopicPartitions,
)
from kafkastatic.types import ClusterSnapshot, TopicInfo, TopicPartition
from tests.group.machine import GROUP, INST, LOST, MINE, NOTHING, O0, O1, O2, O3, Failed, done, error_of, reports

__all__ = ["GROUP", "INST", "MINE", "NOTHING", "O0", "O1", "O2", "O3", "Failed", "done", "error_of", "reports"]

MID = "aaaa"
API = "ConsumerGroupHeartbeat"
VERSIONS = {68: (0, 1), 8: (0, 10)}
OLD_VERSIONS = {68: (0, 0), 8: (0, 9)}

ORDERS, REFUNDS = b"o" * 16, b"r" * 16
R0 = TopicPartition("refunds", 0)
HALF = {ORDERS: [0, 1]}
"""`MINE`, as the coordinator says it."""

STATIC = ConsumerSettings(GROUP, MID, INST, backoff=lambda attempt: 0.1 * 2**attempt)
DYNAMIC = STATIC.evolve(instance_id=None)
RESUMED = STATIC.evolve(resumed=True, persistent=True)

Ids = Mapping[bytes, Sequence[int]]

# ── what is expected ───────────────────────────────────────────────────────────────────────────────────────────


def beat(
    key: int,
    epoch: int = 4,
    *,
    owned: Ids | None = None,
    topics: Sequence[str] | None = None,
    regex: str | None = None,
    instance_id: str | None = INST,
    timeout: float = 5.0,
) -> Send:
    """A heartbeat that says what has changed, or nothing."""
    return _send(key, epoch, owned, timeout, instance_id, subscribed_topic_names=topics, subscribed_topic_regex=regex)


def full(
    key: int,
    epoch: int,
    *,
    owned: Ids,
    topics: Sequence[str] = ("orders",),
    regex: str | None = None,
    instance_id: str | None = INST,
    timeout: float = 5.0,
) -> Send:
    """A heartbeat that says everything."""
    subscription = {"subscribed_topic_names": topics, "subscribed_topic_regex": regex}
    return _send(key, epoch, owned, timeout, instance_id, rebalance_timeout_ms=300_000, **subscription)


def join(
    key: int, *, topics: Sequence[str] = ("orders",), regex: str | None = None, instance_id: str | None = INST
) -> Send:
    return full(key, 0, owned={}, topics=topics, regex=regex, instance_id=instance_id, timeout=30.0)


def rejoin(key: int, *, topics: Sequence[str] = ("orders",)) -> Send:
    """A join with epoch -2 directly ahead of it: by a static member that the coordinator may know."""
    return join(key, topics=topics).evolve(ahead=leave(0, -2).request)


def leave(key: int, epoch: int, instance_id: str | None = INST) -> Send:
    return _send(key, epoch, None, 30.0, instance_id)


def _send(key: int, epoch: int, owned: Ids | None, timeout: float, instance_id: str | None, **fields: object) -> Send:
    partitions = None
    if owned is not None:
        partitions = [
            ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=topic_id, partitions=numbers)
            for topic_id, numbers in owned.items()
        ]
    request = ConsumerGroupHeartbeatRequest(
        group_id=GROUP,
        member_id=MID,
        member_epoch=epoch,
        instance_id=instance_id,
        topic_partitions=partitions,
        **fields,  # pyright: ignore[reportArgumentType]
    )
    return Send(request, key, timeout)


# ── what is answered ───────────────────────────────────────────────────────────────────────────────────────────


def well(epoch: int = 4, assignment: Ids | None = None, *, interval_ms: int = 5000) -> ConsumerGroupHeartbeatResponse:
    """A good answer; without an assignment the one before holds."""
    told = None
    if assignment is not None:
        told = Assignment(
            topic_partitions=[
                ConsumerGroupHeartbeatResponseTopicPartitions(topic_id=topic_id, partitions=numbers)
                for topic_id, numbers in assignment.items()
            ]
        )
    return ConsumerGroupHeartbeatResponse(
        member_id=MID, member_epoch=epoch, heartbeat_interval_ms=interval_ms, assignment=told
    )


def refused(code: int, message: str | None = None) -> ConsumerGroupHeartbeatResponse:
    return ConsumerGroupHeartbeatResponse(error_code=code, error_message=message)


def gone(epoch: int) -> ConsumerGroupHeartbeatResponse:
    """The answer to one who left."""
    return ConsumerGroupHeartbeatResponse(member_id=MID, member_epoch=epoch)


def snapshot(**topics: bytes) -> ClusterSnapshot:
    """The cluster with these topics and their ids."""
    return ClusterSnapshot(topics={name: TopicInfo(name, topic_id, {}) for name, topic_id in topics.items()})


# ── members in every state ─────────────────────────────────────────────────────────────────────────────────────


def idle(
    settings: ConsumerSettings = STATIC, topics: Sequence[str] = ("orders",), pattern: str | None = None
) -> ConsumerMember:
    member = ConsumerMember(settings, frozenset(topics), pattern)
    member.handle(MetadataChanged(snapshot(orders=ORDERS)), 0.0)
    return member


def finding(settings: ConsumerSettings = STATIC) -> ConsumerMember:
    """Started at 0.0."""
    member = idle(settings)
    member.handle(Started(), 0.0)
    return member


def joining(settings: ConsumerSettings = STATIC) -> ConsumerMember:
    """Its join 1 was sent at 0.0."""
    member = finding(settings)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    return member


def saving() -> ConsumerMember:
    """Asked at 0.0 for its member id to be made durable."""
    return joining(STATIC.evolve(persistent=True))


def assigning(settings: ConsumerSettings = STATIC) -> ConsumerMember:
    """Owns MINE since 0.1, in epoch 4; on_partitions_assigned runs."""
    member = joining(settings)
    member.handle(Answered(1, well(4, HALF)), 0.1)
    return member


def stable(settings: ConsumerSettings = STATIC) -> ConsumerMember:
    """Owns MINE; acknowledged it by heartbeat 2 at 0.2, which was answered at 0.3; the next one is due at 5.3."""
    member = assigning(settings)
    member.handle(AssignFinished(), 0.2)
    member.handle(Answered(2, well()), 0.3)
    return member


def empty_handed() -> ConsumerMember:
    """Joined at 0.0 and was given nothing yet."""
    member = joining()
    member.handle(Answered(1, well(4, {})), 0.0)
    return member


def beat_again(member: ConsumerMember) -> None:
    """Let a stable member send heartbeat 3, at 5.3."""
    assert done(member.handle(TimerFired(), 5.3))[0].key == 3  # type: ignore[union-attr]


def told(
    response: ConsumerGroupHeartbeatResponse, settings: ConsumerSettings = STATIC
) -> tuple[ConsumerMember, list[Action]]:
    """A stable member whose heartbeat 3 is answered so at 5.4, and what it does then."""
    member = stable(settings)
    beat_again(member)
    return member, member.handle(Answered(3, response), 5.4)


def revoking() -> ConsumerMember:
    """Told at 5.4 to own O0 only; O1 is revoked until 35.4."""
    return told(well(4, {ORDERS: [0]}))[0]


def losing(code: int = 25) -> ConsumerMember:
    """Told at 5.4, by heartbeat 3, that it is no member."""
    return told(refused(code))[0]


def paused(settings: ConsumerSettings = STATIC) -> ConsumerMember:
    """Unsubscribed at 1.0; gave its partitions up and left for now by heartbeat 3, at 1.1."""
    member = stable(settings)
    member.handle(SubscriptionChanged(frozenset()), 1.0)
    member.handle(RevokeFinished(), 1.1)
    return member


def waiting() -> ConsumerMember:
    """Told at 0.1 that the coordinator loads; joins again at 0.2."""
    member = joining()
    member.handle(Answered(1, refused(14)), 0.1)
    return member


def probing() -> ConsumerMember:
    """A dynamic one whose join 1 was not answered; told at 0.1 that it is known, it leaves, by heartbeat 3."""
    member = joining(DYNAMIC)
    member.handle(RequestFailed(1, LOST), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    member.handle(Answered(2, refused(110)), 0.1)
    return member


def leaving() -> ConsumerMember:
    """Closed at 1.0; left for now by heartbeat 3, at 1.1."""
    member = stable()
    member.handle(CloseRequested(leave=False), 1.0)
    member.handle(RevokeFinished(), 1.1)
    return member


def failed() -> ConsumerMember:
    """Fenced at 5.4 by heartbeat 3."""
    return losing(82)


def stopped() -> ConsumerMember:
    """Closed at 0.0 without having started."""
    member = idle()
    assert member.handle(CloseRequested(leave=False), 0.0)[-1] == Stop()
    return member


EVERYWHERE = {
    State.IDLE: idle,
    State.FINDING: finding,
    State.SAVING: saving,
    State.JOINING: joining,
    State.PROBING: probing,
    State.WAITING: waiting,
    State.STABLE: stable,
    State.ASSIGNING: assigning,
    State.REVOKING: revoking,
    State.LOSING: losing,
    State.PAUSED: paused,
    State.LEAVING: leaving,
    State.STOPPED: stopped,
    State.FAILED: failed,
}
"""How to make a member in each state."""
