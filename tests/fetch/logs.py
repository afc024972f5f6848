"""Words for the tests of fetching and handing out: batches as brokers keep them, and an application that asks.

Every record's value is its own offset, so that what was delivered says where it came from.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator

import fastcrc

from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.positions import PartitionState, Positions
from kafkastatic._records import ConsumerRecord, RawBatch, encode_batch, split
from kafkastatic.types import TopicPartition

A, B, C = (TopicPartition("orders", partition) for partition in range(3))

HEADER = 61


def batch(
    base: int,
    count: int,
    *,
    keep: Collection[int] | None = None,
    control: bool = False,
    corrupt: bool = False,
    value_size: int = 0,
) -> bytes:
    """`count` records from offset `base` on.

    Args:
        keep: the offsets that compaction has left; the batch covers the others too.
        control: a transaction's marker, no records.
        corrupt: one byte of the last record differs from what the producer sent.
        value_size: pad each value to this many bytes.
    """
    records = [
        (b"k%d" % offset, (b"%d" % offset).ljust(value_size), (), 1_000 + offset)
        for offset in range(base, base + count)
    ]
    data = bytearray(encode_batch(records, base_offset=base, is_control=control))
    if keep is not None:
        data = _compacted(data, [offset - base for offset in keep])
    if corrupt:
        data[-1] ^= 0xFF
    return bytes(data)


def _compacted(data: bytearray, deltas: list[int]) -> bytearray:
    """The batch with these of its (short) records left, as the log cleaner writes it."""
    records: list[bytes] = []
    at = HEADER
    while at < len(data):
        length, start = _varint(data, at)
        records.append(bytes(data[at : start + length]))
        at = start + length
    kept = [records[delta] for delta in deltas]
    left = data[:HEADER] + b"".join(kept)
    struct.pack_into(">i", left, 8, len(left) - 12)
    struct.pack_into(">i", left, 57, len(kept))
    struct.pack_into(">I", left, 17, fastcrc.crc32.iscsi(bytes(left[21:])))
    return left


def _varint(data: bytearray, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value >> 1, at


def raw(data: bytes) -> RawBatch:
    (found,) = split(data).batches
    return found


def push(state: PartitionState, *batches: bytes) -> None:
    """What the fetches do with an answer's batches."""
    for data in batches:
        state.push(raw(data))


def consumption(**starts: int) -> Consumption:
    """Of partitions `a`, `b`, `c`, each starting at an offset."""
    names = {"a": A, "b": B, "c": C}
    positions = Positions()
    positions.add(names[name] for name in starts)
    for name, start in starts.items():
        positions[names[name]].move(start)
    return Consumption(positions, check_crcs=True, max_decompressed=1 << 20)


def offsets(records: Collection[ConsumerRecord[bytes, bytes]]) -> list[int]:
    return [record.offset for record in records]


class Application:
    """Asks as `Consumer` does, with nobody to wait for: where nothing is there, `None` and the end of a loop."""

    def __init__(self, source: Consumption) -> None:
        self.source = source

    def one(self) -> tuple[TopicPartition, int] | None:
        """`getone()`."""
        self.source.ask()
        cursor = self.source.next()
        return None if cursor is None else _where(next(cursor.iterator))

    def many(self, limit: int, only: Collection[TopicPartition] | None = None) -> tuple[TopicPartition, list[int]]:
        """`batches()`, and `getmany()` of one partition."""
        self.source.ask()
        cursor = self.source.next(only)
        if cursor is None:
            return A, []
        tp = cursor.state.tp
        return tp, offsets(self.source.take(cursor, limit))

    def loop(self) -> Iterator[tuple[TopicPartition, int]]:
        """`async for`."""
        while True:
            self.source.ask()
            cursor = None if self.source.stopped else self.source.next()
            if cursor is None:
                return
            for record in cursor.iterator:
                yield _where(record)


def _where(record: ConsumerRecord[bytes, bytes]) -> tuple[TopicPartition, int]:
    assert record.value is not None
    assert int(record.value) == record.offset
    return record.tp, record.offset
