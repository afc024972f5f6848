"""What a member that was replaced is told by each request, with its instance id and without."""

from __future__ import annotations

from tests.conformance.member import Member, group_of, joined_again, share
from tests.conformance.session import Session, scenario
from tests.support.raw_peer import subscription


async def _replaced(s: Session, topic: str | None = None) -> tuple[Member, Member, Member]:
    """(the leader, the member that was replaced, its replacement), Stable; off the record."""
    protocols = {"range": subscription([topic or "t"])}
    a = Member(s, "a", instance_id="a", protocols=protocols)
    old = Member(s, "old", instance_id="b", protocols=protocols)
    new = Member(s, "new", instance_id="b", protocols=protocols)
    await group_of(s, a, old)
    await new.join().task
    await new.sync().task
    return a, old, new


@scenario
async def fenced_heartbeat(s: Session) -> None:
    _, old, new = await _replaced(s)
    for version in (3, 4):
        await old.heartbeat(version)
        await old.heartbeat(version, "without the instance id", instance_id=None)
    await old.heartbeat(2, "a version without instance ids")
    await old.heartbeat(note="of another generation", generation=7)
    await new.heartbeat()


@scenario
async def fenced_sync(s: Session) -> None:
    _, old, new = await _replaced(s)
    for version in (3, 4, 5):
        await old.sync(version)
        await old.sync(version, "without the instance id", instance_id=None)
    await old.sync(2, "a version without instance ids")
    await old.sync(note="of another generation", generation=7)
    await new.sync()


@scenario
async def fenced_join(s: Session) -> None:
    _, old, new = await _replaced(s)
    for version in (5, 6, 7, 8, 9):
        await old.join(version)
        await old.join(version, "without the instance id", instance_id=None)
    await old.join(4, "a version without instance ids")
    await new.heartbeat()


@scenario
async def fenced_commit(s: Session) -> None:
    topic = await s.topic()
    _, old, new = await _replaced(s, topic)
    for version in (7, 8, 9):
        await old.commit(topic, 5, version)
        await old.commit(topic, 5, version, "without the instance id", instance_id=None)
    await old.commit(topic, 5, 6, "a version without instance ids")
    await old.commit(topic, 5, note="of another generation", generation=7)
    await old.commit(topic, 5, note="without a member id", generation=-1, member_id="")
    await old.commit(topic, 5, note="without any identity", generation=-1, member_id="", instance_id=None)
    await new.commit(topic, 6)
    asked = [{"name": topic, "partition_indexes": [0]}]
    await s.send("old", "OffsetFetch", 7, group_id=s.group, topics=asked, require_stable=False)


@scenario
async def fenced_reads(s: Session) -> None:
    """Offsets are read without a membership, or with one that is over: a classic group does not look."""
    topic = await s.topic()
    _, old, new = await _replaced(s, topic)
    await new.commit(topic, 6)
    group = {"group_id": s.group, "topics": [{"name": topic, "partition_indexes": [0]}]}
    for version in (8, 9):
        member = {"member_id": old.member_id, "member_epoch": old.generation}
        await s.send("old", "OffsetFetch", version, groups=[group | member], require_stable=False)


@scenario
async def fenced_leave(s: Session) -> None:
    """The error is the member's own; the request succeeds. Below version 3 the member id is all there is."""
    _, old, new = await _replaced(s)
    for version in (3, 4, 5):
        await old.leave(version)
        await old.leave(version, "without the instance id", instance_id=None)
    await old.leave(2, "a version without instance ids")
    await new.heartbeat()


@scenario
async def fenced_while_others_rebalance(s: Session) -> None:
    """PreparingRebalance and CompletingRebalance: a fence comes before the state of the group."""
    topic = await s.topic()
    a, old, new = await _replaced(s, topic)
    parked = await a.join().parked()
    await old.heartbeat(note="PreparingRebalance")
    await old.commit(topic, note="PreparingRebalance")
    await new.commit(topic, note="PreparingRebalance")
    await new.heartbeat(note="PreparingRebalance")
    await new.sync(note="PreparingRebalance")
    await new.join()
    await parked
    await old.heartbeat(note="CompletingRebalance")
    await old.commit(topic, note="CompletingRebalance")
    await new.commit(topic, note="CompletingRebalance")
    await new.heartbeat(note="CompletingRebalance")


@scenario
async def identities_of_a_live_member(s: Session) -> None:
    """Its instance id may be left out, but not be another's or unknown."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    for instance_id in (None, "a", "unknown", ""):
        note = f"as {instance_id}"
        await b.heartbeat(note=note, instance_id=instance_id)
        await b.sync(note=note, instance_id=instance_id)
        await b.commit("t", note=note, instance_id=instance_id)
        await b.join(note=note, instance_id=instance_id) if instance_id is not None else None
        await b.leave(note=note, instance_id=instance_id) if instance_id is not None else None
    await b.heartbeat(note="no member id", member_id="")
    await b.sync(note="no member id", member_id="")
    await b.heartbeat(note="of another generation", generation=1)
    await b.sync(note="of another generation", generation=1)
    await b.heartbeat(note="no generation", generation=-1)


@scenario
async def identities_of_a_dynamic_member(s: Session) -> None:
    """A dynamic member that shows an instance id is somebody else."""
    a, b = Member(s, "a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    for instance_id in ("b", "unknown"):
        note = f"as {instance_id}"
        await a.heartbeat(note=note, instance_id=instance_id)
        await a.sync(note=note, instance_id=instance_id)
        await a.commit("t", note=note, instance_id=instance_id)
        await a.join(note=note, instance_id=instance_id)
        await a.leave(note=note, instance_id=instance_id)
    await a.heartbeat()


@scenario
async def pending_member_shows_an_instance_id(s: Session) -> None:
    """A member id that was asked for as a dynamic member cannot be joined with as a static one."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b")
    await group_of(s, a)
    await b.join()
    await b.join(instance_id="b")
    await b.join(note="as it was asked for").parked()


@scenario
async def duplicates_replace_each_other(s: Session) -> None:
    """Two that take the identity by turns: the last one has it, and the generation never moves."""
    a, one, two = Member(s, "a", instance_id="a"), Member(s, "one", instance_id="b"), Member(s, "two", instance_id="b")
    await group_of(s, a, one)
    for _ in range(3):
        await two.join(member_id="")
        await one.heartbeat()
        await one.join(member_id="")
        await two.heartbeat()
    await a.heartbeat()


@scenario
async def members_of_a_generation_before(s: Session) -> None:
    topic = await s.topic()
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await joined_again(s, a, b)
    await b.commit(topic, note="CompletingRebalance")
    await b.commit(topic, note="the generation before", generation=2)
    await b.heartbeat(note="CompletingRebalance")
    await b.heartbeat(note="the generation before", generation=2)
    await b.sync(note="the generation before", generation=2)
    await a.sync(assignments={a: share("a"), b: share("b")})
    await b.heartbeat()
    await b.commit(topic)
