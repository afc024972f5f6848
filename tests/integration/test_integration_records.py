"""What foreign producers wrote is what is read: every codec, few and many partitions, every way of reading."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka.protocol.consumer import FetchRequest

from kafkastatic import Consumer, TopicPartition
from tests.support.raw_peer import RawPeer
from tests.support.scenes import consumer, eventually

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
START = 1_700_000_000_000

Written = tuple[int, int, Any, Any, tuple[tuple[str, bytes | None], ...]]
"""offset, timestamp, key, value, headers"""

HEADERS: list[list[tuple[str, bytes | None]]] = [
    [],
    [("trace", b"\x00\xff")],
    [("same", b"1"), ("same", b"2"), ("null", None), ("empty", b"")],
    [("ключ", "значение".encode())],
]
KEYS = [None, b"", b"key", b"\x00" * 300]
VALUES = [b"value", None, b"", b"incompressible-" + bytes(range(256)), b"long " * 3000]


def write(bootstrap: str, topic: str, partitions: int, records: int, codec: str) -> dict[TopicPartition, list[Written]]:
    """Write with librdkafka, `records` to each partition in several batches; return what was acknowledged."""
    written: dict[TopicPartition, list[Written]] = {TopicPartition(topic, p): [] for p in range(partitions)}
    failures: list[object] = []
    options = {
        "bootstrap.servers": bootstrap,
        "compression.type": codec,
        "linger.ms": 5,
        "batch.num.messages": 50,
        "enable.idempotence": True,
    }
    producer = Producer(options)

    def delivered(content: tuple[Any, ...]) -> Callable[[Any, Any], None]:
        def report(error: Any, message: Any) -> None:
            if error is not None:
                failures.append(error)
                return
            tp = TopicPartition(topic, message.partition())
            written[tp].append((message.offset(), *content))

        return report

    kinds = itertools.cycle(itertools.product(HEADERS, KEYS, VALUES))
    for number in range(records):
        for partition in range(partitions):
            headers, key, value = next(kinds)
            content = (START + number * 7, key, value, tuple(headers))
            producer.produce(
                topic,
                value,
                key,
                partition=partition,
                timestamp=content[0],
                headers=headers,
                on_delivery=delivered(content),
            )
        producer.poll(0)
    producer.flush(30)
    assert not failures
    return written


def seen(record: Any) -> Written:
    return record.offset, record.timestamp, record.key, record.value, record.headers


Reading = Callable[[Consumer[bytes, bytes]], AsyncIterator[tuple[TopicPartition, Any]]]


async def one_by_one(source: Consumer[bytes, bytes]) -> AsyncIterator[tuple[TopicPartition, Any]]:
    async for record in source:
        yield record.tp, record


async def by_many(source: Consumer[bytes, bytes]) -> AsyncIterator[tuple[TopicPartition, Any]]:
    while True:
        for tp, records in (await source.getmany(timeout_ms=5000, max_records=77)).items():
            for record in records:
                yield tp, record


async def by_batches(source: Consumer[bytes, bytes]) -> AsyncIterator[tuple[TopicPartition, Any]]:
    async for batch in source.batches(33):
        for record in batch.records:
            yield batch.tp, record


WAYS: dict[str, Reading] = {"async for": one_by_one, "getmany": by_many, "batches": by_batches}


async def read(source: Consumer[bytes, bytes], way: Reading, count: int) -> dict[TopicPartition, list[Written]]:
    """The first `count` records, by partition, in the order in which they came."""
    found: dict[TopicPartition, list[Written]] = {}
    records = way(source)
    async with asyncio.timeout(60):
        for _ in range(count):
            tp, record = await anext(records)
            assert (record.topic, record.partition, record.timestamp_type) == (*tp, 0)
            assert record.serialized_key_size == (-1 if record.key is None else len(record.key))
            assert record.serialized_value_size == (-1 if record.value is None else len(record.value))
            found.setdefault(tp, []).append(seen(record))
    await records.aclose()  # type: ignore[attr-defined]
    return found


async def codec_on_disk(bootstrap: str, topic: str) -> set[int]:
    """The codecs of partition 0's batches, by a raw Fetch."""
    of_topic = FetchRequest.FetchTopic
    partition = of_topic.FetchPartition(
        partition=0, current_leader_epoch=-1, fetch_offset=0, log_start_offset=-1, partition_max_bytes=2**24
    )
    async with RawPeer.connect(bootstrap) as peer:
        answer = await peer.request(
            "Fetch",
            11,
            replica_id=-1,
            max_wait_ms=100,
            min_bytes=1,
            max_bytes=2**24,
            isolation_level=0,
            session_id=0,
            session_epoch=-1,
            topics=[of_topic(topic=topic, partitions=[partition])],
            forgotten_topics_data=[],
            rack_id="",
        )
    data, found = bytes(answer.responses[0].partitions[0].records), set()
    while data:
        found.add(data[22] & 7)
        data = data[12 + int.from_bytes(data[8:12], "big") :]
    return found


@pytest.mark.parametrize("partitions", [1, 8, 200])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.asyncio
async def test_what_was_written_is_read(kafka, topic, group_id, codec, partitions) -> None:
    """Offsets, timestamps, keys, values and headers, in the order of each partition, by every way of reading."""
    name = await topic(partitions=partitions)
    each = {1: 1000, 8: 200, 200: 12}[partitions]
    written = await asyncio.to_thread(write, kafka.bootstrap, name, partitions, each, codec)
    count = each * partitions
    assert await codec_on_disk(kafka.bootstrap, name) == {CODECS[codec]}

    async with consumer(kafka.bootstrap, name, group_id=group_id(), group_instance_id="a") as static:
        assert await read(static, one_by_one, count) == written
    async with consumer(kafka.bootstrap, name, group_id=group_id()) as dynamic:
        assert await read(dynamic, by_many, count) == written
    async with consumer(kafka.bootstrap, name) as alone:
        assert await read(alone, by_batches, count) == written
        assert alone.lag() == dict.fromkeys(written, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.asyncio
async def test_several_topics_of_mixed_codecs_are_read_as_one(kafka, topic, group_id, way) -> None:
    """With a group, and with partitions assigned by hand."""
    names = [await topic(partitions=2) for _ in CODECS]
    written: dict[TopicPartition, list[Written]] = {}
    by_codec = zip(names, CODECS, strict=True)
    writing = [asyncio.to_thread(write, kafka.bootstrap, name, 2, 60, codec) for name, codec in by_codec]
    for part in await asyncio.gather(*writing):
        written |= part
    async with consumer(kafka.bootstrap, *names, group_id=group_id(), group_instance_id="a") as ours:
        assert await read(ours, WAYS[way], 600) == written
        assert ours.assignment() == written.keys()
    by_hand = consumer(kafka.bootstrap)
    by_hand.assign(written)
    async with by_hand:
        assert await read(by_hand, WAYS[way], 600) == written


@pytest.mark.asyncio
async def test_codecs_may_follow_each_other_within_a_partition(kafka, topic, group_id) -> None:
    """Nothing is remembered from one batch to the next."""
    name, written = await topic(), []
    for codec in CODECS:
        part = await asyncio.to_thread(write, kafka.bootstrap, name, 1, 100, codec)
        written += part[TopicPartition(name, 0)]
    assert await codec_on_disk(kafka.bootstrap, name) == set(CODECS.values())
    async with consumer(kafka.bootstrap, name, group_id=group_id()) as ours:
        assert await read(ours, one_by_one, 500) == {TopicPartition(name, 0): written}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.asyncio
async def test_the_brokers_own_timestamps_are_told(kafka, topic, codec) -> None:
    """LogAppendTime: the type is 1 and the time is the broker's, whatever the producer claimed."""
    name = await topic(message_timestamp_type="LogAppendTime")
    loop = asyncio.get_running_loop()
    (written,) = (await asyncio.to_thread(write, kafka.bootstrap, name, 1, 20, codec)).values()
    async with consumer(kafka.bootstrap, name) as ours:
        began = loop.time()
        records = [await ours.getone() for _ in written]
        assert loop.time() - began < 10
    assert {record.timestamp_type for record in records} == {1}
    assert all(record.timestamp > START + 10**9 for record in records)
    assert [(r.offset, r.key, r.value, r.headers) for r in records] == [
        (offset, key, value, headers) for offset, _, key, value, headers in written
    ]


@pytest.mark.asyncio
async def test_a_batch_larger_than_the_fetch_size_is_read(kafka, topic) -> None:
    """The broker sends the first batch whole, however small `max_partition_fetch_bytes` is."""
    name = await topic()
    written = await asyncio.to_thread(write, kafka.bootstrap, name, 1, 100, "none")
    small = {"max_partition_fetch_bytes": 1024, "fetch_max_bytes": 2048, "max_buffered_bytes": 4096}
    async with consumer(kafka.bootstrap, name, **small) as ours:
        assert await read(ours, one_by_one, 100) == written


@pytest.mark.asyncio
async def test_records_are_read_as_they_are_written(kafka, topic) -> None:
    """A long poll ends when something arrives: nobody waits for fetch_max_wait_ms."""
    name = await topic()
    loop = asyncio.get_running_loop()
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        consumer(kafka.bootstrap, name, fetch_max_wait_ms=5000) as ours,
    ):
        await eventually(lambda: ours.highwater(TopicPartition(name, 0)) is not None or produce(peer, name))
        await ours.getone()
        times = []
        for number in range(20):
            pending = asyncio.create_task(ours.getone())
            began = loop.time()
            await peer.produce(name, 0, [b"%d" % number])
            assert (await asyncio.wait_for(pending, 20)).value == b"%d" % number
            times.append(loop.time() - began)
        assert sorted(times)[10] < 2.5


async def produce(peer: RawPeer, name: str) -> bool:
    return await peer.produce(name, 0, [b"first"]) >= 0
