"""Who is where: Metadata, DescribeCluster, FindCoordinator."""

from __future__ import annotations

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from kafkastatic._protocol.messages.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from kafkastatic._protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import NOBODY, Cluster, Node, Partition, Topic
from kafkastatic.broker.topic_rules import problem_with_name
from kafkastatic.types import NO_TOPIC_ID

_GROUP_KEY, _TRANSACTION_KEY = 0, 1
_KEY_TYPES = (0, 1, 2)  # groups, transactions, share groups
_BROKERS, _CONTROLLERS = 1, 2  # DescribeCluster's endpoint types
_NO_OPERATIONS = -2147483648
_TOPIC_OPERATIONS = 0b1101_1111_1000  # what Kafka says where nothing is forbidden: a bit for each operation
_CLUSTER_OPERATIONS = 0b1_1111_1010_0000
_BY_TOPIC_ID = 12  # from this version of Metadata on


class MetadataApi:
    """Who is where."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def metadata(self, call: Call) -> MetadataResponse:
        request: MetadataRequest = call.request
        code = _malformed(request, call.version)
        if code:
            asked = request.topics or ()
            topics = [MetadataResponseTopic(error_code=code, name=t.name or "", topic_id=t.topic_id) for t in asked]
            return MetadataResponse(topics=topics, cluster_id=None, controller_id=NOBODY)
        everything = request.topics is None or (call.version == 0 and not request.topics)
        if everything:
            topics = [self._described(topic, call.version) for topic in self._cluster.topics.values()]
        else:
            topics = [self._asked(asked, request, call.version) for asked in request.topics or ()]
        if request.include_topic_authorized_operations:
            for topic in topics:
                topic.topic_authorized_operations = _NO_OPERATIONS if topic.error_code else _TOPIC_OPERATIONS
        return MetadataResponse(
            brokers=[
                MetadataResponseBroker(node_id=node.node_id, host=host, port=port, rack=node.rack)
                for node, host, port in self._brokers(call)
            ],
            cluster_id=self._cluster.cluster_id,
            controller_id=self._cluster.controller(),
            topics=topics,
            cluster_authorized_operations=_CLUSTER_OPERATIONS
            if request.include_cluster_authorized_operations
            else _NO_OPERATIONS,
        )

    def _asked(self, asked: MetadataRequestTopic, request: MetadataRequest, version: int) -> MetadataResponseTopic:
        cluster = self._cluster
        if asked.name is None or asked.topic_id != NO_TOPIC_ID:
            topic = cluster.topics_by_id.get(asked.topic_id)
            if topic is None:
                return MetadataResponseTopic(error_code=codes.UNKNOWN_TOPIC_ID, name=None, topic_id=asked.topic_id)
            return self._described(topic, version)
        topic = cluster.topics.get(asked.name)
        if topic is not None:
            return self._described(topic, version)
        if problem_with_name(asked.name):
            return MetadataResponseTopic(error_code=codes.INVALID_TOPIC_EXCEPTION, name=asked.name)
        if request.allow_auto_topic_creation and cluster.settings.auto_create_topics_enable:
            # As in Kafka, where creating takes a moment, this answer does not know the topic yet.
            count, factor = cluster.settings.num_partitions, cluster.settings.default_replication_factor
            cluster.create_topic(asked.name, count, cluster.spread(count, factor), {})
        return MetadataResponseTopic(error_code=codes.UNKNOWN_TOPIC_OR_PARTITION, name=asked.name)

    def _described(self, topic: Topic, version: int) -> MetadataResponseTopic:
        return MetadataResponseTopic(
            name=topic.name,
            topic_id=topic.topic_id,
            is_internal=False,
            partitions=[self._partition(partition) for partition in topic.partitions],
        )

    def _partition(self, partition: Partition) -> MetadataResponsePartition:
        offline = [node_id for node_id in partition.replicas if not self._cluster.nodes[node_id].online]
        return MetadataResponsePartition(
            error_code=codes.LEADER_NOT_AVAILABLE if partition.leader == NOBODY else codes.NONE,
            partition_index=partition.index,
            leader_id=partition.leader,
            leader_epoch=partition.leader_epoch,
            replica_nodes=partition.replicas,
            isr_nodes=partition.isr,
            offline_replicas=offline,
        )

    def _brokers(self, call: Call) -> list[tuple[Node, str, int]]:
        return [(node, *node.address(call.listener)) for node in self._cluster.online()]

    async def describe_cluster(self, call: Call) -> DescribeClusterResponse:
        request: DescribeClusterRequest = call.request
        if request.endpoint_type != _BROKERS:
            mismatched = request.endpoint_type == _CONTROLLERS
            return DescribeClusterResponse(
                error_code=codes.MISMATCHED_ENDPOINT_TYPE if mismatched else codes.UNSUPPORTED_ENDPOINT_TYPE,
                error_message="Brokers are at this endpoint, and nothing else.",
            )
        return DescribeClusterResponse(
            cluster_id=self._cluster.cluster_id,
            controller_id=self._cluster.controller(),
            endpoint_type=_BROKERS,
            brokers=[
                DescribeClusterBroker(broker_id=node.node_id, host=host, port=port, rack=node.rack)
                for node, host, port in self._brokers(call)
            ],
            cluster_authorized_operations=_CLUSTER_OPERATIONS
            if request.include_cluster_authorized_operations
            else _NO_OPERATIONS,
        )

    async def find_coordinator(self, call: Call) -> FindCoordinatorResponse:
        request: FindCoordinatorRequest = call.request
        if call.version >= 4:
            keys = request.coordinator_keys
            return FindCoordinatorResponse(
                coordinators=[self._coordinator(key, request.key_type, call.listener) for key in keys]
            )
        found = self._coordinator(request.key, request.key_type, call.listener)
        return FindCoordinatorResponse(
            error_code=found.error_code,
            error_message=found.error_message if found.error_code else "NONE",
            node_id=found.node_id,
            host=found.host,
            port=found.port,
        )

    def _coordinator(self, key: str, key_type: int, listener: int) -> Coordinator:
        """Every group has one; share groups have none. Nobody is authorized to use transactions, there are none."""
        if key_type not in _KEY_TYPES:
            message = f"There is no coordinator type {key_type}."
            return Coordinator(
                key=key, node_id=-1, host="", port=-1, error_code=codes.INVALID_REQUEST, error_message=message
            )
        if key_type == _TRANSACTION_KEY:
            code = codes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED  # the only one upon which clients do not try again
            return Coordinator(key=key, node_id=-1, host="", port=-1, error_code=code, error_message="No transactions.")
        node_id = self._cluster.coordinator(key) if key_type == _GROUP_KEY else NOBODY
        if node_id == NOBODY:
            return Coordinator(
                key=key, node_id=-1, host="", port=-1, error_code=codes.COORDINATOR_NOT_AVAILABLE, error_message=None
            )
        host, port = self._cluster.nodes[node_id].address(listener)
        return Coordinator(key=key, node_id=node_id, host=host, port=port, error_message="")


def _malformed(request: MetadataRequest, version: int) -> int:
    """The code that each topic of a request is answered with, if one of them is not asked for as it should be."""
    for topic in request.topics or ():
        if version < _BY_TOPIC_ID and (topic.name is None or topic.topic_id != NO_TOPIC_ID):
            return codes.INVALID_REQUEST
        if topic.name is None and topic.topic_id == NO_TOPIC_ID:
            return codes.UNKNOWN_SERVER_ERROR
    return codes.NONE
