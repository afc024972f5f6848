"""zstd frames; what follows the last one is an error, as in Kafka's Java client."""

from __future__ import annotations

from typing import Final, Protocol, cast

import cramjam

from kafkastatic._records.compression.buffers import Data, NoRoom, fill, refuse

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_LEVEL: Final = 3

RATE: Final = 0.4e9


class _Zstd(Protocol):
    def compress(self, data: Data, level: int) -> Data: ...
    def decompress_into(self, data: Data, output: memoryview) -> int: ...


_zstd = cast(_Zstd, cramjam.zstd)  # whose type stubs do not name memoryview, which it takes


def decompress(data: memoryview, limit: int, *, vouched: bool, scratch: memoryview | None) -> Data:
    """Decompress frames, and verify the checksums that they have."""
    size = content_size(data)
    if size is not None and size > limit:
        raise refuse(size, data, limit)
    return fill(_decompress_into, data, size, limit, scratch)


def compress(data: Data) -> bytes:
    """One frame."""
    return bytes(_zstd.compress(data, _LEVEL))


def content_size(data: Data) -> int | None:
    """What the first frame's header tells of the size of its content (RFC 8878, 3.1.1.1), if it does."""
    if len(data) < 18 or data[:4] != _MAGIC:
        return None
    descriptor = data[4]
    single_segment = descriptor >> 5 & 1
    pos = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    flag = descriptor >> 6
    if flag == 0:
        return data[pos] if single_segment else None
    size = int.from_bytes(data[pos : pos + (0, 2, 4, 8)[flag]], "little")
    return size + 256 if flag == 1 else size


def _decompress_into(data: memoryview, output: memoryview) -> int:
    try:
        return _zstd.decompress_into(data, output)
    except cramjam.DecompressionError as error:  # too small a buffer is told from corrupt data by the message only
        raise NoRoom(str(error)) from error
