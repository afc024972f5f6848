"""Words for the tests of planning: a cluster, a planner with partitions, and answers to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafkastatic._fetch.answers import Ask, Need, Outcome
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.plan import Plan, Planner
from kafkastatic._protocol.messages.fetch import FetchableTopicResponse, FetchResponse, NodeEndpoint, PartitionData
from kafkastatic.config import ConsumerConfig
from kafkastatic.types import Broker, ClusterSnapshot, PartitionInfo, TopicInfo, TopicPartition

from .logs import consumption

ORDERS_ID = b"orders".ljust(16)


def snapshot(leaders: Mapping[TopicPartition, int], *, ids: bool = True, brokers: int = 2) -> ClusterSnapshot:
    """A cluster of brokers 1, 2, ...; partition n of a topic is in epoch 10 + n."""
    topics: dict[str, dict[int, PartitionInfo]] = {}
    for (topic, index), leader in leaders.items():
        topics.setdefault(topic, {})[index] = PartitionInfo(index, leader, 10 + index, 0, tuple(range(1, brokers + 1)))
    return ClusterSnapshot(
        brokers={node: Broker(node, f"b{node}", 9092) for node in range(1, brokers + 1)},
        topics={name: TopicInfo(name, name.encode().ljust(16) if ids else bytes(16), p) for name, p in topics.items()},
    )


class Fetches:
    """A planner with the partitions `a`, `b`, `c` that start at the offsets given, all led by broker 1."""

    def __init__(
        self, *, options: Mapping[str, Any] | None = None, backoff: Callable[[], float] = lambda: 0.25, **starts: int
    ) -> None:
        self.config = ConsumerConfig.from_mapping({"bootstrap_servers": "b1", **(options or {})})
        self.source: Consumption = consumption(**starts)
        self.positions = self.source.positions
        self.planner = Planner(self.config, self.positions, lambda _: backoff())
        self.snapshot = snapshot({state.tp: 1 for state in self.positions})

    def plan(self, now: float = 0.0, node: int = 1) -> Plan | None:
        return self.planner.plan(node, self.planner.sources(self.snapshot, now), self.snapshot, now)

    def ask(self, now: float = 0.0, node: int = 1) -> Ask:
        found = self.plan(now, node)
        assert found is not None
        return self.planner.ask(found, self.snapshot)

    def answered(self, ask: Ask, now: float = 0.0, **content: Any) -> Outcome:
        return self.planner.take(ask, answer(**content), now)

    def take(self, ask: Ask, now: float = 0.0, **partitions: PartitionData) -> set[Need]:
        return self.answered(ask, now, **partitions).needs


def answer(
    *, session_id: int = 0, endpoints: Iterable[NodeEndpoint] = (), **partitions: PartitionData
) -> FetchResponse:
    """As from version 13 on: by topic id."""
    for name, data in partitions.items():
        data.partition_index = "abc".index(name)
    topic = FetchableTopicResponse(topic_id=ORDERS_ID, partitions=list(partitions.values()))
    return FetchResponse(session_id=session_id, responses=[topic], node_endpoints=endpoints)


def data(*batches: bytes, code: int = 0, high_watermark: int = 100) -> PartitionData:
    return PartitionData(
        error_code=code, high_watermark=high_watermark, log_start_offset=2, records=b"".join(batches) or None
    )


def wanted(ask: Ask) -> dict[TopicPartition, int]:
    """The offset asked for of each partition, in the order of the request."""
    return {
        TopicPartition(topic.topic, partition.partition): partition.fetch_offset
        for topic in ask.request.topics
        for partition in topic.partitions
    }
