"""Consumer groups (KIP-848): partitions move from member to member, topics come, grow and go, patterns match."""

from __future__ import annotations

from tests.conformance.consumer_member import ConsumerMember, joined, stable, topic_of
from tests.conformance.scripts.consumer_static import show
from tests.conformance.session import Session, consumer_scenario, disturbing, on, scenario


@consumer_scenario
async def consumer_reconciliation_of_two(s: Session) -> None:
    """The newcomer waits for what the other has not said to have given up."""
    topic = await topic_of(s, partitions=4)
    a, b = ConsumerMember(s, "a", topics=[topic]), ConsumerMember(s, "b", topics=[topic])
    await joined(a)
    held = a.assigned
    await b.join()
    await a.heartbeat("is told to give up")
    await b.heartbeat("waits")
    await a.heartbeat("still owns everything, and says so", topic_partitions=held)
    await b.heartbeat("waits still")
    await s.send("admin", "ConsumerGroupDescribe", 0, "a revokes", group_ids=[s.group])
    await a.acknowledge("has given up")
    await b.heartbeat("gets them")
    await a.heartbeat()
    await b.acknowledge()
    await show(s)


@consumer_scenario
async def consumer_reconciliation_of_three(s: Session) -> None:
    """Two give up to a third, one of them late; what the first gives up does not wait for the second."""
    topic = await topic_of(s, partitions=6)
    a, b, c = (ConsumerMember(s, name, topics=[topic], instance_id=name) for name in "abc")
    await joined(a, b)
    await c.join()
    await a.heartbeat("is told to give up")
    await b.heartbeat("is told to give up")
    await a.acknowledge("has given up")
    await c.heartbeat("gets some")
    await c.acknowledge()
    await show(s, "b is late")
    await b.acknowledge("has given up")
    await c.heartbeat("gets the rest")
    await c.acknowledge()
    await show(s)


@consumer_scenario
async def consumer_target_changes_while_members_give_up(s: Session) -> None:
    """A third joins, and the second leaves, before the first has given anything up."""
    topic = await topic_of(s, partitions=6)
    a, b, c = (ConsumerMember(s, name, topics=[topic]) for name in "abc")
    await joined(a)
    await b.join()
    await a.heartbeat("is told to give up")
    await c.join()
    await a.heartbeat("has not given up yet")
    await a.acknowledge("has given up what it was told first")
    await b.heartbeat()
    await a.heartbeat()
    await a.acknowledge()
    await b.leave()
    await c.heartbeat()
    await a.heartbeat()
    await stable(a, c)
    await show(s)


@consumer_scenario
async def consumer_gives_up_too_late(s: Session) -> None:
    """Heartbeats go on, but the partitions are not given up within the rebalance timeout: removed."""
    topic = await topic_of(s, partitions=2)
    a = ConsumerMember(s, "a", topics=[topic], instance_id="a", rebalance_timeout_ms=2_000)
    await joined(a)
    held = a.assigned
    b = ConsumerMember(s, "b", topics=[topic])
    await b.join()
    await a.heartbeat("is told to give up")
    for _ in range(3):
        await s.passed(1.5)
        await a.heartbeat(topic_partitions=held).task
        await b.acknowledge().task
    await a.heartbeat("removed")
    await b.heartbeat()
    await a.join("comes back")
    await show(s)


@consumer_scenario
async def consumer_assignors(s: Session) -> None:
    """Among three members by each; the one that most ask for; changed while the group goes on."""
    for assignor, sizes in (("uniform", [8]), ("range", [3, 5])):  # uniform deals topics in the order of their ids
        group = f"{s.group}-{assignor}"
        topics = [await topic_of(s, f"{assignor}{size}", partitions=size) for size in sizes]
        members = [ConsumerMember(s, name, topics=topics, assignor=assignor, group=group) for name in "abc"]
        await joined(*members)
        await s.send("admin", "ConsumerGroupDescribe", 0, assignor, group_ids=[group])
    a, b, c = members
    await a.heartbeat("prefers another", server_assignor="uniform")
    await s.send("admin", "ConsumerGroupDescribe", 0, "one of three", group_ids=[a.group])
    await b.heartbeat("prefers another", server_assignor="uniform")
    await a.leave()
    await b.leave()
    await stable(c)
    await s.send("admin", "ConsumerGroupDescribe", 0, "the others have left", group_ids=[a.group])
    await c.heartbeat("unknown", server_assignor="magic")


@consumer_scenario
async def consumer_subscriptions_differ(s: Session) -> None:
    """Members with different topics; one that changes them by a heartbeat."""
    t, u = await topic_of(s, "t", partitions=3), await topic_of(s, "u", partitions=4)
    a, b = ConsumerMember(s, "a", topics=[t]), ConsumerMember(s, "b", topics=[t, u])
    await joined(a, b)
    await show(s, "a wants one topic, b both")
    await a.heartbeat("wants the other", subscribed_topic_names=[u])
    await stable(a, b)
    await show(s, "a wants the other")
    await a.heartbeat("the same again", subscribed_topic_names=[u])
    await a.heartbeat("wants nothing", subscribed_topic_names=[])
    await stable(a, b)
    await show(s, "a wants nothing")


@consumer_scenario
async def consumer_topics_grow(s: Session) -> None:
    """More partitions, and a topic that was waited for: the members are told by a heartbeat."""
    topic, coming = await topic_of(s, partitions=2), f"{s.group}.u"
    a = ConsumerMember(s, "a", topics=[topic, coming])
    await joined(a)
    epoch = a.epoch
    await s.peer("setup").create_partitions(topic, 4)
    await s.eventually(lambda: a.acknowledge().task, lambda answer: answer.member_epoch > epoch)
    await stable(a)
    await show(s, "four partitions")
    epoch = a.epoch
    await topic_of(s, "u", partitions=3)
    await s.eventually(lambda: a.acknowledge().task, lambda answer: answer.member_epoch > epoch)
    await stable(a)
    await show(s, "the other topic is there")


@disturbing
@consumer_scenario
async def consumer_topics_are_deleted(s: Session) -> None:
    """The members are told by a heartbeat; the offsets go, and a commit is refused."""
    t, u = await topic_of(s, "t", partitions=3), await topic_of(s, "u", partitions=2)
    a = ConsumerMember(s, "a", topics=[t, u])
    await joined(a)
    await a.commit(u, 5)
    epoch = a.epoch
    await s.gone(u)
    await s.eventually(lambda: a.acknowledge().task, lambda answer: answer.member_epoch > epoch)
    await stable(a)
    await show(s)
    await a.commit(u, 6, "the topic is gone")
    await a.fetch_offset(u, "the topic is gone")
    await s.gone(t)
    epoch = a.epoch
    await s.eventually(lambda: a.acknowledge().task, lambda answer: answer.member_epoch > epoch)
    await stable(a)
    await show(s, "no topic is left")


@on("4.4")
@scenario
async def consumer_patterns(s: Session) -> None:
    """What a pattern matches is found out by the broker, in the background: good, bad, matching nothing, changed."""
    t, _ = await topic_of(s, "t", partitions=2), await topic_of(s, "u", partitions=3)
    prefix = s.group
    a = ConsumerMember(s, "a", pattern=f"{prefix}\\.[tu]")
    await a.join("bad", subscribed_topic_regex="(")
    await a.join("empty", subscribed_topic_regex="")
    await a.join("neither", subscribed_topic_regex=None)
    await a.join("both topics").task
    await s.eventually(lambda: a.acknowledge().task, lambda _: len(a.assigned) == 2)
    await stable(a)
    await show(s, "both topics")
    await a.heartbeat("the same again", subscribed_topic_regex=a.pattern)
    await a.heartbeat("bad", subscribed_topic_regex="[")
    await a.heartbeat(subscribed_topic_regex=f"{prefix}\\.t").task
    await s.eventually(lambda: a.acknowledge().task, lambda _: len(a.assigned) == 1)
    await stable(a)
    await show(s, "one topic")
    await a.heartbeat(subscribed_topic_regex=f"{prefix}\\.nothing").task
    await s.eventually(lambda: a.acknowledge().task, lambda _: not a.assigned)
    await stable(a)
    await show(s, "nothing")
    await a.heartbeat("the whole name counts", subscribed_topic_regex=prefix)
    await a.heartbeat(subscribed_topic_regex="", subscribed_topic_names=[t]).task
    await s.eventually(lambda: a.acknowledge().task, lambda _: len(a.assigned) == 1)
    await stable(a)
    await show(s, "a name, and no pattern")
    await a.heartbeat(subscribed_topic_regex=f"{prefix}\\.u").task
    await s.eventually(lambda: a.acknowledge().task, lambda _: len(a.assigned) == 2)
    await stable(a)
    await show(s, "a name and a pattern")


@on("4.4")
@scenario
async def consumer_patterns_of_two_members(s: Session) -> None:
    """Members of one pattern share what it matches, others do not."""
    await topic_of(s, "t", partitions=4)
    await topic_of(s, "u", partitions=3)
    first, second = f"{s.group}\\.t", f"{s.group}\\..*"
    a, b = ConsumerMember(s, "a", pattern=first, instance_id="a"), ConsumerMember(s, "b", pattern=second)
    await a.join().task
    await s.eventually(lambda: a.acknowledge().task, lambda _: len(a.assigned) == 1)
    await b.join().task

    async def beaten() -> None:
        await a.acknowledge().task
        await b.acknowledge().task

    await s.eventually(beaten, lambda _: any(len(one["partitions"]) == 3 for one in b.assigned))
    await stable(a, b)
    await show(s)
    await a.step_out()
    await a.restarted().join("comes back with its pattern")
    await a.acknowledge()
    await b.heartbeat("hears nothing")


@on("4.4-interval")
@scenario
async def consumer_assignment_interval(s: Session) -> None:
    """4.4 computes a target no sooner than an interval after the last one; who joins meanwhile has nothing yet."""
    topic = await topic_of(s, partitions=2)
    a, b = ConsumerMember(s, "a", topics=[topic]), ConsumerMember(s, "b", topics=[topic])
    await a.join("the first")
    await b.join("within the interval")
    await show(s, "Assigning")
    await a.heartbeat()
    await s.passed(3.0)
    await b.heartbeat("after it")
    await a.heartbeat("is told to give up")
    await a.acknowledge()
    await b.heartbeat()
    await show(s)
