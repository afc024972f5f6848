"""Leaving, being removed, and expiring."""

from __future__ import annotations

from typing import Any

from tests.conformance.member import Member, group_of, joined_again, share
from tests.conformance.session import Session, scenario
from tests.support.raw_peer import subscription


async def _left(s: Session, version: int, *members: dict[str, Any], note: str = "", group: str | None = None) -> None:
    """LeaveGroup for several members by an administrator."""
    every = [{"member_id": "", "reason": None} | member for member in members]
    await s.send("admin", "LeaveGroup", version, note, group_id=group or s.group, members=every)


@scenario
async def static_member_leaves(s: Session) -> None:
    """With its instance id, without it, and at a version without instance ids: it is removed at once."""
    for version, given in ((5, True), (3, True), (5, False), (2, False), (0, False)):
        group = f"{s.group}-{version}-{given}"
        a, b = Member(s, "a", instance_id="a", group=group), Member(s, "b", instance_id="b", group=group)
        await group_of(s, a, b)
        await b.leave(version, instance_id="b" if given else None)
        await a.heartbeat()
        await b.heartbeat()
        await b.sync()
        await b.join()
        await b.leave()
        await s.send("admin", "DescribeGroups", 5, groups=[group])


@scenario
async def dynamic_member_leaves(s: Session) -> None:
    """At every version; again, it is unknown."""
    for version in range(6):
        a = Member(s, "a", group=f"{s.group}-{version}")
        await group_of(s, a)
        await a.leave(version)
        await a.leave(version)


@scenario
async def administrator_removes_by_instance_id(s: Session) -> None:
    """Whoever has the instance id now is removed; it is no ban."""
    topic = await s.topic()
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await _left(s, 5, {"group_instance_id": "b", "reason": "drained"})
    await a.heartbeat()
    await b.heartbeat()
    await b.commit(topic)
    await b.sync()
    await b.join()
    await b.leave()
    again = await b.join(member_id="").parked()
    await a.join()
    await again


@scenario
async def administrator_removes_several(s: Session) -> None:
    """Each member has an error of its own."""
    a, b, c = (Member(s, name, instance_id=name) for name in "abc")
    await group_of(s, a, b, c)
    await _left(
        s,
        4,
        {"group_instance_id": "unknown"},
        {"member_id": a.member_id, "group_instance_id": "b"},
        {"member_id": "unknown", "group_instance_id": None},
        {"group_instance_id": None},
        {"group_instance_id": "c"},
        {"member_id": b.member_id, "group_instance_id": "b"},
        {"member_id": b.member_id, "group_instance_id": "b"},
    )
    await a.heartbeat()
    await _left(s, 4, note="nobody")
    await _left(s, 4, {"group_instance_id": "a"}, group="no-such-group", note="no such group")
    await _left(s, 4, {"group_instance_id": "a"}, group="", note="no group id")


@scenario
async def member_is_removed_while_its_join_is_parked(s: Session) -> None:
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a)
    parked = await b.join().parked()
    await _left(s, 5, {"group_instance_id": "b"})
    await parked
    await a.join()


@scenario
async def member_is_removed_while_its_sync_is_parked(s: Session) -> None:
    """Its sync is never answered."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await joined_again(s, a, b)
    parked = await b.sync().parked()
    await _left(s, 5, {"group_instance_id": "b"})
    await parked.parked()
    await a.sync(assignments={a: share("a")})
    await a.join()
    await parked.parked()


@scenario
async def other_member_is_removed_while_a_join_is_parked(s: Session) -> None:
    """The last one that was waited for goes: the generation completes without it."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    parked = await a.join().parked()
    await _left(s, 5, {"group_instance_id": "b"})
    await parked


@scenario
async def leader_leaves(s: Session) -> None:
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await a.leave()
    await b.heartbeat()
    await b.join()
    await b.sync(assignments={b: share("b")})


@scenario
async def last_member_leaves(s: Session) -> None:
    topic = await s.topic()
    a = Member(s, "a", instance_id="a")
    await group_of(s, a)
    await a.commit(topic, 3)
    await a.leave()
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])
    await a.leave(note="again")
    await a.heartbeat()
    await a.commit(topic, 4, note="as the member that left")
    await a.commit(topic, 4, note="without any identity", generation=-1, member_id="", instance_id=None)
    await a.join(member_id="")


@scenario
async def static_member_expires(s: Session) -> None:
    """Its peers are told to rebalance, and it is unknown."""
    topic = await s.topic()
    a = Member(s, "a", instance_id="a")
    b = Member(s, "b", instance_id="b", session_timeout_ms=1_000)
    await group_of(s, a, b)
    await s.until(members=1)
    await a.heartbeat()
    await b.heartbeat()
    await b.heartbeat(note="without the instance id", instance_id=None)
    await b.commit(topic)
    await b.sync()
    await b.join()
    await a.join()
    await a.sync(assignments={a: share("a")})
    newcomer = await b.join(member_id="").parked()
    await a.join()
    await newcomer


@scenario
async def sole_member_expires(s: Session) -> None:
    a = Member(s, "a", instance_id="a", session_timeout_ms=1_000)
    await group_of(s, a)
    await s.until(state="Empty")
    await a.heartbeat()
    await a.join(member_id="")
    await a.sync(assignments={a: share("a")})


@scenario
async def heartbeats_and_commits_keep_a_member(s: Session) -> None:
    """Heartbeats, and commits, for longer than its session timeout."""
    topic = await s.topic()
    beating = Member(s, "beating", instance_id="a", session_timeout_ms=2_000)
    committing = Member(s, "committing", instance_id="b", session_timeout_ms=2_000)
    await group_of(s, beating, committing)
    for offset in range(12):
        await s.passed(0.25)
        await beating.heartbeat().task
        await committing.commit(topic, offset).task
    await beating.heartbeat()
    await committing.heartbeat()


@scenario
async def parked_join_outlives_the_session(s: Session) -> None:
    """A member whose join is parked does not expire, though it says nothing for longer than its session."""
    a = Member(s, "a", instance_id="a")
    b = Member(s, "b", instance_id="b", session_timeout_ms=1_000)
    await group_of(s, a)
    parked = await b.join().parked()
    await s.passed(2.0)
    await a.join()
    await parked


@scenario
async def parked_rejoin_and_sync_outlive_the_session(s: Session) -> None:
    """Those of a member that has been in a generation before."""
    a = Member(s, "a", instance_id="a")
    b = Member(s, "b", instance_id="b", session_timeout_ms=1_000)
    await group_of(s, a, b)
    other = await b.join(protocols={"range": subscription(["t"], generation=2)}).parked()
    await s.passed(1.7)
    await a.join()
    await other
    follower = await b.sync().parked()
    await s.passed(1.7)
    await a.sync(assignments={a: share("a"), b: share("b")})
    await follower
    await b.heartbeat()


@scenario
async def member_expires_while_others_wait_for_it(s: Session) -> None:
    """PreparingRebalance: the one that does not come back is not waited for beyond its session."""
    a = Member(s, "a", instance_id="a")
    b = Member(s, "b", instance_id="b", session_timeout_ms=1_000)
    await group_of(s, a, b)
    parked = await a.join().parked()
    await parked


@scenario
async def static_absentee_at_the_rebalance_timeout(s: Session) -> None:
    """It is not dropped but assigned partitions; the sync timeout, a rebalance timeout later, removes it."""
    a, b = (Member(s, name, instance_id=name, rebalance_timeout_ms=1_200) for name in "ab")
    await group_of(s, a, b)
    parked = await a.join().parked()
    await parked
    await a.sync(assignments={a: share("a"), b: share("b")})
    await b.heartbeat(note="of the generation before")
    await s.until(state="PreparingRebalance")
    await a.heartbeat()
    await b.heartbeat(note="of the generation before")
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])


@scenario
async def dynamic_absentee_at_the_rebalance_timeout(s: Session) -> None:
    """It is dropped, and the generation completes without it."""
    a, b = (Member(s, name, rebalance_timeout_ms=1_200) for name in "ab")
    await group_of(s, a, b)
    parked = await a.join().parked()
    await parked
    await b.heartbeat()
    await a.sync(assignments={a: share("a")})


@scenario
async def leader_does_not_sync(s: Session) -> None:
    """At the sync timeout those that have not synced are removed; the others' parked syncs are told to rebalance."""
    a, b = (Member(s, name, instance_id=name, rebalance_timeout_ms=1_200) for name in "ab")
    await group_of(s, a, b)
    await joined_again(s, a, b)
    parked = await b.sync().parked()
    await parked
    await a.heartbeat()
    await b.join()


@scenario
async def restart_with_a_longer_session(s: Session) -> None:
    """4.x keeps the predecessor's timer until the first heartbeat; 3.9 begins the new one at once."""
    a = Member(s, "a", instance_id="a")
    b = Member(s, "b", instance_id="b", session_timeout_ms=1_200)
    await group_of(s, a, b)
    b.session_timeout_ms = 4_000
    await b.join(member_id="")
    await b.sync()
    await s.passed(2.4)
    await b.heartbeat()


@scenario
async def restart_with_a_shorter_session(s: Session) -> None:
    a = Member(s, "a", instance_id="a")
    b = Member(s, "b", instance_id="b", session_timeout_ms=4_000)
    await group_of(s, a, b)
    b.session_timeout_ms = 1_200
    await b.join(member_id="")
    await b.sync()
    await s.passed(2.4)
    await b.heartbeat()
    await s.passed(0.3)
    await b.heartbeat()
    await s.until(members=1)
    await b.heartbeat(note="after its own session timeout")
