"""Log segments of Kafka before 0.11: brokers do not write them any more, but serve those that they have as they are."""

from __future__ import annotations

import asyncio
import gzip
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka import TopicPartition as ConfluentPartition

from kafkastatic import TopicPartition
from tests.support.raw_peer import RawPeer
from tests.support.scenes import consumer
from tools.real_kafka import RealKafka

VECTORS = Path(__file__).parents[1] / "records" / "vectors.jsonl.gz"
FIRST, END = 500, 536


def replace_segment(kafka: RealKafka, topic: str, data: bytes) -> None:
    """Put a segment into the log of partition 0 of a broker that is stopped, instead of what is there."""
    log = kafka.directory / "data" / f"{topic}-0"
    for old in log.glob("00000000000000000000.*"):
        old.unlink()
    (log / f"{FIRST:020}.log").write_bytes(data)


def as_librdkafka_reads(bootstrap: str, topic: str, group: str) -> list[Any]:
    theirs = ConfluentConsumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        theirs.assign([ConfluentPartition(topic, 0, FIRST)])
        found = [theirs.poll(10) for _ in range(END - FIRST)]
        return [(message.offset(), message.key(), message.value()) for message in found]
    finally:
        theirs.close()


@pytest.mark.real_only("old log segments")
@pytest.mark.asyncio
async def test_old_segments_of_a_real_broker_are_read(kafka_factory, group_id) -> None:
    """Formats 0, 1 and 2 one behind another, in every codec, as Kafka's own classes wrote them."""
    lines = map(json.loads, gzip.decompress(VECTORS.read_bytes()).splitlines())
    vector = next(line for line in lines if line["name"] == "legacy-several")
    written = [
        (offset, timestamp, batch["timestamp_type"], key and b64decode(key), value and b64decode(value))
        for batch in vector["batches"]
        for offset, timestamp, key, value, _ in batch["records"]
    ]
    broker: RealKafka = kafka_factory()
    tp = TopicPartition("old", 0)
    async with RawPeer.connect(broker.bootstrap) as peer:
        await peer.create_topic("old")
    await asyncio.to_thread(broker.stop)
    replace_segment(broker, "old", b64decode(vector["data"]))
    await asyncio.to_thread(broker.start)

    async with consumer(broker.bootstrap, "old", group_id=group_id(), fetch_max_wait_ms=50) as ours:
        async with asyncio.timeout(30):
            found = [await ours.getone() for _ in written]
            assert [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value) for r in found] == written
            await ours.commit()
            assert await ours.committed(tp) == END == await ours.position(tp)
            for offset in (FIRST, 504, 511, 516, 523, END - 1):
                ours.seek(tp, offset)
                assert (await ours.getone()).offset == offset
    theirs = await asyncio.to_thread(as_librdkafka_reads, broker.bootstrap, "old", group_id())
    assert [(record.offset, record.key, record.value) for record in found] == theirs
