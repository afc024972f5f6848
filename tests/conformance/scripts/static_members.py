"""Static members of a classic group (KIP-345): they join, restart and are replaced, in every state of the group."""

from __future__ import annotations

import itertools

from tests.conformance.member import Member, group_of, joined_again, share
from tests.conformance.session import Session, scenario
from tests.support.raw_peer import subscription

JOIN_VERSIONS = (5, 7, 8, 9)
"""From 5 a join carries the instance id; 6 is the first flexible one, 8 gives a reason, 9 may skip the assignment."""


@scenario
async def static_first_join(s: Session) -> None:
    """One round trip, no member id asked for first, at every version that knows instance ids."""
    for version in (5, 6, 7, 8, 9):
        a = Member(s, "a", instance_id="a", group=f"{s.group}-{version}")
        await a.join(version)
        await a.sync(min(version - 2, 5), assignments={a: share("a")})
        await a.heartbeat(min(version - 2, 4))


@scenario
async def static_first_join_below_version_5(s: Session) -> None:
    """No instance id can be said: a dynamic member."""
    a = Member(s, "a", instance_id="a")
    await a.join(4)
    await a.join(4)
    await a.sync(2, assignments={a: share("a")})
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])


@scenario
async def static_follower_restarts_while_stable(s: Session) -> None:
    """The same generation, a new member id, the old assignment; its peers hear nothing."""
    for version in JOIN_VERSIONS:
        group = f"{s.group}-{version}"
        a, b = Member(s, "a", instance_id="a", group=group), Member(s, "b", instance_id="b", group=group)
        await group_of(s, a, b)
        b.member_id = ""
        await b.join(version)
        await b.sync(min(version - 2, 5))
        await a.heartbeat()
        await b.heartbeat()
        await s.send("admin", "DescribeGroups", 5, groups=[group])


@scenario
async def static_leader_restarts_while_stable(s: Session) -> None:
    """From version 9 it is told that it leads and that the assignment is to be skipped; what it assigns is ignored."""
    for version in JOIN_VERSIONS:
        group = f"{s.group}-{version}"
        a, b = Member(s, "a", instance_id="a", group=group), Member(s, "b", instance_id="b", group=group)
        await group_of(s, a, b)
        a.member_id = ""
        await a.join(version)
        await a.sync(min(version - 2, 5), assignments={a: share("other"), b: share("other")})
        await b.sync()
        await b.heartbeat()


@scenario
async def static_members_of_two_minds_restart(s: Session) -> None:
    """Two protocols have a vote each: which one is chosen hangs on their names, and not on who restarted last."""
    for number, names in enumerate(itertools.permutations(("range", "roundrobin", "sticky", "cooperative-sticky"), 2)):
        a, b = (
            Member(s, name, instance_id=name, group=f"{s.group}-{number}", protocols=dict.fromkeys(order, b""))
            for name, order in (("a", names), ("b", names[::-1]))
        )
        await group_of(s, a, b)
        await a.join(member_id="")
        await a.sync()
        await b.heartbeat()


@scenario
async def static_member_alone_restarts(s: Session) -> None:
    a = Member(s, "a", instance_id="a")
    await group_of(s, a)
    await a.join(member_id="")
    await a.sync()
    await a.heartbeat()


@scenario
async def static_follower_restarts_with_another_subscription(s: Session) -> None:
    """No rebalance as long as the chosen protocol stays; the new metadata is kept in silence."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await b.join(member_id="", protocols={"range": subscription(["t", "u"])})
    await b.sync()
    await a.heartbeat()
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])
    await b.join(note="the same metadata again", protocols={"range": subscription(["t", "u"])})
    await b.sync()


@scenario
async def static_follower_restarts_with_another_protocol(s: Session) -> None:
    """A restart that would change the chosen protocol is a rebalance."""
    both = {"range": subscription(["t"]), "roundrobin": subscription(["t"])}
    a = Member(s, "a", instance_id="a", protocols=both)
    b = Member(s, "b", instance_id="b", protocols=both)
    await group_of(s, a, b)
    b.protocols = {"roundrobin": subscription(["t"])}
    parked = await b.join(member_id="").parked()
    await a.heartbeat()
    await a.join()
    await parked


@scenario
async def static_follower_restarts_with_more_protocols(s: Session) -> None:
    """The chosen protocol stays among them: no rebalance."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    more = {"roundrobin": subscription(["t"]), "range": subscription(["t"])}
    await b.join(member_id="", protocols=more)
    await b.sync()
    await a.heartbeat()


@scenario
async def static_member_is_replaced_while_its_join_is_parked(s: Session) -> None:
    """PreparingRebalance: the old join is fenced at once, the new one parks, the generation completes with it."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a)
    old = await b.join().parked()
    new = await b.join(note="the replacement").parked()
    await old
    await a.heartbeat()
    await a.join()
    await new
    parked = await b.sync().parked()
    await a.sync(assignments={a: share("a"), b: share("b")})
    await parked


@scenario
async def static_member_is_replaced_while_it_has_yet_to_rejoin(s: Session) -> None:
    """PreparingRebalance again: nothing of the old one is parked, and it is fenced when it comes."""
    a, b, c = (Member(s, name, instance_id=name) for name in "abc")
    await group_of(s, a, b)
    newcomer = await c.join().parked()
    old = b.member_id
    replacement = await b.join(note="the replacement", member_id="").parked()
    await b.heartbeat(note="the old one", member_id=old)
    await b.join(note="the old one", member_id=old)
    await a.join()
    await replacement
    await newcomer


@scenario
async def static_leader_is_replaced_while_its_join_is_parked(s: Session) -> None:
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    old = await a.join(note="the leader's own").parked()
    new = await a.join(note="the replacement", member_id="").parked()
    await old
    await b.join()
    await new
    parked = await b.sync().parked()
    await a.sync(assignments={a: share("a"), b: share("b")})
    await parked


@scenario
async def static_follower_is_replaced_while_its_sync_is_parked(s: Session) -> None:
    """CompletingRebalance: the old sync is fenced, the leader's and the others' say that a rebalance began."""
    a, b, c = (Member(s, name, instance_id=name) for name in "abc")
    await group_of(s, a, b, c)
    await joined_again(s, a, b, c)
    old, other = await b.sync().parked(), await c.sync().parked()
    new = await b.join(note="the replacement", member_id="").parked()
    await old
    await other
    await a.sync(assignments={a: share("a"), b: share("b"), c: share("c")})
    a_join, c_join = a.join(), c.join()
    await a_join
    await c_join
    await new


@scenario
async def static_follower_is_replaced_before_it_syncs(s: Session) -> None:
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await joined_again(s, a, b)
    old, generation = b.member_id, b.generation
    new = await b.join(note="the replacement", member_id="").parked()
    await b.sync(note="the old one", member_id=old)
    await b.heartbeat(note="the old one", member_id=old)
    await a.sync(assignments={a: share("a")}, generation=generation)
    await a.heartbeat()
    await a.join()
    await new


@scenario
async def static_leader_is_replaced_before_it_syncs(s: Session) -> None:
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await joined_again(s, a, b)
    parked, old = await b.sync().parked(), a.member_id
    new = await a.join(note="the replacement", member_id="").parked()
    await parked
    await a.sync(note="the old one", member_id=old, assignments={b: share("b")})
    await b.join()
    await new


@scenario
async def static_member_joins_again_after_a_lost_answer(s: Session) -> None:
    """CompletingRebalance: a rebalance and one more generation. Stable: neither. A new member id both times."""
    a = Member(s, "a", instance_id="a")
    await a.join()
    await a.join(note="again", member_id="")
    await a.sync(assignments={a: share("a")})
    await a.join(note="again, Stable", member_id="")
    await a.sync(assignments={a: share("other")})


@scenario
async def static_member_returns_to_an_empty_group(s: Session) -> None:
    a = Member(s, "a", instance_id="a")
    await group_of(s, a)
    await a.leave()
    await a.heartbeat()
    await a.join(note="the member id that has left")
    await a.join(member_id="")
    await a.sync(assignments={a: share("a")})


@scenario
async def static_members_join_with_known_ids_while_stable(s: Session) -> None:
    """A follower with the metadata that is stored changes nothing, other metadata rebalance it, and a leader always."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await b.join(note="the same metadata")
    await b.sync()
    await a.heartbeat()
    other = await b.join(note="other metadata", protocols={"range": subscription(["t"], generation=2)}).parked()
    await a.heartbeat()
    await a.join()
    await other
    follower = await b.sync().parked()
    await a.sync(assignments={a: share("a"), b: share("b")})
    await follower
    leader = await a.join(note="the leader, the same metadata").parked()
    await b.heartbeat()
    await b.join(protocols={"range": subscription(["t"], generation=2)})
    await leader


@scenario
async def static_member_without_its_instance_id_joins(s: Session) -> None:
    """A known member id without the instance id is accepted."""
    a, b = Member(s, "a", instance_id="a"), Member(s, "b", instance_id="b")
    await group_of(s, a, b)
    await b.join(instance_id=None)
    await b.sync(instance_id=None)
    await b.join(4, "a version without instance ids")
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])


@scenario
async def static_member_missed_a_generation(s: Session) -> None:
    """While CompletingRebalance: the same metadata joins the generation in place, other metadata begins another one."""
    a, b, c = (Member(s, name, instance_id=name, rebalance_timeout_ms=2_000) for name in "abc")
    await group_of(s, a, b)
    newcomer = await c.join().parked()
    await a.join()
    await newcomer
    await b.heartbeat(note="of the generation before")
    await b.join(note="the same metadata")
    await b.heartbeat()
    other = await b.join(note="other metadata", protocols={"range": subscription(["t"], generation=2)}).parked()
    await a.heartbeat()
    joins = a.join(), c.join()
    await joins[0]
    await joins[1]
    await other


@scenario
async def static_ids_that_brokers_accept(s: Session) -> None:
    """Any string is an instance id, the empty one too."""
    odd = {"empty": "", "space": "a b", "accent": "ñ", "path": "../a/b", "dot": ".", "two dots": "..", "nul": "a\0b"}
    for number, (what, instance_id) in enumerate((odd | {"newline": "a\nb", "long": "x" * 300}).items()):
        a = Member(s, "a", instance_id=instance_id, group=f"{s.group}-{number}")
        await a.join(note=what)
        await a.sync(assignments={a: share("a")})
        await a.heartbeat()


@scenario
async def static_ghost_of_a_member_that_lost_its_instance_id(s: Session) -> None:
    """A restart without the instance id is a newcomer; the ghost stays in the group and is waited for."""
    a, b = (Member(s, name, instance_id=name, rebalance_timeout_ms=1_200) for name in "ab")
    await group_of(s, a, b)
    plain = Member(s, "b", rebalance_timeout_ms=1_200)
    await plain.join()
    parked = await plain.join().parked()
    await a.join()
    await parked
