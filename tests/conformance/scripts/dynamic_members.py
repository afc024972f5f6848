"""Dynamic members of a classic group, and what a join may not ask for."""

from __future__ import annotations

from tests.conformance.member import Member, group_of, joined_again, share
from tests.conformance.session import Session, scenario
from tests.support.raw_peer import subscription

RANGE = subscription(["t"])


@scenario
async def dynamic_first_join(s: Session) -> None:
    """From version 4 a member id is handed out first (79); below, the first join is the join."""
    for version in range(10):
        a = Member(s, "a", group=f"{s.group}-{version}")
        await a.join(version)
        if version >= 4:
            await a.join(version)
        await a.sync(min(version, 5), assignments={a: share("a")})
        await a.heartbeat(min(version, 4))


@scenario
async def dynamic_members_come_and_go(s: Session) -> None:
    a, b = Member(s, "a"), Member(s, "b")
    await group_of(s, a)
    await b.join()
    await a.heartbeat(note="while an id is only handed out")
    newcomer = await b.join().parked()
    await a.heartbeat()
    await a.commit("t", note="PreparingRebalance")
    await a.join()
    await newcomer
    follower = await b.sync().parked()
    await a.heartbeat(note="CompletingRebalance")
    await a.sync(assignments={a: share("a"), b: share("b")})
    await follower
    await b.sync(note="again")
    await a.sync(note="again, other assignments", assignments={a: share("other")})
    await b.heartbeat()
    await b.leave()
    await a.heartbeat()
    await a.join()
    await a.sync(assignments={a: share("a")})


@scenario
async def dynamic_join_that_repeats_itself(s: Session) -> None:
    """CompletingRebalance, PreparingRebalance, Stable: the same metadata from the same member id."""
    a, b = Member(s, "a"), Member(s, "b")
    await a.join()
    await a.join()
    await a.join(note="again, CompletingRebalance")
    await a.join(note="other metadata, CompletingRebalance", protocols={"range": subscription(["t", "u"])})
    await a.sync(assignments={a: share("a")})
    await b.join()
    first = await b.join().parked()
    second = await b.join(note="again, PreparingRebalance").parked()
    await first.parked()
    await a.join()
    await second
    await first.parked()
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])


@scenario
async def dynamic_follower_and_leader_rejoin(s: Session) -> None:
    a, b = Member(s, "a"), Member(s, "b")
    await group_of(s, a, b)
    await b.join(note="the follower, the same metadata")
    await b.sync()
    other = await b.join(note="the follower, other metadata", protocols={"range": subscription(["t", "u"])}).parked()
    await a.join()
    await other


@scenario
async def unknown_member_ids(s: Session) -> None:
    """Nobody knows them, in a group that is there and in one that is not."""
    a = Member(s, "a", instance_id="a")
    await group_of(s, a)
    for group in (s.group, f"{s.group}-that-is-not-there"):
        for instance_id in (None, "x"):
            ghost = Member(s, "ghost", group=group, instance_id=instance_id)
            ghost.member_id, ghost.generation, ghost.protocol = "ghost-1", 1, "range"
            await ghost.join()
            await ghost.join(4)
            await ghost.sync()
            await ghost.heartbeat()
            await ghost.leave()
            await ghost.leave(2)
            await ghost.commit("t")


@scenario
async def pending_member(s: Session) -> None:
    """A member id that was handed out and not joined with yet."""
    a, b = Member(s, "a"), Member(s, "b")
    await group_of(s, a)
    await b.join()
    b.generation, b.protocol = a.generation, a.protocol
    await b.heartbeat()
    await b.sync()
    await b.commit("t")
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])
    await b.leave()
    await a.heartbeat(note="after the other left")
    await b.join(note="after it left")


@scenario
async def pending_member_expires(s: Session) -> None:
    """The session timeout of the join that asked for the id."""
    a, b = Member(s, "a"), Member(s, "b", session_timeout_ms=600)
    await group_of(s, a)
    await b.join()
    await s.passed(1.3)
    await b.join()


@scenario
async def pending_member_of_a_new_group(s: Session) -> None:
    a = Member(s, "a")
    await a.join()
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])
    await a.leave()
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])


@scenario
async def rebalance_waits_for_a_pending_member(s: Session) -> None:
    """A generation does not complete while somebody was promised a place."""
    a, b = Member(s, "a"), Member(s, "b")
    await group_of(s, a)
    await b.join()
    parked = await a.join().parked()
    newcomer = b.join()
    await newcomer
    await parked


@scenario
async def sessions_out_of_bounds(s: Session) -> None:
    for timeout in (499, 500, 60_000, 60_001, 0, -1):
        a = Member(s, "a", instance_id="a", group=f"{s.group}-{timeout}", session_timeout_ms=timeout)
        await a.join(note=f"{timeout} ms")


@scenario
async def group_without_an_id(s: Session) -> None:
    """The empty group id is refused by what needs members."""
    a = Member(s, "a", instance_id="a", group="")
    a.member_id, a.generation, a.protocol = "a-1", 1, "range"
    await a.join(member_id="")
    await a.sync()
    await a.heartbeat()
    await a.leave()
    await a.leave(2)
    await a.commit("t")
    await s.send("admin", "DescribeGroups", 5, groups=[""])
    await s.send("admin", "FindCoordinator", 3, key="", key_type=0)
    await s.send("admin", "FindCoordinator", 4, coordinator_keys=[""], key_type=0)


@scenario
async def protocols_that_do_not_fit(s: Session) -> None:
    """No protocols, another type, no type, and none in common: 23, and the members that are there stay undisturbed."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await a.join(note="no protocols", protocols={})
    await a.join(note="no type", protocol_type="")
    await group_of(s, a)
    await b.join(note="another protocol", protocols={"cooperative-sticky": RANGE})
    await b.join(note="no protocols", protocols={})
    await b.join(note="another type", protocol_type="connect")
    await b.join(note="no type", protocol_type="")
    await a.join(note="the sole member changes its protocol", protocols={"cooperative-sticky": RANGE})
    await a.join(note="restarted with another protocol", member_id="", protocols={"cooperative-sticky": RANGE})
    await a.heartbeat()
    await a.sync(note="another protocol", protocol_name="roundrobin")
    await a.sync(note="another type", protocol_type="connect")
    await a.sync(note="neither", protocol_name=None, protocol_type=None)


@scenario
async def protocol_that_most_prefer(s: Session) -> None:
    """Of what all know, the one that most members name first."""
    liked = ("range", "roundrobin"), ("roundrobin", "range"), ("roundrobin", "range", "sticky")
    a, b, c = (
        Member(s, name, instance_id=name, protocols=dict.fromkeys(names, RANGE))
        for name, names in zip("abc", liked, strict=True)
    )
    await a.join()
    await a.sync(assignments={a: share("a")})
    joins = [await b.join().parked(), await c.join().parked()]
    await a.join()
    for join in joins:
        await join


@scenario
async def group_of_another_type(s: Session) -> None:
    """A group's type is what its first member says; what is not a consumer's metadata is kept as it is."""
    a = Member(s, "a", instance_id="a", protocols={"v1": b"any bytes"})
    await a.join(protocol_type="connect")
    await a.sync(assignments={a: b"other bytes"}, protocol_type="connect")
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])
    await a.leave()
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])
    await Member(s, "b", instance_id="b").join(note="as a consumer")


@scenario
async def group_that_is_full(s: Session) -> None:
    """group.max.size members, of either kind: a newcomer and a restarted static member are refused alike."""
    a, b, c, d, e = (Member(s, name, instance_id=name) for name in "abcde")
    await group_of(s, a, b, c, d)
    await e.join()
    await Member(s, "f").join(note="dynamic")
    await Member(s, "f").join(2, note="dynamic, without an id first")
    await d.join(note="restarted", member_id="")
    await d.join(note="with its member id")
    await d.heartbeat()
    await d.leave()
    await e.join().parked()


@scenario
async def group_that_is_full_while_it_rebalances(s: Session) -> None:
    """PreparingRebalance: only those whose join is parked count, so that newcomers may take a member's place."""
    a, b, c, d, e = (Member(s, name, instance_id=name, rebalance_timeout_ms=3_000) for name in "abcde")
    await group_of(s, a, b, c, d)
    parked = [await member.join().parked() for member in (a, b, e)]
    parked.append(await d.join(note="restarted", member_id="").parked())
    await c.join()
    await parked[0].parked()
    for call in parked:
        await call
    await d.join(note="restarted, CompletingRebalance", member_id="")


@scenario
async def group_that_is_full_of_pending_members(s: Session) -> None:
    """More may be promised a place than there are places, and the member that is there loses its own."""
    members = [Member(s, name, rebalance_timeout_ms=3_000) for name in "abcde"]
    for member in members:
        await member.join()
    await members[0].join()
    joins = [await member.join().parked() for member in members[1:]]
    await members[0].join()
    codes = [(await join.task).error_code for join in joins]
    s.transcript.note("those that were parked; who leads is chance", codes=codes)


@scenario
async def follower_syncs_first(s: Session) -> None:
    """Syncs park until the leader's; a member that the leader left out gets nothing."""
    a, b, c = (Member(s, name, instance_id=name) for name in "abc")
    await group_of(s, a, b, c)
    await joined_again(s, a, b, c)
    parked = [await b.sync().parked(), await c.sync().parked()]
    await a.sync(assignments={a: share("a"), b: share("b"), "somebody else": share("x")})
    for call in parked:
        await call
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])


@scenario
async def follower_assigns(s: Session) -> None:
    """Only the leader's assignments count."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await joined_again(s, a, b)
    parked = await b.sync(assignments={a: share("wrong"), b: share("wrong")}).parked()
    await a.sync()
    await parked


@scenario
async def sync_of_a_generation_to_come(s: Session) -> None:
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    parked = await a.join().parked()
    await b.sync()
    await b.heartbeat()
    await b.sync(note="the generation to come", generation=3)
    await b.join()
    await parked
