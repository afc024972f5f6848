"""A log that lost its end: an out-of-date replica becomes leader, and writes other records under the same offsets."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from kafka.protocol.metadata import MetadataRequest

from kafkastatic import Consumer, TopicPartition
from kafkastatic.errors import LogTruncationError
from tests.support.raw_peer import RawPeer
from tests.support.scenes import consumer, eventually, write
from tools.real_cluster import RealCluster

LEADER, FOLLOWER, WITNESS = range(3)
"""Places in `RealCluster.brokers`; the node ids are one higher."""


async def create(cluster: RealCluster) -> str:
    """A topic of one partition on two brokers, of which either may lead it, whatever it has missed."""
    name = f"topic-{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": cluster.brokers[WITNESS].bootstrap})
    config = {"min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
    topic = NewTopic(name, num_partitions=1, replica_assignment=[[LEADER + 1, FOLLOWER + 1]], config=config)
    await asyncio.to_thread(lambda: admin.create_topics([topic])[name].result(30))
    return name


async def partition(cluster: RealCluster, name: str) -> Any:
    """What the broker that has no part in it knows of the partition."""
    async with RawPeer.connect(cluster.brokers[WITNESS].bootstrap) as peer:
        answer = await peer.request(
            "Metadata",
            8,
            topics=[MetadataRequest.MetadataRequestTopic(name=name)],
            allow_auto_topic_creation=False,
            include_cluster_authorized_operations=False,
            include_topic_authorized_operations=False,
        )
        return answer.topics[0].partitions[0]


async def values(source: Consumer[bytes, bytes], count: int) -> list[tuple[int, bytes]]:
    async with asyncio.timeout(30):
        return [(record.offset, record.value) for record in [await source.getone() for _ in range(count)]]


@pytest.mark.real_only("unclean leader election")
@pytest.mark.asyncio
async def test_a_truncated_log_is_noticed(kafka_cluster, group_id, caplog) -> None:
    """The consumer that runs goes on where the logs part, and so does one that starts from a commit; with
    auto_offset_reset="none" it is an error that says where that is."""
    cluster: RealCluster = kafka_cluster
    group = group_id()
    caplog.set_level(logging.WARNING, "kafkastatic")
    leader, follower = cluster.brokers[LEADER], cluster.brokers[FOLLOWER]
    name = await create(cluster)
    tp = TopicPartition(name, 0)

    def reader(**options: Any) -> Consumer[bytes, bytes]:
        found = consumer(cluster.bootstrap, group_id=group, enable_auto_commit=False, **options)
        found.assign([tp])
        return found

    try:
        async with RawPeer.connect(leader.bootstrap) as peer:
            await write(peer, name, 0, [b"both-%d" % n for n in range(10)])
            follower.pause()
            await eventually(lambda: in_sync(cluster, name, [LEADER + 1]), timeout=30)
            await peer.produce(name, 0, [b"lost-%d" % n for n in range(5)])
        async with reader() as running:
            assert [offset for offset, _ in await values(running, 15)] == list(range(15))
            await running.commit()
            leader.kill()
            follower.resume()
            await eventually(lambda: led_by(cluster, name, FOLLOWER + 1), timeout=60, every=0.1)
            async with RawPeer.connect(follower.bootstrap) as peer:
                await write(peer, name, 0, [b"new-%d" % n for n in range(8)])

            new = [(10 + n, b"new-%d" % n) for n in range(8)]
            assert await values(running, 8) == new
        events = [record.getMessage() for record in caplog.records if "log_truncated" in record.getMessage()]
        assert len(events) == 1
        assert "position=15" in events[0]
        assert "offset=10" in events[0]

        async with reader() as started:
            assert await values(started, 8) == new
        async with reader(auto_offset_reset="none") as strict:
            for _ in range(2):
                with pytest.raises(LogTruncationError, match=rf"seek\(TopicPartition\('{name}', 0\), 10\)") as caught:
                    await values(strict, 1)
            assert (caught.value.offset, caught.value.divergent_offset) == (15, 10)
            strict.seek(tp, 10)
            assert await values(strict, 8) == new
    finally:
        follower.resume()
        await asyncio.to_thread(leader.start)


async def in_sync(cluster: RealCluster, name: str, nodes: list[int]) -> bool:
    return (await partition(cluster, name)).isr_nodes == nodes


async def led_by(cluster: RealCluster, name: str, node: int) -> bool:
    return (await partition(cluster, name)).leader_id == node
