"""Answers that carry an error code, in every version of every API that the broker serves."""

from __future__ import annotations

import pytest

from kafkastatic._protocol.framing import encode_response, request_class
from kafkastatic._protocol.messages import REQUESTS
from kafkastatic._protocol.messages.create_partitions import CreatePartitionsTopic
from kafkastatic._protocol.messages.create_topics import CreatableTopic
from kafkastatic._protocol.messages.delete_topics import DeleteTopicState
from kafkastatic._protocol.messages.describe_configs import DescribeConfigsResource
from kafkastatic._protocol.messages.fetch import FetchPartition, FetchTopic
from kafkastatic._protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsTopic
from kafkastatic._protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkastatic._protocol.messages.offset_commit import OffsetCommitRequestPartition, OffsetCommitRequestTopic
from kafkastatic._protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopic
from kafkastatic._protocol.messages.offset_for_leader_epoch import OffsetForLeaderPartition, OffsetForLeaderTopic
from kafkastatic._protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkastatic.broker import refusals
from tests.support.raw_peer import MESSAGES

CODE = 29  # stands nowhere else in these answers
TOPIC_ID = bytes(range(16))

FILLED = {
    "CreatePartitions": {"topics": [CreatePartitionsTopic(name="t", count=2, assignments=None)]},
    "CreateTopics": {"topics": [CreatableTopic(name="t", num_partitions=1, replication_factor=1)]},
    "DeleteGroups": {"groups_names": ["g"]},
    "DescribeConfigs": {"resources": [DescribeConfigsResource(resource_type=2, resource_name="t")]},
    "DescribeGroups": {"groups": ["g"]},
    "ListOffsets": {"topics": [ListOffsetsTopic(name="t", partitions=[ListOffsetsPartition(partition_index=3)])]},
    "OffsetCommit": {
        "topics": [
            OffsetCommitRequestTopic(
                name="t", topic_id=TOPIC_ID, partitions=[OffsetCommitRequestPartition(partition_index=3)]
            )
        ]
    },
    "OffsetForLeaderEpoch": {
        "topics": [OffsetForLeaderTopic(topic="t", partitions=[OffsetForLeaderPartition(partition=3)])]
    },
    "Metadata": {"topics": [MetadataRequestTopic(name="t")]},
    "Fetch": {"topics": [FetchTopic(topic="t", topic_id=TOPIC_ID, partitions=[FetchPartition(partition=3)])]},
    "Produce": {
        "topic_data": [
            TopicProduceData(name="t", topic_id=TOPIC_ID, partition_data=[PartitionProduceData(index=3, records=None)])
        ]
    },
}


def _filled(api: str, version: int) -> dict[str, object]:
    match api:
        case "DeleteTopics":
            return {"topics": [DeleteTopicState(name="t")]} if version >= 6 else {"topic_names": ["t"]}
        case "OffsetFetch" if version >= 8:
            return {"groups": [OffsetFetchRequestGroup(group_id="g")]}
        case "OffsetFetch":
            return {"group_id": "g", "topics": [OffsetFetchRequestTopic(name="t", partition_indexes=[3])]}
        case "FindCoordinator":
            return {"coordinator_keys": ["g"]} if version >= 4 else {"key": "g"}
        case _:
            return FILLED.get(api, {})


EVERY = [
    (cls, version)
    for cls in map(request_class, REQUESTS)
    if not cls.NAME.startswith("Sasl") and cls.NAME != "ApiVersions"  # whose refusals kafka-python reads as version 0
    for version in range(cls.MIN_VERSION, cls.MAX_VERSION + 1)
]


@pytest.mark.parametrize(("cls", "version"), EVERY, ids=[f"{cls.NAME}-v{version}" for cls, version in EVERY])
def test_every_refusal_can_be_read_by_a_foreign_decoder_and_has_the_code(cls, version) -> None:
    """In every version the answer is one that the API has, and the code stands in it once."""
    request = cls(**_filled(cls.NAME, version))

    frame = encode_response(refusals.refuse(request, version, CODE), version, correlation_id=7)

    _, _, foreign = MESSAGES[cls.API_KEY]
    if version > foreign.max_version:
        pytest.skip("kafka-python does not know this version")
    response = foreign.decode(frame[4:], version=version, header=True)
    assert repr(response).count(f"error_code={CODE}") == 1


def test_a_request_is_split_into_what_is_refused_and_what_is_left() -> None:
    """Partition by partition, by topic name or topic id; neither half changes the request it came from."""
    by_id = TopicProduceData(
        topic_id=TOPIC_ID,
        partition_data=[PartitionProduceData(index=0, records=None), PartitionProduceData(index=1, records=None)],
    )
    other = TopicProduceData(name="other", partition_data=[PartitionProduceData(index=0, records=None)])
    request = ProduceRequest(transactional_id=None, acks=1, timeout_ms=1, topic_data=[by_id, other])

    kept, taken = refusals.split(request, lambda place: place == ("named", 1), {TOPIC_ID: "named"}.get)

    assert refusals.places(kept, {TOPIC_ID: "named"}.get) == [("named", 0), ("other", 0)]
    assert refusals.places(taken, {TOPIC_ID: "named"}.get) == [("named", 1)]
    assert refusals.places(request, {TOPIC_ID: "named"}.get) == [("named", 0), ("named", 1), ("other", 0)]


def test_topics_without_partitions_are_refused_whole() -> None:
    """A Metadata request says only which topics it is about."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name="a"), MetadataRequestTopic(name="b")])

    kept, taken = refusals.split(request, lambda place: place[0] == "a", {}.get)

    assert [topic.name for topic in kept.topics] == ["b"]
    assert [topic.name for topic in taken.topics] == ["a"]
    assert refusals.split(taken, lambda place: True, {}.get)[0] is None
