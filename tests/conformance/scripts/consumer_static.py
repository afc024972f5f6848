"""Consumer groups (KIP-848): static members step out, return, crash, meet their twins and are removed."""

from __future__ import annotations

from tests.conformance.consumer_member import ConsumerMember, joined, stable, topic_of
from tests.conformance.session import SHORT, Session, consumer_scenario, on, scenario


async def two(
    s: Session, partitions: int = 4, assignor: str | None = None
) -> tuple[ConsumerMember, ConsumerMember, str]:
    """A stable group of two static members."""
    topic = await topic_of(s, partitions=partitions)
    a, b = (ConsumerMember(s, name, topics=[topic], instance_id=name, assignor=assignor) for name in "ab")
    await joined(a, b)
    return a, b, topic


async def show(s: Session, note: str = "") -> None:
    await s.send("admin", "ConsumerGroupDescribe", 0, note, group_ids=[s.group])


@consumer_scenario
async def consumer_static_restarts(s: Session) -> None:
    """-2, then epoch 0 with a new member id and with the same: the same partitions at once, and no new epoch."""
    a, b, _ = await two(s)
    await b.step_out()
    await a.heartbeat("hears nothing")
    await show(s, "b is away")
    await b.restarted().join("with a new member id")
    await b.acknowledge()
    await a.heartbeat("hears nothing")
    await b.step_out()
    await b.join("with the same member id")
    await b.acknowledge()
    await a.heartbeat("hears nothing")
    await show(s)


@consumer_scenario
async def consumer_static_is_away(s: Session) -> None:
    """What it, and others in its name, are answered between -2 and epoch 0."""
    a, b, _ = await two(s)
    epoch, old = b.epoch, b.member_id
    await b.step_out()
    await b.step_out("again")
    await b.heartbeat("with the epoch that it had", member_epoch=epoch)
    await b.acknowledge("with the epoch that it had, and what it owned", member_epoch=epoch)
    await b.heartbeat("with the epoch that it had, without the instance id", member_epoch=epoch, instance_id=None)
    await b.heartbeat("with epoch -3", member_epoch=-3)
    await b.step_out("in its name", member_id="b-9")
    await b.leave("in its name", member_id="b-9")
    await b.heartbeat("in its name, with its epoch", member_id="b-9", member_epoch=epoch)
    await b.restarted().join("comes back")
    await b.heartbeat("the one before", member_id=old, member_epoch=epoch)
    await b.step_out("the one before", member_id=old)
    await b.leave("the one before", member_id=old)
    await b.heartbeat()
    await a.heartbeat("hears nothing")


@on(*SHORT)
@scenario
async def consumer_static_stays_away(s: Session) -> None:
    """-2 does not begin a new session: the clock of the last heartbeat goes on, then the others get the partitions."""
    a, b, _ = await two(s)
    await s.passed(3.0)
    await a.acknowledge().task
    await b.step_out()
    await a.heartbeat("hears nothing")
    await s.passed(4.0)
    await a.heartbeat("after 7 of 6 seconds")
    await b.restarted().join()
    await a.heartbeat("is told to give half of it up")


@consumer_scenario
async def consumer_static_leaves_while_it_is_away(s: Session) -> None:
    """-1 after -2: removed for good."""
    a, b, _ = await two(s)
    await b.step_out()
    await b.leave()
    await a.heartbeat()
    await show(s)
    await b.step_out("gone")
    await b.join("comes back")


@consumer_scenario
async def consumer_static_returns_with_another_subscription(s: Session) -> None:
    """The group's epoch moves by one; what it had and wants no more goes with the new target."""
    a, b, topic = await two(s, assignor="range")
    other = await topic_of(s, "u", partitions=3)
    await b.step_out()
    b.restarted().topics = [topic, other]
    await b.join("more topics")
    await b.acknowledge()
    await a.heartbeat()
    await stable(a, b)
    await show(s)
    await b.step_out()
    b.restarted().topics = [other]
    await b.join("fewer topics")
    await b.acknowledge()
    await a.heartbeat()
    await stable(a, b)
    await show(s)


@consumer_scenario
async def consumer_dynamic_joins_while_a_static_is_away(s: Session) -> None:
    """The target counts the absentee in; what is to leave it waits for it, what leaves others does not."""
    a, b, topic = await two(s, partitions=6)
    await b.step_out()
    c = ConsumerMember(s, "c", topics=[topic])
    await c.join()
    await a.heartbeat()
    await a.acknowledge()
    await c.heartbeat()
    await show(s)
    await b.restarted().join("comes back")
    await b.acknowledge()
    await c.heartbeat()
    await stable(a, b, c)
    await show(s)


@on(*SHORT)
@scenario
async def consumer_dynamic_waits_for_a_static_that_stays_away(s: Session) -> None:
    """... until its session has passed."""
    a, b, topic = await two(s, partitions=2)
    await b.step_out()
    await a.leave()
    c = ConsumerMember(s, "c", topics=[topic])
    await c.join()
    for _ in range(3):
        await s.passed(2.5)
        await c.acknowledge().task
    await show(s)


@on(*SHORT)
@scenario
async def consumer_static_crashes(s: Session) -> None:
    """Without -2 its id stays taken, by a live one and by a dead one alike, until the session has passed."""
    a, b, _ = await two(s)
    old = b.member_id
    await b.restarted().join("while the old one lives")
    await b.heartbeat("the old one", member_id=old, member_epoch=a.epoch)
    await b.join("the old one, itself", member_id=old)
    for _ in range(3):
        await s.passed(2.5)
        await a.acknowledge().task
    await b.join("after the session")
    await b.heartbeat("the old one", member_id=old, member_epoch=a.epoch)
    await stable(a, b)
    await show(s)


@consumer_scenario
async def consumer_static_recovers_by_stepping_out_first(s: Session) -> None:
    """-2 as the dead self, then epoch 0, with the same member id or a new one: nobody waits."""
    a, b, _ = await two(s)
    await b.join("the same member id")
    await b.step_out("as the dead self")
    await b.join("the same member id, again")
    await b.acknowledge()
    old, new = b.member_id, "b-2"
    await b.join("a new member id", member_id=new)
    await b.step_out("as nobody that is known", member_id=new)
    await b.step_out("as the dead self", member_id=old)
    await b.join("a new member id, again", member_id=new)
    await b.acknowledge()
    await a.heartbeat("hears nothing")
    await show(s)


@consumer_scenario
async def consumer_static_after_an_epoch_that_was_fenced(s: Session) -> None:
    """110, then epoch 0 is 111 to a static member; -2 first is the way out."""
    a, b, _ = await two(s)
    await b.heartbeat("ahead", member_epoch=b.epoch + 5)
    await b.join()
    await b.step_out()
    await b.join("after -2")
    await b.acknowledge()
    await a.heartbeat("hears nothing")


@consumer_scenario
async def consumer_static_owner_is_probed(s: Session) -> None:
    """-2 with a member id of its own says who owns an instance id: 0 me, 82 another, 25 nobody."""
    a, b, _ = await two(s)
    await b.step_out("another's", member_id="b-9")
    await b.leave("another's", member_id="b-9")
    await b.step_out("nobody's", instance_id="x", member_id="b-9")
    await b.leave("nobody's", instance_id="x", member_id="b-9")
    await b.heartbeat("undisturbed")
    await b.step_out("mine")
    await b.join()
    await a.heartbeat("hears nothing")


@consumer_scenario
async def consumer_static_is_replaced(s: Session) -> None:
    """What the one before is answered once another member id has its instance id."""
    a, b, topic = await two(s)
    old, epoch = b.member_id, b.epoch
    await b.step_out()
    await b.restarted().join("the replacement")
    await b.heartbeat("the old one", member_id=old, member_epoch=epoch)
    await b.heartbeat("the old one, without the instance id", member_id=old, member_epoch=epoch, instance_id=None)
    await b.heartbeat("the old one, ahead", member_id=old, member_epoch=epoch + 1)
    await b.join("the old one joins", member_id=old)
    await b.step_out("the old one", member_id=old)
    await b.step_out("the old one, without the instance id", member_id=old, instance_id=None)
    await b.leave("the old one", member_id=old)
    await b.leave("the old one, without the instance id", member_id=old, instance_id=None)
    await b.commit(topic, 1, "the old one", member_id=old, epoch=epoch)
    await b.fetch_offset(topic, "the old one", member_id=old, epoch=epoch)
    await b.heartbeat("undisturbed")
    await a.heartbeat("hears nothing")


@consumer_scenario
async def consumer_static_is_removed_by_an_administrator(s: Session) -> None:
    """LeaveGroup by instance id, by member id, by both, as Kafka's administrators send it."""
    a, b, topic = await two(s)
    epoch = b.epoch

    async def remove(note: str, member_id: str, instance_id: str | None) -> None:
        one = {"member_id": member_id, "group_instance_id": instance_id, "reason": None}
        await s.send("admin", "LeaveGroup", 5, note, group_id=s.group, members=[one])

    await remove("the wrong member id", "b-9", "b")
    await remove("an unknown instance id", "", "x")
    await remove("an unknown member id", "b-9", None)
    await remove("by instance id", "", "b")
    await b.heartbeat("removed", member_epoch=epoch)
    await b.heartbeat("removed, without the instance id", member_epoch=epoch, instance_id=None)
    await b.step_out("removed")
    await b.commit(topic, 1, "removed", epoch=epoch)
    await a.heartbeat("gets the partitions")
    await b.join("again")
    await a.acknowledge()
    await remove("by member id", b.member_id, None)
    await b.restarted().join("again")
    await a.acknowledge()
    await remove("by both", b.member_id, "b")
    await b.acknowledge("removed")
    b.restarted()
    c = ConsumerMember(s, "c", topics=[topic], instance_id="b")
    await c.join("another takes the instance id")
    await b.heartbeat("82 beside another", member_id="b-3", member_epoch=epoch)
    await b.heartbeat("25 without the instance id", member_id="b-3", member_epoch=epoch, instance_id=None)
    await b.join("111 beside another")


@consumer_scenario
async def consumer_instance_ids_are_changed(s: Session) -> None:
    """A dynamic member that names an instance id later, a static one that is joined again as a dynamic one."""
    topic = await topic_of(s, partitions=2)
    a = ConsumerMember(s, "a", topics=[topic])
    await joined(a)
    await a.heartbeat("names an instance id", instance_id="a")
    await a.join("joins again with one", instance_id="a")
    await a.heartbeat()
    b = ConsumerMember(s, "b", topics=[topic], instance_id="b")
    await b.join()
    await stable(a, b)
    await b.join("joins again without it", instance_id=None)
    await b.heartbeat("without it", instance_id=None)
    await b.heartbeat("with it")
    await show(s)
