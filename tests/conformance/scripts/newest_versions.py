"""Versions that came with 4.x: 3.9 closes the connection."""

from __future__ import annotations

from tests.conformance.scripts.records import batch, fetched, looked_up
from tests.conformance.session import Session, scenario


@scenario
async def newest_produce(s: Session) -> None:
    """Topics by their ids."""
    topic = await s.topic()
    topic_id = await s.topic_id(topic)
    for one, partition in ((topic_id, 0), (topic_id, 1), (s.unknown_id, 0)):
        data = {"topic_id": one, "partition_data": [{"index": partition, "records": batch(b"v")}]}
        await s.send("producer", "Produce", 13, transactional_id=None, acks=-1, timeout_ms=5_000, topic_data=[data])


@scenario
async def newest_fetch(s: Session) -> None:
    topic = await s.topic()
    topic_id = await s.topic_id(topic)
    await fetched(s, topic_id, version=18)
    await fetched(s, s.unknown_id, version=18)


@scenario
async def newest_metadata(s: Session) -> None:
    topic = await s.topic()
    await s.send("a", "Metadata", 13, topics=[{"name": topic}], allow_auto_topic_creation=False)
    await s.send("a", "Metadata", 13, topics=[{"name": f"{s.group}.none"}], allow_auto_topic_creation=False)
    await s.send("a", "Metadata", 13, "an unknown id", topics=[{"topic_id": s.unknown_id, "name": None}])


@scenario
async def newest_list_offsets(s: Session) -> None:
    topic = await s.topic()
    for timestamp in (-1, -2, -4, -5, -6, -7):
        await looked_up(s, topic, timestamp, 11, f"{timestamp}")


@scenario
async def newest_find_coordinator(s: Session) -> None:
    await s.send("a", "FindCoordinator", 6, coordinator_keys=[s.group], key_type=0)


@scenario
async def newest_describe_cluster(s: Session) -> None:
    for fenced in (False, True):
        await s.send("admin", "DescribeCluster", 2, include_fenced_brokers=fenced)
