"""The producer of dead letters: what it sends, in which order, and what it raises."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._drivers.producing import Producer
from kafkastatic._net.pool import Pool
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import (
    BrokerError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from kafkastatic.types import TopicPartition
from tests.drivers.world import AT_ONCE, nothing_left
from tests.support.scripted_broker import Call, ScriptedBroker

TP = TopicPartition("dead", 0)
NOW = 1_800_000_000_000


class Written:
    """What the broker answers: the codes scripted, else that it has written the batch."""

    def __init__(self, broker: ScriptedBroker, *codes: int) -> None:
        self.codes = list(codes)
        self.batches: list[bytes] = []
        self._broker = broker
        self._ids = itertools.count(7000)
        broker.on("Produce", self._produce)
        broker.on("InitProducerId", lambda call: call.request.RESPONSE(producer_id=next(self._ids), producer_epoch=0))

    def _produce(self, call: Call) -> Any:
        (topic,) = call.request.topic_data
        (data,) = topic.partition_data
        self.batches.append(bytes(data.records))
        code = self.codes.pop(0) if self.codes else 0
        offset = -1 if code else len(self.batches) - 1
        entry = call.messages.PartitionProduceResponse(index=data.index, error_code=code, base_offset=offset)
        answered = call.messages.TopicProduceResponse(topic_id=topic.topic_id, partition_responses=[entry])
        return call.request.RESPONSE(responses=[answered])

    @property
    def numbers(self) -> list[tuple[int, int, int]]:
        """Producer id, epoch, base sequence of each batch, where Kafka's format has them."""
        return [struct.unpack_from(">qhi", batch, 43) for batch in self.batches]


@contextlib.asynccontextmanager
async def producing(broker: ScriptedBroker, **options: Any) -> AsyncIterator[Producer]:
    quick = {f"{kind}_backoff{most}_ms": 1 for kind in ("retry", "reconnect") for most in ("", "_max")}
    config = ConsumerConfig(bootstrap_servers=broker.address, **(quick | options))
    runtime = Runtime()
    pool = Pool(config, runtime)
    metadata = MetadataDriver(config, pool, runtime, EventLog())
    await metadata.refresh()
    broker.calls.clear()
    try:
        yield Producer(config, pool, metadata, runtime)
    finally:
        await pool.aclose()
        await nothing_left(broker)


def send(producer: Producer, value: bytes = b"v", **where: Any) -> Any:
    return producer.send(**({"topic": "dead", "key": None, "value": value, "headers": [], "timestamp": NOW} | where))


@pytest.mark.asyncio
async def test_the_requests_of_two_records() -> None:
    """The topic is looked up and an id is asked for once; all of it beside the quick requests."""
    async with ScriptedBroker({"dead": 1}) as broker:
        written = Written(broker)
        async with producing(broker) as producer:
            assert [await send(producer), await send(producer)] == [(TP, 0), (TP, 1)]
            assert broker.apis() == ["Metadata", "InitProducerId", "Produce", "Produce"]
            quick, *slow = [call.connection for call in broker.calls]
            assert len(set(slow)) == 1
            assert quick not in slow
        assert written.numbers == [(7000, 0, 0), (7000, 0, 1)]


@pytest.mark.asyncio
async def test_one_batch_of_a_partition_is_on_its_way_at_a_time() -> None:
    """In the order of the calls; another partition does not wait, and has numbers of its own."""
    async with ScriptedBroker({"dead": 2}) as broker:
        written = Written(broker)
        async with producing(broker) as producer:
            held = broker.hold("Produce")
            calls = [asyncio.create_task(send(producer, b"%d" % n, partition=n // 3)) for n in range(4)]
            await broker.received("Produce")
            for _ in range(50):
                await asyncio.sleep(0)
            sent = [call.request.topic_data[0].partition_data[0].index for call in broker.of("Produce")]
            assert sent == [0]  # the other one waits behind it, as the broker serves one request at a time
            held.release()
            await asyncio.gather(*calls)
            assert broker.apis().count("InitProducerId") == 1
        values = [batch[-2:-1] for batch in written.batches]
        order = [(value, sequence) for value, (_, _, sequence) in zip(values, written.numbers, strict=True)]
        assert sorted(order) == [(b"0", 0), (b"1", 1), (b"2", 2), (b"3", 0)]
        values.remove(b"3")
        assert values == [b"0", b"1", b"2"]


@pytest.mark.parametrize("code", [3, 6, 56, 74, 100])
@pytest.mark.asyncio
async def test_a_leader_that_moved_is_looked_up(code: int) -> None:
    """And the batch goes out again as it was."""
    async with ScriptedBroker({"dead": 1}) as broker:
        written = Written(broker, code)
        async with producing(broker) as producer:
            await send(producer)
            assert broker.apis()[-3:] == ["Produce", "Metadata", "Produce"]
        assert written.batches[0] == written.batches[1]


@pytest.mark.asyncio
async def test_a_passing_failure_is_retried_where_it_was_met() -> None:
    async with ScriptedBroker({"dead": 1}) as broker:
        written = Written(broker, 19, 20, 7)
        async with producing(broker) as producer:
            await send(producer)
            assert broker.apis()[-4:] == ["Produce"] * 4
        assert len(set(written.batches)) == 1


@pytest.mark.asyncio
async def test_a_lost_connection_is_opened_again() -> None:
    """Whether the broker has the batch it tells itself, by its numbers."""
    async with ScriptedBroker({"dead": 1}) as broker:
        written = Written(broker)
        async with producing(broker) as producer:
            await send(producer, b"0")
            broker.drop_connection("Produce")
            await send(producer, b"1")
            assert len(broker.of("Produce")) == 3
        assert written.numbers == [(7000, 0, 0), (7000, 0, 1)]


@pytest.mark.asyncio
async def test_an_id_that_is_refused_is_replaced_for_that_partition_only() -> None:
    async with ScriptedBroker({"dead": 2}) as broker:
        written = Written(broker)
        async with producing(broker) as producer:
            await send(producer, partition=0)
            await send(producer, partition=1)
            written.codes = [47]
            await send(producer, partition=0)
            await send(producer, partition=1)
            await send(producer, partition=0)
        assert written.numbers == [(7000, 0, 0), (7000, 0, 0), (7000, 0, 1), (7001, 0, 0), (7000, 0, 1), (7001, 0, 1)]


@pytest.mark.asyncio
async def test_an_id_is_asked_for_until_there_is_one() -> None:
    """A broker that has just started gives none at first."""
    async with ScriptedBroker({"dead": 1}) as broker:
        Written(broker)
        broker.fail_next("InitProducerId", 14, 15)
        async with producing(broker) as producer:
            assert await send(producer) == (TP, 0)


@pytest.mark.parametrize(
    ("api", "code", "error"),
    [
        ("Metadata", 29, TopicAuthorizationFailedError),
        ("Metadata", 17, BrokerError),
        ("InitProducerId", 31, BrokerError),
        ("Produce", 29, TopicAuthorizationFailedError),
        ("Produce", 10, BrokerError),
    ],
)
@pytest.mark.asyncio
async def test_what_is_refused_for_good_is_raised_at_once(api: str, code: int, error: type[BrokerError]) -> None:
    """And the next record does not inherit its numbers."""
    async with ScriptedBroker({"dead": 1}) as broker:
        written = Written(broker, *([code] if api == "Produce" else []))
        async with producing(broker) as producer:
            if api != "Produce":
                broker.fail_next(api, code)
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises(error) as caught:
                    await send(producer)
                assert (caught.value.code, caught.value.api) == (code, api)
                await send(producer)
        assert len(set(written.numbers)) == len(written.numbers)


@pytest.mark.parametrize(
    ("trouble", "error", "cause"),
    [
        ({"codes": [19] * 9999}, KafkaTimeoutError, "NOT_ENOUGH_REPLICAS"),
        ({"where": {"topic": "missing"}}, UnknownTopicOrPartitionError, "missing"),
        ({"where": {"partition": 5}}, UnknownTopicOrPartitionError, "partition=5"),
        ({"hold": "Produce"}, KafkaTimeoutError, "was not written to 'dead' within 0.1 s"),
        ({"hold": "InitProducerId"}, KafkaTimeoutError, "was not written to 'dead' within 0.1 s"),
    ],
    ids=["refused again and again", "no topic", "no partition", "no answer", "no id"],
)
@pytest.mark.asyncio
async def test_a_call_ends_in_time(trouble: dict[str, Any], error: type[KafkaError], cause: str) -> None:
    """With the last failure met; what the next call sends has other numbers."""
    async with ScriptedBroker({"dead": 1}) as broker:
        written = Written(broker, *trouble.get("codes", []))
        async with producing(broker, default_api_timeout_ms=100) as producer:
            held = broker.hold(trouble["hold"]) if "hold" in trouble else None
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises(error, match=cause):
                    await send(producer, **trouble.get("where", {}))
            if held is not None:
                held.release()
            written.codes.clear()
        by_numbers: dict[tuple[int, int, int], set[bytes]] = {}
        for numbers, batch in zip(written.numbers, written.batches, strict=True):
            by_numbers.setdefault(numbers, set()).add(batch)
        assert all(len(batches) == 1 for batches in by_numbers.values())


def steps() -> Iterator[int]:
    """More steps of the event loop than a call takes."""
    return iter(range(1, 200))


@pytest.mark.parametrize("native", [True, False], ids=["task.cancel", "scope"])
@pytest.mark.asyncio
async def test_a_call_that_is_cancelled_anywhere_leaves_its_numbers_to_nobody(native: bool) -> None:
    """No two records ever have the same numbers, and the calls after it go on."""
    for count in steps():
        async with ScriptedBroker({"dead": 1}) as broker:
            written = Written(broker)
            async with producing(broker) as producer:
                scope = anyio.CancelScope()

                async def call(producer: Producer = producer, scope: anyio.CancelScope = scope) -> None:
                    with scope:
                        await send(producer, b"cancelled")

                task = asyncio.create_task(call())
                for _ in range(count):
                    await asyncio.sleep(0)
                done = task.done()
                _ = task.cancel() if native else scope.cancel()
                await asyncio.wait([task], timeout=AT_ONCE)
                assert task.done()
                async with asyncio.timeout(AT_ONCE):
                    await send(producer, b"next")
                    await send(producer, b"last")
            assert len(set(written.numbers)) == len(written.numbers), f"after {count} steps"
            assert written.numbers == sorted(written.numbers)
            if done:
                assert written.numbers == [(7000, 0, 0), (7000, 0, 1), (7000, 0, 2)]
                return
    raise AssertionError("the call did not end")
