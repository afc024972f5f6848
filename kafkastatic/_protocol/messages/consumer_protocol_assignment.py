# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Message,
    Reader,
    TopLevel,
    Writer,
)


class TopicPartition(Message):
    __slots__ = (
        "topic",
        "partitions",
    )
    topic: str
    partitions: list[int]

    def __init__(
        self,
        *,
        topic: str = "",
        partitions: Iterable[int] = (),
    ) -> None:
        self.topic = topic
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        out.string(self.topic, False)
        out.array(self.partitions, False)
        out.numbers(self.partitions, "i")

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.topic = reader.string(False)
        self.partitions = reader.numbers(reader.array(False), "i")
        return self


class ConsumerProtocolAssignment(TopLevel):
    """Versions 0 to 3."""

    NAME: ClassVar[str] = "ConsumerProtocolAssignment"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 3
    FLEXIBLE_SINCE: ClassVar[int] = 32767

    __slots__ = (
        "assigned_partitions",
        "user_data",
    )
    assigned_partitions: list[TopicPartition]
    user_data: bytes | None

    def __init__(
        self,
        *,
        assigned_partitions: Iterable[TopicPartition] = (),
        user_data: bytes | None = None,
    ) -> None:
        self.assigned_partitions = list(assigned_partitions)
        self.user_data = user_data

    def write(self, out: Writer, version: int) -> None:
        out.array(self.assigned_partitions, False)
        for item in self.assigned_partitions:
            item.write(out, version)
        out.nullable_blob(self.user_data, False)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.assigned_partitions = [TopicPartition.read(reader, version) for _ in range(reader.array(False))]
        self.user_data = reader.nullable_blob(False)
        return self
