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
    ZERO_UUID,
    absent,
)

_I32 = struct.Struct(">i")
_I32_I16 = struct.Struct(">ih")
_I32_I64 = struct.Struct(">iq")
_I64 = struct.Struct(">q")
_UUID = struct.Struct(">16s")


class OffsetCommitResponsePartition(Message):
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
        flexible = version >= 8
        out.pack(_I32_I16, self.partition_index, self.error_code)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 8
        self.partition_index, self.error_code = reader.unpack(_I32_I16)
        if flexible:
            reader.skip_tags()
        return self


class OffsetCommitResponseTopic(Message):
    __slots__ = (
        "name",
        "topic_id",
        "partitions",
    )
    name: str  # v2 to v9
    topic_id: bytes  # v10+
    partitions: list[OffsetCommitResponsePartition]

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: bytes = ZERO_UUID,
        partitions: Iterable[OffsetCommitResponsePartition] = (),
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 8
        if version <= 9:
            out.string(self.name, flexible)
        if version >= 10:
            out.uuid(self.topic_id)
        out.array(self.partitions, flexible)
        for item in self.partitions:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 8
        if version <= 9:
            self.name = reader.string(flexible)
        else:
            self.name = ""
        if version >= 10:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.partitions = [OffsetCommitResponsePartition.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class OffsetCommitResponse(Response):
    """Versions 2 to 10."""

    API_KEY: ClassVar[int] = 8
    NAME: ClassVar[str] = "OffsetCommit"
    MIN_VERSION: ClassVar[int] = 2
    MAX_VERSION: ClassVar[int] = 10
    FLEXIBLE_SINCE: ClassVar[int] = 8

    __slots__ = (
        "throttle_time_ms",
        "topics",
    )
    throttle_time_ms: int  # v3+
    topics: list[OffsetCommitResponseTopic]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: Iterable[OffsetCommitResponseTopic] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = list(topics)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 8
        if version >= 3:
            out.pack(_I32, self.throttle_time_ms)
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 8
        if version >= 3:
            (self.throttle_time_ms,) = reader.unpack(_I32)
        else:
            self.throttle_time_ms = 0
        self.topics = [OffsetCommitResponseTopic.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class OffsetCommitRequestPartition(Message):
    __slots__ = (
        "partition_index",
        "committed_offset",
        "committed_leader_epoch",
        "committed_metadata",
    )
    partition_index: int
    committed_offset: int
    committed_leader_epoch: int  # v6+
    committed_metadata: str | None

    def __init__(
        self,
        *,
        partition_index: int = 0,
        committed_offset: int = 0,
        committed_leader_epoch: int = -1,
        committed_metadata: str | None = "",
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.committed_metadata = committed_metadata

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 8
        out.pack(_I32_I64, self.partition_index, self.committed_offset)
        if version >= 6:
            out.pack(_I32, self.committed_leader_epoch)
        out.nullable_string(self.committed_metadata, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 8
        self.partition_index, self.committed_offset = reader.unpack(_I32_I64)
        if version >= 6:
            (self.committed_leader_epoch,) = reader.unpack(_I32)
        else:
            self.committed_leader_epoch = -1
        self.committed_metadata = reader.nullable_string(flexible)
        if flexible:
            reader.skip_tags()
        return self


class OffsetCommitRequestTopic(Message):
    __slots__ = (
        "name",
        "topic_id",
        "partitions",
    )
    name: str  # v2 to v9
    topic_id: bytes  # v10+
    partitions: list[OffsetCommitRequestPartition]

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: bytes = ZERO_UUID,
        partitions: Iterable[OffsetCommitRequestPartition] = (),
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 8
        if version <= 9:
            out.string(self.name, flexible)
        if version >= 10:
            out.uuid(self.topic_id)
        out.array(self.partitions, flexible)
        for item in self.partitions:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 8
        if version <= 9:
            self.name = reader.string(flexible)
        else:
            self.name = ""
        if version >= 10:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.partitions = [OffsetCommitRequestPartition.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class OffsetCommitRequest(Request[OffsetCommitResponse]):
    """Versions 2 to 10."""

    API_KEY: ClassVar[int] = 8
    NAME: ClassVar[str] = "OffsetCommit"
    MIN_VERSION: ClassVar[int] = 2
    MAX_VERSION: ClassVar[int] = 10
    FLEXIBLE_SINCE: ClassVar[int] = 8
    RESPONSE: ClassVar[type[OffsetCommitResponse]] = OffsetCommitResponse

    __slots__ = (
        "group_id",
        "generation_id_or_member_epoch",
        "member_id",
        "group_instance_id",
        "retention_time_ms",
        "topics",
    )
    group_id: str
    generation_id_or_member_epoch: int
    member_id: str
    group_instance_id: str | None  # v7+
    retention_time_ms: int  # v2 to v4
    topics: list[OffsetCommitRequestTopic]

    def __init__(
        self,
        *,
        group_id: str = "",
        generation_id_or_member_epoch: int = -1,
        member_id: str = "",
        group_instance_id: str | None = None,
        retention_time_ms: int = -1,
        topics: Iterable[OffsetCommitRequestTopic] = (),
    ) -> None:
        self.group_id = group_id
        self.generation_id_or_member_epoch = generation_id_or_member_epoch
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.retention_time_ms = retention_time_ms
        self.topics = list(topics)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 8
        out.string(self.group_id, flexible)
        out.pack(_I32, self.generation_id_or_member_epoch)
        out.string(self.member_id, flexible)
        if version >= 7:
            out.nullable_string(self.group_instance_id, flexible)
        elif self.group_instance_id is not None:
            raise absent("OffsetCommit", "OffsetCommitRequest.group_instance_id", version)
        if version <= 4:
            out.pack(_I64, self.retention_time_ms)
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 8
        self.group_id = reader.string(flexible)
        (self.generation_id_or_member_epoch,) = reader.unpack(_I32)
        self.member_id = reader.string(flexible)
        if version >= 7:
            self.group_instance_id = reader.nullable_string(flexible)
        else:
            self.group_instance_id = None
        if version <= 4:
            (self.retention_time_ms,) = reader.unpack(_I64)
        else:
            self.retention_time_ms = -1
        self.topics = [OffsetCommitRequestTopic.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self
