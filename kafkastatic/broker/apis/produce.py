"""Writing: Produce, InitProducerId."""

from __future__ import annotations

import itertools

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from kafkastatic._protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from kafkastatic._runtime import Runtime
from kafkastatic.broker.admission import AppendRules, LogError, only_batch
from kafkastatic.broker.apis.leaders import refusal
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import Cluster, Partition
from kafkastatic.errors import ProtocolError

_NO_ANSWER, _LEADER, _ALL = 0, 1, -1  # acks
_ZSTD = 4
_ZSTD_SINCE = 7
_LEADERS_SINCE = 10  # from here on an answer tells who leads (KIP-951)
_TOPIC_IDS_SINCE = 13
_NOTHING = -1

_TOLD_WITHOUT_START = (
    codes.CORRUPT_MESSAGE,
    codes.MESSAGE_TOO_LARGE,
    codes.NOT_LEADER_OR_FOLLOWER,
    codes.UNKNOWN_TOPIC_OR_PARTITION,
)
"""Refusals of a log that Kafka answers without the partition's start offset."""


class ProduceApi:
    """Writing. There are no transactions: nobody is authorized to use a transactional id, so to speak."""

    def __init__(self, cluster: Cluster, clock: Runtime) -> None:
        self._cluster = cluster
        self._clock = clock
        self._producer_ids = itertools.count()

    async def init_producer_id(self, call: Call) -> InitProducerIdResponse:
        """A new id for every idempotent producer that asks, one that has an id already too, as in Kafka (KIP-360)."""
        request: InitProducerIdRequest = call.request
        half = (request.producer_id == _NOTHING) != (request.producer_epoch == _NOTHING)
        if half or request.transactional_id == "":
            return _no_producer_id(codes.INVALID_REQUEST)
        if request.transactional_id is not None:
            return _no_producer_id(codes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        return InitProducerIdResponse(producer_id=next(self._producer_ids), producer_epoch=0)

    async def produce(self, call: Call) -> ProduceResponse | None:
        """Append what was sent, each batch at once: every replica in sync has it then.

        Returns:
            `None` for acks=0.

        Raises:
            ProtocolError: for acks=0, if something was refused: there is no other way to tell than to hang up.
        """
        request: ProduceRequest = call.request
        leaders: dict[int, NodeEndpoint] = {}
        forbidden = any(_is_transactional(data) for topic in request.topic_data for data in topic.partition_data)
        response = ProduceResponse(
            responses=[
                TopicProduceResponse(
                    name=topic.name,
                    topic_id=topic.topic_id,
                    partition_responses=[
                        _failed(data.index, codes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
                        if forbidden
                        else self._produced(call, topic, data, leaders)
                        for data in topic.partition_data
                    ],
                )
                for topic in request.topic_data
            ]
        )
        response.node_endpoints = list(leaders.values())
        if request.acks != _NO_ANSWER:
            return response
        if any(answer.error_code for topic in response.responses for answer in topic.partition_responses):
            raise ProtocolError("A batch was refused that the client wants no answer about (acks=0).")
        return None

    def _produced(
        self, call: Call, topic: TopicProduceData, data: PartitionProduceData, leaders: dict[int, NodeEndpoint]
    ) -> PartitionProduceResponse:
        by_id = call.version >= _TOPIC_IDS_SINCE
        name = self._cluster.name(topic.topic_id) if by_id else topic.name
        if name is None:
            return _failed(data.index, codes.UNKNOWN_TOPIC_ID)
        partition = self._cluster.partition(name, data.index)
        if partition is None:
            return _failed(data.index, codes.UNKNOWN_TOPIC_OR_PARTITION)
        try:
            _check_batch(data.records, call.version)
            if call.request.acks not in (_NO_ANSWER, _LEADER, _ALL):
                raise LogError(codes.INVALID_REQUIRED_ACKS)
        except LogError as error:
            return _failed(data.index, error.code, error.message)
        try:
            return self._appended(call, partition, data.records or memoryview(b""))
        except LogError as error:
            answer = _failed(data.index, error.code, error.message)
            answer.record_errors = [
                BatchIndexAndErrorMessage(batch_index=at, batch_index_error_message=why) for at, why in error.records
            ]
            if error.code not in _TOLD_WITHOUT_START:
                answer.log_start_offset = partition.log.start_offset
            if error.code == codes.NOT_LEADER_OR_FOLLOWER and call.version >= _LEADERS_SINCE:
                self._tell_leader(call, partition, answer, leaders)
            return answer

    def _appended(self, call: Call, partition: Partition, data: memoryview) -> PartitionProduceResponse:
        topic, settings = partition.topic, self._cluster.settings
        if code := refusal(partition, call.node):
            raise LogError(code)
        least = min(int(topic.config.get("min.insync.replicas", 1)), len(partition.replicas))
        if call.request.acks == _ALL and len(partition.isr) < least:
            raise LogError(codes.NOT_ENOUGH_REPLICAS)
        end = partition.log.end_offset
        appended = partition.log.append(
            data,
            leader_epoch=partition.leader_epoch,
            now_ms=int(self._clock.wall() * 1000),
            rules=AppendRules.of(topic.config, settings),
        )
        if partition.log.end_offset != end:
            partition.changed()
        return PartitionProduceResponse(
            index=partition.index,
            base_offset=appended.base_offset,
            log_append_time_ms=appended.log_append_time_ms,
            log_start_offset=partition.log.start_offset,
        )

    def _tell_leader(
        self, call: Call, partition: Partition, answer: PartitionProduceResponse, leaders: dict[int, NodeEndpoint]
    ) -> None:
        answer.current_leader = LeaderIdAndEpoch(leader_id=partition.leader, leader_epoch=partition.leader_epoch)
        if (node := self._cluster.nodes.get(partition.leader)) is not None:
            host, port = node.address(call.listener)
            leaders[node.node_id] = NodeEndpoint(node_id=node.node_id, host=host, port=port, rack=node.rack)


def _check_batch(records: memoryview | None, version: int) -> None:
    """Raises LogError: if it is not one batch that a request of this version may have."""
    batch = only_batch(records or memoryview(b""))
    if batch.codec == _ZSTD and version < _ZSTD_SINCE:
        raise LogError(codes.UNSUPPORTED_COMPRESSION_TYPE)


def _is_transactional(data: PartitionProduceData) -> bool:
    try:
        return only_batch(data.records or memoryview(b"")).is_transactional
    except LogError:
        return False


def _failed(index: int, code: int, message: str | None = None) -> PartitionProduceResponse:
    return PartitionProduceResponse(index=index, error_code=code, base_offset=_NOTHING, error_message=message)


def _no_producer_id(code: int) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=_NOTHING, producer_epoch=_NOTHING)
