"""The codecs of record batches, with output that is bounded before it exists.

A module per codec, imported when the first batch needs it.
"""

from __future__ import annotations

from typing import Final, Protocol

from kafkastatic._records.compression.buffers import SCRATCH, Data, borrow, give_back
from kafkastatic.errors import UnsupportedCodecError

__all__ = [
    "DEFAULT_LIMIT",
    "GZIP",
    "LZ4",
    "NONE",
    "SCRATCH",
    "SNAPPY",
    "ZSTD",
    "Data",
    "borrow",
    "compress",
    "decompress",
    "estimate",
    "give_back",
]

NONE: Final = 0
GZIP: Final = 1
SNAPPY: Final = 2
LZ4: Final = 3
ZSTD: Final = 4

DEFAULT_LIMIT: Final = 64 * 1024 * 1024

_USUAL_RATIO: Final = 4


class _Codec(Protocol):
    """What the module of a codec has."""

    @property
    def RATE(self) -> float:
        """Bytes that come out in a second, at least: half of what was measured on data that hardly compresses."""
        ...

    def decompress(self, data: memoryview, limit: int, *, vouched: bool, scratch: memoryview | None) -> Data: ...
    def compress(self, data: Data) -> bytes: ...

    def content_size(self, data: memoryview) -> int | None:
        """How many bytes come out, as far as the data tells. It may be wrong."""
        ...


def decompress(
    codec: int, data: Data, limit: int = DEFAULT_LIMIT, *, vouched: bool = False, scratch: memoryview | None = None
) -> Data:
    """Decompress the records of one batch.

    Args:
        limit: the most bytes that may come out; no more is ever allocated at a time.
        vouched: the batch's CRC was verified; the checksums that an LZ4 frame may have of its blocks and content are
            not verified once more.
        scratch: a borrowed buffer that may be written to. What comes out may be a view of it, valid until it is given
            back; without it the output is the caller's own.

    Raises:
        ValueError: the data is corrupt, or more than `limit` would come out.
        UnsupportedCodecError: Kafka defines no such codec.
    """
    if codec == NONE:
        return data
    return (_modules.get(codec) or _load(codec)).decompress(memoryview(data), limit, vouched=vouched, scratch=scratch)


def compress(codec: int, data: Data) -> bytes:
    """Compress the records of one batch.

    Raises:
        UnsupportedCodecError: Kafka defines no such codec.
    """
    return (_modules.get(codec) or _load(codec)).compress(data) if codec != NONE else bytes(data)


def estimate(codec: int, data: Data) -> float:
    """Seconds that `decompress` may take, by order of magnitude: from the size that the data tells, or a usual ratio.

    Of a codec that Kafka does not define, which fails at once, none.
    """
    if not GZIP <= codec <= ZSTD:
        return 0.0
    module = _modules.get(codec) or _load(codec)
    size = module.content_size(memoryview(data))
    return (_USUAL_RATIO * len(data) if size is None else max(len(data), min(size, DEFAULT_LIMIT))) / module.RATE


# Looked up for every batch, where an import statement would cost as much as the rest of what is done for it here.
_modules: dict[int, _Codec] = {}


def _load(codec: int) -> _Codec:
    if codec == GZIP:
        from kafkastatic._records.compression import gzip as module
    elif codec == SNAPPY:
        from kafkastatic._records.compression import snappy as module
    elif codec == LZ4:
        from kafkastatic._records.compression import lz4 as module
    elif codec == ZSTD:
        from kafkastatic._records.compression import zstd as module
    else:
        raise UnsupportedCodecError(f"Compression codec {codec} is not defined by Kafka.")
    _modules[codec] = module
    return module
