"""Cooperative members in the middle of a rebalance, and what is sent and answered then."""

from __future__ import annotations

from kafkastatic._group.member import (
    Answered,
    AssignFinished,
    CoordinatorFound,
    Revoke,
    Send,
    Started,
    TimerFired,
)
from kafkastatic._protocol.consumer_protocol import encode_subscription
from kafkastatic._protocol.messages.join_group import (
    JoinGroupRequestProtocol,
)
from kafkastatic.types import TopicPartition
from tests.group import machine
from tests.group.machine import (
    COOPERATIVE,
    MID,
    MINE,
    O0,
    O1,
    O2,
    VERSIONS,
    beat,
    beaten,
    done,
    idle,
    joined,
    synced,
    undescribed,
)

R0 = TopicPartition("refunds", 0)


def join(key: int, owned: frozenset[TopicPartition], *, generation: int = 4, reason: str, topics=("orders",)) -> Send:
    """A JoinGroup with the member id, that tells what the member owns."""
    sent = machine.join(key, MID, generation=generation, reason=reason, topics=topics)
    metadata = encode_subscription(topics, None, owned, generation, None)
    sent.request.protocols = [JoinGroupRequestProtocol(name="cooperative", metadata=metadata)]
    return sent


def sync(key: int, generation: int) -> Send:
    sent = machine.sync(key, generation=generation)
    sent.request.protocol_name = "cooperative"
    return sent


def answer(generation: int, **how: object):
    response = joined(generation=generation, **how)
    response.protocol_name = "cooperative"
    return response


def stable(owned: frozenset[TopicPartition] = MINE):
    """Owns partitions in generation 4 since 0.2, when it sent heartbeat 3; the next one is due at 0.25."""
    member = idle(COOPERATIVE)
    member.handle(Started(), 0.0)
    member.handle(CoordinatorFound(VERSIONS), 0.0)
    member.handle(Answered(1, answer(4)), 0.1)
    member.handle(Answered(2, synced(owned)), 0.2)
    member.handle(Answered(3, beaten()), 0.2)
    member.handle(Answered(4, undescribed()), 0.2)
    member.handle(AssignFinished(), 0.2)
    return member


def rejoining():
    """Told at 6.1, by heartbeat 5, that the group rebalances; its JoinGroup 6 was sent then."""
    member = stable()
    member.handle(TimerFired(), 6.0)
    member.handle(Answered(5, beaten(27)), 6.1)
    return member


def syncing():
    """In generation 5 since 6.2, when SyncGroup 7 was sent."""
    member = rejoining()
    member.handle(Answered(6, answer(5)), 6.2)
    return member


def owns_less():
    """Assigned O1 and O2 at 6.3, it gives O0 up; heartbeat 8 was sent."""
    member = syncing()
    assert done(member.handle(Answered(7, synced(frozenset({O1, O2}))), 6.3)) == [
        beat(8, generation=5),
        Revoke(frozenset({O0}), deadline=36.3),
    ]
    return member
