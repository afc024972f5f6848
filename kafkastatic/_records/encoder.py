"""Records to a batch of format v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from kafkastatic._records.batch import CRC_START, HEADER, crc32c
from kafkastatic._records.compression import compress

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
Record: TypeAlias = tuple[bytes | None, bytes | None, Headers, int]


def encode_batch(
    records: Sequence[Record],
    *,
    codec: int = 0,
    base_offset: int = 0,
    leader_epoch: int = -1,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    is_transactional: bool = False,
    is_control: bool = False,
    append_timestamp: int | None = None,
) -> bytes:
    """Encode records with consecutive offsets as one batch.

    Args:
        records: key, value, headers, timestamp (milliseconds since the epoch) of each; at least one.
        codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
        base_offset: the first record's offset; 0 in a produce request.
        append_timestamp: the broker's time, which replaces the records' own (LogAppendTime).

    Raises:
        ValueError: there are no records.
        UnsupportedCodecError: Kafka defines no such codec.
    """
    if not records:
        raise ValueError("a batch needs a record")
    base_timestamp = records[0][3]
    body = bytearray()
    for delta, (key, value, headers, timestamp) in enumerate(records):
        _write_record(body, delta, timestamp - base_timestamp, key, value, headers)
    # A codec that does not exist is refused by compress, before it could spill into the other attributes.
    compressed = compress(codec, body)
    attributes = codec | (append_timestamp is not None) << 3 | is_transactional << 4 | is_control << 5
    batch = bytearray(
        HEADER.pack(
            base_offset,
            HEADER.size - 12 + len(compressed),
            leader_epoch,
            2,
            0,
            attributes,
            len(records) - 1,
            base_timestamp,
            max(record[3] for record in records) if append_timestamp is None else append_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            len(records),
        )
    )
    batch += compressed
    batch[CRC_START - 4 : CRC_START] = crc32c(memoryview(batch)[CRC_START:]).to_bytes(4, "big")
    return bytes(batch)


def _write_record(
    body: bytearray, offset_delta: int, timestamp_delta: int, key: bytes | None, value: bytes | None, headers: Headers
) -> None:
    record = bytearray(1)  # attributes: none are defined
    _write_varint(record, timestamp_delta)
    _write_varint(record, offset_delta)
    _write_bytes(record, key)
    _write_bytes(record, value)
    _write_varint(record, len(headers))
    for name, content in headers:
        _write_bytes(record, name.encode())
        _write_bytes(record, content)
    _write_varint(body, len(record))
    body += record


def _write_bytes(out: bytearray, data: bytes | None) -> None:
    if data is None:
        out.append(1)  # -1 in zigzag
    else:
        _write_varint(out, len(data))
        out += data


def _write_varint(out: bytearray, number: int) -> None:
    raw = number << 1 if number >= 0 else ~(number << 1)
    while raw > 127:
        out.append(raw & 127 | 128)
        raw >>= 7
    out.append(raw)
