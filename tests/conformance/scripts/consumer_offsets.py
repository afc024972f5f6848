"""Consumer groups (KIP-848): commits and offset fetches with every identity, and groups seen from the outside."""

from __future__ import annotations

from tests.conformance.consumer_member import ConsumerMember, joined, stable, topic_of
from tests.conformance.member import Member
from tests.conformance.scripts.consumer_static import show
from tests.conformance.session import Session, consumer_scenario, on, scenario


@consumer_scenario
async def consumer_commits_with_each_epoch(s: Session) -> None:
    """The current epoch; older ones count on 4.3 and later from the epoch on in which the partition was assigned."""
    topic = await topic_of(s, partitions=4)
    a, b = ConsumerMember(s, "a", topics=[topic], instance_id="a"), ConsumerMember(s, "b", topics=[topic])
    await joined(a)
    await a.commit(topic, 1, "the first epoch")
    await b.join()
    await a.heartbeat("is told to give up")
    await a.commit(topic, 2, "what it keeps, while it gives up")
    await a.commit(topic, 3, "what it gives up, while it does", partition=3)
    await stable(a, b)
    epoch = a.epoch
    await a.commit(topic, 4, "its own epoch")
    await a.commit(topic, 5, "the epoch before, held since", epoch=epoch - 1)
    await a.commit(topic, 6, "an epoch before it held it", epoch=epoch - 2)
    await a.commit(topic, 7, "what the other owns, its own epoch", partition=3)
    await a.commit(topic, 8, "what the other owns, the epoch before", partition=3, epoch=epoch - 1)
    await b.commit(topic, 9, "what it was given, the epoch before", partition=3, epoch=epoch - 1)
    await b.commit(topic, 10, "what it was given, its epoch", partition=3)
    await a.commit(topic, 11, "ahead", epoch=epoch + 1)
    for other in (0, -1, -2, -3):
        await a.commit(topic, 11, f"epoch {other}", epoch=other)
    await a.commit(topic, 12, "no member id", member_id="")
    await a.commit(topic, 13, "neither member id nor epoch", member_id="", epoch=-1, instance_id=None)
    await a.commit(topic, 14, "the instance id alone", member_id="", epoch=-1)
    await a.commit(topic, 15, "unknown member", member_id="nobody")
    await a.commit(topic, 16, "without the instance id", instance_id=None)
    await a.commit(topic, 17, "the wrong instance id", instance_id="x")
    await a.commit(topic, 18, "a version for classic groups", 8)
    await a.fetch_offset(topic)


@consumer_scenario
async def consumer_commits_after_stepping_out(s: Session) -> None:
    """-2: its old epoch is stale, -2 counts; the one that came back commits with old epochs too (4.3 and later)."""
    topic = await topic_of(s, partitions=2)
    a, b = (ConsumerMember(s, name, topics=[topic], instance_id=name) for name in "ab")
    await joined(a, b)
    epoch = b.epoch
    await b.step_out()
    await b.commit(topic, 1, "the epoch that it had", partition=1, epoch=epoch)
    await b.commit(topic, 2, "epoch -2", partition=1)
    await b.commit(topic, 3, "epoch 0", partition=1, epoch=0)
    await b.fetch_offset(topic, "epoch -2")
    await b.fetch_offset(topic, "the epoch that it had", epoch=epoch)
    old = b.member_id
    await b.restarted().join()
    await b.commit(topic, 4, "the one before, its epoch", partition=1, member_id=old, epoch=epoch)
    await b.commit(topic, 5, "the one before, epoch -2", partition=1, member_id=old, epoch=-2)
    for older, what in ((0, "0"), (epoch - 2, "the one before the one before"), (epoch - 1, "the one before")):
        await b.commit(topic, 6, f"the new one, epoch: {what}", partition=1, epoch=older)
    await b.commit(topic, 6, "the new one, its own epoch", partition=1)
    await b.acknowledge()
    await b.commit(topic, 7, "the new one, the epoch before, after a heartbeat", partition=1, epoch=epoch - 1)
    await a.commit(topic, 8, "the other, the epoch before", epoch=epoch - 1)


@consumer_scenario
async def consumer_offsets_are_fetched_with_each_epoch(s: Session) -> None:
    """A fence of its own, other than in classic groups; without an identity anyone may read."""
    topic = await topic_of(s, partitions=2)
    a = ConsumerMember(s, "a", topics=[topic], instance_id="a")
    await joined(a)
    await a.commit(topic, 3)
    await a.fetch_offset(topic, "its own epoch")
    await a.fetch_offset(topic, "ahead", epoch=a.epoch + 1)
    await a.fetch_offset(topic, "behind", epoch=a.epoch - 1)
    for other in (0, -1, -2):
        await a.fetch_offset(topic, f"epoch {other}", epoch=other)
    await a.fetch_offset(topic, "unknown member", member_id="nobody")
    await a.fetch_offset(topic, "nobody", member_id=None, epoch=-1)
    await a.fetch_offset(topic, "no member id, an epoch", member_id=None)
    await a.fetch_offset(topic, "an empty member id", member_id="", epoch=-1)
    await a.fetch_offset(topic, "a version without identities", 8)
    await a.leave()
    await a.fetch_offset(topic, "has left", epoch=2)
    await a.fetch_offset(topic, "nobody, the group is empty", member_id=None, epoch=-1)
    await a.commit(topic, 4, "neither member id nor epoch, the group is empty", member_id="", epoch=-1)
    await a.commit(topic, 5, "has left", epoch=2)


@on("4.4")
@scenario
async def consumer_commits_by_topic_id(s: Session) -> None:
    """Version 10 of commits and of offset fetches names topics by their ids."""
    topic = await topic_of(s, partitions=1)
    topic_id = await s.topic_id(topic)
    a = ConsumerMember(s, "a", topics=[topic], instance_id="a")
    await joined(a)

    async def commit(note: str, **fields: object) -> None:
        one = {"partition_index": 0, "committed_offset": 7, "committed_metadata": "", "committed_leader_epoch": -1}
        known = {"group_id": s.group, "member_id": a.member_id, "generation_id_or_member_epoch": a.epoch}
        topics = [{"topic_id": fields.pop("topic_id", topic_id), "partitions": [one]}]
        await s.send("a", "OffsetCommit", 10, note, **(known | {"topics": topics} | fields))

    async def fetch(note: str, **fields: object) -> None:
        known = {"group_id": s.group, "member_id": a.member_id, "member_epoch": a.epoch}
        topics = [{"topic_id": fields.pop("topic_id", topic_id), "partition_indexes": [0]}]
        await s.send("a", "OffsetFetch", 10, note, groups=[known | {"topics": topics} | fields])

    await commit("its own epoch")
    await commit("ahead", generation_id_or_member_epoch=a.epoch + 1)
    await commit("unknown member", member_id="nobody")
    await commit("unknown topic id", topic_id=s.unknown_id)
    await fetch("its own epoch")
    await fetch("ahead", member_epoch=a.epoch + 1)
    await fetch("unknown member", member_id="nobody")
    await fetch("unknown topic id", topic_id=s.unknown_id)


@consumer_scenario
async def consumer_groups_are_seen_in_each_state(s: Session) -> None:
    """Described by either request, listed, and deleted only without members."""
    topic = await topic_of(s, partitions=2)
    a, b = ConsumerMember(s, "a", topics=[topic], instance_id="a"), ConsumerMember(s, "b", topics=[topic])

    async def seen(note: str) -> None:
        await show(s, note)
        await s.send("admin", "DescribeGroups", 5, note, groups=[s.group])
        await s.send("admin", "ListGroups", 5, note, then=s.own_groups)

    await seen("not there")
    await joined(a)
    await seen("Stable")
    await b.join()
    await a.heartbeat()
    await seen("Reconciling")
    await stable(a, b)
    await a.commit(topic, 3)
    await s.send("admin", "DeleteGroups", 2, "not empty", groups_names=[s.group])
    await s.send("admin", "ListGroups", 5, "of a type", types_filter=["consumer"], then=s.own_groups)
    await s.send("admin", "ListGroups", 5, "of the other", types_filter=["classic"], then=s.own_groups)
    await s.send("admin", "ListGroups", 5, "of a state", states_filter=["Stable"], then=s.own_groups)
    await s.send("admin", "ListGroups", 5, "in lower case", states_filter=["stable"], then=s.own_groups)
    await s.send("admin", "ConsumerGroupDescribe", 0, "two", group_ids=[s.group, f"{s.group}-of-nobody"])
    await a.leave()
    await b.leave()
    await seen("Empty")
    one = {"name": topic, "partitions": [{"partition_index": 0}]}
    await s.send("admin", "OffsetDelete", 0, "Empty", group_id=s.group, topics=[one])
    await s.send("admin", "DeleteGroups", 2, "Empty", groups_names=[s.group])
    await seen("deleted")
    await a.heartbeat("deleted", member_epoch=2)


@on("4.4")
@scenario
async def consumer_group_is_described_by_the_newest_describe_groups(s: Session) -> None:
    """Version 6 says why there is nothing to be seen of a consumer group."""
    topic = await topic_of(s, partitions=2)
    await joined(ConsumerMember(s, "a", topics=[topic]))
    await s.send("admin", "DescribeGroups", 6, groups=[s.group])


@consumer_scenario
async def consumer_offsets_are_deleted(s: Session) -> None:
    """Those of topics that a member is subscribed to stay."""
    t, u = await topic_of(s, "t"), await topic_of(s, "u")
    a = ConsumerMember(s, "a", topics=[t])
    await joined(a)
    await a.commit(t, 3)
    await a.commit(u, 4)
    named = [{"name": name, "partitions": [{"partition_index": 0}]} for name in (t, u)]
    await s.send("admin", "OffsetDelete", 0, group_id=s.group, topics=named)
    await a.fetch_offset(t)
    await a.fetch_offset(u)


@consumer_scenario
async def classic_requests_to_a_consumer_group(s: Session) -> None:
    """Of those who are no classic members: what each is answered."""
    topic = await topic_of(s, partitions=2)
    a = ConsumerMember(s, "a", topics=[topic], instance_id="a")
    await joined(a)
    stranger = Member(s, "x", instance_id="x")
    stranger.member_id = "x-1"
    await stranger.heartbeat(generation=1)
    await stranger.sync(generation=1)
    await stranger.leave()
    await stranger.commit(topic, 1, generation=1)
    await stranger.join(note="unknown member id")
    own = Member(s, "a", instance_id="a")
    own.member_id = a.member_id
    await own.heartbeat(note="of the consumer member", generation=a.epoch)
    await own.sync(note="of the consumer member", generation=a.epoch)
    await own.commit(topic, 1, note="of the consumer member", generation=a.epoch)
    await stranger.join(note="no metadata", member_id="", protocols={"range": b""})
    await stranger.join(note="another type", member_id="", protocol_type="connect")
    await stranger.join(note="no protocols", member_id="", protocols={})
    await own.leave(note="of the consumer member")
    await a.heartbeat()


@consumer_scenario
async def consumer_requests_to_a_classic_group(s: Session) -> None:
    """Of members that the group does not know."""
    topic = await topic_of(s, partitions=2)
    classic = Member(s, "a", instance_id="a")
    await classic.join()
    await classic.sync()
    b = ConsumerMember(s, "b", topics=[topic], instance_id="b")
    await b.heartbeat("an epoch", member_epoch=1)
    await b.leave()
    await b.step_out()
    await b.fetch_offset(topic, "an epoch", epoch=1)
    await b.fetch_offset(topic, "the classic member, its generation", member_id=classic.member_id, epoch=1)
    await b.commit(topic, 1, "an epoch", epoch=1)
    await show(s)
    await classic.heartbeat()
