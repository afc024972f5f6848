"""Foreign clients do their work on the embedded broker, as on any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from kafka.record.memory_records import MemoryRecords

from kafkastatic.broker import Broker
from tests.support.foreign_tools import AioTools, ConfluentTools, ForeignTools, KafkaPythonTools
from tests.support.members import ForeignMember
from tests.support.raw_peer import API_KEYS, MESSAGES, RawPeer

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONS = 6
VALUES = [b"%03d " % number * 20 for number in range(20)]


async def eventually(holds: Callable[[], bool], what: Callable[[], object], within: float = 20.0) -> None:
    """Wait until it holds; `what` tells what is there instead."""
    deadline = asyncio.get_running_loop().time() + within
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, what()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("tools", [AioTools, ConfluentTools, KafkaPythonTools])
@pytest.mark.asyncio
async def test_a_foreign_client_does_its_work(tools: type[ForeignTools]) -> None:
    """It creates a topic, produces with every codec, reads in a group of three while one restarts, and sees no lag."""
    with Broker(brokers=3) as broker:
        client = tools(broker.bootstrap)
        await asyncio.to_thread(client.create_topic, "orders", PARTITIONS)
        for partition in range(PARTITIONS):
            codec = CODECS[partition % len(CODECS)]
            await asyncio.to_thread(client.produce, "orders", partition, VALUES, codec)
            assert [record.value for record in broker.records("orders", partition)] == VALUES
            assert await codecs_of(broker, partition) == {codec}

        members = [client.member(broker.bootstrap, "orders", "billing", instance_id=f"billing-{n}") for n in range(3)]
        await asyncio.gather(*(member.__aenter__() for member in members))
        await eventually(lambda: [len(m.owned) for m in members] == [2, 2, 2], lambda: [m.owned for m in members])
        await reads(members, len(VALUES))
        generation = broker.group("billing").generation

        await members[0].__aexit__()
        for partition in range(PARTITIONS):
            await asyncio.to_thread(client.produce, "orders", partition, VALUES, "none")
        members.append(client.member(broker.bootstrap, "orders", "billing", instance_id="billing-0"))
        await members[3].__aenter__()
        await reads(members, 2 * len(VALUES))
        assert broker.group("billing").generation == generation

        for member in members[1:]:
            await member.__aexit__()
        lag = await asyncio.to_thread(client.lag, "billing", "orders", PARTITIONS)
        assert lag == dict.fromkeys(range(PARTITIONS), 0)
        committed = {tp.partition: found.offset for tp, found in broker.committed("billing").items()}
        assert committed == dict.fromkeys(range(PARTITIONS), 2 * len(VALUES))


async def reads(members: list[ForeignMember], count: int) -> None:
    """Wait until the members have read that many records of every partition."""
    everything = {(partition, offset) for partition in range(PARTITIONS) for offset in range(count)}

    def missing() -> set[tuple[int, int]]:
        return everything - {record for member in members for record in member.records}

    await eventually(lambda: not missing(), missing)


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
