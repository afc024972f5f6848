"""Records as the control handle writes and reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from kafkastatic._records import ConsumerRecord, decode, encode_batch, split
from kafkastatic.broker.cluster import Partition

Codec = Literal["none", "gzip", "snappy", "lz4", "zstd"]
Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

_CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_ALL = 1 << 62


def encode(values: Sequence[bytes | None], key: bytes | None, headers: Headers, timestamp: int, codec: Codec) -> bytes:
    """One batch of records that differ in their values only.

    Raises:
        TypeError: if a key or a value is something else than bytes.
        ValueError: if there is no value, or no such codec.
    """
    if wrong := [value for value in (*values, key) if value is not None and not isinstance(value, bytes)]:  # pyright: ignore
        raise TypeError(f"Keys and values are bytes or None, not {wrong[0]!r}.")
    if codec not in _CODECS:
        raise ValueError(f"There is no codec {codec!r}, only {', '.join(_CODECS)}.")
    return encode_batch([(key, value, headers, timestamp) for value in values], codec=_CODECS[codec])


def read(partition: Partition) -> list[ConsumerRecord[bytes, bytes]]:
    """Every record of a partition."""
    log, topic = partition.log, partition.topic.name
    found: list[ConsumerRecord[bytes, bytes]] = []
    for data in log.read(log.start_offset, _ALL, at_least_one=True):
        for batch in split(data, topic, partition.index).batches:
            found += decode(batch, topic, partition.index)
    return [record for record in found if record.offset >= log.start_offset]
