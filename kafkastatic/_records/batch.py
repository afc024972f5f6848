"""Record batches as they are fetched: walked at once, decoded when their records are handed out.

offset  0 base offset        i64      23 last offset delta  i32      53 base sequence  i32
        8 length             i32      27 base timestamp     i64      57 record count   i32
       12 leader epoch       i32      35 max timestamp      i64      61 records, compressed as one
       16 magic              i8       43 producer id        i64
       17 CRC-32C of 21...   u32      51 producer epoch     i16
       21 attributes         i16: codec 0-2, timestamp type 3, transactional 4, control 5
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, cast, overload

import fastcrc

from kafkastatic._records.chosen import RECORDS, ConsumerRecord, RecordView, decode_records, decode_views, view_of
from kafkastatic._records.compression import DEFAULT_LIMIT, ZSTD, Data, borrow, decompress, estimate, give_back
from kafkastatic._records.legacy import LEGACY_HEADER, SMALLEST, decode_messages
from kafkastatic.errors import CorruptRecordError, UnsupportedCodecError

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
CRC_START: Final = 21
_LENGTH_END: Final = 12
_MAX_OFFSET: Final = 2**63 - 2  # so that the next one is an int64 too

_RECORD_TIME: Final = {"compiled": 150e-9, "plain": 2e-6}[RECORDS]
_BYTE_TIME: Final = 0.5e-9
_LEGACY_BYTE_TIME: Final = 30e-9
_PACKED_TIME: Final = 1.0
"""Seconds that a record, and a byte of a batch, take to decode; a byte of an old message, and one that is compressed,
which may hold any number of others.
"""

_ABORT: Final = b"\0\0"
_MARKER_LIMIT: Final = 1024  # bytes: a marker's key has four, its value six or a few more

# fastcrc's type stubs name bytes only; it takes every buffer.
crc32c = cast(Callable[[Data], int], fastcrc.crc32.iscsi)


class RawBatch:
    """An undecoded batch: what its header says, and its bytes. Nothing is verified before `decode`.

    Attributes:
        magic: the format: 2, or 0 and 1 for a message of Kafka before 0.11, which may hold others.
        base_offset, last_offset: the offsets that it covers; after compaction not all of them exist. Of an old
            message the last one only is known, and stands for both.
        next_offset: where to go on after it.
        count: how many records it holds; may be 0 after compaction, -1 where the header is malformed; 1 for an old
            message.
        base_timestamp, max_timestamp: milliseconds since the epoch.
        timestamp_type: 0 CreateTime, 1 LogAppendTime (every record has `max_timestamp`); -1 in format 0.
        codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
        producer_id, producer_epoch, base_sequence: of an idempotent producer, else -1.
        is_transactional, is_control: part of a transaction; its marker, which holds no records for applications.
        is_aborted: its transaction was aborted and the application reads committed records only: whoever knows sets it.
        crc: the CRC-32C that the header names; of an old message, the CRC-32.
        data: the whole batch, from its base offset on.
        size: its length in bytes.
        source: stands for the bytes that `data` is a view of, where somebody counts those.
    """

    __slots__ = (
        "base_offset",
        "base_sequence",
        "base_timestamp",
        "codec",
        "count",
        "crc",
        "data",
        "is_aborted",
        "is_control",
        "is_transactional",
        "last_offset",
        "leader_epoch",
        "magic",
        "max_timestamp",
        "next_offset",
        "producer_epoch",
        "producer_id",
        "size",
        "source",
        "timestamp_type",
    )

    def __init__(self, data: memoryview) -> None:
        """Read the header of a batch. `data` is exactly one, as cut out by `split`."""
        self.data = data
        self.size = len(data)
        self.is_aborted = False
        self.source: object = None
        self.magic = data[16] if data[16] < 128 else data[16] - 256
        if self.magic != 2:
            self._read_legacy()
            return
        (
            self.base_offset,
            _,
            self.leader_epoch,
            _,
            self.crc,
            attributes,
            delta,
            self.base_timestamp,
            self.max_timestamp,
            self.producer_id,
            self.producer_epoch,
            self.base_sequence,
            self.count,
        ) = HEADER.unpack_from(data)
        self.codec: int = attributes & 7
        self.timestamp_type: int = attributes >> 3 & 1
        self.is_transactional = bool(attributes & 16)
        self.is_control = bool(attributes & 32)
        if delta < 0 or self.count < 0 or not 0 <= self.base_offset <= _MAX_OFFSET - delta:
            delta = 0  # so that next_offset never leads backwards
            self.count = -1
        self.last_offset: int = self.base_offset + delta
        self.next_offset: int = self.last_offset + 1

    def _read_legacy(self) -> None:
        """Fill in what a message of v0 or v1, or one of no known format, tells."""
        self.base_offset, _, self.crc, _, attributes = LEGACY_HEADER.unpack_from(self.data)
        self.last_offset = self.base_offset
        self.next_offset = self.base_offset + 1
        self.codec = attributes & 7
        self.count = 1 if 0 <= self.base_offset <= _MAX_OFFSET else -1
        self.timestamp_type = attributes >> 3 & 1 if self.magic == 1 else -1
        self.is_transactional = self.is_control = False
        self.base_timestamp = self.max_timestamp = (
            int.from_bytes(self.data[18:26], "big", signed=True) if self.magic == 1 else -1
        )
        self.leader_epoch = self.producer_id = self.producer_epoch = self.base_sequence = -1

    def __repr__(self) -> str:
        return (
            f"RawBatch(base_offset={self.base_offset}, last_offset={self.last_offset}, count={self.count},"
            f" magic={self.magic}, codec={self.codec}, size={self.size})"
        )


class Split(NamedTuple):
    """What `split` found.

    Attributes:
        batches: the complete batches, in order.
        truncated_size: where the data ends in the middle of a batch, how many bytes that batch has (61 when not even
            its length was sent); else `None`. With no complete batch before it, more must be fetched at once.
    """

    batches: list[RawBatch]
    truncated_size: int | None


def split(data: Data | None, topic: str = "", partition: int = -1) -> Split:
    """Walk the batches of one partition in a fetch response. None of them is copied, verified or decoded.

    Brokers fill a response by bytes, so the last batch may be truncated. A malformed length ends the walk when
    batches stand before it: the fetch that follows them meets it again, as the first.

    Args:
        topic, partition: for the error only.

    Raises:
        CorruptRecordError: the first batch's length is malformed.
    """
    view = memoryview(b"" if data is None else data)
    batches: list[RawBatch] = []
    pos = 0
    total = len(view)
    while pos < total:
        if total - pos < _LENGTH_END:
            return Split(batches, HEADER.size)
        size = _LENGTH_END + int.from_bytes(view[pos + 8 : pos + 12], "big", signed=True)
        magic = view[pos + 16] if total - pos > 16 else None
        if size < (HEADER.size if magic == 2 else SMALLEST):
            if batches:
                break
            offset = int.from_bytes(view[pos : pos + 8], "big", signed=True)
            raise CorruptRecordError(
                f"a batch of {size} bytes cannot be", topic=topic, partition=partition, offset=offset
            )
        if size > total - pos:
            return Split(batches, size)
        batches.append(RawBatch(view[pos : pos + size]))
        pos += size
    return Split(batches, None)


@overload
def decode(
    batch: RawBatch,
    topic: str,
    partition: int,
    *,
    from_offset: int = 0,
    check_crcs: bool = True,
    max_decompressed: int = DEFAULT_LIMIT,
    views: Literal[False] = False,
) -> list[ConsumerRecord[bytes, bytes]]: ...


@overload
def decode(
    batch: RawBatch,
    topic: str,
    partition: int,
    *,
    from_offset: int = 0,
    check_crcs: bool = True,
    max_decompressed: int = DEFAULT_LIMIT,
    views: bool,
) -> list[ConsumerRecord[bytes, bytes]] | list[RecordView]: ...


def decode(
    batch: RawBatch,
    topic: str,
    partition: int,
    *,
    from_offset: int = 0,
    check_crcs: bool = True,
    max_decompressed: int = DEFAULT_LIMIT,
    views: bool = False,
) -> list[ConsumerRecord[bytes, bytes]] | list[RecordView]:
    """Decode the records of a batch: all of them, or none and an error.

    Args:
        from_offset: records before it are left out; a fetch may begin in the middle of a batch.
        check_crcs: verify the batch's CRC first.
        max_decompressed: the most bytes that its records may have when decompressed.
        views: leave keys and values in the batch's bytes. They are checked all the same: reading one cannot fail.

    Returns:
        The records in the order of their offsets; none for a control batch, or an aborted one.

    Raises:
        CorruptRecordError: the CRC differs, decompression fails or yields too much, the records do not parse, or
            the format is not known. Its `offset` is the first one not delivered, `next_offset` that behind the
            batch.
        UnsupportedCodecError: Kafka defines no such codec.
    """
    if 0 <= batch.magic <= 2 and 0 <= batch.last_offset < from_offset:
        return []
    try:
        if batch.count < 0:
            raise ValueError("its header is malformed")
        if batch.magic == 2:
            return _decode(batch, topic, partition, from_offset, check_crcs, max_decompressed, views)
        records = decode_messages(batch.data, topic, partition, from_offset, check_crcs, max_decompressed)
        return [view_of(record) for record in records] if views else records
    except ValueError as error:
        wrapper = batch.magic < 2 and batch.codec  # where it begins is inside
        raise CorruptRecordError(
            f"batch {batch.base_offset} to {batch.last_offset} cannot be delivered: {error}.",
            topic=topic,
            partition=partition,
            offset=from_offset if wrapper else max(batch.base_offset, from_offset),
            next_offset=batch.next_offset,
        ) from error
    except UnsupportedCodecError as error:
        raise UnsupportedCodecError(f"{topic}-{partition} offset {batch.base_offset}: {error}") from None


def decoding_time(batch: RawBatch) -> float:
    """Seconds that `decode` may take, by order of magnitude, if it does not fail."""
    if batch.magic != 2:
        return _PACKED_TIME if batch.codec else batch.size * _LEGACY_BYTE_TIME
    seconds = batch.count * _RECORD_TIME + batch.size * _BYTE_TIME
    return seconds + estimate(batch.codec, batch.data[HEADER.size :]) if 0 < batch.codec <= ZSTD else seconds


def _decode(
    batch: RawBatch,
    topic: str,
    partition: int,
    from_offset: int,
    check_crcs: bool,
    max_decompressed: int,
    views: bool,
) -> list[ConsumerRecord[bytes, bytes]] | list[RecordView]:
    if check_crcs and crc32c(batch.data[CRC_START:]) != batch.crc:
        raise ValueError("its CRC-32C differs from what its header names")
    if batch.is_control or batch.is_aborted:
        return []
    body = batch.data[HEADER.size :]
    if views and not batch.codec:
        body = memoryview(bytes(body))  # else each view would keep the whole answer that the batch came in
    if not batch.codec or not len(body):
        return _records(batch, body, topic, partition, from_offset, views)
    scratch = None if views else borrow()  # views are of what comes out, records have copies of what they need
    try:
        plain = decompress(batch.codec, body, max_decompressed, vouched=check_crcs, scratch=scratch)
        return _records(batch, plain, topic, partition, from_offset, views)
    finally:
        if scratch is not None:
            give_back(scratch)


def _records(
    batch: RawBatch, plain: Data, topic: str, partition: int, from_offset: int, views: bool
) -> list[ConsumerRecord[bytes, bytes]] | list[RecordView]:
    records = (decode_views if views else decode_records)(
        plain,
        topic,
        partition,
        batch.count,
        batch.base_offset,
        batch.base_timestamp,
        batch.max_timestamp if batch.timestamp_type else None,
        batch.leader_epoch,
        from_offset,
    )
    if records and records[-1].offset > batch.last_offset:
        raise ValueError("a record's offset is behind the batch's last")
    return records


def is_abort_marker(batch: RawBatch) -> bool:
    """Whether a control batch says that its producer's transaction was aborted.

    Not verified: one that does not parse is none, and `decode` meets it when its turn comes.
    """
    try:
        body = batch.data[HEADER.size :]
        (marker,) = decode_records(
            decompress(batch.codec, body, _MARKER_LIMIT) if batch.codec else body,
            "",
            -1,
            batch.count,
            0,
            0,
            None,
            -1,
            0,
        )
    except (ValueError, UnsupportedCodecError):
        return False
    return marker.key is not None and marker.key[2:4] == _ABORT  # a version, then the type
