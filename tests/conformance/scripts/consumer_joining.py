"""Consumer groups (KIP-848): members join and leave, and what heartbeats with which epoch are answered."""

from __future__ import annotations

from tests.conformance.consumer_member import ConsumerMember, joined, stable, topic_of
from tests.conformance.session import SHORT, Session, consumer_scenario, on, scenario


@on("3.9")
@scenario
async def consumer_groups_are_switched_off(s: Session) -> None:
    """3.9 knows the requests by default too, and refuses them."""
    a = ConsumerMember(s, "a", topics=["t"], instance_id="a")
    await a.join()
    await a.heartbeat()
    await a.step_out()
    await s.send("admin", "ConsumerGroupDescribe", 0, group_ids=[s.group])


@consumer_scenario
async def consumer_group_begins(s: Session) -> None:
    topic = await topic_of(s, partitions=2)
    a = ConsumerMember(s, "a", topics=[topic])
    await a.join()
    await a.heartbeat()
    await a.acknowledge()
    await s.send("admin", "ConsumerGroupDescribe", 0, group_ids=[s.group])


@consumer_scenario
async def consumer_member_ids(s: Session) -> None:
    """Version 0 gives one to who has none, version 1 insists that the member brings it."""
    topic = await topic_of(s)
    for version in (0, 1):
        group = f"{s.group}-{version}"
        a = ConsumerMember(s, "a", topics=[topic], group=group)
        await a.join("no member id", version, member_id="")
        await a.heartbeat("", version)
        await a.join("an id of its own", version, member_id="mine")
        b = ConsumerMember(s, "b", topics=[topic], instance_id="b", group=group)
        await b.join("no member id, static", version, member_id="")
        await b.heartbeat("no member id, and an epoch", version, member_id="", member_epoch=1)
        await b.heartbeat("no member id, leaves", version, member_id="", member_epoch=-1)


@on("4.4")
@scenario
async def consumer_group_is_described_at_every_version(s: Session) -> None:
    """Version 1 tells which protocol a member speaks."""
    topic = await topic_of(s)
    await joined(ConsumerMember(s, "a", topics=[topic], instance_id="a"))
    for version in (0, 1):
        await s.send("admin", "ConsumerGroupDescribe", version, group_ids=[s.group])


@consumer_scenario
async def consumer_joins_that_are_refused(s: Session) -> None:
    """Each for something that is missing or wrong; nothing comes into being."""
    topic = await topic_of(s)
    a = ConsumerMember(s, "a", topics=[topic])
    await a.join("no group", group_id="")
    await a.join("a group of blanks", group_id="  ")
    await a.join("an empty instance id", instance_id="")
    await a.join("an empty rack", rack_id="")
    await a.join("no rebalance timeout", rebalance_timeout_ms=-1)
    await a.join("nothing is said of what it owns", topic_partitions=None)
    await a.join("it owns something", topic_partitions=[{"topic_id": s.unknown_id, "partitions": [0]}])
    await a.join("nothing is said of topics", subscribed_topic_names=None)
    await a.join("an assignor that nobody has", server_assignor="magic")
    await a.join("an assignor without a name", server_assignor="")
    await a.join("an epoch below -2", member_epoch=-3)
    await a.heartbeat("an epoch in a group that is not there", member_epoch=1)
    await a.leave("a group that is not there")
    await a.step_out("a dynamic one")
    await ConsumerMember(s, "b", instance_id="b").step_out("a static one, a group that is not there")
    await s.send("admin", "ConsumerGroupDescribe", 0, "not there", group_ids=[s.group])
    await s.send("admin", "ConsumerGroupDescribe", 0, "no id", group_ids=[""])


@consumer_scenario
async def consumer_joins_with_little(s: Session) -> None:
    """No topics, topics that are not there, ids and assignors of every kind."""
    topic = await topic_of(s, partitions=2)
    for number, (what, fields) in enumerate(
        {
            "no topics": {"subscribed_topic_names": []},
            "a topic that is not there": {"subscribed_topic_names": [f"{s.group}.nowhere"]},
            "a topic twice": {"subscribed_topic_names": [topic, topic]},
            "an odd instance id": {"instance_id": "../a b\n"},
            "an odd member id": {"member_id": "a b"},
            "range": {"server_assignor": "range"},
            "uniform": {"server_assignor": "uniform"},
            "a rack": {"rack_id": "r1"},
        }.items()
    ):
        a = ConsumerMember(s, "a", topics=[topic], group=f"{s.group}-{number}")
        await a.join(what, **fields)
        await a.acknowledge(instance_id=fields.get("instance_id"))
        await s.send("admin", "ConsumerGroupDescribe", 0, group_ids=[a.group])


@consumer_scenario
async def consumer_heartbeats_with_each_epoch(s: Session) -> None:
    """Of a dynamic member of a stable group, which holds epoch 3 (2 on 3.9), and one that is not a member."""
    topic = await topic_of(s, partitions=2)
    a, b = ConsumerMember(s, "a", topics=[topic]), ConsumerMember(s, "b", topics=[topic])
    await joined(a, b)
    epoch, owned = a.epoch, a.assigned
    await a.heartbeat("its own")
    await a.heartbeat("ahead", member_epoch=epoch + 1)
    await a.heartbeat("the one before, nothing said of what it owns", member_epoch=epoch - 1)
    await a.heartbeat("the one before, with what it owns", member_epoch=epoch - 1, topic_partitions=owned)
    await a.heartbeat("the one before, with nothing", member_epoch=epoch - 1, topic_partitions=[])
    await a.heartbeat("the one before, with the other's", member_epoch=epoch - 1, topic_partitions=b.assigned)
    await a.heartbeat("the one before that", member_epoch=epoch - 2, topic_partitions=owned)
    await a.heartbeat("unknown member", member_id="nobody")
    await a.heartbeat("unknown member leaves", member_id="nobody", member_epoch=-1)
    await a.heartbeat("an instance id that it did not join with", instance_id="x", member_epoch=epoch)
    await a.heartbeat("owns what the other owns", topic_partitions=b.assigned, member_epoch=epoch)
    await a.heartbeat("below -2", member_epoch=-3)
    await a.step_out("a dynamic one")
    await a.heartbeat("after all that", member_epoch=epoch)
    await a.join("again, dynamic")
    await a.acknowledge()
    await s.send("admin", "ConsumerGroupDescribe", 0, group_ids=[s.group])


@consumer_scenario
async def consumer_static_heartbeats_with_each_epoch(s: Session) -> None:
    """The same of a static member."""
    topic = await topic_of(s, partitions=2)
    a, b = (ConsumerMember(s, name, topics=[topic], instance_id=name) for name in "ab")
    await joined(a, b)
    epoch, owned = a.epoch, a.assigned
    await a.heartbeat("its own")
    await a.heartbeat("without the instance id", instance_id=None)
    await a.heartbeat("with an empty one", instance_id="")
    await a.heartbeat("with the other's", instance_id="b")
    await a.heartbeat("with one that is unknown", instance_id="x")
    await a.heartbeat("ahead", member_epoch=epoch + 1)
    await a.heartbeat("the one before, with what it owns", member_epoch=epoch - 1, topic_partitions=owned)
    await a.heartbeat("the one before, with the other's", member_epoch=epoch - 1, topic_partitions=b.assigned)
    await a.heartbeat("the one before that", member_epoch=epoch - 2, topic_partitions=owned)
    await a.heartbeat("below -2", member_epoch=-3)
    await a.step_out("without the instance id", instance_id=None)
    await a.heartbeat("after all that", member_epoch=epoch)
    await b.heartbeat()


@consumer_scenario
async def consumer_joins_again_when_an_answer_was_lost(s: Session) -> None:
    """The answer to the join, and one that told of a new epoch: the same request again, dynamic and static."""
    topic = await topic_of(s, partitions=2)
    for instance_id in (None, "a"):
        group = f"{s.group}-{instance_id}"
        a = ConsumerMember(s, "a", topics=[topic], instance_id=instance_id, group=group)
        await a.join()
        await a.join("again")
        b = ConsumerMember(s, "b", topics=[topic], group=group)
        await b.join("the other")
        before = a.epoch
        await a.heartbeat("told to give one up")
        await a.acknowledge("gives it up")
        await a.acknowledge("again, with the epoch before", member_epoch=before)
        await b.heartbeat("the other")
        await stable(a, b)
        await a.join("again, the epoch has moved", member_id=a.member_id)
        await b.heartbeat("the other")


@consumer_scenario
async def consumer_members_leave(s: Session) -> None:
    """-1 removes at once and for good, a static one too; the others' partitions come without waiting."""
    topic = await topic_of(s, partitions=2)
    a, b = ConsumerMember(s, "a", topics=[topic]), ConsumerMember(s, "b", topics=[topic], instance_id="b")
    await joined(a, b)
    old = b.epoch
    await b.leave()
    await b.heartbeat("has left", member_epoch=old)
    await b.leave("again")
    await b.heartbeat("has left, without the instance id", member_epoch=old, instance_id=None)
    await a.heartbeat()
    await a.acknowledge()
    await b.join("returns with the id that it had")
    await stable(a, b)
    await b.leave("without the instance id", instance_id=None)
    await a.leave()
    await a.leave("again")
    await s.send("admin", "ConsumerGroupDescribe", 0, "empty", group_ids=[s.group])
    await s.send("admin", "ListGroups", 5, then=s.own_groups)
    await a.restarted().join("into the empty group")


@consumer_scenario
async def consumer_group_that_is_full(s: Session) -> None:
    """One more is refused; a static member that stepped out comes back into its place on 4.4."""
    topic = await topic_of(s, partitions=4)
    members = [ConsumerMember(s, name, topics=[topic], instance_id=name) for name in "abcd"]
    await joined(*members)
    e, d = ConsumerMember(s, "e", topics=[topic], instance_id="e"), members[-1]
    await e.join("one too many")
    await ConsumerMember(s, "f", topics=[topic]).join("one too many, dynamic")
    await d.join("the same again")
    await d.step_out()
    await e.join("one too many still")
    await d.restarted().join("returns with a new member id")
    await d.step_out()
    await d.join("returns with the same member id")
    await d.leave()
    await e.join("now there is room")


@on(*SHORT)
@scenario
async def consumer_member_expires(s: Session) -> None:
    """A session that passes without a heartbeat: removed, and it may join again at once."""
    topic = await topic_of(s, partitions=2)
    a, b = ConsumerMember(s, "a", topics=[topic]), ConsumerMember(s, "b", topics=[topic])
    await joined(a, b)
    epoch = b.epoch
    for _ in range(3):
        await s.passed(3.0)
        await a.acknowledge().task
    await a.heartbeat()
    await b.heartbeat("has expired", member_epoch=epoch)
    await b.join("with the member id that it had")
    await s.send("admin", "ConsumerGroupDescribe", 0, group_ids=[s.group])
