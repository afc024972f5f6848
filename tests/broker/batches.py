"""Batches by a foreign encoder, and what a foreign decoder makes of those that come back: kafka-python's."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from kafkastatic._records.batch import crc32c

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


class Seen(NamedTuple):
    """A record as the foreign decoder tells it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def batch(
    *records: tuple[int, bytes | None, bytes | None],
    codec: str = "none",
    producer: tuple[int, int, int] = (-1, -1, -1),
    transactional: bool = False,
) -> bytes:
    """A batch of timestamp, key and value each, as a producer sends it; `producer` is id, epoch and base sequence."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=CODECS[codec],
        is_transactional=int(transactional),
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=producer[2],
        batch_size=1 << 30,
    )
    for delta, (timestamp, key, value) in enumerate(records):
        assert builder.append(delta, timestamp, key, value, []) is not None
    return bytes(builder.build())


def values(*wanted: bytes, at: int = 1000, **options: Any) -> bytes:
    """A batch of these values, without keys, all of one time."""
    return batch(*((at, None, value) for value in wanted), **options)


def seen(data: Iterable[bytes]) -> list[Seen]:
    """Every record in these bytes; the CRCs are verified."""
    found: list[Seen] = []
    records = MemoryRecords(b"".join(data))
    while (one := records.next_batch()) is not None:
        assert one.validate_crc()
        found += [Seen(r.offset, r.timestamp, r.key, r.value) for r in one]
    return found


def headers(data: Sequence[bytes]) -> list[tuple[int, int, int]]:
    """Base offset, leader epoch and last offset delta of each batch, read by hand."""
    return [
        (*struct.unpack_from(">q", one), *struct.unpack_from(">i", one, 12), *struct.unpack_from(">i", one, 23))
        for one in data
    ]


def patched(data: bytes, layout: str, at: int, value: int) -> bytes:
    """The same batch with another number in its header, and the CRC that then is right."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, at, value)
    struct.pack_into(">I", changed, 17, crc32c(bytes(changed[21:])))
    return bytes(changed)
