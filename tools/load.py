"""Topics and records for the demo and the benchmarks, by the package's own protocol and encoder.

Tests use foreign producers instead: an encoder is no proof of its own decoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import anyio

from kafkastatic._net.pool import Pool, Role
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkastatic._protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkastatic._protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkastatic._records import encode_batch
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.types import Broker

CODECS = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}

_TIMEOUT = 30.0
_BY_NAME = 12
"""The last version of Produce that names topics."""

Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]], int]


class Loader:
    """Creates topics and produces to them, on a single-broker cluster.

    Args:
        bootstrap: `"host:port"` of the broker.
    """

    def __init__(self, bootstrap: str) -> None:
        self._pool = Pool(ConsumerConfig(bootstrap_servers=bootstrap, client_id="kafkastatic-load"), Runtime())
        self._node = -1

    async def __aenter__(self) -> Self:
        answer, _ = await self._pool.request_any(MetadataRequest(topics=[]), timeout=_TIMEOUT)
        self._pool.update(Broker(b.node_id, b.host, b.port) for b in answer.brokers)
        self._node = answer.brokers[0].node_id
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic and wait until its partitions have leaders."""
        topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)
        request = CreateTopicsRequest(topics=[topic], timeout_ms=30_000)
        answer = await self._pool.request(self._node, request, Role.SLOW, timeout=_TIMEOUT)
        if answer.topics[0].error_code:
            raise RuntimeError(f"CreateTopics answered {answer.topics[0].error_code}: {answer.topics[0].error_message}")
        while True:
            asked = MetadataRequest(topics=[MetadataRequestTopic(name=name)])
            found, _ = await self._pool.request_any(asked, timeout=_TIMEOUT)
            leaders = [partition.leader_id for partition in found.topics[0].partitions]
            if len(leaders) == partitions and min(leaders) >= 0:
                return

    async def produce(self, topic: str, partition: int, records: Sequence[Record], codec: int = 0) -> int:
        """Append one batch.

        Returns:
            The offset of its first record.
        """
        return (await self.produce_to(topic, {partition: records}, codec))[partition]

    async def produce_to(self, topic: str, records: Mapping[int, Sequence[Record]], codec: int = 0) -> dict[int, int]:
        """Append a batch to each of some partitions, in one request.

        Returns:
            By partition, the offset of its first record.
        """
        batches = {partition: encode_batch(some, codec=codec) for partition, some in records.items()}
        offsets: dict[int, int] = {}
        tries = 100
        while batches:
            data = [PartitionProduceData(index=partition, records=batch) for partition, batch in batches.items()]
            topic_data = [TopicProduceData(name=topic, partition_data=data)]
            request = ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=topic_data)
            answer = await self._pool.request(self._node, request, Role.SLOW, timeout=_TIMEOUT, cap=_BY_NAME)
            tries -= 1
            for result in answer.responses[0].partition_responses:
                if not result.error_code:
                    offsets[result.index] = result.base_offset
                    del batches[result.index]
                elif not tries or not is_retriable(result.error_code):
                    raise error_for(result.error_code, api="Produce", topic=topic, partition=result.index)
            if batches:
                await anyio.sleep(0.05)  # a partition's leader takes a moment to settle after the topic was created
        return offsets
