"""Foreign clients do their work on the embedded broker, as on any other."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka.admin import AdminClient
from kafka.record.memory_records import MemoryRecords

from kafkastatic.broker import Broker
from tests.support.foreign_tools import (
    PARTITIONS,
    AioTools,
    ConfluentTools,
    ForeignTools,
    KafkaPythonTools,
    read_by_three,
)
from tests.support.members import ConfluentKip848Member
from tests.support.raw_peer import API_KEYS, MESSAGES, RawPeer

pytestmark = pytest.mark.once

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
VALUES = [b"%03d " % number * 20 for number in range(20)]


@pytest.mark.parametrize("tools", [AioTools, ConfluentTools, KafkaPythonTools])
@pytest.mark.asyncio
async def test_a_foreign_client_does_its_work(tools: type[ForeignTools]) -> None:
    """It creates a topic, produces with every codec, reads in a group of three while one restarts, and sees no lag."""
    with Broker(brokers=3) as broker:
        client = tools(broker.bootstrap)
        await asyncio.to_thread(client.create_topic, "orders", PARTITIONS)
        codecs = [CODECS[partition % len(CODECS)] for partition in range(PARTITIONS)]
        await produced(client, codecs)
        for partition, codec in enumerate(codecs):
            assert [record.value for record in broker.records("orders", partition)] == VALUES
            assert await codecs_of(broker, partition) == {codec}

        await read_by_three(broker, client.member, "orders", lambda: produced(client, codecs))
        lag = await asyncio.to_thread(client.lag, "billing", "orders", PARTITIONS)
        assert lag == dict.fromkeys(range(PARTITIONS), 0)


@pytest.mark.asyncio
async def test_librdkafka_does_its_work_by_kip_848() -> None:
    """It reads in a group of three while one restarts, which is no rebalance; closed, the static members are away."""
    with Broker({"orders": PARTITIONS}, brokers=3) as broker:

        async def write() -> None:
            for partition in range(PARTITIONS):
                broker.append("orders", partition, *VALUES)

        await write()
        await read_by_three(broker, ConfluentKip848Member, "orders", write)
        group = broker.group("billing")
        assert group is not None
        assert group.group_type == "consumer"
        assert [member.epoch for member in group.members] == [-2, -2, -2]


async def produced(client: ForeignTools, codecs: list[str]) -> None:
    """The values, once to every partition, with its codec."""
    threads = (asyncio.to_thread(client.produce, "orders", p, VALUES, codec) for p, codec in enumerate(codecs))
    await asyncio.gather(*threads)


async def codecs_of(broker: Broker, partition: int) -> set[str]:
    """How the batches of a partition are kept, as its leader hands them out."""
    address = broker.bootstrap.split(",")[broker.leader("orders", partition) - 1]
    partition_class = MESSAGES[API_KEYS["Fetch"]][1].FetchTopic.FetchPartition
    topic_class = MESSAGES[API_KEYS["Fetch"]][1].FetchTopic
    asked = topic_class(topic="orders", partitions=[partition_class(partition=partition, partition_max_bytes=2**20)])
    async with RawPeer.connect(address) as peer:
        answer = await peer.request("Fetch", 4, max_wait_ms=0, min_bytes=0, max_bytes=2**20, topics=[asked])
    records = MemoryRecords(bytes(answer.responses[0].partitions[0].records))
    found: set[str] = set()
    while (batch := records.next_batch()) is not None:
        found.add(CODECS[batch.compression_type])
    return found


@pytest.mark.asyncio
async def test_librdkafka_hears_of_all_topics_and_reads_by_a_pattern() -> None:
    """It sends more bytes than such a request has; what Kafka does not look at does no harm."""

    def use(bootstrap: str) -> tuple[set[str], bytes | None]:
        options = {"bootstrap.servers": bootstrap, "group.id": "billing", "auto.offset.reset": "earliest"}
        with AdminClient({"bootstrap.servers": bootstrap}) as admin:
            topics = set(admin.list_topics(timeout=10).topics)
        consumer = ConfluentConsumer(options)
        try:
            consumer.subscribe(["^ord.*"])
            message = consumer.poll(20)
            return topics, message.value() if message else None
        finally:
            consumer.close()

    with Broker({"orders": 1, "others": 1}) as broker:
        broker.append("orders", 0, b"a")
        assert await asyncio.to_thread(use, broker.bootstrap) == ({"orders", "others"}, b"a")
