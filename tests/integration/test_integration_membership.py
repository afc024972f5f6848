"""Joining, restarting, expiring, leaving: the acceptance scenarios of a member that nobody replaces."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from kafkastatic import TopicPartition
from kafkastatic.errors import ConfigError, IllegalStateError
from kafkastatic.identity import IdentityRegistry
from tests.support.raw_peer import RawMember, RawPeer, partitions_of
from tests.support.scenes import (
    Recorder,
    consumer,
    eventually,
    in_group,
    parsed_by_kio,
    reading,
    recorded,
    running,
    stall_until_empty,
    write,
)

pytestmark = pytest.mark.releases("4.4", "3.9")

GROUP_REQUESTS = ("JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit", "LeaveGroup")


# ── joining ──


@pytest.mark.scenario(1, where="real")
@pytest.mark.asyncio
async def test_a_first_static_join_takes_one_round_trip(kafka, topic, group_id) -> None:
    """One JoinGroup, no member id asked for first, on_assigned once; the coordinator knows the same member."""
    name, group, heard = await topic(partitions=3), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
    ):
        everything = await ours.assigned()
        assert everything == {TopicPartition(name, p) for p in range(3)}
        (join,) = proxy.sent("JoinGroup")
        assert join.message.member_id == ""
        assert join.answer.error_code == 0
        assert ours.membership.member_id == join.answer.member_id
        assert ours.membership.member_id.startswith("a-")
        assert ours.membership.epoch == 1
        await proxy.wait_for("Heartbeat", 2, answered=True)
        group_requests = [name for name in proxy.names() if name in GROUP_REQUESTS]
        assert group_requests[:3] == ["JoinGroup", "SyncGroup", "Heartbeat"]
        assert heard.calls == [("assigned", everything)]
        (described,) = (await in_group(peer, group, "Stable")).members
        assert (described.member_id, described.group_instance_id) == (ours.membership.member_id, "a")
        assert partitions_of(described.member_assignment) == everything


@pytest.mark.parametrize("illegal", ["", ".", "..", "a" * 250, "a b", "ñ", "a\0"])
@pytest.mark.scenario(3, where="real")
@pytest.mark.asyncio
async def test_an_illegal_instance_id_is_refused_before_any_socket(kafka, group_id, illegal) -> None:
    """The broker itself would take it: a raw join under the same string succeeds."""
    group = group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        with pytest.raises(ConfigError, match="group_instance_id"):
            consumer(proxy.bootstrap, "topic", group_id=group, group_instance_id=illegal)
        assert proxy.accepted == 0
        assert (await peer.join(group, instance_id=illegal, topics=["topic"])).error_code == 0


@pytest.mark.scenario(40, where="real")
@pytest.mark.asyncio
async def test_two_consumers_of_one_identity_in_one_process_are_refused_here(kafka, topic, group_id) -> None:
    """The second start sends nothing; the first does not notice; once it is closed the id is free again."""
    name, group, registry, heard = await topic(), group_id(), IdentityRegistry(), Recorder()
    options = {"group_id": group, "group_instance_id": "a", "registry": registry}
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        async with running(kafka.bootstrap, name, listener=heard, **options) as first:
            await first.assigned()
            second = consumer(kafka.bootstrap, name, **options)
            with pytest.raises(ConfigError, match="already uses group_instance_id 'a'"):
                await second.start()
            assert await peer.member_ids(group) == {"a": first.membership.member_id}
            other = consumer(proxy.bootstrap, name, **options)  # another address: another cluster, for all we know
            await other.start()
            await other.aclose()
            assert proxy.accepted
        proxy.clear()
        accepted = proxy.accepted
        async with running(proxy.bootstrap, name, **options) as third:
            await third.assigned()
            fourth = consumer(proxy.bootstrap, name, **options)
            before = len(proxy.requests)
            with pytest.raises(ConfigError):
                await fourth.start()
            assert [r for r in proxy.requests[before:] if r.name not in ("Heartbeat", "Fetch")] == []
            await fourth.aclose()
        assert proxy.accepted > accepted
        assert heard.kinds[0] == "assigned"


# ── restarting ──


@pytest.mark.scenario(4, where="real")
@pytest.mark.asyncio
async def test_a_follower_restarts_and_its_leader_sees_nothing(kafka, topic, group_id) -> None:
    """Same partitions and generation, a new member id; the peer's heartbeats stay 0; no LeaveGroup on the wire."""
    name, group = await topic(partitions=4), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        leader = RawMember(peer, group, [name], instance_id="b")
        await leader.settle()
        async with (
            running(proxy.bootstrap, name, group_id=group, group_instance_id="a") as ours,
            leader.beating(0.05, follow=True),
        ):
            before = await ours.assigned()
            await in_group(peer, group, "Stable", members=2)
            first = ours.membership
        assert len(before) == 2
        async with leader.beating(0.02) as codes:
            for _ in range(3):
                async with running(proxy.bootstrap, name, group_id=group, group_instance_id="a") as ours:
                    assert await ours.assigned() == before
                    assert ours.membership.epoch == first.epoch == leader.generation
                    assert ours.membership.member_id != first.member_id
                    assert await peer.member_ids(group) == {"a": ours.membership.member_id, "b": leader.member_id}
                    first = ours.membership
            await eventually(lambda: len(codes) >= 10)
        assert set(codes) == {0}
        assert (await peer.describe(group)).group_state == "Stable"
        assert not proxy.sent("LeaveGroup")


@pytest.mark.scenario(4, where="real")
@pytest.mark.asyncio
async def test_a_leader_sees_nothing_of_its_followers_restart(kafka, topic, group_id) -> None:
    """The raw peer restarts under its instance id: no callback here, the same epoch, and the reading goes on."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
        reading(ours) as reader,
    ):
        await ours.assigned()
        follower = RawMember(peer, group, [name], instance_id="b")
        theirs = await follower.settle()
        await eventually(lambda: heard.kinds == ["assigned", "revoked", "assigned"])
        membership = ours.membership
        proxy.clear()
        for _ in range(3):
            again = RawMember(peer, group, [name], instance_id="b")
            assert await again.settle() == theirs
            assert again.generation == membership.epoch
        await proxy.wait_for("Heartbeat", 3, answered=True)
        assert [request.answer.error_code for request in proxy.sent("Heartbeat")][:3] == [0, 0, 0]
        assert ours.membership == membership
        assert len(heard.calls) == 3
        assert not {"JoinGroup", "SyncGroup", "LeaveGroup"} & set(proxy.names())
        ((mine),) = ours.assignment()
        await write(peer, name, mine.partition, [b"after"])
        await eventually(lambda: [record.value for record in reader.records] == [b"after"])


@pytest.mark.scenario(5, where="real")
@pytest.mark.asyncio
async def test_a_leader_restarts_skips_the_assignment_and_watches_on(kafka, topic, group_id) -> None:
    """Its SyncGroup carries no assignments, a heartbeat follows at once, and partitions added later are noticed."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    options = {"group_id": group, "group_instance_id": "a", "metadata_max_age_ms": 300}
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        follower = RawMember(peer, group, [name], instance_id="b")
        async with running(proxy.bootstrap, name, **options) as ours:
            await ours.assigned()
            await asyncio.wait_for(follower.settle(), 10)
            await eventually(lambda: ours.membership.epoch == follower.generation and len(ours.assignment()) == 1)
            mine, epoch = ours.assignment(), ours.membership.epoch
        assert not follower.is_leader
        proxy.clear()
        async with (
            follower.beating(0.05) as codes,
            running(proxy.bootstrap, name, listener=heard, **(options | {"heartbeat_interval_ms": 9000})) as ours,
        ):
            assert await ours.assigned() == mine
            assert ours.membership.epoch == epoch
            (join,), (sync,) = proxy.sent("JoinGroup"), proxy.sent("SyncGroup")
            assert join.answer.skip_assignment is True
            assert join.answer.leader == ours.membership.member_id
            assert len(join.answer.members) == 2
            assert sync.message.assignments == []
            heartbeat = await proxy.wait_for("Heartbeat", answered=True)
            assert heartbeat.at - sync.answered_at < 4  # of a heartbeat interval of 9 s
            await eventually(lambda: len(codes) >= 5)
            assert set(codes) == {0}
        async with running(proxy.bootstrap, name, listener=heard, **options) as ours, reading(ours):
            await ours.assigned()
            assert ours.membership.epoch == epoch
            proxy.clear()
            await peer.create_partitions(name, 4)
            await proxy.wait_for("JoinGroup")
            assert (await asyncio.wait_for(follower.settle(), 10)) <= {(name, p) for p in range(4)}
            await eventually(lambda: len(ours.assignment()) == 2)
            assert ours.assignment() | follower.assignment == {(name, p) for p in range(4)}


@pytest.mark.scenario(22, where="real")
@pytest.mark.asyncio
async def test_a_longer_session_than_the_predecessors_counts_at_once(kafka, topic, group_id) -> None:
    """A replacement lives on its predecessor's timer until its first heartbeat, which must therefore come at once."""
    name, group = await topic(), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        before = RawMember(peer, group, [name], instance_id="a", session_timeout_ms=2000)
        await before.settle()
        slow = {"session_timeout_ms": 20_000, "heartbeat_interval_ms": 18_000}
        async with (
            before.beating(0.1) as codes,  # until it is replaced
            running(proxy.bootstrap, name, group_id=group, group_instance_id="a", **slow) as ours,
        ):
            await ours.assigned()
            await eventually(lambda: codes[-1] == 82)
            joined = time.monotonic()
            # The predecessor's session, in which nothing happens, is the scenario itself.
            await eventually(lambda: time.monotonic() - joined > 2.5, every=0.2)
            (heartbeat,) = proxy.sent("Heartbeat")
            assert heartbeat.answer.error_code == 0
            assert await peer.member_ids(group) == {"a": ours.membership.member_id}
            assert ours.membership.epoch == before.generation


# ── what goes over the wire ──


@pytest.mark.scenario(14, where="real")
@pytest.mark.asyncio
async def test_every_group_request_carries_the_instance_id(kafka, topic, group_id) -> None:
    """Join, sync, heartbeat, commit and leave, also after the coordinator moved: each as a third decoder reads it."""
    name, group = await topic(partitions=2), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        await write(peer, name, 0, [b"1", b"2"])
        ours = consumer(proxy.bootstrap, name, group_id=group, group_instance_id="a")
        async with ours, reading(ours) as reader:
            await eventually(lambda: len(reader.records) == 2)
            await ours.commit()
            follower = RawMember(peer, group, [name], instance_id="b")
            await asyncio.wait_for(follower.settle(), 10)
            await eventually(lambda: ours.membership.epoch == follower.generation)
            proxy.rewrite("Heartbeat", lambda response: setattr(response, "error_code", 16))
            lookups = len(proxy.sent("FindCoordinator"))
            await proxy.wait_for("FindCoordinator", lookups + 1, answered=True)
            await proxy.wait_for("Heartbeat", len(proxy.sent("Heartbeat")) + 2, answered=True)
            proxy.rewrite(
                "OffsetCommit",
                lambda r: [setattr(p, "error_code", 16) for t in r.topics for p in t.partitions],
            )
            commits = len(proxy.sent("OffsetCommit"))
            await ours.commit({tp: 1 for tp in ours.assignment()})
            assert len(proxy.sent("OffsetCommit")) == commits + 2
            await proxy.wait_for("SyncGroup", 4, answered=True)  # the last two confirm the membership
            await ours.aclose(membership="leave")
        seen = {request_name: 0 for request_name in GROUP_REQUESTS}
        for request in proxy.requests:
            if request.name not in GROUP_REQUESTS:
                continue
            seen[request.name] += 1
            parsed = parsed_by_kio(request)
            identities = parsed.members if request.name == "LeaveGroup" else [parsed]
            assert [identity.group_instance_id for identity in identities] == ["a"]
            if request.name != "JoinGroup":
                assert [identity.member_id for identity in identities] == [ours.membership.member_id]
        assert (seen["JoinGroup"], seen["SyncGroup"]) == (2, 4)
        assert seen["LeaveGroup"] == 1
        assert seen["OffsetCommit"] >= 3
        assert seen["Heartbeat"] >= 4
        assert {request.name for request in proxy.requests if request.name.startswith("TxnOffset")} == set()


# ── losing the membership ──


@pytest.mark.scenario(17, where="real")
@pytest.mark.asyncio
async def test_a_stalled_event_loop_costs_the_session_and_the_member_comes_back(kafka, topic, group_id) -> None:
    """Heartbeat 25: on_lost, one blind join under the instance id, on_assigned; nothing is raised."""
    name, group, heard = await topic(), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(
            proxy.bootstrap,
            name,
            listener=heard,
            group_id=group,
            group_instance_id="a",
            session_timeout_ms=3000,
        ) as ours,
        reading(ours) as reader,
    ):
        everything, before = await ours.assigned(), ours.membership
        proxy.clear()
        stall_until_empty(kafka, group)
        await eventually(lambda: len(heard.calls) == 3)
        assert heard.calls == [("assigned", everything), ("lost", everything), ("assigned", everything)]
        assert 25 in [request.answer.error_code for request in proxy.sent("Heartbeat") if request.answer]
        (join,) = proxy.sent("JoinGroup")
        assert (join.message.member_id, join.message.group_instance_id) == ("", "a")
        assert ours.membership.member_id != before.member_id
        assert await peer.member_ids(group) == {"a": ours.membership.member_id}
        await write(peer, name, 0, [b"after"])
        await eventually(lambda: [record.value for record in reader.records] == [b"after"])
        assert reader.error is None


@pytest.mark.scenario(17, where="real")
@pytest.mark.asyncio
async def test_a_member_cut_off_for_longer_than_its_session_comes_back(kafka, topic, group_id) -> None:
    """Its peer takes everything over meanwhile; then both share again, and no record is lost."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        other = RawMember(peer, group, [name], instance_id="b")
        await other.settle()
        async with (
            running(
                proxy.bootstrap,
                name,
                listener=heard,
                group_id=group,
                group_instance_id="a",
                session_timeout_ms=2000,
            ) as ours,
            reading(ours) as reader,
            other.beating(0.05, follow=True),
        ):
            await ours.assigned()
            (mine,) = ours.assignment()
            await eventually(lambda: other.assignment == {(name, 0), (name, 1)} - {mine})
            hold = proxy.hold("Heartbeat", when="request", times=None)
            await asyncio.wait_for(hold.reached.wait(), 10)
            await eventually(lambda: other.assignment == {(name, 0), (name, 1)})
            assert set(await peer.member_ids(group)) == {"b"}
            proxy.undisturbed()
            await eventually(lambda: heard.kinds == ["assigned", "lost", "assigned"])
            await in_group(peer, group, "Stable", members=2)
            await eventually(lambda: other.generation == ours.membership.epoch)
            assert ours.assignment() | other.assignment == {(name, 0), (name, 1)}
            assert ours.assignment() == {mine}
            await write(peer, name, mine.partition, [b"after"])
            await eventually(lambda: [record.value for record in reader.records] == [b"after"])
            assert reader.error is None


@pytest.mark.scenario(28, where="real")
@pytest.mark.asyncio
async def test_a_coordinator_out_of_reach_for_longer_than_the_session(kafka, topic, group_id) -> None:
    """When it is back: heartbeat 25, one join, no loop of joins; the reading goes on."""
    name, group, heard = await topic(), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(
            proxy.bootstrap,
            name,
            listener=heard,
            group_id=group,
            group_instance_id="a",
            session_timeout_ms=2000,
            reconnect_backoff_max_ms=200,
            retry_backoff_max_ms=200,
        ) as ours,
        reading(ours) as reader,
    ):
        everything = await ours.assigned()
        await proxy.refuse()
        proxy.cut_all()
        await in_group(peer, group, "Empty")  # the session has expired
        await write(peer, name, 0, [b"after"])
        proxy.clear()
        await proxy.accept()
        # The fetch may be back before the heartbeat that says so; then the record is delivered again after the loss.
        expected = [("assigned", everything), ("lost", everything), ("assigned", everything)]
        await eventually(lambda: heard.calls == expected)
        await eventually(lambda: {record.value for record in reader.records} == {b"after"})
        assert heard.calls == expected
        assert len(proxy.sent("JoinGroup")) == 1
        assert await peer.member_ids(group) == {"a": ours.membership.member_id}
        assert reader.error is None


@pytest.mark.scenario(18, where="real")
@pytest.mark.asyncio
async def test_a_member_that_missed_a_generation_rejoins_with_its_member_id(kafka, topic, group_id) -> None:
    """Heartbeat 22: on_lost, then at most two JoinGroups, none of them blind."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        leader = RawMember(peer, group, [name], instance_id="b", rebalance_timeout_ms=2500)
        await leader.settle()
        async with (
            running(
                proxy.bootstrap,
                name,
                listener=heard,
                group_id=group,
                group_instance_id="a",
                max_poll_interval_ms=2500,
            ) as ours,
            reading(ours) as reader,
        ):
            await in_group(peer, group, "PreparingRebalance", members=2)
            await leader.settle()
            mine, before = await ours.assigned(), ours.membership
            await proxy.wait_for("Heartbeat", answered=True)
            hold = proxy.hold("Heartbeat", when="request")
            await asyncio.wait_for(hold.reached.wait(), 10)
            joined = await asyncio.wait_for(leader.join(), 10)  # after the rebalance timeout, with the absentee
            assert joined.generation_id == before.epoch + 1
            assert set(leader.members.values()) == {"a", "b"}
            proxy.clear()
            hold.release()
            await eventually(lambda: heard.kinds == ["assigned", "lost"])
            await leader.settle()
            async with leader.beating(0.05, follow=True):
                await eventually(lambda: heard.kinds == ["assigned", "lost", "assigned"])
                await eventually(lambda: leader.generation == ours.membership.epoch)
                joins = proxy.sent("JoinGroup")
                assert 1 <= len(joins) <= 2
                assert {join.message.member_id for join in joins} == {before.member_id}
                assert {join.message.group_instance_id for join in joins} == {"a"}
                assert ours.membership.member_id == before.member_id
                assert heard.calls[1] == ("lost", mine)
                assert ours.assignment() | leader.assignment == {(name, 0), (name, 1)}
                assert reader.error is None


@pytest.mark.scenario(19, 23, where="real")
@pytest.mark.asyncio
async def test_a_member_removed_while_its_join_is_parked_joins_anew(kafka, topic, group_id) -> None:
    """JoinGroup with the known member id is answered 25: one more, blind, under the same instance id."""
    name, group, heard = await topic(partitions=3), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
        reading(ours) as reader,
    ):
        await ours.assigned()
        second, third = (RawMember(peer, group, [name], instance_id=i, rebalance_timeout_ms=60_000) for i in "bc")
        await asyncio.wait_for(second.settle(), 10)
        await eventually(lambda: len(heard.calls) == 3)
        known = ours.membership.member_id
        proxy.clear()
        parked = asyncio.create_task(third.settle())
        await proxy.wait_for("JoinGroup")  # parked behind `second`, which does not rejoin
        await eventually(lambda: parked_with(peer, group, known))
        assert (await peer.leave(group, instance_id="a")).members[0].error_code == 0
        await proxy.wait_for("JoinGroup", 2)
        await asyncio.wait_for(second.settle(), 10)
        await asyncio.wait_for(parked, 10)
        await eventually(lambda: len(heard.calls) == 5)
        first, blind = proxy.sent("JoinGroup")
        assert (first.message.member_id, first.answer.error_code) == (known, 25)
        assert (blind.message.member_id, blind.answer.error_code) == ("", 0)
        assert blind.message.group_instance_id == "a"
        assert heard.kinds == ["assigned", "revoked", "assigned", "revoked", "assigned"]
        assert ours.membership.member_id not in ("", known)
        assert ours.membership.epoch == second.generation == third.generation
        assert ours.assignment() | second.assignment | third.assignment == {(name, p) for p in range(3)}
        assert reader.error is None


async def parked_with(peer: RawPeer, group: str, member_id: str) -> bool:
    """The coordinator waits for others to rejoin, and knows this member."""
    found = await peer.describe(group)
    return found.group_state == "PreparingRebalance" and member_id in {member.member_id for member in found.members}


@pytest.mark.scenario(23, where="real")
@pytest.mark.asyncio
async def test_a_member_removed_by_an_administrator_joins_anew(kafka, topic, group_id, caplog) -> None:
    """LeaveGroup by instance id: the next heartbeat is 25, on_lost, a blind join, on_assigned; the log says why."""
    caplog.set_level(logging.INFO, logger="kafkastatic")
    name, group, heard = await topic(), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
        reading(ours) as reader,
    ):
        everything, before = await ours.assigned(), ours.membership
        await proxy.wait_for("Heartbeat", 2, answered=True)  # before the first answer nothing can be inferred
        proxy.clear()
        assert (await peer.leave(group, instance_id="a", reason="drained")).members[0].error_code == 0
        await eventually(lambda: len(heard.calls) == 3)
        assert heard.calls == [("assigned", everything), ("lost", everything), ("assigned", everything)]
        (join,) = proxy.sent("JoinGroup")
        assert (join.message.member_id, join.message.group_instance_id) == ("", "a")
        assert await peer.member_ids(group) == {"a": ours.membership.member_id} != {"a": before.member_id}
        (lost,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("lost ")]
        assert "cause='removed'" in lost
        assert "inferred=True" in lost
        assert reader.error is None


# ── giving up for a while, or for good ──


@pytest.mark.scenario(20, where="real")
@pytest.mark.asyncio
async def test_there_are_never_two_blind_joins_at_once(kafka, topic, group_id) -> None:
    """A parked first join is given up and wanted again: its connection is closed before the next one is sent."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        other = RawMember(peer, group, [name], instance_id="b", rebalance_timeout_ms=60_000)
        await other.settle()
        async with (
            running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
            reading(ours) as reader,
        ):
            parked: set[str | None] = set()
            for _ in range(3):
                parked.add(await eventually(lambda: another_is_parked(peer, group, parked)))
                ours.unsubscribe()
                ours.subscribe([name], listener=heard)
            await eventually(lambda: another_is_parked(peer, group, parked))
            joins = proxy.sent("JoinGroup")
            assert [join.message.member_id for join in joins] == [""] * 4
            assert len({join.connection for join in joins}) == 4
            await asyncio.wait_for(other.settle(), 10)
            await eventually(lambda: heard.kinds == ["assigned"])
            assert reader.error is None
            assert [join.answer is not None for join in joins] == [False, False, False, True]
            assert joins[-1].answer.error_code == 0
            assert ours.assignment() | other.assignment == {(name, 0), (name, 1)}
            assert (await other.heartbeat()) == 0


async def another_is_parked(peer: RawPeer, group: str, known: set[str | None]) -> str | None:
    """The member id under which a JoinGroup of instance `a` is parked now, where it is not one of those known."""
    found = await peer.describe(group)
    assert found.group_state == "PreparingRebalance"
    (member_id,) = [member.member_id for member in found.members if member.group_instance_id == "a"]
    return None if member_id in known else member_id


@pytest.mark.scenario(20, where="real")
@pytest.mark.asyncio
async def test_a_member_fenced_by_its_own_late_join_tries_once_more(kafka, topic, group_id) -> None:
    """The abandoned JoinGroup reaches the coordinator behind the live one and replaces it (KAFKA-20985)."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        other = RawMember(peer, group, [name], instance_id="b", rebalance_timeout_ms=60_000)
        await other.settle()
        late = proxy.hold("JoinGroup", when="request")
        async with (
            running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
            reading(ours) as reader,
        ):
            await asyncio.wait_for(late.reached.wait(), 10)
            ours.unsubscribe()
            ours.subscribe([name], listener=heard)
            await in_group(peer, group, "PreparingRebalance", members=2)
            late.release()
            await proxy.wait_for("JoinGroup", 3)
            await asyncio.wait_for(other.settle(), 10)
            await eventually(lambda: heard.kinds == ["assigned"])
            await eventually(lambda: other.generation == ours.membership.epoch)
            joins = proxy.sent("JoinGroup")
            assert [join.message.member_id for join in joins] == ["", "", ""]
            assert [join.answer and join.answer.error_code for join in joins] == [None, 82, 0]
            assert reader.error is None
            assert set(await peer.member_ids(group)) == {"a", "b"}
            await other.settle() if await other.heartbeat() == 27 else None
            assert ours.assignment() | other.assignment == {(name, 0), (name, 1)}


@pytest.mark.scenario(21, where="real")
@pytest.mark.asyncio
async def test_unsubscribing_keeps_the_place_and_the_member_id(kafka, topic, group_id) -> None:
    """No LeaveGroup, and the way back is a join with the kept member id that fences nobody."""
    name, group, heard = await topic(), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
    ):
        everything, before = await ours.assigned(), ours.membership
        await write(peer, name, 0, [b"1"])
        proxy.clear()
        ours.unsubscribe()
        await eventually(lambda: heard.kinds == ["assigned", "revoked"] and not ours.assignment())
        assert await peer.member_ids(group) == {"a": before.member_id}
        with pytest.raises(IllegalStateError, match="There is nothing to read"):
            await ours.getone()
        ours.subscribe([name], listener=heard)
        await eventually(lambda: heard.kinds == ["assigned", "revoked", "assigned"])
        (join,) = proxy.sent("JoinGroup")
        assert (join.message.member_id, join.answer.error_code) == (before.member_id, 0)
        assert heard.calls == [("assigned", everything), ("revoked", everything), ("assigned", everything)]
        assert ours.membership.member_id == before.member_id
        assert not proxy.sent("LeaveGroup")
        assert (await asyncio.wait_for(ours.getone(), 10)).value == b"1"


@pytest.mark.scenario(21, where="real")
@pytest.mark.asyncio
async def test_a_slow_application_keeps_its_member_id(kafka, topic, group_id) -> None:
    """max_poll_interval_ms exceeded: on_lost, no LeaveGroup; the next ask joins again with the kept member id."""
    name, group, heard = await topic(), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        await write(peer, name, 0, [b"1", b"2"])
        async with running(
            proxy.bootstrap,
            name,
            listener=heard,
            group_id=group,
            group_instance_id="a",
            max_poll_interval_ms=400,
            session_timeout_ms=6000,
        ) as ours:
            first = await asyncio.wait_for(ours.getone(), 10)
            before = ours.membership
            await eventually(lambda: heard.kinds == ["assigned", "lost"])
            await eventually(lambda: proxy.sent("Heartbeat")[-1].answered_at is not None)
            proxy.clear()
            assert await peer.member_ids(group) == {"a": before.member_id}
            again = await asyncio.wait_for(ours.getone(), 10)
            assert (first.offset, again.offset) == (0, 0)  # it was not consumed, so it comes again
            assert heard.kinds == ["assigned", "lost", "assigned"]
            (join,) = proxy.sent("JoinGroup")
            assert (join.message.member_id, join.answer.error_code) == (before.member_id, 0)
            assert not proxy.sent("LeaveGroup")


@pytest.mark.scenario(24, where="real")
@pytest.mark.asyncio
async def test_leaving_for_good_frees_the_partitions_at_once(kafka, topic, group_id) -> None:
    """LeaveGroup carries member and instance id; the peer is told to rebalance and takes everything."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        other = RawMember(peer, group, [name], instance_id="b")
        await other.settle()
        ours = consumer(proxy.bootstrap, group_id=group, group_instance_id="a")
        ours.subscribe([name], listener=heard)
        async with ours:
            async with other.beating(0.05, follow=True):
                mine = await ours.assigned()
                await eventually(lambda: other.assignment == {(name, 0), (name, 1)} - mine)
            member_id = ours.membership.member_id
            await ours.aclose(membership="leave")
        (leave,) = proxy.sent("LeaveGroup")
        (identity,) = leave.message.members
        assert (identity.member_id, identity.group_instance_id) == (member_id, "a")
        assert (leave.answer.error_code, leave.answer.members[0].error_code) == (0, 0)
        assert set(await peer.member_ids(group)) == {"b"}
        assert await other.heartbeat() == 27
        assert await other.settle() == {(name, 0), (name, 1)}
        assert heard.calls == [("assigned", mine), ("revoked", mine)]


@pytest.mark.parametrize(("rival", "code"), [("administrator", 25), ("twin", 82)])
@pytest.mark.scenario(24, where="real")
@pytest.mark.asyncio
async def test_leaving_too_late_is_reported_and_not_raised(kafka, topic, group_id, caplog, rival, code) -> None:
    """The member's own code in the answer is looked at: it was removed, or replaced, since the last heartbeat."""
    caplog.set_level(logging.INFO, logger="kafkastatic")
    name, group = await topic(), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        ours = consumer(
            proxy.bootstrap,
            name,
            group_id=group,
            group_instance_id="a",
            heartbeat_interval_ms=5000,
            enable_auto_commit=False,
        )
        await ours.start()
        await ours.assigned()
        await proxy.wait_for("Heartbeat", answered=True)
        twin = RawMember(peer, group, [name], instance_id="a")
        if rival == "twin":
            await twin.settle()
        else:
            await peer.leave(group, instance_id="a")
        await ours.aclose(membership="leave", timeout=5)
        (leave,) = proxy.sent("LeaveGroup")
        assert (leave.answer.error_code, leave.answer.members[0].error_code) == (0, code)
        (left,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("left ")]
        assert f"code={code if code == 82 else 0}" in left
        if rival == "twin":
            assert await twin.heartbeat() == 0
            assert await peer.member_ids(group) == {"a": twin.member_id}


# ── the broker goes away ──


@pytest.mark.scenario(27, where="real")
@pytest.mark.asyncio
async def test_membership_and_reading_outlive_a_restart_of_the_broker(kafka_to_restart, group_id, caplog) -> None:
    """Same member id and generation on both sides, confirmed, no callback, nothing lost and nothing read twice.

    A coordinator loads a group that has members as Stable, in the generation that was stored, and makes it rebalance
    only when a member joins, leaves or expires, which nobody does here.
    """
    caplog.set_level(logging.INFO, logger="kafkastatic")
    own, group, heard = await asyncio.to_thread(kafka_to_restart), group_id(), Recorder()
    name = f"orders-{group}"
    async with RawPeer.connect(own.bootstrap) as peer:
        await peer.create_topic(name, 2)
        await write(peer, name, 0, [b"1"])
        await write(peer, name, 1, [b"1"])
    async with (
        running(
            own.bootstrap,
            name,
            listener=heard,
            group_id=group,
            group_instance_id="a",
            session_timeout_ms=20_000,
            auto_commit_interval_ms=100,
            default_api_timeout_ms=90_000,
        ) as ours,
        reading(ours) as reader,
    ):
        await eventually(lambda: len(reader.records) == 2)
        before = ours.membership
        for stop, count in ((own.stop, 4), (own.kill, 6)):
            losses, known = len(lost(caplog)), len(confirmed(caplog))
            await asyncio.to_thread(stop)
            commit = asyncio.create_task(ours.commit({TopicPartition(name, 0): 1}))
            await eventually(lambda losses=losses: len(lost(caplog)) > losses)
            await asyncio.to_thread(own.start)
            await asyncio.wait_for(commit, 20)
            async with RawPeer.connect(own.bootstrap) as peer:
                await write(peer, name, 0, [b"after"])
                await write(peer, name, 1, [b"after"])
                await eventually(lambda count=count: len(reader.records) == count, timeout=20)
                await eventually(lambda known=known: len(confirmed(caplog)) > known or heard.kinds != ["assigned"])
                assert (heard.kinds, ours.membership) == (["assigned"], before)
                assert await peer.member_ids(group) == {"a": before.member_id}
        assert heard.kinds == ["assigned"]
        assert sorted((r.partition, r.offset) for r in reader.records) == [(p, o) for p in (0, 1) for o in range(3)]
        assert reader.error is None
        async with RawPeer.connect(own.bootstrap) as peer:

            async def committed() -> bool:
                return await peer.committed(group, [(name, 1)]) == {(name, 1): 3}

            await eventually(committed)
            (described,) = (await peer.describe(group)).members
            assert described.member_id == before.member_id
            twin = RawMember(peer, group, [name], instance_id="a")
            await twin.settle()
            assert twin.generation == before.epoch


def lost(caplog) -> list[str]:
    """The events that say that the coordinator is out of reach."""
    return [m for record in caplog.records if (m := record.getMessage()).startswith("coordinator_lost ")]


def confirmed(caplog) -> list[str]:
    """The events that say that a coordinator which was lost knows the member again."""
    return [m for record in caplog.records if (m := record.getMessage()).startswith("membership_confirmed ")]
