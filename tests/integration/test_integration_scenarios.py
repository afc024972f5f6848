"""Membership under brokers that are old, full, loading or lost, and under handlers that block."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import pytest

from kafkastatic import TopicPartition
from kafkastatic.errors import (
    CommitFailedError,
    ConfigError,
    GroupMaxSizeReachedError,
    IllegalGenerationError,
    InconsistentGroupProtocolError,
    UnsupportedVersionError,
)
from tests.support.raw_peer import RawMember, RawPeer, subscription
from tests.support.scenes import (
    Recorder,
    consumer,
    eventually,
    full_group,
    in_group,
    reading,
    recorded,
    running,
    write,
)

pytestmark = pytest.mark.releases("4.4", "3.9")

GROUP_REQUESTS = {"JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit", "LeaveGroup"}
ONE_TOO_LOW = {"JoinGroup": 4, "SyncGroup": 2, "Heartbeat": 2, "OffsetCommit": 6, "LeaveGroup": 2}
"""The last version of each request that cannot carry an instance id."""


# ── brokers of few versions ──


@pytest.mark.parametrize("api", ONE_TOO_LOW)
@pytest.mark.scenario(2, where="real")
@pytest.mark.asyncio
async def test_a_request_that_cannot_carry_the_instance_id_ends_the_start(kafka, topic, group_id, api) -> None:
    """Whichever of the five it is: the error names it, and no group request is ever on the wire."""
    name, group = await topic(), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        proxy.cap_versions({api: ONE_TOO_LOW[api]})
        ours = consumer(proxy.bootstrap, name, group_id=group, group_instance_id="a")
        with pytest.raises(UnsupportedVersionError, match="or leave group_instance_id out") as caught:
            await ours.start()
        assert isinstance(caught.value, ConfigError)
        assert (caught.value.code, caught.value.api, caught.value.instance_id) == (35, api, "a")
        assert not GROUP_REQUESTS & set(proxy.names())
        await ours.aclose()
        assert not GROUP_REQUESTS & set(proxy.names())
        assert await peer.member_ids(group) == {}


@pytest.mark.scenario(29, where="real")
@pytest.mark.asyncio
async def test_a_leader_that_restarts_below_version_9_of_joingroup_watches_on(kafka, topic, group_id) -> None:
    """It is told its old member id as the leader's and no members: it asks whom it leads, and growth makes it join."""
    mine, theirs, group, heard = await topic(), await topic(), group_id(), Recorder()
    options = {"group_id": group, "group_instance_id": "a", "metadata_max_age_ms": 200}
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        proxy.cap_versions({"JoinGroup": 8})
        follower = RawMember(peer, group, [theirs], instance_id="b")
        async with running(proxy.bootstrap, mine, **options) as ours:
            await ours.assigned()
            await asyncio.wait_for(follower.settle(), 10)
            await eventually(lambda: ours.membership.epoch == follower.generation and ours.assignment())
            epoch, old_id = ours.membership.epoch, ours.membership.member_id
        assert not follower.is_leader
        proxy.clear()
        async with (
            follower.beating(0.05) as codes,
            running(proxy.bootstrap, mine, listener=heard, **options) as ours,
            reading(ours) as reader,
        ):
            assert await ours.assigned() == {TopicPartition(mine, 0)}
            (join,), known = proxy.sent("JoinGroup"), ours.membership.member_id
            assert (join.api_version, join.message.member_id, join.answer.leader) == (8, "", old_id)
            assert (join.answer.members, join.answer.generation_id) == ([], epoch)
            described = await proxy.wait_for("DescribeGroups", answered=True)
            refreshed = [r for r in proxy.sent("Metadata") if r.at > (described.answered_at or 0)]
            await eventually(lambda: len(proxy.sent("Metadata")) > len(refreshed) + 2)  # their topic is known by now
            await eventually(lambda: len(codes) >= 5)
            assert set(codes) == {0}
            assert heard.kinds == ["assigned"]

            await peer.create_partitions(theirs, 3)
            second = await proxy.wait_for("JoinGroup", 2)
            assert second.message.member_id == known
            assert await asyncio.wait_for(follower.settle(), 10) == {(theirs, p) for p in range(3)}
            await eventually(lambda: heard.kinds == ["assigned", "revoked", "assigned"])
            assert second.answer.leader == known
            assert ours.membership.epoch == follower.generation == epoch + 1
            assert reader.error is None


# ── what a predecessor leaves behind ──


@pytest.mark.scenario(25, where="real")
@pytest.mark.asyncio
async def test_a_restart_into_a_full_group_may_wait_for_its_ghost(kafka, topic, group_id, caplog) -> None:
    """81 ends it at once, unless it may wait: then it joins as soon as the old session has expired."""
    caplog.set_level(logging.INFO, logger="kafkastatic")
    group, size = group_id(), int(str(kafka.settings["group.max.size"]))
    name, options = await topic(partitions=size), {"group_id": group, "group_instance_id": "a"}
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        await write(peer, name, 0, [b"0"])
        ghost, *others = await full_group(peer, group, name, size, session_timeout_ms=2000)
        async with ghost.beating(0.1) as codes:
            with pytest.raises(GroupMaxSizeReachedError, match="instance_id_wait_ms"):
                async with consumer(proxy.bootstrap, name, **options) as ours:
                    await ours.getone()
            began = time.monotonic()
            with pytest.raises(GroupMaxSizeReachedError, match="still so after instance_id_wait_ms"):
                async with consumer(proxy.bootstrap, name, instance_id_wait_ms=200, **options) as ours:
                    await ours.getone()
            assert time.monotonic() - began >= 0.2
            assert await ghost.heartbeat() == 0  # it was not replaced
        assert set(codes) == {0}
        proxy.clear()
        async with contextlib.AsyncExitStack() as stack:
            for other in others:
                await stack.enter_async_context(other.beating(0.05, follow=True))
            ours = await stack.enter_async_context(
                running(proxy.bootstrap, name, instance_id_wait_ms=30_000, **options)
            )
            await ours.assigned()

            def shared() -> bool:
                shares = [ours.assignment(), *(other.assignment or set() for other in others)]
                return [tp for share in shares for tp in sorted(share)] == [(name, p) for p in range(size)]

            await eventually(shared)
            codes = [join.answer.error_code for join in proxy.sent("JoinGroup") if join.answer]
            assert (set(codes[:-1]), codes[-1]) == ({81}, 0)
            assert (await peer.member_ids(group))["a"] == ours.membership.member_id != ghost.member_id
        waits = [r.getMessage() for r in caplog.records if r.getMessage().startswith("waiting_for_release")]
        assert len(waits) == 2
        assert all("error='GROUP_MAX_SIZE_REACHED'" in wait for wait in waits)


@pytest.mark.scenario(26, where="real")
@pytest.mark.asyncio
async def test_a_restart_with_another_assignor_may_wait_for_its_ghost(kafka, topic, group_id) -> None:
    """23 names the remedy; who may wait is in the group as soon as the sole old member has expired."""
    name, group = await topic(), group_id()
    options = {"group_id": group, "group_instance_id": "a"}
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        old = [("sticky", subscription([name]))]
        ghost = RawMember(peer, group, [name], instance_id="a", protocols=old, session_timeout_ms=2000)
        await ghost.settle()
        async with ghost.beating(0.1) as codes:
            with pytest.raises(InconsistentGroupProtocolError, match="names both the old and the new assignor"):
                async with consumer(proxy.bootstrap, name, **options) as ours:
                    await ours.getone()
            assert await ghost.heartbeat() == 0
        assert set(codes) == {0}
        proxy.clear()
        async with running(proxy.bootstrap, name, instance_id_wait_ms=30_000, **options) as ours:
            assert await ours.assigned() == {TopicPartition(name, 0)}
            codes = [join.answer.error_code for join in proxy.sent("JoinGroup")]
            assert (set(codes[:-1]), codes[-1]) == ({23}, 0)
            assert await peer.member_ids(group) == {"a": ours.membership.member_id}


# ── a coordinator that loads ──


@pytest.mark.parametrize("leads", [True, False], ids=["leader", "follower"])
@pytest.mark.scenario(27, where="real")
@pytest.mark.asyncio
async def test_good_heartbeats_after_a_lost_coordinator_are_no_proof(kafka, topic, group_id, caplog, leads) -> None:
    """A SyncGroup that is not refused any more is, and in a stable group it changes nothing and nobody notices."""
    caplog.set_level(logging.INFO, logger="kafkastatic")
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        other = RawMember(peer, group, [name], instance_id="b")
        if not leads:
            await other.settle()
        async with running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours:
            if leads:
                await ours.assigned()
                await asyncio.wait_for(other.settle(), 10)
            else:
                await in_group(peer, group, "PreparingRebalance", members=2)
                await other.settle()
            await eventually(lambda: ours.membership.epoch == other.generation and ours.assignment())
            before, calls = ours.membership, len(heard.calls)
            assert other.is_leader is not leads
            async with other.beating(0.05) as codes:
                await proxy.wait_for("Heartbeat", len(proxy.sent("Heartbeat")) + 1, answered=True)
                proxy.clear()
                proxy.rewrite("Heartbeat", lambda answer: setattr(answer, "error_code", 16))
                proxy.rewrite("SyncGroup", loading, times=2)
                await eventually(lambda: len([s for s in proxy.sent("SyncGroup") if s.answered_at]) == 3)
                await proxy.wait_for("Heartbeat", len(proxy.sent("Heartbeat")) + 1, answered=True)
                assert [sync.answer.error_code for sync in proxy.sent("SyncGroup")] == [14, 14, 0]
                assert {sync.message.group_instance_id for sync in proxy.sent("SyncGroup")} == {"a"}
                beats = [heartbeat.answer.error_code for heartbeat in proxy.sent("Heartbeat") if heartbeat.answer]
                assert 0 in beats and set(beats) <= {0, 16}
                assert set(codes) == {0}
            assert not proxy.sent("JoinGroup")
            assert (ours.membership, len(heard.calls)) == (before, calls)
            assert (await peer.describe(group)).group_state == "Stable"
            events = [r.getMessage().split(" ")[0] for r in caplog.records]
            assert events.count("coordinator_lost") == events.count("membership_confirmed") == 1


def loading(answer: object) -> None:
    """What a SyncGroup is answered while the coordinator loads."""
    answer.error_code, answer.assignment = 14, b""  # type: ignore[attr-defined]


# ── a handler that blocks ──


@pytest.mark.scenario(30, where="real")
@pytest.mark.asyncio
async def test_a_handler_that_blocks_through_a_rebalance(kafka, topic, group_id) -> None:
    """Its commit is refused with 22, on_lost is called once, and it rejoins with the member id that it had."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        leader = RawMember(peer, group, [name], instance_id="b", rebalance_timeout_ms=5000)
        await leader.settle()
        await write(peer, name, 0, [b"1", b"2"])
        await write(peer, name, 1, [b"1", b"2"])
        async with running(
            proxy.bootstrap,
            name,
            listener=heard,
            group_id=group,
            group_instance_id="a",
            max_poll_interval_ms=5000,
            session_timeout_ms=30_000,
            heartbeat_interval_ms=25_000,
            enable_auto_commit=False,
        ) as ours:
            await in_group(peer, group, "PreparingRebalance", members=2)
            await leader.settle()
            mine, before = await ours.assigned(), ours.membership
            await proxy.wait_for("Heartbeat", answered=True)
            began = time.monotonic()
            rejoining = asyncio.create_task(leader.join())
            await in_group(peer, group, "PreparingRebalance", members=2)
            # Nobody tells the member of it, whose application asks again well within its poll interval.
            await asyncio.sleep(max(began + 3.0 - time.monotonic(), 0))
            record = await ours.getone()
            time.sleep(2.5)  # the handler: nothing on this loop runs until the group has gone on
            with pytest.raises(CommitFailedError) as caught:
                await ours.commit()
            assert isinstance(caught.value.__cause__, IllegalGenerationError)
            assert caught.value.offsets == {record.tp: record.offset + 1}
            assert (await rejoining).generation_id == before.epoch + 1
            await eventually(lambda: len(heard.calls) >= 2)
            assert heard.calls == [("assigned", mine), ("lost", mine)]

            await leader.settle()
            async with leader.beating(0.05, follow=True):
                again = await asyncio.wait_for(ours.getone(), 10)
                assert (again.tp, again.offset) == (record.tp, record.offset)
                await in_group(peer, group, "Stable", members=2)
                await eventually(lambda: leader.generation == ours.membership.epoch)
                await ours.commit()
            assert heard.kinds == ["assigned", "lost", "assigned"]
            assert ours.membership.member_id == before.member_id
            joins = proxy.sent("JoinGroup")[1:]
            assert {join.message.member_id for join in joins} == {before.member_id}
            assert len(joins) <= 2
            assert await peer.committed(group, [record.tp]) == {record.tp: record.offset + 1}
            assert not proxy.sent("LeaveGroup")
