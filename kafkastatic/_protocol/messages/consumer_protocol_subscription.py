# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Message,
    Reader,
    TopLevel,
    Writer,
)

_I32 = struct.Struct(">i")


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


class ConsumerProtocolSubscription(TopLevel):
    """Versions 0 to 3."""

    NAME: ClassVar[str] = "ConsumerProtocolSubscription"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 3
    FLEXIBLE_SINCE: ClassVar[int] = 32767

    __slots__ = (
        "topics",
        "user_data",
        "owned_partitions",
        "generation_id",
        "rack_id",
    )
    topics: list[str]
    user_data: bytes | None
    owned_partitions: list[TopicPartition]  # v1+
    generation_id: int  # v2+
    rack_id: str | None  # v3+

    def __init__(
        self,
        *,
        topics: Iterable[str] = (),
        user_data: bytes | None = None,
        owned_partitions: Iterable[TopicPartition] = (),
        generation_id: int = -1,
        rack_id: str | None = None,
    ) -> None:
        self.topics = list(topics)
        self.user_data = user_data
        self.owned_partitions = list(owned_partitions)
        self.generation_id = generation_id
        self.rack_id = rack_id

    def write(self, out: Writer, version: int) -> None:
        out.array(self.topics, False)
        for item in self.topics:
            out.string(item, False)
        out.nullable_blob(self.user_data, False)
        if version >= 1:
            out.array(self.owned_partitions, False)
            for item in self.owned_partitions:
                item.write(out, version)
        if version >= 2:
            out.pack(_I32, self.generation_id)
        if version >= 3:
            out.nullable_string(self.rack_id, False)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.topics = [reader.string(False) for _ in range(reader.array(False))]
        self.user_data = reader.nullable_blob(False)
        if version >= 1:
            self.owned_partitions = [TopicPartition.read(reader, version) for _ in range(reader.array(False))]
        else:
            self.owned_partitions = []
        if version >= 2:
            (self.generation_id,) = reader.unpack(_I32)
        else:
            self.generation_id = -1
        if version >= 3:
            self.rack_id = reader.nullable_string(False)
        else:
            self.rack_id = None
        return self
