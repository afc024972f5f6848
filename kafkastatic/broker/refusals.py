"""Answers that carry an error code instead of what was asked for, for every API. Pure.

Where an API answers per topic or partition, a fault may be for some of them. What changes something is divided: `split`
takes them out of a request, and `join` puts their answers beside the others'. What only reads is carried out, and its
answer `mark`ed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from copy import copy
from types import MappingProxyType
from typing import Any, NamedTuple

from kafkastatic._protocol.primitives import NEVER
from kafkastatic.broker.faults import Place

_WHOLE_TOPIC = -1


class _Told(NamedTuple):
    """How a response says something of partitions: its classes, and where they have their partitions and numbers."""

    topic: str
    partitions: str
    partition: str
    number: str
    beside: Mapping[str, int] = MappingProxyType({})  # what else the answer for a partition says


class _Shape(NamedTuple):
    """Where a request has its topics, and their partitions; `answers` is where the response has them."""

    topics: str
    partitions: str | None
    number: str | None
    answers: str
    told: _Told | None = None


_PRODUCED = _Told(
    "TopicProduceResponse", "partition_responses", "PartitionProduceResponse", "index", {"base_offset": -1}
)
_FETCHED = _Told("FetchableTopicResponse", "partitions", "PartitionData", "partition_index", {"high_watermark": -1})
_LISTED = _Told("ListOffsetsTopicResponse", "partitions", "ListOffsetsPartitionResponse", "partition_index")
_ENDED = _Told("OffsetForLeaderTopicResult", "partitions", "EpochEndOffset", "partition")
_COMMITTED = _Told("OffsetCommitResponseTopic", "partitions", "OffsetCommitResponsePartition", "partition_index")
_DELETED = _Told("OffsetDeleteResponseTopic", "partitions", "OffsetDeleteResponsePartition", "partition_index")

_SHAPES = {
    "Produce": _Shape("topic_data", "partition_data", "index", "responses", _PRODUCED),
    "Fetch": _Shape("topics", "partitions", "partition", "responses", _FETCHED),
    "ListOffsets": _Shape("topics", "partitions", "partition_index", "topics", _LISTED),
    "OffsetForLeaderEpoch": _Shape("topics", "partitions", "partition", "topics", _ENDED),
    "OffsetCommit": _Shape("topics", "partitions", "partition_index", "topics", _COMMITTED),
    "OffsetDelete": _Shape("topics", "partitions", "partition_index", "topics", _DELETED),
    "Metadata": _Shape("topics", None, None, "topics"),
    "CreateTopics": _Shape("topics", None, None, "topics"),
    "CreatePartitions": _Shape("topics", None, None, "results"),
    "DeleteTopics": _Shape("topics", None, None, "responses"),
}

_ONE_CODE_SINCE = {"Fetch": 7, "OffsetDelete": 0}
"""The versions from which an answer has one code for the whole request, and not only one for each partition."""


def has_places(api: str) -> bool:
    """Whether requests of this API are about topics or partitions."""
    return api in _SHAPES or api == "OffsetFetch"


def places(request: Any, name_of: Callable[[bytes], str | None]) -> list[Place] | None:
    """The topics and partitions that a request is about; partition -1 stands for a whole topic, `None` for all.

    A Fetch tells only what it changes in its session.
    """
    if request.NAME == "OffsetFetch":
        return _fetched(request, name_of)
    shape = _SHAPES.get(request.NAME)
    if shape is None:
        return []
    topics = _topics(request, shape)
    if topics is None:
        return None
    return [(_name(topic, name_of), number) for topic in topics for number in _numbers(topic, shape)]


def _fetched(request: Any, name_of: Callable[[bytes], str | None]) -> list[Place] | None:
    lists = [group.topics for group in request.groups] or [request.topics]
    if any(topics is None for topics in lists):
        return None
    return [(_name(topic, name_of), index) for topics in lists for topic in topics for index in topic.partition_indexes]


def split(request: Any, refused: Callable[[Place], bool], name_of: Callable[[bytes], str | None]) -> tuple[Any, Any]:
    """What is left of a request, and what was taken out; `None` where there is nothing."""
    shape = _SHAPES[request.NAME]
    kept: list[Any] = []
    taken: list[Any] = []
    for topic in _topics(request, shape) or ():
        name = _name(topic, name_of)
        if shape.partitions is None:
            (taken if refused((name, _WHOLE_TOPIC)) else kept).append(topic)
            continue
        halves: tuple[list[Any], list[Any]] = ([], [])
        for partition in getattr(topic, shape.partitions):
            halves[refused((name, getattr(partition, shape.number or "")))].append(partition)
        for half, whole in zip(halves, (kept, taken), strict=True):
            if half:
                part = copy(topic)
                setattr(part, shape.partitions, half)
                whole.append(part)
    return _with(request, shape, kept), _with(request, shape, taken)


def join(api: str, response: Any, refused: Any) -> Any:
    """One answer of two, in which every topic is told once."""
    shape = _SHAPES[api]
    told = getattr(response, shape.answers)
    for topic in getattr(refused, shape.answers):
        same = next((known for known in told if shape.told and _identity(known) == _identity(topic)), None)
        if same is None or shape.told is None:
            told.append(topic)
        else:
            getattr(same, shape.told.partitions).extend(getattr(topic, shape.told.partitions))
    return response


def divisible(api: str) -> bool:
    """Whether some topics or partitions of a request can be refused, and the others served."""
    return api in _SHAPES and api not in ("Fetch", "Metadata")


def markable(api: str) -> bool:
    """Whether a request is carried out even where some of its answer is to be an error."""
    return api in ("Metadata", "OffsetFetch")


def mark(response: Any, code: int, refused: Callable[[Place], bool], name_of: Callable[[bytes], str | None]) -> Any:
    """The answer to a Metadata or OffsetFetch request with an error for these."""
    if hasattr(response, "brokers"):
        for topic in response.topics:
            if refused((_name(topic, name_of), _WHOLE_TOPIC)):
                topic.error_code, topic.partitions = code, []
        return response
    for topics in [group.topics for group in response.groups] or [response.topics]:
        for topic in topics:
            for partition in topic.partitions:
                if refused((_name(topic, name_of), partition.partition_index)):
                    partition.error_code, partition.committed_offset, partition.metadata = code, -1, ""
    return response


def refuse(request: Any, version: int, code: int, *, in_part: bool = False) -> Any:
    """The answer to a request none of which is carried out; `in_part`: it is what `split` took out of one."""
    messages = sys.modules[type(request).__module__]
    shape = _SHAPES.get(request.NAME)
    if shape and shape.told and (in_part or version < _ONE_CODE_SINCE.get(request.NAME, NEVER)):
        return _by_partition(messages, request, code, shape, shape.told)
    maker = _MAKERS.get(request.NAME)
    if maker is not None:
        return maker(messages, request, version, code)
    response = request.RESPONSE(error_code=code)
    if request.NAME not in ("JoinGroup", "SyncGroup"):
        return response
    if version >= (7 if request.NAME == "JoinGroup" else 5):
        response.protocol_type = None
        response.protocol_name = None
    return response


def _name(topic: Any, name_of: Callable[[bytes], str | None]) -> str:
    name = getattr(topic, "name", None) or getattr(topic, "topic", None)
    return name or name_of(getattr(topic, "topic_id", b"")) or ""


def _identity(topic: Any) -> tuple[object, object]:
    return getattr(topic, "name", None) or getattr(topic, "topic", None), getattr(topic, "topic_id", None)


def _topics(request: Any, shape: _Shape) -> Any:
    if request.NAME == "DeleteTopics" and request.topic_names:  # before version 6
        state = sys.modules[type(request).__module__].DeleteTopicState
        return [state(name=name) for name in request.topic_names]
    if request.NAME == "Metadata" and not request.topics:
        return None
    return getattr(request, shape.topics)


def _numbers(topic: Any, shape: _Shape) -> list[int]:
    if shape.partitions is None:
        return [_WHOLE_TOPIC]
    return [getattr(partition, shape.number or "") for partition in getattr(topic, shape.partitions)]


def _with(request: Any, shape: _Shape, topics: list[Any]) -> Any:
    if not topics:
        return None
    changed = copy(request)
    if request.NAME == "DeleteTopics" and request.topic_names:
        changed.topic_names = [topic.name for topic in topics]
    else:
        setattr(changed, shape.topics, topics)
    return changed


# ── the answers ──


def _by_partition(messages: Any, request: Any, code: int, shape: _Shape, told: _Told) -> Any:
    topic_class, partition_class = getattr(messages, told.topic), getattr(messages, told.partition)
    names = [name for name in ("name", "topic", "topic_id") if name in topic_class.__slots__]

    def refused(topic: Any) -> Any:
        numbers = _numbers(topic, shape)
        partitions = [partition_class(**{told.number: n, **told.beside}, error_code=code) for n in numbers]
        return topic_class(**{name: getattr(topic, name) for name in names}, **{told.partitions: partitions})

    return request.RESPONSE(**{shape.answers: map(refused, getattr(request, shape.topics))})


def _committed(messages: Any, request: Any, version: int, code: int) -> Any:
    if version >= 8:
        groups = [messages.OffsetFetchResponseGroup(group_id=g.group_id, error_code=code) for g in request.groups]
        return messages.OffsetFetchResponse(groups=groups)
    if version >= 2:
        return messages.OffsetFetchResponse(error_code=code)
    topics = [
        messages.OffsetFetchResponseTopic(
            name=topic.name,
            partitions=[
                messages.OffsetFetchResponsePartition(
                    partition_index=index, committed_offset=-1, metadata="", error_code=code
                )
                for index in topic.partition_indexes
            ],
        )
        for topic in request.topics
    ]
    return messages.OffsetFetchResponse(topics=topics)


def _coordinator(messages: Any, request: Any, version: int, code: int) -> Any:
    if version < 4:
        return messages.FindCoordinatorResponse(error_code=code, node_id=-1, port=-1)
    found = [messages.Coordinator(key=key, node_id=-1, port=-1, error_code=code) for key in request.coordinator_keys]
    return messages.FindCoordinatorResponse(coordinators=found)


def _metadata(messages: Any, request: Any, version: int, code: int) -> Any:
    topics = [
        messages.MetadataResponseTopic(error_code=code, name=topic.name, topic_id=topic.topic_id)
        for topic in request.topics or ()
    ]
    return messages.MetadataResponse(topics=topics, error_code=code if version >= 13 and not topics else 0)


def _groups(messages: Any, request: Any, version: int, code: int) -> Any:
    groups = request.groups if request.NAME == "DescribeGroups" else request.group_ids
    return request.RESPONSE(groups=[messages.DescribedGroup(group_id=group, error_code=code) for group in groups])


def _deleted_groups(messages: Any, request: Any, version: int, code: int) -> Any:
    return messages.DeleteGroupsResponse(
        results=[messages.DeletableGroupResult(group_id=group, error_code=code) for group in request.groups_names]
    )


def _created(messages: Any, request: Any, version: int, code: int) -> Any:
    return messages.CreateTopicsResponse(
        topics=[messages.CreatableTopicResult(name=topic.name, error_code=code) for topic in request.topics]
    )


def _grown(messages: Any, request: Any, version: int, code: int) -> Any:
    return messages.CreatePartitionsResponse(
        results=[messages.CreatePartitionsTopicResult(name=topic.name, error_code=code) for topic in request.topics]
    )


def _deleted_topics(messages: Any, request: Any, version: int, code: int) -> Any:
    named = [(topic.name, topic.topic_id) for topic in request.topics] or [(n, bytes(16)) for n in request.topic_names]
    return messages.DeleteTopicsResponse(
        responses=[messages.DeletableTopicResult(name=n, topic_id=topic_id, error_code=code) for n, topic_id in named]
    )


def _configs(messages: Any, request: Any, version: int, code: int) -> Any:
    results = [
        messages.DescribeConfigsResult(resource_type=r.resource_type, resource_name=r.resource_name, error_code=code)
        for r in request.resources
    ]
    return messages.DescribeConfigsResponse(results=results)


_MAKERS: dict[str, Callable[[Any, Any, int, int], Any]] = {
    "OffsetFetch": _committed,
    "FindCoordinator": _coordinator,
    "Metadata": _metadata,
    "DescribeGroups": _groups,
    "ConsumerGroupDescribe": _groups,
    "DeleteGroups": _deleted_groups,
    "CreateTopics": _created,
    "CreatePartitions": _grown,
    "DeleteTopics": _deleted_topics,
    "DescribeConfigs": _configs,
}
