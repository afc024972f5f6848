"""LZ4 frames, read here: their blocks are decompressed straight to where they belong.

A frame decoder has buffers of its own and copies; the block decoder beneath it needs a quarter of the time. What it
cannot do, blocks that refer to earlier ones and checksums that have to be verified, is left to cramjam's frame decoder.

    magic u32 · flags, block size, [content size u64], header checksum · blocks, each behind its length, [checksum u32]
    · 0 u32 · [content checksum u32]                                                           (all little-endian)

What is refused is the same either way: another version, reserved bits, a dictionary (we have none), a wrong header
checksum, a block larger than the header's block size, another length than the header's content size, no end. Kafka's
Java client refuses linked blocks too, and does not look at the content size; frames may follow each other, as other
clients read them. What follows the last frame is not looked at: Java never reads it.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, Protocol, cast

import cramjam

from kafkastatic._records.compression.buffers import Data, NoRoom, fill, refuse

MAGIC: Final = b"\x04\x22\x4d\x18"

# Version 1 with independent blocks of 64 KiB, and the checksum of these two bytes: what Java's decoder reads.
_HEADER: Final = MAGIC + b"\x60\x40\x82"
_BLOCK: Final = 64 * 1024
_STORED: Final = 0x80000000

RATE: Final = 1.2e9

_INDEPENDENT: Final = 0x20
_BLOCK_CHECKSUMS: Final = 0x10
_CONTENT_SIZE: Final = 0x08
_CONTENT_CHECKSUM: Final = 0x04
_CHECKSUMS: Final = _BLOCK_CHECKSUMS | _CONTENT_CHECKSUM
_DICTIONARY: Final = 0x01

_LARGEST_RATIO: Final = 255  # of LZ4's blocks: no honest size is beyond it

_32: Final = 2**32 - 1
_word: Final = struct.Struct("<I").unpack_from


class _Lz4(Protocol):
    def compress_block(self, data: Data, output_len: None, mode: str, store_size: bool = ...) -> Data: ...
    def decompress_into(self, data: Data, output: memoryview) -> int: ...
    def decompress_block_into(self, input: Data, output: memoryview, output_len: int) -> int: ...


_lz4 = cast(_Lz4, cramjam.lz4)  # whose type stubs do not name memoryview, which it takes


def decompress(data: memoryview, limit: int, *, vouched: bool, scratch: memoryview | None) -> Data:
    """Decompress frames.

    Args:
        vouched: the caller knows that these are the producer's bytes; the frame's own checksums of blocks and content
            are not verified once more. That of the header always is.
    """
    told = _told_size(data)
    if told is not None and told > limit:
        raise refuse(told, data, limit)
    return fill(_decompress_vouched if vouched else _decompress_verified, data, content_size(data), limit, scratch)


def compress(data: Data) -> bytes:
    """One frame of independent blocks, without checksums."""
    parts = [_HEADER]
    for pos in range(0, len(data), _BLOCK):
        plain = bytes(data[pos : pos + _BLOCK])
        block = bytes(_lz4.compress_block(plain, None, "default", store_size=False))
        if len(block) < len(plain):
            parts += len(block).to_bytes(4, "little"), block
        else:
            parts += (len(plain) | _STORED).to_bytes(4, "little"), plain
    return b"".join([*parts, b"\0\0\0\0"])


def content_size(data: Data) -> int | None:
    """What the first frame's header tells of the size of its content; if it does not, the most that its blocks hold.

    That is hardly more where blocks are of 64 KiB, as Java's are: all but the last are full. Larger ones tell nothing.
    """
    told = _told_size(data)
    if told is not None or len(data) < 7 or data[5] != _HEADER[5]:
        return told
    pos, blocks, total = 7, 0, len(data)
    step = 8 if data[4] & _BLOCK_CHECKSUMS else 4
    while pos + 4 <= total and (word := _word(data, pos)[0]):
        pos += step + (word & ~_STORED)
        blocks += 1
    return min(blocks * _BLOCK, _LARGEST_RATIO * total)


def _told_size(data: Data) -> int | None:
    return int.from_bytes(data[6:14], "little") if len(data) >= 15 and data[4] & _CONTENT_SIZE else None


def _decompress_vouched(data: memoryview, output: memoryview) -> int:
    return _frames(data, output, vouched=True)


def _decompress_verified(data: memoryview, output: memoryview) -> int:
    return _frames(data, output, vouched=False)


def _frames(data: memoryview, output: memoryview, *, vouched: bool) -> int:
    pos = written = 0
    try:
        while not pos or data[pos : pos + 4].tobytes() == MAGIC:
            pos, size = _frame(data, pos, output[written:] if written else output, vouched=vouched)
            written += size
    except (IndexError, struct.error):
        raise ValueError("decompression failed: an LZ4 frame is truncated") from None
    return written


def _frame(data: memoryview, start: int, output: memoryview, *, vouched: bool) -> tuple[int, int]:
    """Where the frame ends, and how many bytes came out."""
    flags = data[start + 4]
    pos = start + (15 if flags & _CONTENT_SIZE else 7)
    most = _block_size(data[start:pos].tobytes())
    if flags & _CHECKSUMS and not vouched:
        return _whole_frame(data, start, pos, flags, output)
    total = len(data)
    blocks = written = 0
    while word := _word(data, pos)[0]:
        size = word & ~_STORED
        end = pos + 4 + size
        if size > most or end > total:
            raise ValueError(f"decompression failed: an LZ4 block of {size} bytes is larger than it can be")
        if blocks and not flags & _INDEPENDENT:
            return _whole_frame(data, start, pos, flags, output)
        room = output[written : written + most]
        if word & _STORED:
            if size > len(room):
                raise NoRoom("an LZ4 block is larger than what is left")
            room[:size] = data[pos + 4 : end]
            written += size
        else:
            written += _decode_block(data[pos + 4 : end], room, most)
        blocks += 1
        pos = end + 4 if flags & _BLOCK_CHECKSUMS else end
    pos = _behind(data, pos, flags)
    if flags & _CONTENT_SIZE and _told_size(data[start:]) != written:
        raise ValueError("decompression failed: an LZ4 frame's content is not as long as its header tells")
    return pos, written


@lru_cache(maxsize=64)
def _block_size(header: bytes) -> int:
    """The most bytes that a block may have, from a header that is found right."""
    if header[:4] != MAGIC:
        raise ValueError("decompression failed: this is no LZ4 frame")
    flags, block = header[4], header[5]
    if flags >> 6 != 1 or flags & 0x02 or block & 0x8F or block < 0x40:
        raise ValueError("decompression failed: an LZ4 frame's header has unknown flags")
    if flags & _DICTIONARY:
        raise ValueError("decompression failed: an LZ4 frame needs a dictionary")
    if len(header) < (15 if flags & _CONTENT_SIZE else 7):
        raise IndexError
    if xxh32(header[4:-1]) >> 8 & 255 != header[-1]:
        raise ValueError("decompression failed: the checksum of an LZ4 frame's header differs")
    return 1 << 8 + 2 * (block >> 4)


def _decode_block(block: memoryview, room: memoryview, most: int) -> int:
    try:
        return _lz4.decompress_block_into(block, room, len(room))
    except cramjam.DecompressionError as error:
        if len(room) == most:
            raise ValueError(f"decompression failed: {error}") from error
        raise NoRoom(str(error)) from error


def _whole_frame(data: memoryview, start: int, pos: int, flags: int, output: memoryview) -> tuple[int, int]:
    """The same for a frame that is left to cramjam's decoder. `pos` is that of one of its blocks."""
    while word := _word(data, pos)[0]:
        pos += 4 + (word & ~_STORED) + (4 if flags & _BLOCK_CHECKSUMS else 0)
    end = _behind(data, pos, flags)
    try:
        return end, _lz4.decompress_into(data[start:end], output)
    except cramjam.DecompressionError as error:  # too small a buffer is told from corrupt data by the message only
        raise NoRoom(str(error)) from error


def _behind(data: memoryview, pos: int, flags: int) -> int:
    """Where the frame ends whose end mark is at `pos`."""
    end = pos + (8 if flags & _CONTENT_CHECKSUM else 4)
    if end > len(data):
        raise IndexError
    return end


def xxh32(data: bytes) -> int:
    """The XXH32 of fewer than 16 bytes, such as a frame's header."""
    value = 0x165667B1 + len(data)
    pos = 0
    while len(data) - pos >= 4:
        value = value + int.from_bytes(data[pos : pos + 4], "little") * 0xC2B2AE3D & _32
        value = (value << 17 | value >> 15) * 0x27D4EB2F & _32
        pos += 4
    for byte in data[pos:]:
        value = value + byte * 0x165667B1 & _32
        value = (value << 11 | value >> 21) * 0x9E3779B1 & _32
    value = (value ^ value >> 15) * 0x85EBCA77 & _32
    value = (value ^ value >> 13) * 0xC2B2AE3D & _32
    return value ^ value >> 16
