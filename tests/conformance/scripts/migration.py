"""Groups that go from the classic protocol to that of KIP-848 and back, with static members."""

from __future__ import annotations

from tests.conformance.consumer_member import ConsumerMember, joined, stable, topic_of
from tests.conformance.member import Member, group_of, joined_again
from tests.conformance.scripts.consumer_static import show
from tests.conformance.session import Session, consumer_scenario
from tests.support.raw_peer import assignment, subscription


def classic(s: Session, name: str, topic: str, instance_id: str | None = None) -> Member:
    return Member(s, name, instance_id=instance_id, protocols={"range": subscription([topic])})


async def assigned(s: Session, leader: Member, follower: Member, topic: str) -> None:
    """A Stable classic group of two, off the record, that shares four partitions."""
    await group_of(s, leader, follower)
    await joined_again(s, leader, follower)
    shares = {leader: assignment([(topic, 0), (topic, 1)]), follower: assignment([(topic, 2), (topic, 3)])}
    for sync in (leader.sync(assignments=shares), follower.sync()):
        assert (await sync.task).error_code == 0


async def seen(s: Session, note: str) -> None:
    await show(s, note)
    await s.send("admin", "DescribeGroups", 5, note, groups=[s.group])
    await s.send("admin", "ListGroups", 5, note, then=s.own_groups)


@consumer_scenario
async def classic_static_is_replaced_by_a_consumer(s: Session) -> None:
    """4.x lets it take the place and the partitions; 3.9 wants the classic member gone first."""
    topic = await topic_of(s, partitions=4)
    a, b = (classic(s, name, topic, name) for name in "ab")
    await assigned(s, a, b, topic)
    new = ConsumerMember(s, "b", topics=[topic], instance_id="b")
    await new.join("in the place of the classic one")
    await a.heartbeat(note="hears nothing")
    await b.heartbeat(note="the old one")
    await b.heartbeat(note="the old one, without the instance id", instance_id=None)
    await b.sync(note="the old one")
    await b.commit(topic, 1, note="the old one", partition=2)
    await b.join(note="the old one")
    await b.leave(note="the old one")
    await new.acknowledge()
    await seen(s, "both protocols")
    await a.commit(topic, 1, note="the other classic one")
    await new.commit(topic, 2, partition=2)


@consumer_scenario
async def classic_static_that_has_left_is_replaced_by_a_consumer(s: Session) -> None:
    """With its place free, either release lets the consumer in beside the classic members."""
    topic = await topic_of(s, partitions=4)
    a, b = (classic(s, name, topic, name) for name in "ab")
    await assigned(s, a, b, topic)
    await b.leave()
    await a.heartbeat()
    rejoin = await a.join().parked()
    await rejoin
    await a.sync(assignments={a: assignment([(topic, p) for p in range(4)])})
    new = ConsumerMember(s, "b", topics=[topic], instance_id="b")
    await new.join()
    await a.heartbeat(note="is told to rejoin")
    await a.join()
    await a.sync()
    await a.heartbeat()
    await new.heartbeat()
    await new.acknowledge()
    await seen(s, "both protocols")


@consumer_scenario
async def classic_group_becomes_a_consumer_group_one_by_one(s: Session) -> None:
    """Dynamic members: the last classic one leaves, and the group is what it became."""
    topic = await topic_of(s, partitions=4)
    a = classic(s, "a", topic)
    await a.join()
    await a.join()
    await a.sync(assignments={a: assignment([(topic, p) for p in range(4)])})
    b = ConsumerMember(s, "b", topics=[topic])
    await b.join("beside a classic member")
    await a.heartbeat(note="is told to rejoin")
    await a.commit(topic, 3, note="while it is to rejoin")
    await a.join(note="with all that it owns")
    await a.sync()
    await b.heartbeat()
    await a.heartbeat()
    await seen(s, "both protocols")
    await a.leave()
    await b.heartbeat()
    await b.acknowledge()
    await seen(s, "one protocol")


@consumer_scenario
async def classic_group_without_members_becomes_a_consumer_group(s: Session) -> None:
    """And the other way round: an empty group takes the type of who joins; the offsets stay."""
    topic = await topic_of(s, partitions=2)
    a = classic(s, "a", topic, "a")
    await group_of(s, a)
    await a.commit(topic, 3)
    await a.leave()
    b = ConsumerMember(s, "b", topics=[topic])
    await b.join()
    await b.fetch_offset(topic)
    await seen(s, "a consumer group")
    await b.leave()
    await a.join(member_id="")
    await a.sync(assignments={a: assignment([(topic, 0)])})
    await a.heartbeat()
    await s.send("admin", "OffsetFetch", 7, group_id=s.group, topics=[{"name": topic, "partition_indexes": [0]}])
    await seen(s, "a classic group")


@consumer_scenario
async def classic_group_that_rebalances_meets_a_consumer(s: Session) -> None:
    """A consumer joins while a classic member is parked in its join."""
    topic = f"{s.group}.nowhere"  # who would get which partition hangs on member ids, which are chance
    a, b = (classic(s, name, topic, name) for name in "ab")
    await group_of(s, a)
    parked = await b.join().parked()
    new = ConsumerMember(s, "c", topics=[topic])
    await new.join()
    await parked
    await a.heartbeat()
    await s.send("admin", "ListGroups", 5, then=s.own_groups)


@consumer_scenario
async def classic_group_without_owned_partitions_meets_a_consumer(s: Session) -> None:
    """Metadata that cannot be read, another type and other protocols: no way to go over."""
    topic = await topic_of(s, partitions=2)
    a = Member(s, "a", instance_id="a", protocols={"range": b"\x00"}, group=f"{s.group}-unreadable")
    await a.join()
    await a.sync(assignments={a: assignment([(topic, 0)])})
    await ConsumerMember(s, "b", topics=[topic], group=a.group).join("metadata that cannot be read")
    c = Member(s, "c", instance_id="c", group=f"{s.group}-connect")
    await c.join(protocol_type="connect", protocols={"x": b""})
    await c.sync(protocol_type="connect", protocol_name="x")
    await ConsumerMember(s, "b", topics=[topic], group=c.group).join("another type")


@consumer_scenario
async def consumer_static_is_replaced_by_a_classic_one(s: Session) -> None:
    """The way back: the consumer that is replaced is the last, and the group turns classic with its partitions kept."""
    topic = await topic_of(s, partitions=4)
    new = ConsumerMember(s, "a", topics=[topic], instance_id="a")
    await joined(new)
    old = classic(s, "a", topic, "a")
    await old.join(note="in the place of the consumer")
    await old.sync()
    await old.heartbeat()
    await new.heartbeat("the consumer")
    await new.step_out("the consumer")
    await new.commit(topic, 1, "the consumer")
    await new.fetch_offset(topic, "the consumer")
    await seen(s, "classic")
    await old.commit(topic, 2)


@consumer_scenario
async def consumer_static_beside_another_is_replaced_by_a_classic_one(s: Session) -> None:
    """One consumer is left: the group stays a consumer group, and the classic member is served its assignment."""
    topic = await topic_of(s, partitions=4)
    a, b = (ConsumerMember(s, name, topics=[topic], instance_id=name) for name in "ab")
    await joined(a, b)
    old = classic(s, "b", topic, "b")
    await old.join(note="in the place of the consumer")
    await old.sync()
    await old.heartbeat()
    await a.heartbeat("hears nothing")
    await b.heartbeat("the one that was replaced")
    await b.commit(topic, 1, "the one that was replaced", partition=2)
    await old.commit(topic, 2, partition=2)
    await old.heartbeat(note="wrong generation", generation=1)
    await old.heartbeat(note="wrong instance id", instance_id="x")
    await old.heartbeat(note="without the instance id", instance_id=None)
    await old.sync(note="wrong generation", generation=1)
    await old.commit(topic, 3, note="wrong generation", partition=2, generation=1)
    await old.join(note="again")
    await old.sync()
    await seen(s, "both protocols")
    await old.join(note="restarts", member_id="")
    await old.sync()
    await old.leave()
    await a.heartbeat()
    await stable(a)
    await seen(s, "one protocol")


@consumer_scenario
async def consumer_owner_is_taken_back_by_a_naive_classic_member(s: Session) -> None:
    """What a classic member does that answers 25 to a commit with a join of its own: the group is classic again."""
    topic = await topic_of(s, partitions=4)
    a, b = (classic(s, name, topic, name) for name in "ab")
    await assigned(s, a, b, topic)
    await b.leave()
    await a.leave()
    await s.until(s.group, members=0)
    new = ConsumerMember(s, "a", topics=[topic], instance_id="a")
    await joined(new)
    await a.commit(topic, 1, note="the old one")
    await a.heartbeat(note="the old one")
    await a.join(note="the old one, as somebody new", member_id="")
    await a.sync()
    await new.heartbeat("the consumer")
    await new.acknowledge("the consumer")
    await seen(s, "classic")
