"""Where records are: ListOffsets, OffsetForLeaderEpoch."""

from __future__ import annotations

from collections import Counter

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from kafkastatic._protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)
from kafkastatic.broker.apis.leaders import refusal
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import Cluster, Partition

_LATEST, _EARLIEST, _NEWEST, _EARLIEST_LOCAL, _LATEST_TIERED, _EARLIEST_NOT_UPLOADED = -1, -2, -3, -4, -5, -6
_SINCE = {
    _LATEST: 1,
    _EARLIEST: 1,
    _NEWEST: 7,
    _EARLIEST_LOCAL: 8,
    _LATEST_TIERED: 9,
    _EARLIEST_NOT_UPLOADED: 11,
}
"""What stands for an offset instead of a time, and the version that brought it."""
_EPOCHS_SINCE = 4
_DEBUGGER = -2  # a replica id: followers may answer


class OffsetsApi:
    """Where records are."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def list_offsets(self, call: Call) -> ListOffsetsResponse:
        """There is no tiered storage: nothing is tiered, and what is local is all."""
        request: ListOffsetsRequest = call.request
        seen = Counter((topic.name, asked.partition_index) for topic in request.topics for asked in topic.partitions)
        topics = dict.fromkeys(name for name, _ in seen)
        answers = {name: ListOffsetsTopicResponse(name=name) for name in topics}
        told: set[tuple[str, int]] = set()
        for topic in request.topics:
            for asked in topic.partitions:
                place = (topic.name, asked.partition_index)
                if place in told:
                    continue
                told.add(place)
                answer = (
                    ListOffsetsPartitionResponse(error_code=codes.INVALID_REQUEST)
                    if seen[place] > 1
                    else self._listed(call, topic.name, asked)
                )
                answer.partition_index = asked.partition_index
                answers[topic.name].partitions.append(answer)
        return ListOffsetsResponse(topics=answers.values())

    def _listed(self, call: Call, topic: str, asked: ListOffsetsPartition) -> ListOffsetsPartitionResponse:
        request: ListOffsetsRequest = call.request
        if asked.timestamp < 0 and call.version < _SINCE.get(asked.timestamp, call.version + 1):
            return ListOffsetsPartitionResponse(error_code=codes.UNSUPPORTED_VERSION)
        partition = self._cluster.partition(topic, asked.partition_index)
        if partition is None:
            return ListOffsetsPartitionResponse(error_code=codes.UNKNOWN_TOPIC_OR_PARTITION)
        leader_only = request.replica_id != _DEBUGGER
        if code := refusal(partition, call.node, asked.current_leader_epoch, leader_only=leader_only):
            return ListOffsetsPartitionResponse(error_code=code)
        timestamp, offset, epoch = _find(partition, asked.timestamp)
        return ListOffsetsPartitionResponse(
            timestamp=timestamp, offset=offset, leader_epoch=epoch if call.version >= _EPOCHS_SINCE else -1
        )

    async def offset_for_leader_epoch(self, call: Call) -> OffsetForLeaderEpochResponse:
        request: OffsetForLeaderEpochRequest = call.request
        return OffsetForLeaderEpochResponse(
            topics=[
                OffsetForLeaderTopicResult(
                    topic=topic.topic,
                    partitions=[self._end_of_epoch(call, topic.topic, asked) for asked in topic.partitions],
                )
                for topic in request.topics
            ]
        )

    def _end_of_epoch(self, call: Call, topic: str, asked: OffsetForLeaderPartition) -> EpochEndOffset:
        partition = self._cluster.partition(topic, asked.partition)
        if partition is None:
            return EpochEndOffset(partition=asked.partition, error_code=codes.UNKNOWN_TOPIC_OR_PARTITION)
        if code := refusal(partition, call.node, asked.current_leader_epoch):
            return EpochEndOffset(partition=asked.partition, error_code=code)
        _begin_epoch(partition)
        epoch, end = partition.log.end_of_epoch(asked.leader_epoch)
        return EpochEndOffset(partition=asked.partition, leader_epoch=epoch, end_offset=end)


def _find(partition: Partition, timestamp: int) -> tuple[int, int, int]:
    """Timestamp, offset and leader epoch; -1 each where there is nothing."""
    log = partition.log
    match timestamp:
        case -1:
            return -1, log.end_offset, partition.leader_epoch
        case -2 | -4:
            _begin_epoch(partition)
            return -1, log.start_offset, log.first_epoch()
        case -3:
            return log.newest() or (-1, -1, -1)
        case -5 | -6:
            return -1, -1, -1
        case _:
            return log.offset_for(timestamp) or (-1, -1, -1)


def _begin_epoch(partition: Partition) -> None:
    """Kafka's logs know of a leader once it is elected, ours when it appends; before that, now will do as well."""
    partition.log.begin_epoch(partition.leader_epoch)
