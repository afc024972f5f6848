"""Full load on a real broker: partitions take turns, and fetches are large and few."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from kafkastatic import Consumer, TopicPartition
from tests.support.raw_peer import RawPeer
from tests.support.scenes import foreign_read, recorded, running, write

PARTITIONS = 8
FETCH = 1024 * 1024
"""Bytes of a partition that one fetch brings: `max_partition_fetch_bytes`."""


def packed(values: Sequence[tuple[bytes | None, bytes, list[tuple[str, bytes]]]], codec: int = 0) -> bytes:
    """A batch of keys, values and headers, by a foreign encoder."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for index, (key, value, headers) in enumerate(values):
        builder.append(index, timestamp=1_000 + index, key=key, value=value, headers=headers)
    return bytes(builder.build())


async def filled(peer: RawPeer, topic: str, batches: int, count: int) -> int:
    """Batches of `count` records, as many in each partition, behind a first record; how many records there are."""
    batch = packed([(None, bytes(100), [])] * count)
    for partition in range(PARTITIONS):
        await write(peer, topic, partition, [b"first"])  # it waits until the partition is there
    for _ in range(batches):
        for partition in range(PARTITIONS):
            await peer.produce_batch(topic, partition, batch)
    return PARTITIONS * (1 + batches * count)


async def drained(consumer: Consumer[bytes, bytes], topic: str, total: int, *, lead: int) -> None:
    """Read so many records; no partition may ever be ahead of another by more than `lead`."""
    read = {TopicPartition(topic, partition): 0 for partition in range(PARTITIONS)}
    async for batch in consumer.batches():
        read[batch.tp] += len(batch)
        if min(read.values()) < total // PARTITIONS:
            assert max(read.values()) - min(read.values()) <= lead
        if sum(read.values()) == total:
            return


@pytest.mark.asyncio
async def test_of_equal_partitions_none_leads_by_more_than_a_fetch(kafka, topic) -> None:
    """Over a million records."""
    name = await topic(partitions=PARTITIONS)
    async with RawPeer.connect(kafka.bootstrap) as peer:
        total = await filled(peer, name, 125, 1000)
    async with running(kafka.bootstrap, name) as consumer:
        await drained(consumer, name, total, lead=FETCH // 100)


@pytest.mark.asyncio
async def test_under_load_each_fetch_asks_for_all_partitions(kafka, topic) -> None:
    """So that 30 MB come in a handful of answers, though batches are handed out one by one."""
    name = await topic(partitions=PARTITIONS)
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        total = await filled(peer, name, 60, 600)
        async with running(proxy.bootstrap, name) as consumer:
            await drained(consumer, name, total, lead=FETCH // 100)
            answers = [len(request.response) for request in proxy.sent("Fetch") if request.response is not None]

    assert len([size for size in answers if size > 1000]) <= 12


@pytest.mark.asyncio
@pytest.mark.parametrize("codec", range(5), ids=["none", "gzip", "snappy", "lz4", "zstd"])
async def test_lazy_batches_are_what_a_foreign_client_reads(kafka, topic, codec: int) -> None:
    name = await topic()
    values = [(b"k%d" % n, b"v" * n, [("n", b"%d" % n)]) for n in range(200)]
    async with RawPeer.connect(kafka.bootstrap) as peer:
        await write(peer, name, 0, [b"first"])
        await peer.produce_batch(name, 0, packed(values, codec))
    found: list[tuple[object, ...]] = []
    async with running(kafka.bootstrap, name) as consumer:
        async for batch in consumer.batches(lazy=True):
            assert all(isinstance(record.value, memoryview) for record in batch)
            found += [(r.offset, r.key and bytes(r.key), bytes(r.value), list(r.headers), r.timestamp) for r in batch]
            if len(found) > len(values):
                break

    theirs = await foreign_read(kafka.bootstrap, name)
    assert found == [(r.offset, r.key, r.value, list(r.headers), r.timestamp) for r in theirs]
