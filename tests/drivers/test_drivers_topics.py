"""Subscriptions by pattern, and topics that are created again, as far as no real broker is needed to show them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from kafkastatic.errors import CommitFailedError, ConfigError, IllegalStateError, NoOffsetForPartitionError
from tests.drivers.world import AT_ONCE, TP, consumer_of, eventually, group_requests, nothing_left
from tests.support.scripted_broker import Call, ScriptedBroker, refusal

NAMES_ONLY = {"OffsetCommit": 9, "OffsetFetch": 8}
UNKNOWN_TOPIC_ID = 100


# ── what makes no sense ──


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"topics": ["orders"], "pattern": "o.*"}, "Both topics and a pattern"),
        ({"pattern": "orders-(a|b"}, r"'orders-\(a\|b' is no regular expression: .* at position 7"),
        ({"pattern": re.compile(b"orders")}, "must be a str, or one compiled from a str"),
        ({"pattern": 7}, "must be a str"),
    ],
)
async def test_a_subscription_that_makes_no_sense_changes_nothing(arguments: dict[str, Any], text: str) -> None:
    """The error says why, where a pattern breaks off included; what was subscribed to before stays."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)

        with pytest.raises(ConfigError, match=text):
            consumer.subscribe(**arguments)

        assert consumer.subscription() == {"orders"}


@pytest.mark.asyncio
async def test_a_pattern_and_partitions_by_hand_exclude_each_other() -> None:
    """Also while nothing matches."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        consumer.subscribe(pattern="nothing")
        with pytest.raises(IllegalStateError, match="subscribed"):
            consumer.assign([TP])
        consumer.unsubscribe()
        consumer.assign([TP])
        with pytest.raises(IllegalStateError, match="by hand"):
            consumer.subscribe(pattern="orders")


# ── by pattern ──


@pytest.mark.asyncio
async def test_a_pattern_that_matches_at_the_start_is_joined_with_at_once() -> None:
    """One Metadata request for all topics, one JoinGroup with those that match; topics named before do not count."""
    async with ScriptedBroker({"orders": 1, "orders-2": 1, "other": 1}) as broker:
        consumer = consumer_of(broker, "other")
        consumer.subscribe(pattern="orders.*")
        async with consumer:
            await in_joined(consumer, broker)
            assert consumer.subscription() == {"orders", "orders-2"}
            assert broker.of("Metadata")[0].request.topics is None
            assert group_requests(broker)[:3] == ["JoinGroup", "SyncGroup", "Heartbeat"]
            assert consumer.assignment() == {TP, ("orders-2", 0)}
        await nothing_left(broker)


async def in_joined(consumer: Any, broker: ScriptedBroker) -> None:
    async with asyncio.timeout(AT_ONCE):
        await consumer.assigned()
        await broker.received("Heartbeat")


@pytest.mark.asyncio
async def test_a_pattern_that_matches_nothing_waits_without_a_join() -> None:
    """No error; `assigned()` and iteration wait, and a topic that appears is joined for."""
    async with ScriptedBroker({"other": 1}) as broker:
        consumer = consumer_of(broker, metadata_max_age_ms=20)
        consumer.subscribe(pattern="orders")
        async with consumer:
            assigned, record = asyncio.create_task(consumer.assigned()), asyncio.create_task(consumer.getone())
            await broker.received("Metadata", 4)
            assert (group_requests(broker), assigned.done(), record.done()) == ([], False, False)
            broker.topics["orders"] = 1
            broker.append("orders", 0, b"a")
            async with asyncio.timeout(AT_ONCE):
                assert await assigned == {TP}
                assert (await record).value == b"a"
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_all_topics_are_asked_for_only_while_a_pattern_is_subscribed_to() -> None:
    """Then by their names again."""
    async with ScriptedBroker({"orders": 1, "other": 1}) as broker:
        async with consumer_of(broker, "orders", "other") as consumer:
            await consumer.assigned()
            consumer.subscribe(pattern="o.*")
            await eventually(lambda: broker.of("Metadata")[-1].request.topics is None)
            consumer.subscribe(["orders"])
            await eventually(lambda: consumer.assignment() == {TP})
            consumer._client.metadata.refresh_soon()
            await broker.received("Metadata", len(broker.of("Metadata")) + 1)
            assert broker.of("Metadata")[-1].request.topics is not None
        await nothing_left(broker)


# ── created again ──


@pytest.mark.asyncio
async def test_an_old_coordinator_s_commit_to_the_old_topic_is_not_gone_on_at() -> None:
    """It takes no topic ids, and has not forgotten the commit yet: all records of the new topic are read."""
    async with ScriptedBroker() as broker:
        broker.caps |= NAMES_ONLY
        broker.append("orders", 0, b"a", b"b", b"c")
        async with consumer_of(broker, auto_offset_reset="latest") as consumer:
            await consumer.assigned()
            consumer.seek(TP, 0)
            assert [(await consumer.getone()).value for _ in range(2)] == [b"a", b"b"]
            await consumer.commit()
            assert broker.committed == {TP: 2}
            broker.recreate("orders", b"A", b"B", b"C", b"D")
            await eventually(lambda: consumer._client.positions[TP].reborn)
            async with asyncio.timeout(AT_ONCE):
                assert [(await consumer.getone()).value for _ in range(4)] == [b"A", b"B", b"C", b"D"]
            await consumer.commit()
            assert broker.committed == {TP: 4}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_without_a_reset_policy_a_topic_created_again_is_an_error() -> None:
    """`auto_offset_reset="none"` leaves it to the application, which seeks."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        broker.committed[TP] = 0
        async with consumer_of(broker, auto_offset_reset="none") as consumer:
            assert (await consumer.getone()).value == b"a"
            broker.committed.clear()
            broker.recreate("orders", b"A")
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises(NoOffsetForPartitionError):
                    await consumer.getone()
                consumer.seek(TP, 0)
                assert (await consumer.getone()).value == b"A"
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("noticed", [False, True], ids=["at the commit", "before"])
async def test_a_commit_of_an_old_topic_s_record_is_refused(noticed: bool) -> None:
    """By the coordinator, which does not know the id, or before anything is sent; the consumer lives."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")

        def commit(call: Call) -> Any:
            unknown = any(not topic.name for topic in call.request.topics)
            return refusal(call, UNKNOWN_TOPIC_ID) if unknown else broker._offset_commit(call)

        broker.on("OffsetCommit", commit)
        async with consumer_of(broker) as consumer:
            await consumer.getone()
            record = await consumer.getone()
            broker.recreate("orders", b"A")
            if noticed:
                await eventually(lambda: consumer._client.positions[TP].reborn)
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises(CommitFailedError) as caught:
                    await consumer.commit(record)
                assert caught.value.offsets == {TP: 2}
                assert broker.committed == {}
                assert bool(broker.of("OffsetCommit")) is not noticed
                first = await consumer.getone()
                await consumer.commit(first)
            assert (first.value, broker.committed) == (b"A", {TP: 1})
        await nothing_left(broker)
