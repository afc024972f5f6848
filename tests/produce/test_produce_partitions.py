"""A record goes where Kafka's own producer would put it."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import example, given
from hypothesis import strategies as st
from kafka.partitioner import murmur2 as foreign_murmur2

from kafkastatic._produce import choose, murmur2
from kafkastatic.types import PartitionInfo, TopicInfo


def topic(*leaders: int) -> TopicInfo:
    return TopicInfo("dead", bytes(16), {index: PartitionInfo(index, leader) for index, leader in enumerate(leaders)})


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_values_that_kafka_tests_its_own_hash_with(data: bytes, signed: int) -> None:
    """Java's are signed."""
    assert murmur2(data) == signed % 2**32


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff" * 7)
def test_the_hash_is_that_of_a_foreign_client(data: bytes) -> None:
    assert murmur2(data) == foreign_murmur2(data) % 2**32


@given(st.binary(max_size=40), st.integers(1, 300))
@example(b"", 7)
def test_a_key_goes_where_a_foreign_client_puts_it(key: bytes, count: int) -> None:
    """Whichever partitions have a leader just now."""
    foreign = DefaultPartitioner()(key, list(range(count)), [0])
    assert choose(topic(*[-1] * count), key, 0) == choose(topic(*range(count)), key, 9) == foreign


def test_without_a_key_partitions_take_turns() -> None:
    """Those with a leader, as long as there are any."""
    assert [choose(topic(1, 1, 1), None, turn) for turn in range(5)] == [0, 1, 2, 0, 1]
    assert [choose(topic(1, -1, 1), None, turn) for turn in range(5)] == [0, 2, 0, 2, 0]
    assert [choose(topic(-1, -1), None, turn) for turn in range(3)] == [0, 1, 0]
