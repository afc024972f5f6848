"""Other clients read what we encode, and we read what they encode."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatch as AioBatch
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AioBuilder
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch as KafkaPythonBatch
from kafka.record.default_records import DefaultRecordBatchBuilder as KafkaPythonBuilder

from kafkastatic._records import decode, encode_batch, split

# kafka-python's other codecs need packages that the tests do not.
AIOKAFKA = [(AioBatch, AioBuilder, codec) for codec in range(5)]
PEERS = [*AIOKAFKA, (KafkaPythonBatch, KafkaPythonBuilder, 0), (KafkaPythonBatch, KafkaPythonBuilder, 1)]

Row = tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]

contents = st.none() | st.binary(max_size=200)
headers = st.lists(st.tuples(st.text(max_size=20), contents), max_size=5)
# aiokafka reads timestamps as signed 64 bit numbers relative to the first one; keep the distance within that.
timestamps = st.integers(0, 2**62 - 1) | st.integers(1_700_000_000_000, 1_700_000_100_000)
records = st.lists(st.tuples(contents, contents, headers, timestamps), min_size=1, max_size=100)


def ours(data: bytes) -> list[Row]:
    batches, truncated_size = split(data)
    assert truncated_size is None
    return [
        (record.offset, record.timestamp, record.key, record.value, record.headers)
        for batch in batches
        for record in decode(batch, "topic", 0)
    ]


def theirs(peer: Any, data: bytes) -> list[Row]:
    batch = peer(data)
    assert batch.validate_crc()
    return [
        (
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple((name, value) for name, value in record.headers),
        )
        for record in batch
    ]


def rows(given_records: list[Any], base_offset: int = 0) -> list[Row]:
    return [
        (base_offset + i, timestamp, key, value, tuple(names))
        for i, (key, value, names, timestamp) in enumerate(given_records)
    ]


@pytest.mark.parametrize(("batch", "builder", "codec"), PEERS)
@settings(max_examples=15, deadline=None)
@given(given_records=records, base_offset=st.integers(0, 2**50))
def test_peers_read_what_we_encode(
    batch: Any, builder: Any, codec: int, given_records: list[Any], base_offset: int
) -> None:
    """Any records, by every codec."""
    data = encode_batch(given_records, codec=codec, base_offset=base_offset)

    assert theirs(batch, data) == rows(given_records, base_offset)
    assert ours(data) == rows(given_records, base_offset)


@pytest.mark.parametrize(("batch", "builder", "codec"), PEERS)
@settings(max_examples=15, deadline=None)
@given(given_records=records)
def test_we_read_what_peers_encode(batch: Any, builder: Any, codec: int, given_records: list[Any]) -> None:
    """Any records, by every codec."""
    made = builder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 24,
    )
    for offset, (key, value, names, timestamp) in enumerate(given_records):
        assert made.append(offset, timestamp, key, value, names)

    assert ours(bytes(made.build())) == rows(given_records)


def test_an_idempotent_producers_fields_reach_its_peer() -> None:
    """Producer id, epoch, sequence, transaction and append time, as another client reads them."""
    data = encode_batch(
        [(b"k", b"v", [], 1000), (b"k", b"v", [], 900)],
        producer_id=4711,
        producer_epoch=3,
        base_sequence=12,
        leader_epoch=9,
        is_transactional=True,
        append_timestamp=5000,
    )

    batch = KafkaPythonBatch(data)
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.leader_epoch) == (4711, 3, 12, 9)
    assert (batch.is_transactional, batch.is_control_batch, batch.timestamp_type) == (True, False, 1)
    assert [record.timestamp for record in batch] == [5000, 5000]
    (raw,) = split(data).batches
    assert (raw.producer_id, raw.producer_epoch, raw.base_sequence, raw.leader_epoch) == (4711, 3, 12, 9)
    assert [(record.timestamp, record.timestamp_type) for record in decode(raw, "topic", 0)] == [(5000, 1)] * 2


def test_the_latest_time_of_a_batch_is_in_its_header() -> None:
    """Not the last record's: brokers answer offsets_for_times by it."""
    data = encode_batch([(None, b"", [], 5), (None, b"", [], 9), (None, b"", [], 7)])

    assert AioBatch(data).max_timestamp == split(data).batches[0].max_timestamp == 9


def test_a_batch_needs_a_record() -> None:
    """Brokers refuse empty batches."""
    with pytest.raises(ValueError, match="needs a record"):
        encode_batch([])
