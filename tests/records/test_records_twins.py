"""The compiled decoder and the plain one: record for record and error for error the same."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kafkastatic._records import RawBatch, encode_batch, split
from kafkastatic._records.compression import decompress
from tests.records.twins import TWINS, both_twins, exact, fields

pytestmark = both_twins

VECTORS = [
    json.loads(line)
    for line in gzip.decompress(Path(__file__).with_name("vectors.jsonl.gz").read_bytes()).splitlines()
    if not json.loads(line)["name"].startswith("legacy")
]

contents = st.none() | st.binary(max_size=12) | st.binary(min_size=60, max_size=140)
names = st.sampled_from(["trace", "source", "größe", ""]) | st.text(max_size=5)
rows = st.lists(
    st.tuples(contents, contents, st.lists(st.tuples(names, contents), max_size=3), st.integers(0, 2**62)), max_size=12
)
int64 = st.integers(-(2**63), 2**63 - 1)
offsets = st.integers(0, 100) | st.integers(0, 2**63 - 1) | st.integers(2**63 - 20, 2**63 - 1)
headers_of_batches = st.fixed_dictionaries(
    {
        "base_offset": offsets,
        "base_timestamp": st.integers(0, 2**41) | int64,
        "append_timestamp": st.none() | int64,
        "leader_epoch": st.integers(-1, 2**31 - 1),
    }
)
PLAIN_HEADER = {"base_offset": 0, "base_timestamp": 0, "append_timestamp": None, "leader_epoch": -1}


def outcome(function: Callable[..., list[Any]], data: bytes, **about: Any) -> object:
    """What it returned or raised."""
    try:
        return [fields(record) for record in function(exact(data), "topic", 3, **about)]
    except ValueError as error:
        return type(error), str(error)


def same(data: bytes, **about: Any) -> object:
    """The one outcome of four decoders."""
    first, *others = [
        outcome(function, data, **about) for twin in TWINS for function in (twin.decode_records, twin.decode_views)
    ]
    for other in others:
        assert other == first
    return first


def varint(number: int) -> bytes:
    raw = (number << 1) ^ (number >> 63)
    out = bytearray()
    while raw > 127:
        out.append(raw & 127 | 128)
        raw >>= 7
    return bytes([*out, raw])


@settings(max_examples=150, deadline=None)
@given(rows=rows, header=headers_of_batches, skipped=st.integers(-2, 14))
def test_valid_batches_are_read_alike(rows: list[Any], header: dict[str, Any], skipped: int) -> None:
    """Any contents, offsets and times, wherever the fetch began; too large an offset is the one error."""
    data = encode_batch(rows)[61:] if rows else b""
    header = header | {"base_offset": min(header["base_offset"], 2**63 - 1 - len(rows))}
    start = min(max(header["base_offset"] + skipped, 0), 2**63 - 1)

    found = same(data, count=len(rows), from_offset=start, **header)

    assert isinstance(found, list)
    assert len(found) == max(len(rows) - max(start - header["base_offset"], 0), 0)


@settings(max_examples=200, deadline=None)
@given(
    rows=rows,
    header=headers_of_batches,
    from_offset=offsets,
    count=st.none() | st.integers(-1, 20) | st.just(2**31 - 1),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255) | st.sampled_from([0, 1, 127, 128, 255]))),
    cut=st.integers(0, 3) | st.integers(0, 400),
    added=st.binary(max_size=12),
)
def test_mutated_batches_fail_alike(
    rows: list[Any],
    header: dict[str, Any],
    from_offset: int,
    count: int | None,
    changes: list[tuple[int, int]],
    cut: int,
    added: bytes,
) -> None:
    """Any bytes changed, the end cut or extended, any count: the same records, or the same words of the same error."""
    data = bytearray(encode_batch(rows)[61:] if rows else b"")
    for position, byte in changes:
        if data:
            data[position % len(data)] = byte
    del data[max(len(data) - cut, 0) :]

    same(bytes(data + added), count=len(rows) if count is None else count, from_offset=from_offset, **header)


# A record's numbers, most of them small, behind a length that is right more often than not.
numbers = st.integers(-2, 6) | st.sampled_from([63, 64, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63)])
bodies = st.lists(
    st.tuples(st.lists(numbers.map(varint) | st.binary(max_size=3) | st.just(b"\x80\x00"), max_size=9), st.booleans())
)


@settings(max_examples=200, deadline=None)
@given(bodies=bodies, header=headers_of_batches, from_offset=st.integers(0, 6))
@example(bodies=[([b"\0" * 7], True)], header=PLAIN_HEADER, from_offset=0)
@example(bodies=[([b"\xff" * 12], False)], header=PLAIN_HEADER, from_offset=0)
def test_forged_numbers_fail_alike(bodies: list[Any], header: dict[str, Any], from_offset: int) -> None:
    """Records put together from numbers that do not fit each other."""
    data = bytearray()
    for parts, honest in bodies:
        body = b"\0" + b"".join(parts)
        data += (varint(len(body)) if honest else b"") + body
    same(bytes(data), count=len(bodies), from_offset=from_offset, **header)


def test_every_cut_of_a_batch_fails_alike() -> None:
    """A bounds check that is missing anywhere reads behind the end at one of them."""
    rows = [(b"k" * (i * 40), b"v" * (i * 33), [("n" * i, b"h" * 70), ("m", None)], 1 << 7 * i) for i in range(5)]
    data = encode_batch(rows)[61:]
    for end in range(len(data)):
        found = same(data[:end], count=5, from_offset=0, **PLAIN_HEADER)
        assert isinstance(found, tuple)
    assert isinstance(same(data, count=5, from_offset=0, **PLAIN_HEADER), list)


@pytest.mark.parametrize(
    ("time", "base", "expected"),
    [(1, 2**63 - 1, -(2**63)), (-1, -(2**63), 2**63 - 1), (2**63 - 1, 2**63 - 1, -2), (2**62, 1, 2**62 + 1)],
)
def test_times_wrap_as_in_java(time: int, base: int, expected: int) -> None:
    """Its sum of two longs; no broker looks at it."""
    body = b"\0" + varint(time) + b"\0\1\1\0"
    found = same(varint(len(body)) + body, count=1, from_offset=0, **PLAIN_HEADER | {"base_timestamp": base})
    assert isinstance(found, list)
    assert found[0][3] == expected


@pytest.mark.parametrize("part", ["key", "value", "a header's name", "a header's value"])
def test_a_length_beyond_the_end_is_an_end_in_the_middle(part: str) -> None:
    """Whatever it is the length of."""
    long = varint(50) + b"xx"
    parts = {
        "key": long,
        "value": b"\1" + long,
        "a header's name": b"\1\1" + varint(1) + long,
        "a header's value": b"\1\1" + varint(1) + varint(1) + b"h" + long,
    }
    body = b"\0\0\0" + parts[part]
    found = same(varint(len(body)) + body, count=1, from_offset=0, **PLAIN_HEADER)

    assert found == (ValueError, "the records end in the middle of one")


def test_an_offset_behind_the_last_possible_one_is_an_error() -> None:
    body = b"\0\0" + varint(5) + b"\1\1\0"
    data = varint(len(body)) + body
    about = {"count": 1, "from_offset": 0}

    assert same(data, **about, **PLAIN_HEADER | {"base_offset": 2**63 - 5}) == (
        ValueError,
        "a record's offset is out of range",
    )
    assert isinstance(same(data, **about, **PLAIN_HEADER | {"base_offset": 2**63 - 6}), list)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_kafkas_own_batches_are_read_alike(vector: dict[str, Any]) -> None:
    """From their beginning and from their middle."""
    for raw in split(b64decode(vector["data"])).batches:
        for from_offset in (0, raw.base_offset + 1, raw.last_offset):
            same_batch(raw, from_offset)


def same_batch(raw: RawBatch, from_offset: int) -> None:
    body = raw.data[61:]
    found = same(
        bytes(decompress(raw.codec, body)) if raw.codec and body else bytes(body),
        count=raw.count,
        base_offset=raw.base_offset,
        base_timestamp=raw.base_timestamp,
        append_timestamp=raw.max_timestamp if raw.timestamp_type else None,
        leader_epoch=raw.leader_epoch,
        from_offset=from_offset,
    )
    assert isinstance(found, list)
