"""snappy: one raw block, or the stream of blocks that Java clients write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Protocol, cast

import cramjam

from kafkastatic._records.compression.buffers import SCRATCH, Data, refuse

# snappy-java's stream, which Kafka's Java clients write: this magic, two version numbers, then blocks, each behind
# its length. Other clients write one raw block. Readers must tell them apart.
_MAGIC: Final = b"\x82SNAPPY\x00"
_HEADER: Final = _MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_BLOCK: Final = 32 * 1024

RATE: Final = 1.2e9

_MANY: Final = 2048  # blocks of 32 KiB: what comes out is at the limit of what may


class _Snappy(Protocol):
    def compress_raw(self, data: Data) -> Data: ...
    def decompress_raw_len(self, data: Data) -> int: ...
    def decompress_raw_into(self, data: Data, output: memoryview) -> int: ...


_snappy = cast(_Snappy, cramjam.snappy)  # whose type stubs do not name memoryview, which it takes


def decompress(data: memoryview, limit: int, *, vouched: bool, scratch: memoryview | None) -> Data:
    """Decompress one raw block, or streams."""
    try:
        total = _total(data)
        if total > limit:
            raise refuse(total, data, limit)
        view = scratch if scratch is not None and total <= SCRATCH else memoryview(bytearray(total))
        pos = 0
        for block in _blocks(data):  # walked twice: a list of forged tiny blocks would be larger than the limit
            pos += _snappy.decompress_raw_into(block, view[pos : pos + _snappy.decompress_raw_len(block)])
    except cramjam.DecompressionError as error:
        raise ValueError(f"decompression failed: {error}") from error
    return view[:pos]


def compress(data: Data, *, xerial: bool = True) -> bytes:
    """A stream as Java clients write it, or one raw block."""
    if not xerial:
        return bytes(_snappy.compress_raw(data))
    parts = [_HEADER]
    for pos in range(0, len(data), _BLOCK):
        block = bytes(_snappy.compress_raw(data[pos : pos + _BLOCK]))
        parts += len(block).to_bytes(4, "big"), block
    return b"".join(parts)


def content_size(data: memoryview) -> int | None:
    """What the blocks tell of their sizes, in all; `None` if they are none, or more than anybody writes."""
    try:
        if next(islice(_blocks(data), _MANY, None), None) is not None:
            return None
        return _total(data)
    except (ValueError, cramjam.DecompressionError):
        return None


def _total(data: memoryview) -> int:
    return sum(_snappy.decompress_raw_len(block) for block in _blocks(data))


def _blocks(data: memoryview) -> Iterator[memoryview]:
    if data[:8].tobytes() != _MAGIC:
        yield data
        return
    pos = 0
    while pos < len(data):
        if data[pos : pos + 8].tobytes() == _MAGIC:  # streams may be concatenated
            size = len(_HEADER)
        else:
            size = 4 + int.from_bytes(data[pos : pos + 4], "big")
            yield data[pos + 4 : pos + size]
        pos += size
    if pos > len(data):
        raise ValueError("decompression failed: a snappy stream is truncated")
