"""Lookups of committed offsets: by names and by topic ids, and what their answers mean."""

from __future__ import annotations

from typing import Any

import pytest

from kafkastatic._group.committed import BY_ID, ONE_GROUP, STABLE, Found, parse, request
from kafkastatic._protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from kafkastatic.errors import TopicAuthorizationFailedError
from kafkastatic.types import OffsetAndMetadata, TopicPartition
from tests.group.machine import GROUP, O0, O1

REFUNDS = TopicPartition("refunds", 3)
IDS = {"orders": b"o".ljust(16), "refunds": b"r".ljust(16)}


def test_without_ids_a_lookup_names_topics() -> None:
    """In the words of the last version that asks for one group."""
    asked = request(GROUP, [O0, REFUNDS, O1], None)

    assert asked == OffsetFetchRequest(
        group_id=GROUP,
        topics=[
            OffsetFetchRequestTopic(name="orders", partition_indexes=[0, 1]),
            OffsetFetchRequestTopic(name="refunds", partition_indexes=[3]),
        ],
    )
    assert OffsetFetchRequest.decode(bytes(asked.encode(ONE_GROUP)), ONE_GROUP) == asked


@pytest.mark.parametrize("version", [BY_ID - 2, BY_ID - 1, BY_ID])
def test_with_ids_a_lookup_can_be_said_by_both(version: int) -> None:
    """A coordinator that has moved to an older broker is asked by name."""
    asked = request(GROUP, [O0, O1], IDS)

    (group,) = OffsetFetchRequest.decode(bytes(asked.encode(version)), version).groups
    by_id = version >= BY_ID
    expected = OffsetFetchRequestTopics(
        name="" if by_id else "orders", topic_id=IDS["orders"] if by_id else bytes(16), partition_indexes=[0, 1]
    )
    assert group == OffsetFetchRequestGroup(group_id=GROUP, topics=[expected])


@pytest.mark.parametrize("ids", [None, IDS])
def test_open_transactions_are_waited_for_where_that_can_be_asked(ids: Any) -> None:
    """KIP-447; a coordinator before 2.5 cannot be asked."""
    assert request(GROUP, [O0], ids, stable=True).require_stable
    assert not request(GROUP, [O0], ids).require_stable
    assert OffsetFetchRequest.decode(bytes(request(GROUP, [O0], None).encode(STABLE - 1)), STABLE - 1).topics


def test_an_answer_by_name() -> None:
    """-1 means that nothing is committed."""
    partitions = [
        OffsetFetchResponsePartition(partition_index=0, committed_offset=7, committed_leader_epoch=2, metadata="why"),
        OffsetFetchResponsePartition(partition_index=1, committed_offset=-1, metadata=None),
    ]
    answer = OffsetFetchResponse(topics=[OffsetFetchResponseTopic(name="orders", partitions=partitions)])

    assert parse(answer, None) == Found({O0: OffsetAndMetadata(7, "why", 2), O1: None})


def test_an_answer_by_id() -> None:
    """A topic whose id the coordinator does not know is told apart from one of which nothing is committed."""

    def entry(index: int, offset: int, code: int = 0) -> OffsetFetchResponsePartitions:
        return OffsetFetchResponsePartitions(partition_index=index, committed_offset=offset, error_code=code)

    topics = [
        OffsetFetchResponseTopics(topic_id=IDS["orders"], partitions=[entry(0, 7), entry(1, -1)]),
        OffsetFetchResponseTopics(topic_id=IDS["refunds"], partitions=[entry(3, -1, 100)]),
    ]
    answer = OffsetFetchResponse(groups=[OffsetFetchResponseGroup(group_id=GROUP, topics=topics)])

    assert parse(answer, IDS) == Found({O0: OffsetAndMetadata(7), O1: None}, frozenset({REFUNDS}), by_id=True)


def test_an_error_of_the_group_or_of_a_partition_is_told() -> None:
    """The first one met."""
    whole = OffsetFetchResponse(groups=[OffsetFetchResponseGroup(group_id=GROUP, error_code=16)])
    broken = OffsetFetchResponsePartition(partition_index=0, committed_offset=-1, error_code=14)
    part = OffsetFetchResponse(topics=[OffsetFetchResponseTopic(name="orders", partitions=[broken])])

    assert parse(whole, IDS).code == 16
    assert parse(OffsetFetchResponse(error_code=16), None).code == 16
    assert parse(part, None).code == 14


def test_a_topic_that_may_not_be_read_is_refused_by_itself() -> None:
    """With its name; what was said of the others counts."""

    def topic(name: str, code: int) -> OffsetFetchResponseTopic:
        entry = OffsetFetchResponsePartition(partition_index=3, committed_offset=-1 if code else 7, error_code=code)
        return OffsetFetchResponseTopic(name=name, partitions=[entry])

    found = parse(OffsetFetchResponse(topics=[topic("refunds", 29), topic("orders", 0)]), None)

    (refused,) = found.refused.items()
    assert (found.offsets, found.code) == ({TopicPartition("orders", 3): OffsetAndMetadata(7)}, 0)
    assert refused[0] == REFUNDS
    assert isinstance(refused[1], TopicAuthorizationFailedError)
    assert (refused[1].topic, refused[1].partition) == ("refunds", 3)
