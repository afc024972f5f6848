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
    absent,
)

_I32 = struct.Struct(">i")
_I32_I16_I64_I64 = struct.Struct(">ihqq")
_I64 = struct.Struct(">q")
_I8 = struct.Struct(">b")


class ListOffsetsPartitionResponse(Message):
    __slots__ = (
        "partition_index",
        "error_code",
        "timestamp",
        "offset",
        "leader_epoch",
    )
    partition_index: int
    error_code: int
    timestamp: int
    offset: int
    leader_epoch: int  # v4+

    def __init__(
        self,
        *,
        partition_index: int = 0,
        error_code: int = 0,
        timestamp: int = -1,
        offset: int = -1,
        leader_epoch: int = -1,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.timestamp = timestamp
        self.offset = offset
        self.leader_epoch = leader_epoch

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.pack(_I32_I16_I64_I64, self.partition_index, self.error_code, self.timestamp, self.offset)
        if version >= 4:
            out.pack(_I32, self.leader_epoch)
        elif self.leader_epoch != -1:
            raise absent("ListOffsets", "ListOffsetsPartitionResponse.leader_epoch", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        self.partition_index, self.error_code, self.timestamp, self.offset = reader.unpack(_I32_I16_I64_I64)
        if version >= 4:
            (self.leader_epoch,) = reader.unpack(_I32)
        else:
            self.leader_epoch = -1
        if flexible:
            reader.skip_tags()
        return self


class ListOffsetsTopicResponse(Message):
    __slots__ = (
        "name",
        "partitions",
    )
    name: str
    partitions: list[ListOffsetsPartitionResponse]

    def __init__(
        self,
        *,
        name: str = "",
        partitions: Iterable[ListOffsetsPartitionResponse] = (),
    ) -> None:
        self.name = name
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.string(self.name, flexible)
        out.array(self.partitions, flexible)
        for item in self.partitions:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        self.name = reader.string(flexible)
        self.partitions = [ListOffsetsPartitionResponse.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class ListOffsetsResponse(Response):
    """Versions 1 to 11."""

    API_KEY: ClassVar[int] = 2
    NAME: ClassVar[str] = "ListOffsets"
    MIN_VERSION: ClassVar[int] = 1
    MAX_VERSION: ClassVar[int] = 11
    FLEXIBLE_SINCE: ClassVar[int] = 6

    __slots__ = (
        "throttle_time_ms",
        "topics",
    )
    throttle_time_ms: int  # v2+
    topics: list[ListOffsetsTopicResponse]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: Iterable[ListOffsetsTopicResponse] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = list(topics)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        if version >= 2:
            out.pack(_I32, self.throttle_time_ms)
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        if version >= 2:
            (self.throttle_time_ms,) = reader.unpack(_I32)
        else:
            self.throttle_time_ms = 0
        self.topics = [ListOffsetsTopicResponse.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class ListOffsetsPartition(Message):
    __slots__ = (
        "partition_index",
        "current_leader_epoch",
        "timestamp",
    )
    partition_index: int
    current_leader_epoch: int  # v4+
    timestamp: int

    def __init__(
        self,
        *,
        partition_index: int = 0,
        current_leader_epoch: int = -1,
        timestamp: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.current_leader_epoch = current_leader_epoch
        self.timestamp = timestamp

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.pack(_I32, self.partition_index)
        if version >= 4:
            out.pack(_I32, self.current_leader_epoch)
        out.pack(_I64, self.timestamp)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        (self.partition_index,) = reader.unpack(_I32)
        if version >= 4:
            (self.current_leader_epoch,) = reader.unpack(_I32)
        else:
            self.current_leader_epoch = -1
        (self.timestamp,) = reader.unpack(_I64)
        if flexible:
            reader.skip_tags()
        return self


class ListOffsetsTopic(Message):
    __slots__ = (
        "name",
        "partitions",
    )
    name: str
    partitions: list[ListOffsetsPartition]

    def __init__(
        self,
        *,
        name: str = "",
        partitions: Iterable[ListOffsetsPartition] = (),
    ) -> None:
        self.name = name
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.string(self.name, flexible)
        out.array(self.partitions, flexible)
        for item in self.partitions:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        self.name = reader.string(flexible)
        self.partitions = [ListOffsetsPartition.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class ListOffsetsRequest(Request[ListOffsetsResponse]):
    """Versions 1 to 11."""

    API_KEY: ClassVar[int] = 2
    NAME: ClassVar[str] = "ListOffsets"
    MIN_VERSION: ClassVar[int] = 1
    MAX_VERSION: ClassVar[int] = 11
    FLEXIBLE_SINCE: ClassVar[int] = 6
    RESPONSE: ClassVar[type[ListOffsetsResponse]] = ListOffsetsResponse

    __slots__ = (
        "replica_id",
        "isolation_level",
        "topics",
        "timeout_ms",
    )
    replica_id: int
    isolation_level: int  # v2+
    topics: list[ListOffsetsTopic]
    timeout_ms: int  # v10+

    def __init__(
        self,
        *,
        replica_id: int = 0,
        isolation_level: int = 0,
        topics: Iterable[ListOffsetsTopic] = (),
        timeout_ms: int = 0,
    ) -> None:
        self.replica_id = replica_id
        self.isolation_level = isolation_level
        self.topics = list(topics)
        self.timeout_ms = timeout_ms

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.pack(_I32, self.replica_id)
        if version >= 2:
            out.pack(_I8, self.isolation_level)
        elif self.isolation_level != 0:
            raise absent("ListOffsets", "ListOffsetsRequest.isolation_level", version)
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        if version >= 10:
            out.pack(_I32, self.timeout_ms)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        (self.replica_id,) = reader.unpack(_I32)
        if version >= 2:
            (self.isolation_level,) = reader.unpack(_I8)
        else:
            self.isolation_level = 0
        self.topics = [ListOffsetsTopic.read(reader, version) for _ in range(reader.array(flexible))]
        if version >= 10:
            (self.timeout_ms,) = reader.unpack(_I32)
        else:
            self.timeout_ms = 0
        if flexible:
            reader.skip_tags()
        return self
