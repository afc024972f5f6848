"""Committed offsets: who may commit what, and what is read back."""

from __future__ import annotations

from typing import Any

from tests.conformance.member import Member, group_of
from tests.conformance.session import Call, Session, disturbing, scenario
from tests.support.raw_peer import subscription

NOBODY: dict[str, Any] = {"generation": -1, "member_id": "", "instance_id": None}


def fetched(s: Session, version: int, note: str = "", *, group: str | None = None, topics: Any = None) -> Call:
    """OffsetFetch for one group, in the form that the version has; topics=None asks for all."""
    wanted = None if topics is None else [{"name": n, "partition_indexes": p} for n, p in topics.items()]
    one = {"group_id": group or s.group, "topics": wanted}
    return s.send("reader", "OffsetFetch", version, note, **one, groups=[one], require_stable=False)


@scenario
async def commit_without_a_group(s: Session) -> None:
    """A simple consumer's commits make an empty group; a generation that nobody gave is refused."""
    topic = await s.topic(partitions=2)
    a = Member(s, "a")
    for version in range(2, 10):
        await a.commit(topic, version, version, **NOBODY, metadata=f"by version {version}")
        await fetched(s, 7, topics={topic: [0, 1]})
    await a.commit(topic, 3, note="of a generation", generation=1, member_id="a", instance_id=None)
    await a.commit(topic, 3, note="as an instance", generation=-1, member_id="", instance_id="a")
    other = Member(s, "a", group=f"{s.group}-of-nobody")
    await other.commit(topic, 3, note="of a generation", generation=1, member_id="a")
    await other.commit(topic, 3, note="of a generation, at version 5", version=5, generation=1, member_id="a")
    await s.send("admin", "DescribeGroups", 5, groups=[s.group, other.group])
    await s.send("admin", "DescribeGroups", 6, groups=[s.group, other.group])


@scenario
async def commit_to_what_is_not_there(s: Session) -> None:
    """Unknown topics and partitions have errors of their own, and so has metadata that is too long."""
    topic = await s.topic()
    a = Member(s, "a", instance_id="a")
    await group_of(s, a)
    await a.commit("no-such-topic")
    await a.commit(topic, partition=1)
    await a.commit(topic, partition=-1)
    await a.commit(topic, note="4097 bytes of metadata", metadata="x" * 4097)
    await a.commit(topic, note="4096 bytes of metadata", metadata="x" * 4096)
    await a.commit(topic, note="no metadata", metadata=None)
    await a.commit(topic, -1, note="a negative offset")
    one = {"committed_offset": 1, "committed_leader_epoch": 3, "committed_metadata": "m"}
    many = [
        {"name": topic, "partitions": [one | {"partition_index": 0}, one | {"partition_index": 1}]},
        {"name": "no-such-topic", "partitions": [one | {"partition_index": 0}]},
    ]
    identity = {"generation_id_or_member_epoch": 1, "member_id": a.member_id, "group_instance_id": "a"}
    await s.send("a", "OffsetCommit", 8, "several", group_id=s.group, topics=many, **identity)
    await s.send("a", "OffsetCommit", 8, "nothing", group_id=s.group, topics=[], **identity)
    await fetched(s, 7, topics={topic: [0, 1], "no-such-topic": [0]})


@scenario
async def commit_without_a_group_to_what_is_not_there(s: Session) -> None:
    a = Member(s, "a")
    await a.commit("no-such-topic", **NOBODY)
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])


@scenario
async def committed_offsets_at_every_version(s: Session) -> None:
    """What was never committed is -1, without an error; from version 2 all topics can be asked for."""
    topic, other = await s.topic(partitions=2), await s.topic("u")
    a = Member(s, "a")
    await a.commit(topic, 11, metadata="eleven", **NOBODY)
    for version in range(1, 10):
        await fetched(s, version, topics={topic: [0, 1], other: [0], "no-such-topic": [0]})
        if version >= 2:
            await fetched(s, version, "all")
        await fetched(s, version, "of no group", group=f"{s.group}-of-nobody", topics={topic: [0]})
    await s.send("reader", "OffsetFetch", 8, "of no groups", groups=[], require_stable=False).parked()


@scenario
async def committed_offsets_of_several_groups(s: Session) -> None:
    topic = await s.topic()
    groups = [f"{s.group}-{n}" for n in (1, 2)]
    for place, group in enumerate(groups):
        await Member(s, "a", group=group).commit(topic, place, **NOBODY)
    asked = [{"group_id": g, "topics": [{"name": topic, "partition_indexes": [0]}]} for g in [*groups, "none-of-them"]]
    for version in (8, 9):
        await s.send("reader", "OffsetFetch", version, groups=asked, require_stable=True)


@scenario
async def committed_offsets_by_member(s: Session) -> None:
    """A classic group answers whoever asks with whatever identity."""
    topic = await s.topic()
    a = Member(s, "a", instance_id="a")
    await group_of(s, a)
    await a.commit(topic, 5)
    one = {"group_id": s.group, "topics": [{"name": topic, "partition_indexes": [0]}]}
    for who in ({"member_id": a.member_id, "member_epoch": 1}, {"member_id": "nobody", "member_epoch": 9}):
        await s.send("reader", "OffsetFetch", 9, groups=[one | who], require_stable=False)


@scenario
async def commit_of_what_others_own(s: Session) -> None:
    """Nobody looks at who owns a partition, nor at which offset was committed before."""
    topic = await s.topic(partitions=2)
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    for member, offset in ((a, 9), (b, 3)):
        for partition in (0, 1):
            await member.commit(topic, offset, partition=partition)
    await fetched(s, 7)


@scenario
async def offsets_by_topic_id(s: Session) -> None:
    """Version 10, new in 4.x: the topic's id in place of its name."""
    topic = await s.topic()
    (shown,) = (await s.send("reader", "Metadata", 12, topics=[{"name": topic}])).topics
    nobody = {"generation_id_or_member_epoch": -1, "member_id": "", "group_instance_id": None}
    one = {"partition_index": 0, "committed_offset": 4, "committed_leader_epoch": -1, "committed_metadata": "m"}
    for topic_id in (shown.topic_id, s.unknown_id):
        topics = [{"topic_id": topic_id, "partitions": [one]}]
        await s.send("a", "OffsetCommit", 10, group_id=s.group, topics=topics, **nobody)
        asked = {"group_id": s.group, "topics": [{"topic_id": topic_id, "partition_indexes": [0]}]}
        await s.send("a", "OffsetFetch", 10, groups=[asked], require_stable=False)
    await s.send("a", "OffsetFetch", 10, "all", groups=[{"group_id": s.group, "topics": None}], require_stable=False)


@scenario
async def offsets_are_deleted(s: Session) -> None:
    """Not those of a topic that a member subscribes to."""
    read, unread = await s.topic(), await s.topic("u", partitions=2)
    a = Member(s, "a", protocols={"range": subscription([read])})
    await a.commit(unread, 3, **NOBODY)
    await group_of(s, a)
    await a.commit(read, 4)

    def deleted(note: str, group: str, topics: dict[str, list[int]]) -> Call:
        wanted = [{"name": n, "partitions": [{"partition_index": p} for p in ps]} for n, ps in topics.items()]
        return s.send("admin", "OffsetDelete", 0, note, group_id=group, topics=wanted)

    await deleted("while there are members", s.group, {read: [0], unread: [0, 1, 2], "no-such-topic": [0]})
    await fetched(s, 7)
    await a.leave()
    await deleted("while it is empty", s.group, {read: [0], unread: [0]})
    await fetched(s, 7)
    await deleted("no such group", f"{s.group}-of-nobody", {read: [0]})
    await deleted("no group id", "", {read: [0]})
    await deleted("nothing", s.group, {})


@scenario
async def offsets_are_deleted_after_a_restart_with_another_subscription(s: Session) -> None:
    """What counts is what the members subscribed to when the generation began."""
    old, new = await s.topic(), await s.topic("u")
    a = Member(s, "a", instance_id="a", protocols={"range": subscription([old])})
    await group_of(s, a)
    await a.commit(old, 3)
    await a.commit(new, 4)
    await a.join(member_id="", protocols={"range": subscription([new])})
    await a.sync()
    wanted = [{"name": name, "partitions": [{"partition_index": 0}]} for name in (old, new)]
    await s.send("admin", "OffsetDelete", 0, "", group_id=s.group, topics=wanted)
    await fetched(s, 7)


@scenario
@disturbing
async def offsets_of_a_topic_that_is_deleted(s: Session) -> None:
    """They are gone; a group that is left with nothing stays until it is deleted."""
    topic = await s.topic()
    a = Member(s, "a", instance_id="a", protocols={"range": subscription([topic])})
    await group_of(s, a)
    await a.commit(topic, 3)
    await s.gone(topic)
    await s.passed(0.7)
    await fetched(s, 7)
    await a.commit(topic, 4)
    await a.heartbeat()


@scenario
async def offsets_outlive_the_members(s: Session) -> None:
    topic = await s.topic()
    a = Member(s, "a", instance_id="a")
    await group_of(s, a)
    await a.commit(topic, 8, metadata="eight")
    await a.leave()
    await fetched(s, 7)
    await a.commit(topic, 9, note="of a generation")
    await a.commit(topic, 9, **NOBODY)
    await fetched(s, 7)
