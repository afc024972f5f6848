"""Leader epochs on the wire: questions to new leaders before fetches, and epochs in commits (KIP-320)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from kafkastatic import Consumer, OffsetAndMetadata
from kafkastatic.errors import LogTruncationError
from tests.drivers.world import AT_ONCE, TP, consumer_of, in_the_group, nothing_left
from tests.support.scripted_broker import Call, ScriptedBroker

FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH = 74, 76
RECORD_APIS = {"Fetch", "OffsetForLeaderEpoch"}


def truncated_at(offset: int, epoch: int) -> Any:
    """The answer of a leader whose log of an epoch ends at `offset`."""

    def answer(call: Call) -> Any:
        made = call.messages
        end = made.EpochEndOffset(partition=0, leader_epoch=epoch, end_offset=offset)
        return call.request.RESPONSE(topics=[made.OffsetForLeaderTopicResult(topic="orders", partitions=[end])])

    return answer


def fenced(broker: ScriptedBroker) -> Any:
    """Answers fetches that name another epoch than the leader's as brokers do; others as usual."""

    def fetch(call: Call) -> Any:
        named = call.request.topics[0].partitions[0].current_leader_epoch
        if named == broker.leader_epoch:
            return broker._fetch(call)
        answer = broker._read(call)
        (data,) = answer.responses[0].partitions
        data.records = None
        data.error_code = FENCED_LEADER_EPOCH if named < broker.leader_epoch else UNKNOWN_LEADER_EPOCH
        return answer

    return fetch


def asked(call: Call) -> tuple[int, int]:
    """The leader's epoch and that of the last record, in a question."""
    ((partition,),) = [topic.partitions for topic in call.request.topics]
    return partition.current_leader_epoch, partition.leader_epoch


async def values(consumer: Consumer[Any, Any], count: int) -> list[bytes]:
    async with asyncio.timeout(AT_ONCE):
        return [(await consumer.getone()).value for _ in range(count)]


async def read_under_an_old_leader(broker: ScriptedBroker, consumer: Consumer[Any, Any]) -> int:
    """Read three records of epoch 0, then let epoch 1 begin; returns how many requests came before."""
    broker.on("Fetch", fenced(broker))
    broker.append("orders", 0, b"a", b"b", b"c")
    await in_the_group(consumer, broker)
    assert await values(consumer, 3) == [b"a", b"b", b"c"]
    broker.leader_epoch = 1
    return len(broker.calls)


@pytest.mark.asyncio
async def test_a_new_leader_is_asked_once_and_then_fetched_from() -> None:
    """A fetch that is fenced leads to fresh metadata, that to the question, that to fetches: one round trip more."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        before = await read_under_an_old_leader(broker, consumer)
        await broker.received("OffsetForLeaderEpoch")
        broker.append("orders", 0, b"d")
        assert await values(consumer, 1) == [b"d"]
        broker.append("orders", 0, b"e")
        assert await values(consumer, 1) == [b"e"]

        calls = broker.calls[before:]
        first = next(index for index, call in enumerate(calls) if call.api == "OffsetForLeaderEpoch")
        epochs = [c.request.topics[0].partitions[0].current_leader_epoch for c in calls if c.api == "Fetch"]
        assert [call.api for call in calls].count("OffsetForLeaderEpoch") == 1
        assert asked(calls[first]) == (1, 0)
        assert "Metadata" in [call.api for call in calls[:first]]
        assert [call.api for call in calls[first:] if call.api in RECORD_APIS][:2] == ["OffsetForLeaderEpoch", "Fetch"]
        assert epochs == sorted(epochs)
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_consumption_goes_on_where_the_logs_part(caplog: pytest.LogCaptureFixture) -> None:
    """With an event that names the position and the offset, and a commit of what was consumed since."""
    caplog.set_level(logging.WARNING, "kafkastatic")
    async with ScriptedBroker() as broker:
        broker.on("OffsetForLeaderEpoch", truncated_at(1, 0))
        consumer = consumer_of(broker)
        await read_under_an_old_leader(broker, consumer)
        broker._log[TP].clear()
        broker.append_bytes("orders", 0, b"", 1)
        broker.append("orders", 0, b"B", b"C", b"D", b"E")

        assert await values(consumer, 4) == [b"B", b"C", b"D", b"E"]
        events = [record.getMessage() for record in caplog.records if "log_truncated" in record.getMessage()]
        assert len(events) == 1
        assert "topic='orders' partition=0 position=3 offset=1" in events[0]
        await consumer.commit()
        assert (broker.committed[TP], broker.committed_epochs[TP]) == (5, 1)
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_without_a_policy_the_loop_raises() -> None:
    async with ScriptedBroker() as broker:
        broker.on("OffsetForLeaderEpoch", truncated_at(1, 0))
        broker.committed[TP] = 0
        consumer = consumer_of(broker, auto_offset_reset="none")
        await read_under_an_old_leader(broker, consumer)

        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(LogTruncationError, match=r"seek\(TopicPartition\('orders', 0\), 1\)"):
                async for _ in consumer:
                    raise AssertionError("nothing can be delivered")
        consumer.seek(TP, 1)
        assert await values(consumer, 2) == [b"b", b"c"]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("failure", ["error", "connection"])
async def test_the_question_is_asked_until_it_is_answered(failure: str) -> None:
    """Nothing is fetched before that."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)

        def refuse(call: Call) -> Any:
            if failure == "connection":
                return None
            made = call.messages
            end = made.EpochEndOffset(partition=0, error_code=UNKNOWN_LEADER_EPOCH)
            return call.request.RESPONSE(topics=[made.OffsetForLeaderTopicResult(topic="orders", partitions=[end])])

        broker.on("OffsetForLeaderEpoch", refuse)
        await read_under_an_old_leader(broker, consumer)
        broker.append("orders", 0, b"d")
        await broker.received("OffsetForLeaderEpoch", 3)
        fetches = [call.request.topics[0].partitions[0].current_leader_epoch for call in broker.of("Fetch")]
        assert set(fetches) == {0}
        del broker._handlers["OffsetForLeaderEpoch"]
        assert await values(consumer, 1) == [b"d"]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_broker_that_cannot_be_asked_is_believed() -> None:
    async with ScriptedBroker() as broker:
        broker.caps["OffsetForLeaderEpoch"] = -1
        consumer = consumer_of(broker)
        await read_under_an_old_leader(broker, consumer)
        broker.append("orders", 0, b"d")
        assert await values(consumer, 1) == [b"d"]
        assert broker.of("OffsetForLeaderEpoch") == []
        await consumer.aclose()
        await nothing_left(broker)


# ── commits ──


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["commit", "commit of a record", "commit of offsets", "close"])
async def test_commits_carry_the_last_records_epoch(how: str) -> None:
    """However they come about; the next start asks about it under a later leader, and under the same one does not."""
    async with ScriptedBroker() as broker:
        broker.leader_epoch = 4
        broker.append("orders", 0, b"a", b"b")
        consumer = consumer_of(broker, enable_auto_commit=how == "close")
        await in_the_group(consumer, broker)
        await values(consumer, 1)
        record = await consumer.getone()
        if how == "commit":
            await consumer.commit()
        elif how == "commit of a record":
            await consumer.commit(record)
        elif how == "commit of offsets":
            await consumer.commit({TP: OffsetAndMetadata(2, "", record.leader_epoch)})
        else:
            await consumer.getmany()  # consumes the one before
        await consumer.aclose()
        assert (broker.committed[TP], broker.committed_epochs[TP]) == (2, 4)

        broker.append("orders", 0, b"c")
        async with consumer_of(broker) as same:
            assert await values(same, 1) == [b"c"]
        assert broker.of("OffsetForLeaderEpoch") == []
        broker.leader_epoch = 6
        async with consumer_of(broker) as later:
            assert await values(later, 1) == [b"c"]
        assert [asked(call) for call in broker.of("OffsetForLeaderEpoch")] == [(6, 4)]
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize(("epoch", "questions"), [(2, [(6, 2)]), (-1, [])])
async def test_a_seek_may_name_an_epoch(epoch: int, questions: list[tuple[int, int]]) -> None:
    """Then the leader is asked; a plain offset is taken as it is."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        broker.leader_epoch = 6
        async with consumer_of(broker) as consumer:
            await consumer.assigned()
            consumer.seek(TP, OffsetAndMetadata(1, "", epoch))
            assert await values(consumer, 1) == [b"b"]
            assert await consumer.position(TP) == 2
        assert [asked(call) for call in broker.of("OffsetForLeaderEpoch")] == questions
        await nothing_left(broker)
