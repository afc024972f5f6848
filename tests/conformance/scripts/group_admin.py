"""Groups seen from the outside: found, described, listed and deleted."""

from __future__ import annotations

from tests.conformance.member import Member, group_of, joined_again, share
from tests.conformance.scripts.offsets import NOBODY
from tests.conformance.session import Session, scenario


@scenario
async def coordinator_is_found(s: Session) -> None:
    for version in range(4):
        await s.send("a", "FindCoordinator", version, key=s.group, key_type=0)
    for version in (4, 5):
        await s.send("a", "FindCoordinator", version, coordinator_keys=[s.group, "another"], key_type=0)
    await s.send("a", "FindCoordinator", 4, "of nothing", coordinator_keys=[], key_type=0)
    for version, keys in ((3, {"key": "x"}), (4, {"coordinator_keys": ["x"]})):
        await s.send("a", "FindCoordinator", version, "no such type", key_type=9, **keys)


@scenario
async def groups_are_described_in_each_state(s: Session) -> None:
    topic = await s.topic()
    a, b = Member(s, "a", instance_id="a"), Member(s, "b")
    for version in range(6):
        await s.send("admin", "DescribeGroups", version, "Dead", groups=[s.group])
    await a.commit(topic, **NOBODY)
    await s.send("admin", "DescribeGroups", 5, "Empty, never joined", groups=[s.group])
    await group_of(s, a, b)
    for version in range(6):
        await s.send("admin", "DescribeGroups", version, "Stable", groups=[s.group])
    parked = await a.join().parked()
    await s.send("admin", "DescribeGroups", 5, "PreparingRebalance", groups=[s.group])
    await b.join()
    await parked
    await s.send("admin", "DescribeGroups", 5, "CompletingRebalance", groups=[s.group])
    await a.sync(assignments={a: share("a"), b: share("b")})
    await a.leave()
    await b.leave()
    await s.send("admin", "DescribeGroups", 5, "Empty", groups=[s.group])
    await s.send("admin", "DescribeGroups", 5, "several", groups=[s.group, f"{s.group}-of-nobody"])
    await s.send("admin", "DescribeGroups", 5, "none", groups=[])


@scenario
async def groups_of_nobody_are_described(s: Session) -> None:
    """Version 6, new in 4.x, says that there is no such group."""
    await s.send("admin", "DescribeGroups", 6, groups=[f"{s.group}-of-nobody"])


@scenario
async def authorized_operations_of_a_group(s: Session) -> None:
    a = Member(s, "a", instance_id="a")
    await group_of(s, a)
    for version in (3, 5):
        await s.send("admin", "DescribeGroups", version, groups=[s.group], include_authorized_operations=True)


@scenario
async def groups_are_deleted(s: Session) -> None:
    """Only without members; the offsets go too."""
    topic = await s.topic()
    a = Member(s, "a", instance_id="a")
    await group_of(s, a)
    await a.commit(topic, 3)
    await s.send("admin", "DeleteGroups", 2, "not empty", groups_names=[s.group])
    await a.leave()
    await s.send("admin", "DeleteGroups", 2, groups_names=[s.group, f"{s.group}-of-nobody"])
    await s.send("admin", "DeleteGroups", 1, "again", groups_names=[s.group])
    await s.send("admin", "DeleteGroups", 0, "no id", groups_names=[""])
    await s.send("admin", "DeleteGroups", 2, "none", groups_names=[])
    await s.send("admin", "DescribeGroups", 5, groups=[s.group])
    asked = [{"name": topic, "partition_indexes": [0]}]
    await s.send("admin", "OffsetFetch", 7, group_id=s.group, topics=asked, require_stable=False)
    await a.heartbeat()
    await a.join()
    await a.join(member_id="")


@scenario
async def groups_are_listed(s: Session) -> None:
    """All of them, by state, and by type; those of other scenarios are left out here."""
    topic = await s.topic()
    a, b, c = (Member(s, name, instance_id=name, group=f"{s.group}-{name}") for name in "abc")
    await group_of(s, a)
    await group_of(s, b)
    await joined_again(s, b)
    await c.commit(topic, **NOBODY)
    for version in range(6):
        await s.send("admin", "ListGroups", version, then=s.own_groups)
    for states in (["Stable"], ["Empty", "CompletingRebalance"], ["stable"], ["NoSuchState"], ["Dead"]):
        await s.send("admin", "ListGroups", 4, f"{states}", states_filter=states, then=s.own_groups)
    for types in (["classic"], ["consumer"], ["Classic"], ["no-such-type"]):
        await s.send("admin", "ListGroups", 5, f"{types}", types_filter=types, then=s.own_groups)
