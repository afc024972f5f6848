"""Where a partition without a position starts; what may be read of its log, and what old segments of it look like."""

from __future__ import annotations

import asyncio
import gzip
import json
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kafkastatic import Consumer
from kafkastatic._runtime import Runtime
from tests.drivers.world import AT_ONCE, TP, consumer_of, nothing_left
from tests.support.scripted_broker import PATIENCE, Call, ScriptedBroker

LATEST = -1
NOW = 1_700_000_000.25
VECTORS = Path(__file__).parents[1] / "records" / "vectors.jsonl.gz"


class At(Runtime):
    """The world at one moment by the wall clock, which the test may change."""

    def __init__(self, wall: float) -> None:
        self.moment = wall

    def wall(self) -> float:
        return self.moment


def by_time(answers: Mapping[int, int]) -> Any:
    """Answers of ListOffsets: the offset of each timestamp, -1 where no record is as young."""

    def answer(call: Call) -> Any:
        made = call.messages
        ((wanted,),) = [topic.partitions for topic in call.request.topics]
        offset = answers.get(wanted.timestamp, -1)
        entry = made.ListOffsetsPartitionResponse(partition_index=0, offset=offset, timestamp=-1)
        return call.request.RESPONSE(topics=[made.ListOffsetsTopicResponse(name="orders", partitions=[entry])])

    return answer


def timestamps(broker: ScriptedBroker) -> list[int]:
    return [p.timestamp for call in broker.of("ListOffsets") for topic in call.request.topics for p in topic.partitions]


async def values(consumer: Consumer[Any, Any], count: int) -> list[bytes]:
    async with asyncio.timeout(AT_ONCE):
        return [(await consumer.getone()).value for _ in range(count)]


# ── by duration (KIP-1106) ──


@pytest.mark.asyncio
async def test_a_duration_counts_back_from_the_wall_clock() -> None:
    """To the millisecond, at the time of the lookup."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        broker.on("ListOffsets", by_time({1_699_996_400_250: 2}))
        async with consumer_of(broker, auto_offset_reset="by_duration:PT1H", runtime=At(NOW)) as consumer:
            assert await values(consumer, 1) == [b"c"]
        assert timestamps(broker) == [1_699_996_400_250]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_without_a_record_that_young_it_is_the_logs_end() -> None:
    """In the same breath: with another question, not after a backoff."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        broker.on("ListOffsets", by_time({LATEST: 3}))
        slow = {"retry_backoff_ms": 10_000, "retry_backoff_max_ms": 10_000}
        async with consumer_of(broker, auto_offset_reset="by_duration:PT0S", runtime=At(NOW), **slow) as consumer:
            await broker.received("Fetch")
            broker.append("orders", 0, b"d")
            assert await values(consumer, 1) == [b"d"]
        assert timestamps(broker) == [1_700_000_000_250, -1]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_duration_before_all_time_is_the_first_record_with_a_time() -> None:
    """Negative timestamps have meanings of their own."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        broker.on("ListOffsets", by_time({0: 0}))
        async with consumer_of(broker, auto_offset_reset="by_duration:P100000D", runtime=At(NOW)) as consumer:
            assert await values(consumer, 1) == [b"a"]
        assert timestamps(broker) == [0]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_position_out_of_range_is_reset_by_duration_too() -> None:
    """Counted from then, not from the start."""
    runtime = At(NOW)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        broker.on("ListOffsets", by_time({1_700_000_039_000: 1}))
        broker.committed[TP] = 50

        def fetch(call: Call) -> Any:
            if call.request.topics[0].partitions[0].fetch_offset <= 2:
                return broker._fetch(call)
            runtime.moment = NOW + 39.75
            answer = broker._read(call)
            answer.responses[0].partitions[0].error_code = 1
            return answer

        broker.on("Fetch", fetch)
        async with consumer_of(broker, auto_offset_reset="by_duration:PT1S", runtime=runtime) as consumer:
            assert await values(consumer, 1) == [b"b"]
        assert timestamps(broker) == [1_700_000_039_000]
        await nothing_left(broker)


# ── isolation ──


@pytest.mark.asyncio
@pytest.mark.parametrize(("level", "number"), [("read_uncommitted", 0), ("read_committed", 1)])
async def test_fetches_and_lookups_say_what_may_be_read(level: str, number: int) -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        async with consumer_of(broker, isolation_level=level) as consumer:
            assert await values(consumer, 1) == [b"a"]
            await consumer.end_offsets([TP])
        lookups = {call.request.isolation_level for call in broker.of("ListOffsets")}
        assert {call.request.isolation_level for call in broker.of("Fetch")} | lookups == {number}
        await nothing_left(broker)


# ── message formats 0 and 1 ──


@pytest.mark.asyncio
async def test_old_log_segments_are_read_to_their_end() -> None:
    """Messages of formats 0, 1 and 2 one behind another, in every codec, as Kafka's own classes wrote them."""
    lines = map(json.loads, gzip.decompress(VECTORS.read_bytes()).splitlines())
    vector = next(line for line in lines if line["name"] == "legacy-several")
    expected = [
        (offset, timestamp, batch["timestamp_type"], key and b64decode(key), value and b64decode(value))
        for batch in vector["batches"]
        for offset, timestamp, key, value, _ in batch["records"]
    ]
    assert len(expected) == 36

    async with ScriptedBroker() as broker:
        end = vector["batches"][-1]["next_offset"]
        broker.append_bytes("orders", 0, b64decode(vector["data"]), end)
        broker.committed[TP] = 500
        async with consumer_of(broker) as consumer:
            async with asyncio.timeout(PATIENCE):
                found = [await consumer.getone() for _ in expected]
                assert [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value) for r in found] == expected
                await consumer.commit()
                for offset in (501, 504, 516, 523):
                    consumer.seek(TP, offset)
                    assert (await consumer.getone()).offset == offset
        assert (broker.committed[TP], end) == (536, 536)
        await nothing_left(broker)
