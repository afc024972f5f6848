"""Messages of formats v0 and v1: what other clients write, and bytes that are none.

What Kafka's own classes write is in test_records_vectors.py.
"""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from contextlib import suppress
from typing import Any

import cramjam
import pytest
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder as AioBuilder
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kafka.record.legacy_records import LegacyRecordBatch as KafkaPythonBatch
from kafka.record.legacy_records import LegacyRecordBatchBuilder as KafkaPythonBuilder

from kafkastatic._records import ConsumerRecord, RawBatch, decode, encode_batch, split
from kafkastatic._records.compression import compress
from kafkastatic._records.compression.lz4 import xxh32
from kafkastatic._records.legacy import _with_right_checksum
from kafkastatic.errors import CorruptRecordError, UnsupportedCodecError

pytestmark = pytest.mark.once


LIMIT = 1 << 18
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
TYPED = (CorruptRecordError, UnsupportedCodecError)

Row = tuple[int, int, int, bytes | None, bytes | None]
"""offset, timestamp, timestamp type, key, value"""


def message(
    value: bytes | None,
    *,
    magic: int = 1,
    offset: int = 0,
    attributes: int = 0,
    timestamp: int = 1000,
    key: bytes | None = None,
) -> bytes:
    """One message, written by the page: https://kafka.apache.org/documentation/#messageset."""
    body = struct.pack(">bb", magic, attributes)
    body += struct.pack(">q", timestamp) if magic else b""
    for data in (key, value):
        body += struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data
    return struct.pack(">qiI", offset, 4 + len(body), zlib.crc32(body)) + body


def wrapper(inside: bytes, codec: int = GZIP, **fields: Any) -> bytes:
    return message(compress(codec, inside), attributes=codec | fields.pop("attributes", 0), **fields)


def only(data: bytes) -> RawBatch:
    (batch,) = split(data, "topic", 0).batches
    return batch


def read(data: bytes, **options: Any) -> list[Row]:
    found: list[ConsumerRecord[bytes, bytes]] = []
    for batch in split(data, "topic", 0).batches:
        found += decode(batch, "topic", 0, **options)
    return [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value) for r in found]


def refused(data: bytes, **options: Any) -> str:
    with pytest.raises(CorruptRecordError) as caught:
        decode(only(data), "topic", 0, **options)
    return str(caught.value)


# ── other clients ──

contents = st.none() | st.binary(max_size=200)
rows = st.lists(st.tuples(contents, contents, st.integers(0, 2**62)), min_size=1, max_size=50)
PEERS = [
    *[(KafkaPythonBuilder, magic, codec) for magic in (0, 1) for codec in (NONE, GZIP)],
    *[(AioBuilder, 0, codec) for codec in (NONE, GZIP, SNAPPY)],  # it refuses LZ4's first form
    *[(AioBuilder, 1, codec) for codec in (NONE, GZIP, SNAPPY, LZ4)],
]


@pytest.mark.parametrize(("builder", "magic", "codec"), PEERS)
@settings(max_examples=15, deadline=None)
@given(given_rows=rows)
def test_we_read_what_peers_encode(builder: Any, magic: int, codec: int, given_rows: list[Any]) -> None:
    """Any keys, values and timestamps, by every codec that the formats had; kafka-python reads the same bytes alike."""
    made = builder(magic=magic, compression_type=codec, batch_size=1 << 24)
    for offset, (key, value, timestamp) in enumerate(given_rows):
        assert made.append(offset, timestamp=timestamp, key=key, value=value)
    data = bytes(made.build())
    if codec:  # as the broker does: a compressed message has the offset of the last one inside
        data = struct.pack(">q", len(given_rows) - 1) + data[8:]

    kind = 0 if magic else -1
    assert read(data) == [
        (offset, timestamp if magic else -1, kind, key, value)
        for offset, (key, value, timestamp) in enumerate(given_rows)
    ]
    if codec in (NONE, GZIP):
        theirs = [r for batch in split(data).batches for r in KafkaPythonBatch(bytes(batch.data), magic)]
        assert [(r.offset, r.key, r.value) for r in theirs] == [(row[0], row[3], row[4]) for row in read(data)]


@pytest.mark.parametrize(("data", "digest"), [(b"", 0x02CC5D05), (b"a", 0x550D7456), (b"abc", 0x32D153FF)])
def test_the_checksum_of_an_lz4_header_isxxh32(data: bytes, digest: int) -> None:
    """As published for seed 0."""
    assert xxh32(data) == digest


@pytest.mark.parametrize("size", [0, 1, 100, 100_000, 5_000_000])
def test_the_checksum_of_an_lz4_header_is_what_lz4_writes(size: int) -> None:
    """Of headers with a content size, which are longer."""
    frame = bytes(cramjam.lz4.compress(bytes(size)))
    end = 14 if frame[4] & 8 else 6
    assert xxh32(frame[4:end]) >> 8 & 255 == frame[end]
    assert _with_right_checksum(frame) == frame


# ── what a compressed message says of those inside ──


def test_offsets_inside_count_from_the_first_message() -> None:
    """Format v1 (KIP-31): the wrapper has the last one's offset; compaction leaves gaps."""
    inside = b"".join(message(b"%d" % n, offset=n, timestamp=n) for n in (0, 2, 5))

    assert read(wrapper(inside, offset=105)) == [
        (100, 0, 0, None, b"0"),
        (102, 2, 0, None, b"2"),
        (105, 5, 0, None, b"5"),
    ]
    assert [row[0] for row in read(wrapper(inside, offset=105), from_offset=101)] == [102, 105]
    assert read(wrapper(inside, offset=105), from_offset=106) == []


def test_offsets_inside_the_oldest_format_are_absolute() -> None:
    inside = b"".join(message(b"%d" % n, magic=0, offset=n) for n in (100, 102, 105))

    assert read(wrapper(inside, magic=0, offset=105)) == [
        (100, -1, -1, None, b"100"),
        (102, -1, -1, None, b"102"),
        (105, -1, -1, None, b"105"),
    ]


def test_the_brokers_time_is_the_wrappers() -> None:
    """LogAppendTime: the times inside are the producer's, and do not count."""
    inside = message(b"a", offset=0, timestamp=1) + message(b"b", offset=1, timestamp=2)

    assert read(wrapper(inside, offset=1, attributes=8, timestamp=99)) == [
        (0, 99, 1, None, b"a"),
        (1, 99, 1, None, b"b"),
    ]
    assert read(message(b"a", attributes=8, timestamp=99)) == [(0, 99, 1, None, b"a")]


@pytest.mark.parametrize("magic", [0, 1])
def test_a_wrong_checksum_of_an_lz4_header_is_no_error(magic: int) -> None:
    """The message's own CRC covers all of it, and old producers computed this one over the wrong bytes."""
    packed = bytearray(compress(LZ4, message(b"a" * 1000, magic=magic, offset=0)))
    packed[6] ^= 0x55

    assert read(message(bytes(packed), magic=magic, attributes=LZ4))[0][4] == b"a" * 1000


# ── bytes that are none ──


@pytest.mark.parametrize("magic", [0, 1])
def test_every_flipped_bit_behind_the_crc_is_noticed(magic: int) -> None:
    """Of the magic byte too: as if the message were of another format."""
    whole = message(b"value", magic=magic, key=b"key", offset=7)
    for position in range(12, len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        with pytest.raises(CorruptRecordError):
            decode(only(bytes(changed)), "topic", 0)


@pytest.mark.parametrize("check", [True, False])
def test_the_crc_of_a_message_inside_is_checked_too(check: bool) -> None:
    """Unless the check is switched off."""
    inside = bytearray(message(b"value"))
    inside[-1] ^= 1
    data = wrapper(bytes(inside))

    if check:
        assert "CRC-32 differs" in refused(data)
    else:
        assert read(data, check_crcs=False)[0][4] == b"valud"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (wrapper(wrapper(message(b"a"))), "holds another compressed one"),
        (wrapper(b""), "holds nothing"),
        (message(None, attributes=GZIP), "holds nothing"),
        (wrapper(message(b"a"), ZSTD), "no zstd"),
        (wrapper(message(b"a")[:-1]), "out of bounds"),
        (wrapper(message(b"a") + b"\0" * 5), "out of bounds"),
        (wrapper(message(b"a") + struct.pack(">qi", 1, -(2**31)) + b"\0" * 30), "out of bounds"),
        (wrapper(message(b"a") + struct.pack(">qi", 1, 2**31 - 1) + b"\0" * 30), "out of bounds"),
        (wrapper(encode_batch([(None, b"a", (), 0)])), "out of place"),
        (wrapper(message(b"a", offset=3) + message(b"b", offset=3), offset=9), "do not ascend"),
        (wrapper(message(b"a", offset=0) + message(b"b", offset=5), offset=4), "do not ascend"),
        (wrapper(message(b"a", magic=0, offset=7), magic=0, offset=6), "do not ascend"),
        (message(b"not gzip", attributes=GZIP), "decompression"),
    ],
)
def test_malformed_wrappers_are_errors(data: bytes, reason: str) -> None:
    """Each with its own reason; the seek that passes it leads behind the whole message."""
    assert reason in refused(data)


def test_the_error_stands_at_the_position() -> None:
    """Where a wrapper begins is not known before it is unpacked, so it is the first offset not delivered."""
    with pytest.raises(CorruptRecordError) as caught:
        decode(only(wrapper(b"", offset=105)), "topic", 0, from_offset=101)
    assert (caught.value.offset, caught.value.next_offset) == (101, 106)

    with pytest.raises(CorruptRecordError) as caught:
        decode(only(message(b"a", offset=105)[:-1] + b"b"), "topic", 0, from_offset=101)
    assert (caught.value.offset, caught.value.next_offset) == (105, 106)


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_an_undefined_codec_is_an_error_of_its_own(codec: int) -> None:
    with pytest.raises(UnsupportedCodecError, match=f"^topic-0 offset 3: .*codec {codec} "):
        decode(only(message(b"x", attributes=codec, offset=3)), "topic", 0)


@pytest.mark.parametrize("offset", [-1, -(2**63), 2**63 - 1])
def test_an_impossible_offset_is_an_error(offset: int) -> None:
    assert "header is malformed" in refused(message(b"a", offset=offset))


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4])
def test_a_bomb_is_an_error_and_bounded(codec: int) -> None:
    """16 MiB out of a small message, one allowed."""
    bomb = wrapper(message(bytes(1 << 24)), codec)
    tracemalloc.start()
    try:
        assert "at most 1048576 " in refused(bomb, max_decompressed=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * (1 << 20)
    assert len(read(bomb)) == 1


changes = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6)
INSIDE = {magic: b"".join(message(b"v" * n, magic=magic, offset=n, key=b"k") for n in range(30)) for magic in (0, 1)}
VALID = [wrapper(INSIDE[m], codec, magic=m, offset=29) if codec else INSIDE[m] for m in (0, 1) for codec in range(4)]


@settings(max_examples=300, deadline=None)
@given(which=st.integers(0, 7), given_changes=changes, cut=st.integers(0, 200), seal=st.booleans())
def test_mutated_messages_raise_typed_errors_only(
    which: int, given_changes: list[tuple[int, int]], cut: int, seal: bool
) -> None:
    """Any bytes changed, the end cut, with and without a CRC that fits; offsets only ever ascend."""
    data = bytearray(VALID[which])
    for position, byte in given_changes:
        data[position % len(data)] = byte
    del data[len(data) - cut % len(data) :]
    if seal and len(data) > 16:
        struct.pack_into(">I", data, 12, zlib.crc32(data[16:]))
    with suppress(*TYPED):
        for batch in split(bytes(data), "topic", 0).batches:
            offsets = [r.offset for r in decode(batch, "topic", 0, check_crcs=seal, max_decompressed=LIMIT)]
            assert offsets == sorted(set(offsets))
            assert all(offset < batch.next_offset for offset in offsets)


@settings(max_examples=200, deadline=None)
@given(inside=st.binary(max_size=300), magic=st.integers(0, 1), codec=st.integers(1, 3))
@example(inside=struct.pack(">qiIbb", 0, 14, 0, 0, 0) + b"\x7f\xff\xff\xff" * 2, magic=0, codec=GZIP)
def test_anything_inside_a_wrapper_raises_typed_errors_only(inside: bytes, magic: int, codec: int) -> None:
    with suppress(*TYPED):
        read(wrapper(inside, codec, magic=magic, offset=50), check_crcs=False, max_decompressed=LIMIT)
