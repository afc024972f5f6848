"""The codecs of record batches, with output that is bounded before it exists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol, TypeAlias, cast

import cramjam

from kafkastatic.errors import UnsupportedCodecError

Data: TypeAlias = bytes | bytearray | memoryview

NONE: Final = 0
GZIP: Final = 1
SNAPPY: Final = 2
LZ4: Final = 3
ZSTD: Final = 4

DEFAULT_LIMIT: Final = 64 * 1024 * 1024

# snappy-java's stream, which Kafka's Java clients write: this magic, two version numbers, then blocks, each behind
# its length. Other clients write one raw block. Readers must tell them apart.
_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = _XERIAL_MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_BLOCK: Final = 32 * 1024

# Magic, version 1 with independent blocks of 64 KiB, the checksum of these two bytes. Kafka's Java decoder refuses
# linked blocks, which cramjam's own frames may have.
_LZ4_HEADER: Final = b"\x04\x22\x4d\x18\x60\x40\x82"
_LZ4_BLOCK: Final = 64 * 1024
_LZ4_STORED: Final = 0x80000000

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


class _Stream(Protocol):
    def compress(self, data: Data, level: int | None = None) -> Data: ...
    def decompress_into(self, data: Data, output: bytearray) -> int: ...


class _Snappy(Protocol):
    def compress_raw(self, data: Data) -> Data: ...
    def decompress_raw_len(self, data: Data) -> int: ...
    def decompress_raw_into(self, data: Data, output: memoryview) -> int: ...


class _Lz4(_Stream, Protocol):
    def compress_block(self, data: Data, output_len: None, mode: str, store_size: bool = ...) -> Data: ...


# cramjam's type stubs do not name memoryview, which it takes.
_gzip = cast(_Stream, cramjam.gzip)
_snappy = cast(_Snappy, cramjam.snappy)
_lz4 = cast(_Lz4, cramjam.lz4)
_zstd = cast(_Stream, cramjam.zstd)


def decompress(codec: int, data: Data, limit: int = DEFAULT_LIMIT) -> Data:
    """Decompress the records of one batch.

    Args:
        limit: the most bytes that may come out; no more is ever allocated at a time.

    Raises:
        ValueError: the data is corrupt, or more than `limit` would come out.
        UnsupportedCodecError: Kafka defines no such codec.
    """
    if codec == NONE:
        return data
    try:
        if codec == SNAPPY:
            return _decompress_snappy(memoryview(data), limit)
        if codec == GZIP:
            return _decompress_stream(_gzip, data, _gzip_size(data), limit)
        if codec == LZ4:
            return _decompress_stream(_lz4, data, _lz4_size(data), limit)
        if codec == ZSTD:
            return _decompress_stream(_zstd, data, _zstd_size(data), limit)
    except cramjam.DecompressionError as error:
        raise ValueError(f"decompression failed: {error}") from error
    raise UnsupportedCodecError(f"Compression codec {codec} is not defined by Kafka.")


def compress(codec: int, data: Data, *, xerial: bool = True) -> bytes:
    """Compress the records of one batch.

    Args:
        xerial: for snappy, the blocks that Java clients write; otherwise one raw block.

    Raises:
        UnsupportedCodecError: Kafka defines no such codec.
    """
    if codec == NONE:
        return bytes(data)
    if codec == GZIP:
        return bytes(_gzip.compress(data))
    if codec == SNAPPY:
        return _compress_xerial(data) if xerial else bytes(_snappy.compress_raw(data))
    if codec == LZ4:
        return _compress_lz4(data)
    if codec == ZSTD:
        return bytes(_zstd.compress(data, 3))
    raise UnsupportedCodecError(f"Compression codec {codec} is not defined by Kafka.")


def _decompress_stream(stream: _Stream, data: Data, known: int | None, limit: int) -> Data:
    """Decompress into buffers of growing size: cramjam has no streaming decompressor with an upper bound."""
    if known is not None and known > limit:
        raise ValueError(f"{known} bytes would come out of {len(data)}; at most {limit} are allowed")
    size = min(limit, known or max(4096, 4 * len(data)))
    while True:
        output = bytearray(size)
        try:
            written = stream.decompress_into(data, output)
        except cramjam.DecompressionError as error:
            # A buffer too small is told from corrupt data by the message only, so any error means once more.
            if size >= limit:
                raise ValueError(f"decompression into at most {limit} bytes failed: {error}") from error
            size = min(limit, 8 * size)
            del output  # before the next one is allocated
        else:
            del output[written:]
            return output


def _decompress_snappy(data: memoryview, limit: int) -> Data:
    total = sum(_snappy.decompress_raw_len(block) for block in _snappy_blocks(data))
    if total > limit:
        raise ValueError(f"{total} bytes would come out of {len(data)}; at most {limit} are allowed")
    output = bytearray(total)
    view = memoryview(output)
    pos = 0
    for block in _snappy_blocks(data):  # walked twice: a list of forged tiny blocks would be larger than the limit
        pos += _snappy.decompress_raw_into(block, view[pos : pos + _snappy.decompress_raw_len(block)])
    return output


def _snappy_blocks(data: memoryview) -> Iterator[memoryview]:
    if data[:8].tobytes() != _XERIAL_MAGIC:
        yield data
        return
    pos = 0
    while pos < len(data):
        if data[pos : pos + 8].tobytes() == _XERIAL_MAGIC:  # streams may be concatenated
            size = len(_XERIAL_HEADER)
        else:
            size = 4 + int.from_bytes(data[pos : pos + 4], "big")
            yield data[pos + 4 : pos + size]
        pos += size
    if pos > len(data):
        raise ValueError("decompression failed: a snappy stream is truncated")


def _compress_xerial(data: Data) -> bytes:
    parts = [_XERIAL_HEADER]
    for pos in range(0, len(data), _XERIAL_BLOCK):
        block = bytes(_snappy.compress_raw(data[pos : pos + _XERIAL_BLOCK]))
        parts += len(block).to_bytes(4, "big"), block
    return b"".join(parts)


def _compress_lz4(data: Data) -> bytes:
    parts = [_LZ4_HEADER]
    for pos in range(0, len(data), _LZ4_BLOCK):
        plain = bytes(data[pos : pos + _LZ4_BLOCK])
        block = bytes(_lz4.compress_block(plain, None, "default", store_size=False))
        if len(block) < len(plain):
            parts += len(block).to_bytes(4, "little"), block
        else:
            parts += (len(plain) | _LZ4_STORED).to_bytes(4, "little"), plain
    return b"".join([*parts, b"\0\0\0\0"])


# The three below are first guesses, wrong where frames are concatenated: then the output buffer grows.


def _gzip_size(data: Data) -> int | None:
    return int.from_bytes(data[-4:], "little") if len(data) >= 18 else None


def _lz4_size(data: Data) -> int | None:
    return int.from_bytes(data[6:14], "little") if len(data) >= 15 and data[4] & 0x08 else None


def _zstd_size(data: Data) -> int | None:
    """The frame's content size (RFC 8878, 3.1.1.1)."""
    if len(data) < 18 or data[:4] != _ZSTD_MAGIC:
        return None
    descriptor = data[4]
    single_segment = descriptor >> 5 & 1
    pos = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    flag = descriptor >> 6
    if flag == 0:
        return data[pos] if single_segment else None
    size = int.from_bytes(data[pos : pos + (0, 2, 4, 8)[flag]], "little")
    return size + 256 if flag == 1 else size
