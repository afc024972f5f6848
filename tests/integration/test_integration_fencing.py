"""Another process takes the identity over: a raw-protocol twin joins under the same instance id."""

from __future__ import annotations

import asyncio
import time

import pytest

from kafkastatic import FencedInstanceIdError, TopicPartition
from kafkastatic.errors import CommitFailedError
from tests.support.raw_peer import RawError, RawMember, RawPeer
from tests.support.recording_proxy import RecordingProxy
from tests.support.scenes import (
    Recorder,
    consumer,
    eventually,
    in_group,
    reading,
    recorded,
    running,
    write,
)

pytestmark = pytest.mark.releases("4.4", "3.9")

GROUP_REQUESTS = {"JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit", "LeaveGroup"}


def sent_by(proxy: RecordingProxy) -> list[str]:
    """The group requests on the wire since the last `clear`."""
    return [name for name in proxy.names() if name in GROUP_REQUESTS]


async def stays_member(twin: RawMember, owner: dict[str | None, str], heartbeats: int = 10) -> None:
    """The twin is undisturbed: every heartbeat is answered 0, in the same generation, under the same member id."""
    generation = twin.generation
    assert [await twin.heartbeat() for _ in range(heartbeats)] == [0] * heartbeats
    assert twin.generation == generation
    assert await twin.peer.member_ids(twin.group) == owner


@pytest.mark.scenario(9, 13, where="real")
@pytest.mark.asyncio
async def test_a_replaced_member_ends_with_the_error_and_leaves_its_twin_alone(kafka, topic, group_id) -> None:
    """Its next heartbeat ends it: on_lost, not on_revoked, the same error from every call, and silence on the wire."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    everything = {TopicPartition(name, 0), TopicPartition(name, 1)}
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap, client_id="the-twin") as peer,
        running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
    ):
        await write(peer, name, 0, [b"1", b"2"])
        async with reading(ours) as reader:
            await ours.assigned()
            epoch, member_id = ours.membership.epoch, ours.membership.member_id
            await eventually(lambda: len(reader.records) == 2)
            twin = RawMember(peer, group, [name], instance_id="a")
            assert await twin.settle() == everything
            proxy.clear()
            error = await reader.ended()
        assert twin.generation == epoch
        assert isinstance(error, FencedInstanceIdError)
        assert (error.code, error.api, error.fatal) == (82, "Heartbeat", True)
        assert (error.group, error.instance_id, error.member_id, error.epoch) == (group, "a", member_id, epoch)
        # The coordinator keeps the client id and the host of whoever held the id first: here those are our own.
        (described,) = (await peer.describe(group)).members
        assert (described.member_id, described.client_id) == (twin.member_id, "kafkastatic")
        assert error.owner == f"member {twin.member_id} (the id was first joined by kafkastatic at 127.0.0.1)"
        assert "Another process uses the same group_instance_id" in str(error)
        assert heard.calls == [("assigned", frozenset(everything)), ("lost", frozenset(everything))]

        for call in (ours.getone, ours.commit, lambda: ours.position(TopicPartition(name, 0)), ours.assigned):
            with pytest.raises(FencedInstanceIdError) as again:
                await call()
            assert again.value is not error
            assert str(again.value) == str(error)
        with pytest.raises(FencedInstanceIdError):
            await anext(aiter(ours))
        with pytest.raises(FencedInstanceIdError):
            ours.subscribe([name])

        await stays_member(twin, {"a": twin.member_id})
        await ours.aclose()
        assert sent_by(proxy) in (["Heartbeat"], [])  # at most the one that was answered 82
        await stays_member(twin, {"a": twin.member_id})

        # Only a new Consumer takes the identity back, in the same generation.
        async with consumer(proxy.bootstrap, name, group_id=group, group_instance_id="a") as new:
            assert await new.assigned() == everything
            assert new.membership.epoch == epoch
            assert await twin.heartbeat() == 82


@pytest.mark.scenario(9, 15, where="real")
@pytest.mark.asyncio
async def test_a_commit_in_flight_when_its_member_is_replaced_is_never_retried(kafka, topic, group_id) -> None:
    """The pending commit raises the bare error, goes over the wire once, and the successor's offsets stand."""
    name, group = await topic(), group_id()
    tp = TopicPartition(name, 0)
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, group_id=group, group_instance_id="a", enable_auto_commit=False) as ours,
    ):
        await write(peer, name, 0, [b"1", b"2", b"3"])
        await ours.getone()
        proxy.clear()
        hold = proxy.hold("OffsetCommit", when="request")
        pending = asyncio.create_task(ours.commit())
        waiting = asyncio.create_task(ours.commit({tp: 2}))  # behind the first
        await asyncio.wait_for(hold.reached.wait(), 10)
        twin = RawMember(peer, group, [name], instance_id="a")
        await twin.settle()
        assert await twin.commit({tp: 3}) == {tp: 0}
        hold.release()
        for commit in (pending, waiting):
            with pytest.raises(FencedInstanceIdError) as caught:
                await asyncio.wait_for(commit, 10)
            assert caught.value.owner is not None
            assert caught.value.owner.startswith(f"member {twin.member_id} ")
        await ours.aclose()
        (only,) = proxy.sent("OffsetCommit")
        assert [p.error_code for t in only.answer.topics for p in t.partitions] == [82]
        assert await peer.committed(group, [tp]) == {tp: 3}
        await stays_member(twin, {"a": twin.member_id})


@pytest.mark.scenario(9, where="real")
@pytest.mark.asyncio
async def test_nothing_that_is_in_hand_is_committed_after_the_twin(kafka, topic, group_id) -> None:
    """Auto-commit of the fenced member, on its timer or at close, does not touch its successor's offsets."""
    name, group = await topic(), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        await write(peer, name, 0, [b"%d" % n for n in range(10)])
        with pytest.raises(FencedInstanceIdError):
            async with consumer(
                proxy.bootstrap, name, group_id=group, group_instance_id="a", auto_commit_interval_ms=50
            ) as ours:
                for _ in range(5):
                    await ours.getone()
                await eventually(lambda: proxy.sent("OffsetCommit") and proxy.sent("OffsetCommit")[-1].answered_at)
                twin = RawMember(peer, group, [name], instance_id="a")
                await twin.settle()
                assert await twin.commit({(name, 0): 1}) == {(name, 0): 0}
                proxy.clear()
                await ours.getmany(timeout_ms=5000)
                async with asyncio.timeout(20):
                    while True:
                        await ours.getone()
        assert "LeaveGroup" not in sent_by(proxy)
        assert await peer.committed(group, [(name, 0)]) == {(name, 0): 1}
        await stays_member(twin, {"a": twin.member_id})


@pytest.mark.scenario(10, where="real")
@pytest.mark.asyncio
async def test_a_member_replaced_while_its_join_is_parked_ends_at_once(kafka, topic, group_id) -> None:
    """The parked JoinGroup is answered 82 on the twin's arrival; nobody waits for the rebalance."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        other = RawMember(peer, group, [name], instance_id="b", rebalance_timeout_ms=60_000)
        await other.settle()
        async with running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours:
            waiting = asyncio.create_task(ours.assigned())
            iterating = asyncio.create_task(ours.getone())
            await in_group(peer, group, "PreparingRebalance", members=2)
            assert not waiting.done()

            twin = RawMember(peer, group, [name], instance_id="a")
            joining = asyncio.create_task(twin.settle())
            for task in (waiting, iterating):
                with pytest.raises(FencedInstanceIdError) as caught:
                    await asyncio.wait_for(task, 10)
                assert caught.value.api == "JoinGroup"
            assert not joining.done()  # the rebalance goes on without us, for up to a minute
        assert heard.calls == []
        assert sent_by(proxy) == ["JoinGroup"]

        await other.settle()
        await joining
        assert other.generation == twin.generation == 2
        assert other.assignment | twin.assignment == {(name, 0), (name, 1)}
        await stays_member(twin, {"a": twin.member_id, "b": other.member_id})


@pytest.mark.scenario(11, where="real")
@pytest.mark.asyncio
async def test_a_follower_replaced_while_its_sync_is_parked_ends(kafka, topic, group_id) -> None:
    """The parked SyncGroup is answered 82; the leader's own is answered 27 and the group goes on with the twin."""
    name, group = await topic(partitions=2), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        leader = RawMember(peer, group, [name], instance_id="b")
        await leader.settle()
        async with running(proxy.bootstrap, name, group_id=group, group_instance_id="a") as ours:
            await in_group(peer, group, "PreparingRebalance", members=2)
            assert (await leader.join()).error_code == 0
            await proxy.wait_for("SyncGroup")
            await in_group(peer, group, "CompletingRebalance", members=2)

            twin = RawMember(peer, group, [name], instance_id="a")
            joining = asyncio.create_task(twin.settle())
            with pytest.raises(FencedInstanceIdError) as caught:
                await asyncio.wait_for(ours.assigned(), 10)
            assert caught.value.api == "SyncGroup"
        assert (await leader.sync({})).error_code == 27
        await leader.settle()
        await joining
        assert sent_by(proxy) == ["JoinGroup", "SyncGroup"]
        await stays_member(twin, {"a": twin.member_id, "b": leader.member_id})


@pytest.mark.scenario(11, where="real")
@pytest.mark.asyncio
async def test_a_leader_whose_follower_is_replaced_during_sync_rejoins_in_silence(kafka, topic, group_id) -> None:
    """Our SyncGroup is answered 27: one more join with the same member id, no callback for the lost generation."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
        reading(ours) as reader,
    ):
        await ours.assigned()
        follower, twin = (RawMember(peer, group, [name], instance_id="b") for _ in range(2))
        proxy.clear()
        hold = proxy.hold("SyncGroup", when="request")
        first = asyncio.create_task(follower.settle())
        await asyncio.wait_for(hold.reached.wait(), 10)
        await in_group(peer, group, "CompletingRebalance", members=2)
        second = asyncio.create_task(twin.settle())
        with pytest.raises(RawError, match="SyncGroup answered 82"):
            await asyncio.wait_for(first, 10)
        await in_group(peer, group, "PreparingRebalance", members=2)
        hold.release()
        await asyncio.wait_for(second, 10)
        await eventually(lambda: len(heard.calls) == 3)
        assert reader.error is None
        assert [sync.answer.error_code for sync in proxy.sent("SyncGroup")] == [27, 0]
        joins = proxy.sent("JoinGroup")
        assert [join.message.member_id for join in joins] == [ours.membership.member_id] * 2
        assert heard.kinds == ["assigned", "revoked", "assigned"]
        assert ours.membership.epoch == twin.generation == 3
        assert ours.assignment() | twin.assignment == {(name, 0), (name, 1)}
        await stays_member(twin, {"a": ours.membership.member_id, "b": twin.member_id})


@pytest.mark.parametrize("membership", ["default", "leave", "remain"])
@pytest.mark.scenario(12, where="real")
@pytest.mark.asyncio
async def test_closing_a_fenced_consumer_does_not_evict_its_twin(kafka, topic, group_id, membership) -> None:
    """No LeaveGroup at all, whatever was asked for; the close is quick and leaves no task behind."""
    name, group = await topic(), group_id()
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        before = {task for task in asyncio.all_tasks() if task.get_name().startswith("kafkastatic")}
        ours = consumer(proxy.bootstrap, name, group_id=group, group_instance_id="a")
        await ours.start()
        await ours.assigned()
        twin = RawMember(peer, group, [name], instance_id="a")
        await twin.settle()
        with pytest.raises(FencedInstanceIdError):
            await asyncio.wait_for(ours.getone(), 10)
        began = time.monotonic()
        await ours.aclose(membership=membership, timeout=20)
        assert time.monotonic() - began < 10  # long before the time that it was given
        assert {task for task in asyncio.all_tasks() if task.get_name().startswith("kafkastatic")} == before
        assert not proxy.sent("LeaveGroup")
        await stays_member(twin, {"a": twin.member_id})


@pytest.mark.scenario(16, where="real")
@pytest.mark.asyncio
async def test_a_late_commit_for_a_partition_given_up_is_refused_here(kafka, topic, group_id) -> None:
    """The broker would take it, in the current generation, for any partition: it must not even be sent."""
    name, group = await topic(partitions=2), group_id()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        consumer(proxy.bootstrap, name, group_id=group, group_instance_id="a") as ours,
        reading(ours),
    ):
        assert len(await ours.assigned()) == 2
        other = RawMember(peer, group, [name], instance_id="b")
        await asyncio.wait_for(other.settle(), 10)
        (theirs,) = other.assignment
        await ours.assigned()
        assert ours.assignment() == {(name, 0), (name, 1)} - {theirs}
        proxy.clear()
        with pytest.raises(CommitFailedError, match="not assigned to this consumer") as caught:
            await ours.commit({TopicPartition(*theirs): 7})
        assert caught.value.offsets == {theirs: 7}
        assert not proxy.sent("OffsetCommit")
        assert await other.commit({theirs: 3}) == {theirs: 0}
        assert await peer.committed(group, [theirs]) == {theirs: 3}
