"""What `Consumer.batches` yields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from kafkastatic._records import ConsumerRecord, RecordView
from kafkastatic.types import TopicPartition

K = TypeVar("K")
V = TypeVar("V")


class _Located(Protocol):
    @property
    def offset(self) -> int: ...


R = TypeVar("R", bound=_Located)


class _Batch(Generic[R]):
    __slots__ = ("records", "tp")

    def __init__(self, tp: TopicPartition, records: list[R]) -> None:
        self.tp = tp
        self.records = records

    def __iter__(self) -> Iterator[R]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.tp}, {len(self.records)} records from offset {self.records[0].offset})"


class Batch(_Batch[ConsumerRecord[K, V]], Generic[K, V]):
    """Consecutive records of one partition; iterable.

    Attributes:
        tp: the partition.
        records: at least one.
    """

    __slots__ = ()


class LazyBatch(_Batch[RecordView]):
    """Consecutive records of one partition whose fields are made when they are read; iterable.

    Keys and values are memoryviews of the batch's bytes, which stay in memory as long as any record or view of it.

    Attributes:
        tp: the partition.
        records: at least one.
    """

    __slots__ = ()
