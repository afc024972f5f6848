"""Answers that carry an error code, in every version of every API that the broker serves."""

from __future__ import annotations

import pytest

from kafkastatic._protocol.framing import encode_response, request_class
from kafkastatic._protocol.messages import REQUESTS
from kafkastatic._protocol.messages.create_partitions import CreatePartitionsTopic
from kafkastatic._protocol.messages.create_topics import CreatableTopic
from kafkastatic._protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkastatic._protocol.messages.describe_configs import DescribeConfigsResource
from kafkastatic._protocol.messages.fetch import FetchPartition, FetchTopic
from kafkastatic._protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsTopic
from kafkastatic._protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkastatic._protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkastatic._protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from kafkastatic._protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)
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
    "ConsumerGroupDescribe": {"group_ids": ["g"]},
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


@pytest.mark.parametrize("version", [1, 6])
def test_topics_without_partitions_are_refused_whole(version: int) -> None:
    """DeleteTopics names them in two ways."""
    asked = {"topics": [DeleteTopicState(name=n) for n in "ab"]} if version >= 6 else {"topic_names": ["a", "b"]}

    kept, taken = refusals.split(DeleteTopicsRequest(**asked), lambda place: place[0] == "a", {}.get)

    assert refusals.places(kept, {}.get) == [("b", -1)]
    assert refusals.places(taken, {}.get) == [("a", -1)]
    assert refusals.split(taken, lambda place: True, {}.get)[0] is None


def test_an_answer_of_two_halves_tells_every_topic_once() -> None:
    """The partitions of both are beside each other."""
    request = FILLED["OffsetCommit"]["topics"][0]
    halves = [
        refusals.refuse(OffsetCommitRequest(topics=[request, OffsetCommitRequestTopic(name=name)]), 9, code)
        for name, code in (("u", 0), ("v", 29))
    ]

    joined = refusals.join("OffsetCommit", *halves)

    told = [(topic.name, [partition.error_code for partition in topic.partitions]) for topic in joined.topics]
    assert told == [("t", [0, 29]), ("u", []), ("v", [])]


def test_a_part_is_refused_where_its_api_has_one_code_for_the_whole_too() -> None:
    """OffsetDelete: what was taken out is told by partition, beside what was deleted."""
    topic = OffsetDeleteRequestTopic(
        name="t", partitions=[OffsetDeleteRequestPartition(partition_index=n) for n in (0, 1)]
    )
    kept, taken = refusals.split(OffsetDeleteRequest(group_id="g", topics=[topic]), lambda place: place[1] == 1, {}.get)
    served, refused = refusals.refuse(kept, 0, 0, in_part=True), refusals.refuse(taken, 0, CODE, in_part=True)

    joined = refusals.join("OffsetDelete", served, refused)

    (told,) = joined.topics
    assert [(partition.partition_index, partition.error_code) for partition in told.partitions] == [(0, 0), (1, CODE)]
    assert (refusals.refuse(taken, 0, CODE).error_code, joined.error_code) == (CODE, 0)


def test_what_asks_for_everything_is_about_all_there_is() -> None:
    """Metadata of all topics, and all committed offsets, in either form."""
    assert [
        refusals.places(request, {}.get)
        for request in (
            MetadataRequest(topics=None),
            OffsetFetchRequest(group_id="g", topics=None),
            OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)]),
        )
    ] == [None, None, None]
