"""The records of one batch, in plain Python: the twin of `_compiled.pyx`, which has the same faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from kafkastatic._records.record import ConsumerRecord, RecordView

_MAX_INT64: Final = 2**63 - 1

R = TypeVar("R")


def decode_records(
    data: bytes | bytearray | memoryview,
    topic: str,
    partition: int,
    count: int,
    base_offset: int,
    base_timestamp: int,
    append_timestamp: int | None,
    leader_epoch: int,
    from_offset: int,
) -> list[ConsumerRecord[bytes, bytes]]:
    """Decode exactly `count` records from the uncompressed bytes behind a batch's header.

    Args:
        append_timestamp: the timestamp of every record (LogAppendTime), or `None` to use the records' own.
        from_offset: records before it are skipped.

    Raises:
        ValueError: these bytes are not `count` records with ascending offsets.
    """
    try:
        # One copy here, because a slice of bytes costs a third of bytes(a slice of a view), and there are two a record.
        octets = bytes(data)
        return _decode(
            ConsumerRecord,
            octets,
            octets,
            topic,
            partition,
            count,
            base_offset,
            base_timestamp,
            append_timestamp,
            leader_epoch,
            from_offset,
        )
    except IndexError:
        raise ValueError("the records end in the middle of one") from None


def decode_views(
    data: bytes | bytearray | memoryview,
    topic: str,
    partition: int,
    count: int,
    base_offset: int,
    base_timestamp: int,
    append_timestamp: int | None,
    leader_epoch: int,
    from_offset: int,
) -> list[RecordView]:
    """The same, but keys and values are views of `data`, which must not change for as long as one of them lives.

    All records are checked here, so nothing can fail later. The compiled twin makes keys, values and headers when they
    are read; this one makes them at once.
    """
    try:
        return _decode(
            RecordView,
            bytes(data),
            memoryview(data),
            topic,
            partition,
            count,
            base_offset,
            base_timestamp,
            append_timestamp,
            leader_epoch,
            from_offset,
        )
    except IndexError:
        raise ValueError("the records end in the middle of one") from None


def view_of(record: ConsumerRecord[bytes, bytes]) -> RecordView:
    """A record of an old message format, which has no headers, with views of its bytes."""
    return RecordView(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.timestamp_type,
        None if record.key is None else memoryview(record.key),
        None if record.value is None else memoryview(record.value),
        (),
        record.leader_epoch,
        record.serialized_key_size,
        record.serialized_value_size,
    )


def _decode(
    make: Callable[..., R],
    data: bytes,
    contents: bytes | memoryview,
    topic: str,
    partition: int,
    count: int,
    base_offset: int,
    base_timestamp: int,
    append_timestamp: int | None,
    leader_epoch: int,
    from_offset: int,
) -> list[R]:
    # Varints of one and two bytes are read in line: a call costs as much as the rest of a field.
    # Bounds: reading a byte past the end raises IndexError, and whatever a forged length slices or jumps over
    # is caught where the record must end exactly at the length that it began with.
    size = len(data)
    pos = 0
    last = -1
    timestamp_type = 0 if append_timestamp is None else 1
    first = from_offset - base_offset
    wraps = not -(2**62) < base_timestamp < 2**62  # then even a short time behind it may
    records: list[R] = []
    append = records.append
    for _ in range(count):
        n = data[pos]
        pos += 1
        if n > 127:
            b = data[pos]
            pos += 1
            n, pos = (n & 127 | b << 7, pos) if b < 128 else _varint(data, pos - 2, 5)
        end = pos + (n >> 1)
        if n & 1 or end > size:
            raise ValueError("a record's length is out of bounds")
        pos += 1  # attributes: none are defined

        timestamp = data[pos]
        pos += 1
        if timestamp > 127:
            b = data[pos]
            pos += 1
            if b < 128:
                timestamp = timestamp & 127 | b << 7
            else:
                timestamp, pos = _varint(data, pos - 2, 10)
                wraps = wraps or timestamp >> 62
        timestamp = base_timestamp + ((timestamp >> 1) ^ -(timestamp & 1))
        if wraps:  # as Java's sum of two longs
            timestamp = (timestamp + 2**63) % 2**64 - 2**63

        n = data[pos]
        pos += 1
        if n > 127:
            b = data[pos]
            pos += 1
            n, pos = (n & 127 | b << 7, pos) if b < 128 else _varint(data, pos - 2, 5)
        delta = (n >> 1) ^ -(n & 1)
        if delta <= last:
            raise ValueError("the records' offsets do not ascend")
        last = delta
        if delta < first:
            pos = end
            continue

        n = data[pos]
        pos += 1
        if n > 127:
            b = data[pos]
            pos += 1
            n, pos = (n & 127 | b << 7, pos) if b < 128 else _varint(data, pos - 2, 5)
        if n & 1:  # null: -1, but as in Kafka's own decoder any negative length will do
            key = None
            key_size = -1
        else:
            key_size = n >> 1
            key = contents[pos : pos + key_size]
            pos += key_size

        n = data[pos]
        pos += 1
        if n > 127:
            b = data[pos]
            pos += 1
            n, pos = (n & 127 | b << 7, pos) if b < 128 else _varint(data, pos - 2, 5)
        if n & 1:
            value = None
            value_size = -1
        else:
            value_size = n >> 1
            value = contents[pos : pos + value_size]
            pos += value_size

        n = data[pos]
        pos += 1
        if n:
            headers, pos = _headers(data, pos - 1)
        else:
            headers = ()
        if pos != end:
            raise ValueError("a record's length and its contents disagree")
        append(
            make(
                topic,
                partition,
                base_offset + delta,
                timestamp if append_timestamp is None else append_timestamp,
                timestamp_type,
                key,
                value,
                headers,
                leader_epoch,
                key_size,
                value_size,
            )
        )
    if pos != size:
        raise ValueError(f"bytes are left behind {count} records")
    if base_offset + last > _MAX_INT64:
        raise ValueError("a record's offset is out of range")
    return records


def _varint(data: bytes, pos: int, longest: int) -> tuple[int, int]:
    """Return the number at `pos`, not yet unfolded by zigzag, and the position behind it."""
    raw = 0
    for shift in range(0, 7 * longest, 7):
        b = data[pos]
        pos += 1
        raw |= (b & 127) << shift
        if b < 128:
            break
    else:
        raise ValueError("a varint does not end")
    if raw >> (32 if longest == 5 else 64):
        raise ValueError("a varint is out of range")
    return raw, pos


def _headers(data: bytes, pos: int) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    """Return the headers whose count is at `pos`, and the position behind them."""
    n, pos = _varint(data, pos, 5)
    if n & 1:
        raise ValueError("a record's number of headers is negative")
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(n >> 1):
        n = data[pos]
        pos += 1
        if n > 127:
            n, pos = _varint(data, pos - 1, 5)
        if n & 1:
            raise ValueError("a header's name is null")
        name = data[pos : pos + (n >> 1)].decode("utf-8", "replace")  # as Java does; a strict one would stop here
        pos += n >> 1
        n = data[pos]
        pos += 1
        if n > 127:
            n, pos = _varint(data, pos - 1, 5)
        if n & 1:
            headers.append((name, None))
        else:
            headers.append((name, data[pos : pos + (n >> 1)]))
            pos += n >> 1
    if pos > len(data):
        raise IndexError
    return tuple(headers), pos
