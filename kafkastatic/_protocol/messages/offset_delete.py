# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Message,
    Reader,
    Request,
    Response,
    Writer,
)

_I16_I32 = struct.Struct(">hi")
_I32 = struct.Struct(">i")
_I32_I16 = struct.Struct(">ih")


class OffsetDeleteResponsePartition(Message):
    __slots__ = (
        "partition_index",
        "error_code",
    )
    partition_index: int
    error_code: int

    def __init__(
        self,
        *,
        partition_index: int = 0,
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32_I16, self.partition_index, self.error_code)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.partition_index, self.error_code = reader.unpack(_I32_I16)
        return self


class OffsetDeleteResponseTopic(Message):
    __slots__ = (
        "name",
        "partitions",
    )
    name: str
    partitions: list[OffsetDeleteResponsePartition]

    def __init__(
        self,
        *,
        name: str = "",
        partitions: Iterable[OffsetDeleteResponsePartition] = (),
    ) -> None:
        self.name = name
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        out.string(self.name, False)
        out.array(self.partitions, False)
        for item in self.partitions:
            item.write(out, version)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.name = reader.string(False)
        self.partitions = [OffsetDeleteResponsePartition.read(reader, version) for _ in range(reader.array(False))]
        return self


class OffsetDeleteResponse(Response):
    """Versions 0 to 0."""

    API_KEY: ClassVar[int] = 47
    NAME: ClassVar[str] = "OffsetDelete"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 0
    FLEXIBLE_SINCE: ClassVar[int] = 32767

    __slots__ = (
        "error_code",
        "throttle_time_ms",
        "topics",
    )
    error_code: int
    throttle_time_ms: int
    topics: list[OffsetDeleteResponseTopic]

    def __init__(
        self,
        *,
        error_code: int = 0,
        throttle_time_ms: int = 0,
        topics: Iterable[OffsetDeleteResponseTopic] = (),
    ) -> None:
        self.error_code = error_code
        self.throttle_time_ms = throttle_time_ms
        self.topics = list(topics)

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I16_I32, self.error_code, self.throttle_time_ms)
        out.array(self.topics, False)
        for item in self.topics:
            item.write(out, version)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.error_code, self.throttle_time_ms = reader.unpack(_I16_I32)
        self.topics = [OffsetDeleteResponseTopic.read(reader, version) for _ in range(reader.array(False))]
        return self


class OffsetDeleteRequestPartition(Message):
    __slots__ = (
        "partition_index",
    )
    partition_index: int

    def __init__(
        self,
        *,
        partition_index: int = 0,
    ) -> None:
        self.partition_index = partition_index

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32, self.partition_index)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.partition_index,) = reader.unpack(_I32)
        return self


class OffsetDeleteRequestTopic(Message):
    __slots__ = (
        "name",
        "partitions",
    )
    name: str
    partitions: list[OffsetDeleteRequestPartition]

    def __init__(
        self,
        *,
        name: str = "",
        partitions: Iterable[OffsetDeleteRequestPartition] = (),
    ) -> None:
        self.name = name
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        out.string(self.name, False)
        out.array(self.partitions, False)
        for item in self.partitions:
            item.write(out, version)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.name = reader.string(False)
        self.partitions = [OffsetDeleteRequestPartition.read(reader, version) for _ in range(reader.array(False))]
        return self


class OffsetDeleteRequest(Request[OffsetDeleteResponse]):
    """Versions 0 to 0."""

    API_KEY: ClassVar[int] = 47
    NAME: ClassVar[str] = "OffsetDelete"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 0
    FLEXIBLE_SINCE: ClassVar[int] = 32767
    RESPONSE: ClassVar[type[OffsetDeleteResponse]] = OffsetDeleteResponse

    __slots__ = (
        "group_id",
        "topics",
    )
    group_id: str
    topics: list[OffsetDeleteRequestTopic]

    def __init__(
        self,
        *,
        group_id: str = "",
        topics: Iterable[OffsetDeleteRequestTopic] = (),
    ) -> None:
        self.group_id = group_id
        self.topics = list(topics)

    def write(self, out: Writer, version: int) -> None:
        out.string(self.group_id, False)
        out.array(self.topics, False)
        for item in self.topics:
            item.write(out, version)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.group_id = reader.string(False)
        self.topics = [OffsetDeleteRequestTopic.read(reader, version) for _ in range(reader.array(False))]
        return self
