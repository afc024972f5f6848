"""A group that goes from one protocol to the other: what a static member of the old one does (scenario 39)."""

from __future__ import annotations

import asyncio

import pytest

from kafkastatic import FencedInstanceIdError, TopicPartition
from kafkastatic.errors import BrokerError, CommitFailedError
from tests.support.raw_consumer import RawConsumer, members
from tests.support.raw_peer import RawMember, RawPeer
from tests.support.scenes import Recorder, eventually, reading, recorded, running, write

REPLACED = pytest.mark.releases("4.4")
"""Before 4.0 a member of the new protocol cannot take the place of a classic one that lives."""


@REPLACED
@pytest.mark.protocol("classic")
@pytest.mark.scenario(39, where="real")
@pytest.mark.asyncio
async def test_a_classic_member_that_is_replaced_ends_and_does_not_turn_the_group_back(kafka, topic, group_id) -> None:
    """Its commit is answered 25 and its heartbeat 82: no JoinGroup, and the owner's heartbeats stay good."""
    name, group, heard = await topic(), group_id(), Recorder()
    tp = TopicPartition(name, 0)
    slow = {"heartbeat_interval_ms": 25_000, "session_timeout_ms": 30_000, "enable_auto_commit": False}
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap, client_id="the-rival") as peer,
        running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a", **slow) as ours,
    ):
        everything = await ours.assigned()
        await proxy.wait_for("Heartbeat", answered=True)
        rival = RawConsumer(peer, group, name, "a")
        assert await rival.settle(1) == everything
        proxy.clear()
        async with rival.beating() as beats:
            with pytest.raises((CommitFailedError, FencedInstanceIdError)):
                await ours.commit({tp: 1})
            with pytest.raises(FencedInstanceIdError) as caught:
                await asyncio.wait_for(ours.getone(), 10)
            assert (caught.value.code, caught.value.api, caught.value.kind) == (82, "Heartbeat", "replaced")
            (commit,) = proxy.sent("OffsetCommit")
            assert [p.error_code for t in commit.answer.topics for p in t.partitions] == [25]
            await ours.aclose()
            assert not proxy.sent("JoinGroup") and not proxy.sent("LeaveGroup")
            assert heard.calls == [("assigned", everything), ("lost", everything)]
            await eventually(lambda: len(beats) > 5)
        assert set(beats) == {0}
        assert await members(peer, group) == {"a": rival.member_id}
        assert await peer.committed(group, [tp]) == {tp: -1}


@pytest.mark.releases("3.9-java")
@pytest.mark.protocol("classic")
@pytest.mark.scenario(39, where="real")
@pytest.mark.asyncio
async def test_before_4_0_a_classic_member_is_not_replaced_while_it_lives(kafka, topic, group_id) -> None:
    """The newcomer is answered 111; the classic member keeps its place, its epoch and its partitions."""
    name, group, heard = await topic(), group_id(), Recorder()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, group_id=group, group_instance_id="a") as ours,
    ):
        await ours.assigned()
        before = ours.membership
        assert [await RawConsumer(peer, group, name, "a").join() for _ in range(3)] == [111] * 3
        await proxy.wait_for("Heartbeat", len(proxy.sent("Heartbeat")) + 2, answered=True)
        assert {beat.answer.error_code for beat in proxy.sent("Heartbeat") if beat.answer} == {0}
        assert (ours.membership, heard.kinds) == (before, ["assigned"])


@REPLACED
@pytest.mark.protocol("consumer")
@pytest.mark.scenario(39, where="real")
@pytest.mark.asyncio
async def test_a_member_whose_group_was_turned_back_ends_and_does_not_join_again(kafka, topic, group_id) -> None:
    """A classic client takes its instance id, and the group with it: that is the end, and the rival is left alone."""
    name, group, heard = await topic(), group_id(), Recorder()
    options = {"group_protocol": "consumer", "group_id": group, "group_instance_id": "a"}
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, listener=heard, **options) as ours,
        reading(ours) as reader,
    ):
        everything = await ours.assigned()
        hold = proxy.hold("ConsumerGroupHeartbeat", when="request")
        await asyncio.wait_for(hold.reached.wait(), 10)
        rival = RawMember(peer, group, [name], instance_id="a")
        assert await asyncio.wait_for(rival.settle(), 20) == everything
        proxy.clear()
        hold.release()
        error = await reader.ended()
        assert isinstance(error, BrokerError) and error.code in (69, 82)
        assert heard.calls == [("assigned", everything), ("lost", everything)]
        await ours.aclose()
        assert proxy.sent("ConsumerGroupHeartbeat") == []
        assert [await rival.heartbeat() for _ in range(5)] == [0] * 5
        assert await peer.member_ids(group) == {"a": rival.member_id}


@REPLACED
@pytest.mark.asyncio
async def test_a_group_goes_over_to_the_new_protocol_member_by_member_and_back(kafka, topic, group_id) -> None:
    """Each member restarts with the other `group_protocol`: it has its partitions again, and the other sees nothing."""
    name, group, heard = await topic(partitions=2), group_id(), Recorder()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        for partition in (0, 1):
            await write(peer, name, partition, [b"1"])

        def started(instance: str, protocol: str, listener: Recorder | None = None):
            options = {"group_id": group, "group_instance_id": instance, "group_protocol": protocol}
            return running(kafka.bootstrap, name, listener=listener, **options)

        async with started("b", "classic", heard) as second:
            async with started("a", "classic") as first:
                await eventually(lambda: len(first.assignment()) == len(second.assignment()) == 1)
                mine, theirs = first.assignment(), second.assignment()
            calls = list(heard.calls)
            async with started("a", "consumer") as first:
                assert await first.assigned() == mine
                assert (second.assignment(), heard.calls) == (theirs, calls)
        async with started("a", "consumer", heard) as first:
            assert await first.assigned() == mine
            calls = list(heard.calls)
            async with started("b", "consumer") as second:
                assert await second.assigned() == theirs
                assert set(await members(peer, group)) == {"a", "b"}
            async with started("b", "classic") as second:
                assert await second.assigned() == theirs
                assert (first.assignment(), heard.calls) == (mine, calls)
        async with started("a", "classic") as first:
            assert await first.assigned() == mine
            assert (await peer.describe(group)).group_state in ("Stable", "PreparingRebalance", "CompletingRebalance")
