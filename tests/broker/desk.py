"""The storage APIs without sockets: kafka-python writes the requests and reads the answers."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Mapping
from typing import Any

import kafka.protocol.consumer as consumer
import kafka.protocol.producer as producer

from kafkastatic._protocol.framing import decode_request, encode_response
from kafkastatic._runtime import Runtime
from kafkastatic.broker.apis.fetch import FetchApi
from kafkastatic.broker.apis.offsets import OffsetsApi
from kafkastatic.broker.apis.produce import ProduceApi
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import Cluster, Node, Partition, Topic
from kafkastatic.broker.faults import Rule
from kafkastatic.broker.settings import BrokerSettings
from tests.support.raw_peer import API_KEYS, MESSAGES

NOW = 1_700_000_000_000


class Wall(Runtime):
    """The time of day stands still."""

    def wall(self) -> float:
        return NOW / 1000


class Desk:
    """A cluster of some nodes, and whoever asks them.

    Attributes:
        fault, listener: as in `Call`.
    """

    def __init__(self, nodes: int = 1, **settings: Any) -> None:
        numbers = itertools.count(1)
        self.nodes = [Node(number) for number in range(1, nodes + 1)]
        for node in self.nodes:
            node.online, node.host, node.port = True, f"node-{node.node_id}", 9000 + node.node_id
        self.cluster = Cluster(
            BrokerSettings(**settings), "cluster", self.nodes, lambda: next(numbers).to_bytes(16, "big")
        )
        produce, offsets = ProduceApi(self.cluster, Wall()), OffsetsApi(self.cluster)
        self.fetches = FetchApi(self.cluster, Wall())
        self.fault: Rule | None = None
        self.listener = 0
        self._handlers = {
            "Produce": produce.produce,
            "InitProducerId": produce.init_producer_id,
            "Fetch": self.fetches.fetch,
            "ListOffsets": offsets.list_offsets,
            "OffsetForLeaderEpoch": offsets.offset_for_leader_epoch,
        }

    def topic(self, name: str, partitions: int = 1, *, replicas: int = 1, **config: str) -> Topic:
        placed = self.cluster.spread(partitions, replicas)
        settings = {key.replace("_", "."): value for key, value in config.items()}
        return self.cluster.create_topic(name, partitions, placed, settings)

    async def ask(self, name: str, version: int, *, node: int = 1, **fields: Any) -> Any:
        """The answer, `None` if there is none."""
        _, request_class, response_class = MESSAGES[API_KEYS[name]]
        message = request_class(version=version, **fields)
        message.with_header(correlation_id=1, client_id="somebody")
        header, request = decode_request(bytes(message.encode(header=True)))
        call = Call(node, header.request_api_version, "somebody", "/127.0.0.1", 1, request, self.fault, self.listener)
        response = await self._handlers[name](call)
        if response is None:
            return None
        return response_class.decode(bytes(encode_response(response, version, 1)[4:]), version=version, header=True)

    async def produce(
        self, topic: str | Topic, data: bytes | None, partition: int = 0, *, node: int = 1, acks: int = -1, **more: Any
    ) -> Any:
        """One batch for one partition, by id for a `Topic`: the partition's answer."""
        kind = producer.ProduceRequest.TopicProduceData
        version = more.pop("version", 13 if isinstance(topic, Topic) else 12)
        answer = await self.ask(
            "Produce",
            version,
            node=node,
            acks=acks,
            timeout_ms=1000,
            transactional_id=more.pop("transactional_id", None),
            topic_data=[
                kind(
                    **named(topic, "name"),
                    partition_data=[kind.PartitionProduceData(index=partition, records=data)],
                )
            ],
        )
        return None if answer is None else answer.responses[0].partition_responses[0]

    async def fetch(
        self,
        *wanted: tuple[str | Topic, Mapping[int, int | Mapping[str, int]]],
        version: int = 17,
        node: int = 1,
        forget: tuple[Topic | str, list[int]] | None = None,
        **fields: Any,
    ) -> Any:
        """Partitions with an offset each, or with further fields."""
        kind, forgotten = consumer.FetchRequest.FetchTopic, consumer.FetchRequest.ForgottenTopic
        topics = [
            kind(
                **named(topic, "topic"),
                partitions=[
                    kind.FetchPartition(
                        **{
                            "partition": index,
                            "current_leader_epoch": -1,
                            "last_fetched_epoch": -1,
                            "log_start_offset": -1,
                            "partition_max_bytes": 1 << 20,
                        }
                        | ({"fetch_offset": at} if isinstance(at, int) else dict(at))
                    )
                    for index, at in partitions.items()
                ],
            )
            for topic, partitions in wanted
        ]
        defaults: dict[str, Any] = {
            "max_wait_ms": 0,
            "min_bytes": 1,
            "max_bytes": 1 << 30,
            "isolation_level": 0,
            "rack_id": "",
        }
        if version >= 7:
            gone = [forgotten(**named(forget[0], "topic"), partitions=forget[1])] if forget else []
            defaults |= {"session_id": 0, "session_epoch": -1, "forgotten_topics_data": gone}
        if version < 15:
            defaults["replica_id"] = -1
        return await self.ask("Fetch", version, node=node, topics=topics, **defaults | fields)

    async def parked(self, *wanted: Any, **fields: Any) -> asyncio.Task[Any]:
        """A fetch that has begun to wait, for ten seconds at most."""
        task = asyncio.create_task(self.fetch(*wanted, **{"max_wait_ms": 10_000} | fields))
        await asyncio.sleep(0)
        assert not task.done()
        return task


def named(topic: str | Topic, field: str) -> dict[str, Any]:
    return {"topic_id": uuid.UUID(bytes=topic.topic_id)} if isinstance(topic, Topic) else {field: topic}


def answers(response: Any) -> list[tuple[int, int, int, int]]:
    """Partition, error code, high watermark and bytes of records of each partition in a fetch's answer."""
    return [
        (p.partition_index, p.error_code, p.high_watermark, len(p.records or b""))
        for topic in response.responses
        for p in topic.partitions
    ]


def watched(topic: Topic) -> list[Partition]:
    return [partition for partition in topic.partitions if partition.watchers]
