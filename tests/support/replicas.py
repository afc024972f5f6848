"""Topics on chosen brokers of a cluster, and their leaders moved: by kafka-python's encoders, on raw connections."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence

import kafka.protocol.admin as _admin

from tests.support.embedded import EmbeddedCluster
from tests.support.raw_peer import RawError, RawPeer
from tests.support.recording_proxy import RecordingProxy
from tests.support.scenes import eventually
from tools.real_cluster import RealCluster


async def topic_on(cluster: RealCluster, *replicas: Sequence[int], prefix: str = "topic") -> str:
    """Creates a topic with a partition for each list of brokers, the first of which leads it; returns its name."""
    name = f"{prefix}-{uuid.uuid4().hex[:12]}"
    topic_class = _admin.CreateTopicsRequest.CreatableTopic
    assignment_class = topic_class.CreatableReplicaAssignment
    assignments = [assignment_class(partition_index=i, broker_ids=list(nodes)) for i, nodes in enumerate(replicas)]
    topic = topic_class(name=name, num_partitions=-1, replication_factor=-1, assignments=assignments, configs=[])
    async with RawPeer.connect(cluster.brokers[0].bootstrap) as peer:
        answer = await peer.request("CreateTopics", 7, topics=[topic], timeout_ms=30_000, validate_only=False)
        if answer.topics[0].error_code:
            raise RawError("CreateTopics", answer.topics[0].error_code)
    for broker in cluster.brokers:
        await leaders_seen(broker.bootstrap, name, [nodes[0] for nodes in replicas])
    return name


async def leaders_seen(bootstrap: str, topic: str, leaders: Sequence[int], timeout: float = 30.0) -> None:
    """Returns when a broker knows these as the leaders of a topic's partitions."""

    async def seen() -> bool:
        async with RawPeer.connect(bootstrap) as peer:
            return await peer.partitions(topic) == dict(enumerate(leaders))

    await eventually(seen, timeout)


async def move_leader(
    cluster: RealCluster | EmbeddedCluster, topic: str, partition: int, replicas: Sequence[int]
) -> None:
    """Gives a partition's replicas another order and elects the first of them; returns when that was answered."""
    if isinstance(cluster, EmbeddedCluster):
        cluster.move_leader(topic, partition, replicas[0])
        return
    reassign = _admin.AlterPartitionReassignmentsRequest.ReassignableTopic
    moved = reassign(
        name=topic, partitions=[reassign.ReassignablePartition(partition_index=partition, replicas=list(replicas))]
    )
    elect = _admin.ElectLeadersRequest.TopicPartitions
    async with RawPeer.connect(cluster.brokers[0].bootstrap) as peer:
        answer = await peer.request("AlterPartitionReassignments", 0, timeout_ms=30_000, topics=[moved])
        if code := answer.error_code or answer.responses[0].partitions[0].error_code:
            raise RawError("AlterPartitionReassignments", code)

        async def elected() -> bool:
            answer = await peer.request(
                "ElectLeaders",
                2,
                election_type=0,
                topic_partitions=[elect(topic=topic, partitions=[partition])],
                timeout_ms=30_000,
            )
            result = answer.replica_election_results[0].partition_result[0]
            return result.error_code in (0, 84)  # 84: it leads already

        await eventually(elected)


async def set_consumer_quota(bootstrap: str, client_id: str, byte_rate: float | None) -> None:
    """AlterClientQuotas: how many bytes a second this client id may fetch, `None` for any."""
    entry = _admin.AlterClientQuotasRequest.EntryData
    quota = entry(
        entity=[entry.EntityData(entity_type="client-id", entity_name=client_id)],
        ops=[entry.OpData(key="consumer_byte_rate", value=byte_rate or 0.0, remove=byte_rate is None)],
    )
    async with RawPeer.connect(bootstrap) as peer:
        answer = await peer.request("AlterClientQuotas", 1, entries=[quota], validate_only=False)
        if code := answer.entries[0].error_code:
            raise RawError("AlterClientQuotas", code)


@contextlib.asynccontextmanager
async def recorded_cluster(cluster: RealCluster) -> AsyncIterator[list[RecordingProxy]]:
    """A recording proxy before every broker; clients that begin at one of them stay behind them."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(RecordingProxy.before(broker)) for broker in cluster.brokers]
