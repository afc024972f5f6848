"""Bytes that are no batch: one typed error, in bounded time and memory, and never a wrong position."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from contextlib import suppress

import fastcrc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kafkastatic._records import ConsumerRecord, RawBatch, decode, encode_batch, split
from kafkastatic.errors import CorruptRecordError, UnsupportedCodecError

pytestmark = pytest.mark.once


RECORDS = [
    (b"key-%d" % i, b"value " * i if i % 5 else None, [("name", b"x"), ("null", None)] if i % 3 else [], 1_000_000 + i)
    for i in range(70)
]
VALID = [encode_batch(RECORDS, codec=codec, base_offset=1000, producer_id=7) for codec in range(5)]
LIMIT = 1 << 18
TYPED = (CorruptRecordError, UnsupportedCodecError)


def sealed(batch: bytes | bytearray) -> bytes:
    """The batch with a CRC that fits: what a hostile producer sends."""
    return bytes(batch[:17]) + fastcrc.crc32.iscsi(bytes(batch[21:])).to_bytes(4, "big") + bytes(batch[21:])


def with_body(body: bytes, count: int = 1, attributes: int = 0) -> bytes:
    """An otherwise valid batch with this body."""
    head = bytearray(VALID[0][:61])
    head[8:12] = (49 + len(body)).to_bytes(4, "big")
    head[21:23] = attributes.to_bytes(2, "big")
    head[57:61] = count.to_bytes(4, "big", signed=True)
    return sealed(head + body)


def only(data: bytes) -> RawBatch:
    (batch,) = split(data).batches
    return batch


def drained(data: bytes, check_crcs: bool) -> list[ConsumerRecord[bytes, bytes]]:
    """Everything that can be had from the bytes, checking on the way that positions only ever move forwards."""
    records: list[ConsumerRecord[bytes, bytes]] = []
    for batch in split(data, "topic", 0).batches:
        if batch.magic == 2:
            assert batch.base_offset <= batch.last_offset < batch.next_offset
        found = decode(batch, "topic", 0, check_crcs=check_crcs, max_decompressed=LIMIT)
        offsets = [record.offset for record in found]
        assert offsets == sorted(set(offsets))
        assert all(batch.base_offset <= offset <= batch.last_offset for offset in offsets)
        records += found
    return records


mutations = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(codec=st.integers(0, 4), changes=mutations, cut=st.integers(0, 200), seal=st.booleans(), check=st.booleans())
def test_mutated_batches_raise_typed_errors_only(
    codec: int, changes: list[tuple[int, int]], cut: int, seal: bool, check: bool
) -> None:
    """Any bytes of a batch changed, its end cut, with and without a CRC that fits."""
    data = bytearray(VALID[codec])
    for position, byte in changes:
        data[position % len(data)] = byte
    del data[len(data) - cut % len(data) :]
    with suppress(*TYPED):
        drained(sealed(data) if seal else bytes(data), check)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=300), count=st.integers(-2, 2**31 - 1), attributes=st.integers(0, 15))
@example(body=b"\x01" * 10, count=2**31 - 1, attributes=0)
@example(body=b"\xff" * 30, count=1, attributes=0)
def test_any_body_raises_typed_errors_only(body: bytes, count: int, attributes: int) -> None:
    """Behind a header that is in order."""
    with suppress(*TYPED):
        drained(with_body(body, count, attributes), True)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_raise_typed_errors_only(data: bytes) -> None:
    with suppress(*TYPED):
        drained(data, False)


@pytest.mark.parametrize("codec", range(5))
def test_every_flipped_bit_behind_the_crc_is_noticed(codec: int) -> None:
    """Unless the check is switched off: then a bit that no record depends on changes nothing."""
    batch = encode_batch(RECORDS[:2], codec=codec)
    for position in range(17, len(batch)):
        changed = bytearray(batch)
        changed[position] ^= 1 << position % 8
        with pytest.raises(CorruptRecordError, match=r"CRC-32C|malformed"):
            decode(only(bytes(changed)), "topic", 0)

    producer_changed = bytearray(batch)
    producer_changed[43] ^= 1
    found = decode(only(bytes(producer_changed)), "topic", 0, check_crcs=False)
    assert found == decode(only(batch), "topic", 0)


def test_the_error_says_where_it_is_and_how_to_pass_it() -> None:
    """The whole batch is undeliverable: the seek leads behind it, not to its second record."""
    changed = bytearray(VALID[0])
    changed[-1] ^= 1
    with pytest.raises(CorruptRecordError) as caught:
        decode(only(bytes(changed)), "orders", 3, from_offset=1010)

    error = caught.value
    assert (error.topic, error.partition, error.offset, error.next_offset) == ("orders", 3, 1010, 1070)
    assert "CRC-32C" in str(error)
    assert "seek(TopicPartition('orders', 3), 1070)" in str(error)
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(twin), twin.next_offset) == (str(error), 1070)


def test_an_error_of_one_record_passes_that_record() -> None:
    assert CorruptRecordError("bad", topic="orders", partition=3, offset=7).next_offset == 8


@pytest.mark.parametrize("codec", range(5))
def test_a_truncated_last_batch_is_not_an_error(codec: int) -> None:
    """At any length: the batches before it are there, and the size of what is missing where it can be known."""
    first, second = VALID[codec], VALID[0]
    for kept in range(1, len(second), 7):
        batches, truncated_size = split(first + second[:kept])

        assert [batch.size for batch in batches] == [len(first)]
        assert truncated_size == (len(second) if kept >= 12 else 61)


def test_a_first_batch_that_is_truncated_is_visible() -> None:
    """Otherwise a consumer whose fetch is too small would ask for it for ever."""
    assert split(VALID[0][:100]) == ([], len(VALID[0]))


@pytest.mark.parametrize("nothing", [None, b"", memoryview(b"")])
def test_no_bytes_are_no_batches(nothing: bytes | memoryview | None) -> None:
    assert split(nothing) == ([], None)


@pytest.mark.parametrize("length", [-(2**31), -1, 0, 13, 48])
def test_a_malformed_length_is_an_error(length: int) -> None:
    """Unless batches stand before it: they are delivered first."""
    forged = bytearray(VALID[0])
    forged[8:12] = length.to_bytes(4, "big", signed=True)

    with pytest.raises(CorruptRecordError) as caught:
        split(bytes(forged), "orders", 3)
    assert (caught.value.topic, caught.value.partition, caught.value.offset) == ("orders", 3, 1000)
    batches, truncated_size = split(VALID[1] + bytes(forged))
    assert [batch.size for batch in batches] == [len(VALID[1])]
    assert truncated_size is None


@pytest.mark.parametrize("magic", [3, 127, 128, 255])
def test_an_unknown_format_is_an_error(magic: int) -> None:
    changed = bytearray(VALID[0])
    changed[16] = magic
    with pytest.raises(CorruptRecordError, match=r"format -?[0-9]+ is unknown"):
        decode(only(bytes(changed)), "topic", 0)


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_an_undefined_codec_is_an_error_of_its_own(codec: int) -> None:
    with pytest.raises(UnsupportedCodecError, match=f"^topic-0 offset 1000: .*codec {codec} "):
        decode(only(with_body(b"x", attributes=codec)), "topic", 0)


@pytest.mark.parametrize(
    ("start", "end", "number"),
    [
        (0, 8, -1),
        (0, 8, 2**63 - 1),
        (0, 8, 2**63 - 70),
        (23, 27, -1),
        (57, 61, -1),
        (57, 61, 69),
        (57, 61, 71),
        (57, 61, 2**31 - 1),
    ],
    ids=["offset -1", "last offset", "next offset", "delta -1", "count -1", "too few", "too many", "far too many"],
)
def test_impossible_header_fields_are_errors(start: int, end: int, number: int) -> None:
    """And none of them leads the position backwards or out of 64 bits."""
    changed = bytearray(VALID[0])
    changed[start:end] = number.to_bytes(end - start, "big", signed=True)
    batch = only(sealed(changed))

    with pytest.raises(CorruptRecordError):
        decode(batch, "topic", 0)
    assert batch.next_offset == batch.last_offset + 1 >= batch.base_offset + 1


RECORD = b"\x10\x00\x00\x00\x02k\x02v\x00"  # length 8, attributes, time, offset, key, value, no headers


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (RECORD[:-1], "out of bounds"),
        (b"\x01" + RECORD[1:], "out of bounds"),
        (b"\x0e" + RECORD[1:], "disagree"),
        (b"\x12" + RECORD[1:] + b"\x00", "disagree"),
        (RECORD + b"\x00", "left behind"),
        (b"\x10\x00\x00\x01\x02k\x02v\x00", "do not ascend"),
        (b"\x14\x00\x00\xfe\xff\x03\x02k\x02v\x00", "behind the batch's last"),
        (b"\x10\x00\x00\x00\x7ek\x02v\x00", "in the middle|disagree"),
        (b"\x10\x00\x00\x00\x02k\x02v\x01", "negative"),
        (b"\x10\x00\x00\x00\x02k\x02v\x02", "in the middle"),
        (b"\x14\x00\x00\x00\x02k\x02v\x02\x01\x01", "name is null"),
        (b"\xff\xff\xff\xff\xff\x01", "does not end"),
        (b"\x80\x80\x80\x80\x10", "out of range"),
        (b"\x24\x00" + b"\xff" * 10 + b"\x01" + RECORD[3:], "does not end"),
    ],
)
def test_malformed_records_are_errors(body: bytes, reason: str) -> None:
    """Each with its own reason, so that a report can be understood."""
    assert decode(only(with_body(RECORD)), "topic", 0)[0].value == b"v"
    with pytest.raises(CorruptRecordError, match=reason):
        decode(only(with_body(body)), "topic", 0)


def test_offsets_that_do_not_ascend_are_an_error() -> None:
    """They would be delivered twice, or lost."""
    with pytest.raises(CorruptRecordError, match="do not ascend"):
        decode(only(with_body(RECORD + RECORD, 2)), "topic", 0)


def test_lengths_are_read_from_varints_of_any_width() -> None:
    """Encoders may pad them."""
    padded = b"\x1a\x00\x80\x80\x00\x80\x80\x80\x00\x82\x00k\x00\x00"
    (record,) = decode(only(with_body(padded)), "topic", 0)
    assert (record.offset, record.key, record.value) == (1000, b"k", b"")


def test_a_header_name_that_is_no_utf_8_does_not_stop_the_record() -> None:
    """As in Java."""
    body = b"\x16\x00\x00\x00\x01\x01\x02\x04\xffx\x02v"
    (record,) = decode(only(with_body(body)), "topic", 0)
    assert record.headers == (("\ufffdx", b"v"),)


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_a_bomb_is_an_error_and_bounded(codec: int) -> None:
    """16 MiB out of a small batch, one allowed: that buffer, and the one copy of it that the plain decoder makes."""
    bomb = encode_batch([(None, bytes(1 << 24), [], 0)], codec=codec)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptRecordError, match="at most 1048576 "):
            decode(only(bomb), "topic", 0, max_decompressed=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * (1 << 20)
    assert len(decode(only(bomb), "topic", 0)) == 1


def test_control_batches_are_verified_but_have_no_records() -> None:
    control = encode_batch([(b"\x00\x00\x00\x01", b"\x00\x00\x00\x00\x00\x00", [], 0)], is_control=True)
    assert decode(only(control), "topic", 0) == []
    with pytest.raises(CorruptRecordError):
        decode(only(control[:-1] + b"\x7f"), "topic", 0)
