"""gzip: one member at best speed, whatever else by the standard library's zlib.

A batch is one member as a rule, and its last four bytes tell its size: that is given to ISA-L, where the extra `fast`
has brought it, or to cramjam. What they do not take whole (members that follow each other, bytes behind the last one, a
wrong size, corrupt data) is read member by member with zlib, so that it comes to the same with either of them.

As in Kafka's Java client, bytes behind the last member that do not begin another one are not looked at.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import Final, Literal, Protocol, TypeAlias, cast

import cramjam

from kafkastatic._records.compression.buffers import SCRATCH, Data

_MEMBER: Final = b"\x1f\x8b\x08"
_RESERVED: Final = 0xE0
_SMALLEST: Final = 20  # bytes of a member: header, an empty block, checksum and size
_LARGEST_RATIO: Final = 1032  # of deflate: no honest size is beyond it
_STEP: Final = 4096
_PIECE: Final = 16 * 1024


class _Gzip(Protocol):
    def compress(self, data: Data) -> Data: ...
    def decompress_into(self, data: Data, output: memoryview) -> int: ...


_gzip = cast(_Gzip, cramjam.gzip)  # whose type stubs do not name memoryview, which it takes


Whole: TypeAlias = Callable[[Data, int, memoryview | None], Data | None]


def decompress(data: memoryview, limit: int, *, vouched: bool, scratch: memoryview | None) -> Data:
    """Decompress members, and verify their checksums."""
    size = content_size(data)
    plain = len(data) > 3 and not data[3] & _RESERVED  # bits of the header's flags that ISA-L does not look at
    if size is not None and plain and size <= min(limit, _LARGEST_RATIO * len(data)):
        output = _whole(data, size, scratch)
        if output is not None:
            return output
    return _members(data, limit)


def compress(data: Data) -> bytes:
    """One member."""
    return bytes(_gzip.compress(data))


def content_size(data: Data) -> int | None:
    """What the end of the data tells of the size of its last member."""
    return int.from_bytes(data[-4:], "little") if len(data) >= _SMALLEST else None


def whole_by_cramjam(data: Data, size: int, scratch: memoryview | None) -> Data | None:
    """The content of one member, or of several if it has `size` bytes in all; `None` if it is anything else."""
    view = scratch[:size] if scratch is not None and size <= SCRATCH else memoryview(bytearray(size))
    try:
        return view[: _gzip.decompress_into(data, view)]
    except cramjam.DecompressionError:
        return None


def _fast() -> Whole | None:
    wanted = os.environ.get("KAFKASTATIC_CODECS", "")
    if wanted not in ("", "base"):
        raise ImportError(f"KAFKASTATIC_CODECS is {wanted!r}; it may be 'base'")
    if wanted:
        return None
    try:
        from kafkastatic._records.compression.fast import whole_by_isal
    except ImportError:
        return None
    return whole_by_isal


def _members(data: memoryview, limit: int) -> bytearray:
    output = bytearray()
    pos = 0
    while True:
        pos = _member(data, pos, output, limit)
        if len(data) - pos < _SMALLEST or data[pos : pos + 3].tobytes() != _MEMBER:
            return output


def _member(data: memoryview, pos: int, output: bytearray, limit: int) -> int:
    """Append the content of the member at `pos`, and say where it ends.

    In small steps: whatever the library returns as not used is a copy, and a batch may be made of tiny members.
    """
    member = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        while not member.eof:
            piece = data[pos : pos + _STEP]
            made = member.decompress(piece, _PIECE)
            output += made
            left = member.unused_data if member.eof else member.unconsumed_tail  # both of them at the end
            pos += len(piece) - len(left)
            if len(output) > limit:
                raise ValueError(f"decompression into at most {limit} bytes failed: more come out of {len(data)}")
            if not (piece or made or member.eof):
                raise ValueError("decompression failed: a gzip member is truncated")
    except zlib.error as error:
        raise ValueError(f"decompression failed: {error}") from error
    return pos


_whole: Whole = _fast() or whole_by_cramjam

IMPLEMENTATION: Final[Literal["isal", "cramjam"]] = "cramjam" if _whole is whole_by_cramjam else "isal"
RATE: Final = 0.08e9 if _whole is whole_by_cramjam else 0.2e9
