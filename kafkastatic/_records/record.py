"""A record as the application sees it, in plain Python: the twins of the classes in `_compiled.pyx`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kafkastatic.types import TopicPartition

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

K = TypeVar("K")
V = TypeVar("V")


class _Record(Generic[K, V]):
    __slots__ = (
        "headers",
        "key",
        "leader_epoch",
        "offset",
        "partition",
        "serialized_key_size",
        "serialized_value_size",
        "timestamp",
        "timestamp_type",
        "topic",
        "value",
    )

    def __init__(
        self,
        topic: str,
        partition: int,
        offset: int,
        timestamp: int,
        timestamp_type: int,
        key: K | None,
        value: V | None,
        headers: tuple[tuple[str, bytes | None], ...] = (),
        leader_epoch: int = -1,
        serialized_key_size: int = -1,
        serialized_value_size: int = -1,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.timestamp_type = timestamp_type
        self.key = key
        self.value = value
        self.headers = headers
        self.leader_epoch = leader_epoch
        self.serialized_key_size = serialized_key_size
        self.serialized_value_size = serialized_value_size

    @property
    def tp(self) -> TopicPartition:
        """The record's topic and partition."""
        return TopicPartition(self.topic, self.partition)

    @property
    def datetime(self) -> datetime:
        """The timestamp as an aware UTC datetime.

        Raises:
            OverflowError: the timestamp is outside the years 1 to 9999.
        """
        return as_datetime(self.timestamp)

    def _fields(self) -> tuple[object, ...]:
        return (
            self.topic,
            self.partition,
            self.offset,
            self.timestamp,
            self.timestamp_type,
            self.key,
            self.value,
            self.headers,
            self.leader_epoch,
            self.serialized_key_size,
            self.serialized_value_size,
        )

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, type(self)) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # compared by value, and the fields may be replaced


class ConsumerRecord(_Record[K, V]):
    """One record of a partition.

    Attributes:
        topic, partition, offset: where it is.
        timestamp: milliseconds since the epoch; -1 where the producer gave none.
        timestamp_type: 0 the producer's time (CreateTime), 1 the broker's (LogAppendTime), -1 none (message format 0).
        key, value: bytes, or what the deserializers made of them; `None` for Kafka's null.
        headers: in the producer's order; names may repeat, values may be `None`.
        leader_epoch: the leader's epoch when the record was appended; -1 where unknown.
        serialized_key_size, serialized_value_size: in bytes, before deserialization; -1 for null.
    """

    __slots__ = ()

    def __copy__(self) -> Self:
        return type(self)(*self._fields())  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, self._fields()

    def __repr__(self) -> str:
        return (
            f"ConsumerRecord(topic={self.topic!r}, partition={self.partition}, offset={self.offset},"
            f" timestamp={self.timestamp}, timestamp_type={self.timestamp_type}, key={self.key!r},"
            f" value={self.value!r}, headers={self.headers!r}, leader_epoch={self.leader_epoch},"
            f" serialized_key_size={self.serialized_key_size}, serialized_value_size={self.serialized_value_size})"
        )


class RecordView(_Record[memoryview, memoryview]):
    """A record whose key and value stay in the bytes of its batch: they are memoryviews.

    The other attributes are those of `ConsumerRecord`; none is to be replaced. A view, and every key and value taken
    from it, keeps the bytes of the whole batch in memory: to keep one for long, keep `bytes(view.value)`.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a RecordView cannot be copied or pickled: its bytes are its batch's")

    def __repr__(self) -> str:
        return (
            f"RecordView(topic={self.topic!r}, partition={self.partition}, offset={self.offset},"
            f" timestamp={self.timestamp}, serialized_key_size={self.serialized_key_size},"
            f" serialized_value_size={self.serialized_value_size})"
        )


def as_datetime(timestamp: int) -> datetime:
    """Milliseconds since the epoch as an aware UTC datetime. Raises `OverflowError` outside the years 1 to 9999."""
    from datetime import UTC, datetime, timedelta

    # Not fromtimestamp: its range depends on the platform, and it rounds through a float.
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=timestamp)


def restored(*fields: Any) -> object:
    """A record that was pickled, as the class that is in use here: pickles may go where the other one is."""
    from kafkastatic._records.chosen import ConsumerRecord

    return ConsumerRecord(*fields)
