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

_I16_I32_I32_I64 = struct.Struct(">hiiq")
_I32 = struct.Struct(">i")
_I32_I32_I32 = struct.Struct(">iii")


class EpochEndOffset(Message):
    __slots__ = (
        "error_code",
        "partition",
        "leader_epoch",
        "end_offset",
    )
    error_code: int
    partition: int
    leader_epoch: int
    end_offset: int

    def __init__(
        self,
        *,
        error_code: int = 0,
        partition: int = 0,
        leader_epoch: int = -1,
        end_offset: int = -1,
    ) -> None:
        self.error_code = error_code
        self.partition = partition
        self.leader_epoch = leader_epoch
        self.end_offset = end_offset

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.pack(_I16_I32_I32_I64, self.error_code, self.partition, self.leader_epoch, self.end_offset)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.error_code, self.partition, self.leader_epoch, self.end_offset = reader.unpack(_I16_I32_I32_I64)
        if flexible:
            reader.skip_tags()
        return self


class OffsetForLeaderTopicResult(Message):
    __slots__ = (
        "topic",
        "partitions",
    )
    topic: str
    partitions: list[EpochEndOffset]

    def __init__(
        self,
        *,
        topic: str = "",
        partitions: Iterable[EpochEndOffset] = (),
    ) -> None:
        self.topic = topic
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.topic, flexible)
        out.array(self.partitions, flexible)
        for item in self.partitions:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.topic = reader.string(flexible)
        self.partitions = [EpochEndOffset.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class OffsetForLeaderEpochResponse(Response):
    """Versions 2 to 4."""

    API_KEY: ClassVar[int] = 23
    NAME: ClassVar[str] = "OffsetForLeaderEpoch"
    MIN_VERSION: ClassVar[int] = 2
    MAX_VERSION: ClassVar[int] = 4
    FLEXIBLE_SINCE: ClassVar[int] = 4

    __slots__ = (
        "throttle_time_ms",
        "topics",
    )
    throttle_time_ms: int
    topics: list[OffsetForLeaderTopicResult]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: Iterable[OffsetForLeaderTopicResult] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = list(topics)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.pack(_I32, self.throttle_time_ms)
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        (self.throttle_time_ms,) = reader.unpack(_I32)
        self.topics = [OffsetForLeaderTopicResult.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class OffsetForLeaderPartition(Message):
    __slots__ = (
        "partition",
        "current_leader_epoch",
        "leader_epoch",
    )
    partition: int
    current_leader_epoch: int
    leader_epoch: int

    def __init__(
        self,
        *,
        partition: int = 0,
        current_leader_epoch: int = -1,
        leader_epoch: int = 0,
    ) -> None:
        self.partition = partition
        self.current_leader_epoch = current_leader_epoch
        self.leader_epoch = leader_epoch

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.pack(_I32_I32_I32, self.partition, self.current_leader_epoch, self.leader_epoch)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.partition, self.current_leader_epoch, self.leader_epoch = reader.unpack(_I32_I32_I32)
        if flexible:
            reader.skip_tags()
        return self


class OffsetForLeaderTopic(Message):
    __slots__ = (
        "topic",
        "partitions",
    )
    topic: str
    partitions: list[OffsetForLeaderPartition]

    def __init__(
        self,
        *,
        topic: str = "",
        partitions: Iterable[OffsetForLeaderPartition] = (),
    ) -> None:
        self.topic = topic
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.topic, flexible)
        out.array(self.partitions, flexible)
        for item in self.partitions:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.topic = reader.string(flexible)
        self.partitions = [OffsetForLeaderPartition.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class OffsetForLeaderEpochRequest(Request[OffsetForLeaderEpochResponse]):
    """Versions 2 to 4."""

    API_KEY: ClassVar[int] = 23
    NAME: ClassVar[str] = "OffsetForLeaderEpoch"
    MIN_VERSION: ClassVar[int] = 2
    MAX_VERSION: ClassVar[int] = 4
    FLEXIBLE_SINCE: ClassVar[int] = 4
    RESPONSE: ClassVar[type[OffsetForLeaderEpochResponse]] = OffsetForLeaderEpochResponse

    __slots__ = (
        "replica_id",
        "topics",
    )
    replica_id: int  # v3+
    topics: list[OffsetForLeaderTopic]

    def __init__(
        self,
        *,
        replica_id: int = -2,
        topics: Iterable[OffsetForLeaderTopic] = (),
    ) -> None:
        self.replica_id = replica_id
        self.topics = list(topics)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        if version >= 3:
            out.pack(_I32, self.replica_id)
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        if version >= 3:
            (self.replica_id,) = reader.unpack(_I32)
        else:
            self.replica_id = -2
        self.topics = [OffsetForLeaderTopic.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self
