"""Records of transactions, by real transactional producers: what `read_committed` delivers, and when."""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as ConfluentPartition

from kafkastatic import TopicPartition
from tests.support.scenes import consumer, eventually

pytestmark = pytest.mark.real_only("transactions")

Record = tuple[int, bytes]


class Librdkafka:
    """With or without transactions; each `send` makes a batch of its own."""

    def __init__(self, bootstrap: str, topic: str, *, transactional: bool = True) -> None:
        self.topic = topic
        options: dict[str, Any] = {"bootstrap.servers": bootstrap, "linger.ms": 1}
        if transactional:
            options["transactional.id"] = f"tx-{uuid.uuid4().hex[:12]}"
        self.producer = Producer(options)

    async def start(self) -> None:
        await asyncio.to_thread(self.producer.init_transactions, 30)

    async def begin(self) -> None:
        self.producer.begin_transaction()

    async def send(self, values: list[bytes]) -> list[Record]:
        written: list[Record] = []

        def delivered(error: Any, message: Any) -> None:
            assert error is None
            written.append((message.offset(), message.value()))

        for value in values:
            self.producer.produce(self.topic, value, partition=0, on_delivery=delivered)
        assert await asyncio.to_thread(self.producer.flush, 30) == 0
        return written

    async def end(self, commit: bool) -> None:
        await asyncio.to_thread(self.producer.commit_transaction if commit else self.producer.abort_transaction, 30)

    async def aclose(self) -> None:
        """It ends when nothing refers to it."""


class Aiokafka:
    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self.producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"tx-{uuid.uuid4().hex[:12]}")

    async def start(self) -> None:
        await self.producer.start()

    async def begin(self) -> None:
        await self.producer.begin_transaction()

    async def send(self, values: list[bytes]) -> list[Record]:
        futures = [await self.producer.send(self.topic, value, partition=0) for value in values]
        return [(found.offset, value) for found, value in zip(await asyncio.gather(*futures), values, strict=True)]

    async def end(self, commit: bool) -> None:
        await (self.producer.commit_transaction() if commit else self.producer.abort_transaction())

    async def aclose(self) -> None:
        await self.producer.stop()


async def interleave(bootstrap: str, topic: str, steps: int) -> tuple[list[Record], list[Record]]:
    """Transactions of three producers, and records of one without, in an order of chance that is always the same.

    Returns:
        All records, and those that are not of an aborted transaction, by offset.
    """
    rng = random.Random(98)
    plain = Librdkafka(bootstrap, topic, transactional=False)
    writers = [Librdkafka(bootstrap, topic), Librdkafka(bootstrap, topic), Aiokafka(bootstrap, topic)]
    await asyncio.gather(*(writer.start() for writer in writers))
    everything: list[Record] = []
    good: list[Record] = []
    running: dict[Any, list[Record]] = {}

    for step in range(steps):
        values = [b"%d-%d" % (step, n) for n in range(rng.randint(1, 4))]
        writer = rng.choice([plain, *writers])
        if writer is plain:
            sent = await plain.send(values)
            good += sent
        elif writer in running and rng.random() < 0.4:
            await writer.end(commit := rng.random() < 0.5)
            inside = running.pop(writer)
            good += inside if commit else []
            continue
        else:
            if writer not in running:
                await writer.begin()
            sent = await writer.send(values)
            running.setdefault(writer, []).extend(sent)
        everything += sent
    for number, writer in enumerate(list(running)):
        await writer.end(commit := bool(number % 2))
        good += running[writer] if commit else []
    for writer in writers:
        await writer.aclose()
    return sorted(everything), sorted(good)


def as_librdkafka_reads(bootstrap: str, topic: str, count: int, group: str) -> list[Record]:
    options = {"bootstrap.servers": bootstrap, "group.id": group, "isolation.level": "read_committed"}
    theirs = ConfluentConsumer(options)
    try:
        theirs.assign([ConfluentPartition(topic, 0, 0)])
        found = [theirs.poll(10) for _ in range(count)]
        assert theirs.poll(0.5) is None
        return [(message.offset(), message.value()) for message in found]
    finally:
        theirs.close()


async def records(source: Any, count: int) -> list[Record]:
    async with asyncio.timeout(30):
        return [(record.offset, record.value) for record in [await source.getone() for _ in range(count)]]


@pytest.mark.asyncio
async def test_records_of_aborted_transactions_are_not_delivered(kafka, topic, group_id) -> None:
    """Whatever is interleaved with them, however small the fetches, wherever reading begins; and the position reaches
    the end of the log, which is a marker."""
    name = await topic()
    tp = TopicPartition(name, 0)
    everything, good = await interleave(kafka.bootstrap, name, 90)
    assert await asyncio.to_thread(as_librdkafka_reads, kafka.bootstrap, name, len(good), group_id()) == good
    assert len(everything) - len(good) > 20

    committed: dict[str, Any] = {"isolation_level": "read_committed", "fetch_max_wait_ms": 50}
    group = group_id()
    async with consumer(kafka.bootstrap, name, group_id=group, group_instance_id="a", **committed) as ours:
        assert await records(ours, len(good)) == good
        (end,) = (await ours.end_offsets([tp])).values()
        assert end > everything[-1][0] + 1
        assert await ours.getmany(timeout_ms=100) == {}
        await eventually(lambda: at_the_end(ours, tp, end))
        await ours.commit()
        assert await ours.committed(tp) == end
        assert (ours.highwater(tp), ours.lag()) == (end, {tp: 0})

    async with consumer(
        kafka.bootstrap, name, max_partition_fetch_bytes=1, max_buffered_bytes=400, **committed
    ) as ours:
        assert await records(ours, len(good)) == good
        for offset in range(0, end, 3):
            ours.seek(tp, offset)
            ahead = [record for record in good if record[0] >= offset][:4]
            assert await records(ours, len(ahead)) == ahead
    async with consumer(kafka.bootstrap, name, fetch_max_wait_ms=50) as ours:
        assert await records(ours, len(everything)) == everything
        assert await ours.getmany(timeout_ms=100) == {}
        await eventually(lambda: at_the_end(ours, tp, end))


async def at_the_end(source: Any, tp: TopicPartition, end: int) -> bool:
    await source.getmany()
    return await source.position(tp) == end


@pytest.mark.asyncio
async def test_an_open_transaction_holds_back_what_follows(kafka, topic) -> None:
    """Nothing behind its first record is delivered, or counted as lag, before it has ended; then all, in order."""
    name = await topic()
    tp = TopicPartition(name, 0)
    writer, plain = Librdkafka(kafka.bootstrap, name), Librdkafka(kafka.bootstrap, name, transactional=False)
    await writer.start()
    first = await plain.send([b"before"])
    await writer.begin()
    inside = await writer.send([b"inside-1", b"inside-2"])
    after = await plain.send([b"after"])

    async with consumer(kafka.bootstrap, name, isolation_level="read_committed", fetch_max_wait_ms=50) as ours:
        assert await records(ours, 1) == first
        assert await ours.getmany(timeout_ms=300) == {}
        assert (await ours.end_offsets([tp]))[tp] == inside[0][0]
        assert (ours.highwater(tp), ours.lag()[tp]) == (inside[0][0], 0)
        await writer.end(commit=True)
        assert await records(ours, 3) == inside + after
