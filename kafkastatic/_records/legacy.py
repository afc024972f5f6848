"""The messages of Kafka before 0.11, formats v0 and v1, which old log segments still hold.

offset  0 offset             i64      16 magic         i8
        8 length             i32      17 attributes    i8: codec 0-2, timestamp type 3 (v1)
       12 CRC-32 of 16...    u32      18 timestamp     i64, in v1 only
                                      then key and value, each behind its length (i32, negative for null)

A compressed message is a wrapper: its value, unpacked, is a sequence of messages, and its offset that of the last of
them. Those inside have absolute offsets in v0, in v1 such that count from the first one (KIP-31).
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

from kafkastatic._records.chosen import ConsumerRecord
from kafkastatic._records.compression import LZ4, ZSTD, Data, decompress

LEGACY_HEADER: Final = struct.Struct(">qiIbb")
SMALLEST: Final = 26
"""Bytes of a message of v0 with neither key nor value."""

_LENGTH_END: Final = 12
_CRC_START: Final = 16
_V0_BODY: Final = 18
_V1_BODY: Final = 26


class _Message(NamedTuple):
    offset: int
    magic: int
    attributes: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def decode_messages(
    data: Data, topic: str, partition: int, from_offset: int, check_crcs: bool, max_decompressed: int
) -> list[ConsumerRecord[bytes, bytes]]:
    """The records of one message, or of all those in a compressed one.

    Args:
        data: exactly one message.

    Raises:
        ValueError: it does not parse, its CRC or that of one inside differs, or too much would come out of it.
        UnsupportedCodecError: Kafka defines no such codec.
    """
    outer = _read(bytes(data), check_crcs)
    codec = outer.attributes & 7
    messages = _unpack(outer, codec, check_crcs, max_decompressed) if codec else [outer]
    append_timestamp = outer.timestamp if outer.magic and outer.attributes & 8 else None
    return [
        _record(message, topic, partition, append_timestamp) for message in messages if message.offset >= from_offset
    ]


def _read(data: bytes, check_crc: bool) -> _Message:
    offset, _, crc, magic, attributes = LEGACY_HEADER.unpack_from(data)
    if magic not in (0, 1):
        raise ValueError(f"message format {magic} is unknown, or out of place")
    if check_crc and zlib.crc32(memoryview(data)[_CRC_START:]) != crc:
        raise ValueError("its CRC-32 differs from what its header names")
    pos = _V1_BODY if magic else _V0_BODY
    if pos > len(data):
        raise ValueError("a message is shorter than its header")
    timestamp = int.from_bytes(data[_V0_BODY:_V1_BODY], "big", signed=True) if magic else -1
    key, pos = _bytes(data, pos)
    value, pos = _bytes(data, pos)
    if pos != len(data):
        raise ValueError("a message's length and its contents disagree")
    return _Message(offset, magic, attributes, timestamp, key, value)


def _bytes(data: bytes, pos: int) -> tuple[bytes | None, int]:
    """What is behind the length at `pos`, and the position behind it."""
    start = pos + 4
    size = int.from_bytes(data[pos:start], "big", signed=True)
    end = start + max(size, 0)
    if end > len(data):
        raise ValueError("a length in a message is out of bounds")
    return (data[start:end] if size >= 0 else None), end


def _unpack(outer: _Message, codec: int, check_crcs: bool, limit: int) -> list[_Message]:
    """The messages inside a compressed one, with their absolute offsets."""
    if outer.value is None:
        raise ValueError("a compressed message holds nothing")
    if codec == ZSTD:
        raise ValueError("there is no zstd in old message formats")
    packed = _with_right_checksum(outer.value) if codec == LZ4 else outer.value
    inside = _walk(bytes(decompress(codec, packed, limit, vouched=check_crcs)), check_crcs)
    if not inside:
        raise ValueError("a compressed message holds nothing")
    first = outer.offset - inside[-1].offset if outer.magic else 0
    last = -1
    for index, message in enumerate(inside):
        offset = first + message.offset
        if not last < offset <= outer.offset:
            raise ValueError("the offsets inside a compressed message do not ascend to its own")
        inside[index] = message._replace(offset=offset)
        last = offset
    return inside


def _walk(data: bytes, check_crcs: bool) -> list[_Message]:
    messages: list[_Message] = []
    pos = 0
    while pos < len(data):
        end = pos + _LENGTH_END + int.from_bytes(data[pos + 8 : pos + _LENGTH_END], "big", signed=True)
        if end - pos < SMALLEST or end > len(data):
            raise ValueError("the length of a message inside a compressed one is out of bounds")
        message = _read(data[pos:end], check_crcs)
        if message.attributes & 7:
            raise ValueError("a compressed message holds another compressed one")
        messages.append(message)
        pos = end
    return messages


def _record(
    message: _Message, topic: str, partition: int, append_timestamp: int | None
) -> ConsumerRecord[bytes, bytes]:
    key, value = message.key, message.value
    if not message.magic:
        timestamp, timestamp_type = -1, -1
    elif append_timestamp is None:
        timestamp, timestamp_type = message.timestamp, 0
    else:
        timestamp, timestamp_type = append_timestamp, 1
    return ConsumerRecord(
        topic,
        partition,
        message.offset,
        timestamp,
        timestamp_type,
        key,
        value,
        (),
        -1,
        -1 if key is None else len(key),
        -1 if value is None else len(value),
    )


def _with_right_checksum(frame: bytes) -> bytes:
    """An LZ4 frame with the header checksum that it should have.

    Kafka's producers before 0.10 computed it over the frame's magic number too (KIP-57). The message's own CRC has
    vouched for all of it by now.
    """
    from kafkastatic._records.compression.lz4 import MAGIC, xxh32

    if len(frame) < 7 or frame[:4] != MAGIC:
        return frame
    end = 6 + 8 * (frame[4] >> 3 & 1) + 4 * (frame[4] & 1)  # two bytes, then content size and dictionary id if any
    return frame[:end] + bytes([xxh32(frame[4:end]) >> 8 & 255]) + frame[end + 1 :]
