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

_BOOL = struct.Struct(">?")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I32_I64 = struct.Struct(">iq")
_I32_I64_I32 = struct.Struct(">iqi")
_UUID = struct.Struct(">16s")


class OffsetFetchResponsePartition(Message):
    __slots__ = (
        "partition_index",
        "committed_offset",
        "committed_leader_epoch",
        "metadata",
        "error_code",
    )
    partition_index: int
    committed_offset: int
    committed_leader_epoch: int  # v5+
    metadata: str | None
    error_code: int

    def __init__(
        self,
        *,
        partition_index: int = 0,
        committed_offset: int = 0,
        committed_leader_epoch: int = -1,
        metadata: str | None = "",
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.metadata = metadata
        self.error_code = error_code

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.pack(_I32_I64, self.partition_index, self.committed_offset)
        if version >= 5:
            out.pack(_I32, self.committed_leader_epoch)
        out.nullable_string(self.metadata, flexible)
        out.pack(_I16, self.error_code)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        self.partition_index, self.committed_offset = reader.unpack(_I32_I64)
        if version >= 5:
            (self.committed_leader_epoch,) = reader.unpack(_I32)
        else:
            self.committed_leader_epoch = -1
        self.metadata = reader.nullable_string(flexible)
        (self.error_code,) = reader.unpack(_I16)
        if flexible:
            reader.skip_tags()
        return self


class OffsetFetchResponseTopic(Message):
    __slots__ = (
        "name",
        "partitions",
    )
    name: str
    partitions: list[OffsetFetchResponsePartition]

    def __init__(
        self,
        *,
        name: str = "",
        partitions: Iterable[OffsetFetchResponsePartition] = (),
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
        self.partitions = [OffsetFetchResponsePartition.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class OffsetFetchResponsePartitions(Message):
    __slots__ = (
        "partition_index",
        "committed_offset",
        "committed_leader_epoch",
        "metadata",
        "error_code",
    )
    partition_index: int
    committed_offset: int
    committed_leader_epoch: int
    metadata: str | None
    error_code: int

    def __init__(
        self,
        *,
        partition_index: int = 0,
        committed_offset: int = 0,
        committed_leader_epoch: int = -1,
        metadata: str | None = "",
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.metadata = metadata
        self.error_code = error_code

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32_I64_I32, self.partition_index, self.committed_offset, self.committed_leader_epoch)
        out.nullable_string(self.metadata, True)
        out.pack(_I16, self.error_code)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.partition_index, self.committed_offset, self.committed_leader_epoch = reader.unpack(_I32_I64_I32)
        self.metadata = reader.nullable_string(True)
        (self.error_code,) = reader.unpack(_I16)
        reader.skip_tags()
        return self


class OffsetFetchResponseTopics(Message):
    __slots__ = (
        "name",
        "topic_id",
        "partitions",
    )
    name: str  # v8 to v9
    topic_id: bytes  # v10+
    partitions: list[OffsetFetchResponsePartitions]

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: bytes = ZERO_UUID,
        partitions: Iterable[OffsetFetchResponsePartitions] = (),
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        if version <= 9:
            out.string(self.name, True)
        if version >= 10:
            out.uuid(self.topic_id)
        out.array(self.partitions, True)
        for item in self.partitions:
            item.write(out, version)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        if version <= 9:
            self.name = reader.string(True)
        else:
            self.name = ""
        if version >= 10:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.partitions = [OffsetFetchResponsePartitions.read(reader, version) for _ in range(reader.array(True))]
        reader.skip_tags()
        return self


class OffsetFetchResponseGroup(Message):
    __slots__ = (
        "group_id",
        "topics",
        "error_code",
    )
    group_id: str
    topics: list[OffsetFetchResponseTopics]
    error_code: int

    def __init__(
        self,
        *,
        group_id: str = "",
        topics: Iterable[OffsetFetchResponseTopics] = (),
        error_code: int = 0,
    ) -> None:
        self.group_id = group_id
        self.topics = list(topics)
        self.error_code = error_code

    def write(self, out: Writer, version: int) -> None:
        out.string(self.group_id, True)
        out.array(self.topics, True)
        for item in self.topics:
            item.write(out, version)
        out.pack(_I16, self.error_code)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.group_id = reader.string(True)
        self.topics = [OffsetFetchResponseTopics.read(reader, version) for _ in range(reader.array(True))]
        (self.error_code,) = reader.unpack(_I16)
        reader.skip_tags()
        return self


class OffsetFetchResponse(Response):
    """Versions 1 to 10."""

    API_KEY: ClassVar[int] = 9
    NAME: ClassVar[str] = "OffsetFetch"
    MIN_VERSION: ClassVar[int] = 1
    MAX_VERSION: ClassVar[int] = 10
    FLEXIBLE_SINCE: ClassVar[int] = 6

    __slots__ = (
        "throttle_time_ms",
        "topics",
        "error_code",
        "groups",
    )
    throttle_time_ms: int  # v3+
    topics: list[OffsetFetchResponseTopic]  # v1 to v7
    error_code: int  # v2 to v7
    groups: list[OffsetFetchResponseGroup]  # v8+

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: Iterable[OffsetFetchResponseTopic] = (),
        error_code: int = 0,
        groups: Iterable[OffsetFetchResponseGroup] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = list(topics)
        self.error_code = error_code
        self.groups = list(groups)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        if version >= 3:
            out.pack(_I32, self.throttle_time_ms)
        if version <= 7:
            out.array(self.topics, flexible)
            for item in self.topics:
                item.write(out, version)
        elif self.topics:
            raise absent("OffsetFetch", "OffsetFetchResponse.topics", version)
        if 2 <= version <= 7:
            out.pack(_I16, self.error_code)
        if version >= 8:
            out.array(self.groups, flexible)
            for item in self.groups:
                item.write(out, version)
        elif self.groups:
            raise absent("OffsetFetch", "OffsetFetchResponse.groups", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        if version >= 3:
            (self.throttle_time_ms,) = reader.unpack(_I32)
        else:
            self.throttle_time_ms = 0
        if version <= 7:
            self.topics = [OffsetFetchResponseTopic.read(reader, version) for _ in range(reader.array(flexible))]
        else:
            self.topics = []
        if 2 <= version <= 7:
            (self.error_code,) = reader.unpack(_I16)
        else:
            self.error_code = 0
        if version >= 8:
            self.groups = [OffsetFetchResponseGroup.read(reader, version) for _ in range(reader.array(flexible))]
        else:
            self.groups = []
        if flexible:
            reader.skip_tags()
        return self


class OffsetFetchRequestTopic(Message):
    __slots__ = (
        "name",
        "partition_indexes",
    )
    name: str
    partition_indexes: list[int]

    def __init__(
        self,
        *,
        name: str = "",
        partition_indexes: Iterable[int] = (),
    ) -> None:
        self.name = name
        self.partition_indexes = list(partition_indexes)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.string(self.name, flexible)
        out.array(self.partition_indexes, flexible)
        out.numbers(self.partition_indexes, "i")
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        self.name = reader.string(flexible)
        self.partition_indexes = reader.numbers(reader.array(flexible), "i")
        if flexible:
            reader.skip_tags()
        return self


class OffsetFetchRequestTopics(Message):
    __slots__ = (
        "name",
        "topic_id",
        "partition_indexes",
    )
    name: str  # v8 to v9
    topic_id: bytes  # v10+
    partition_indexes: list[int]

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: bytes = ZERO_UUID,
        partition_indexes: Iterable[int] = (),
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partition_indexes = list(partition_indexes)

    def write(self, out: Writer, version: int) -> None:
        if version <= 9:
            out.string(self.name, True)
        if version >= 10:
            out.uuid(self.topic_id)
        out.array(self.partition_indexes, True)
        out.numbers(self.partition_indexes, "i")
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        if version <= 9:
            self.name = reader.string(True)
        else:
            self.name = ""
        if version >= 10:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.partition_indexes = reader.numbers(reader.array(True), "i")
        reader.skip_tags()
        return self


class OffsetFetchRequestGroup(Message):
    __slots__ = (
        "group_id",
        "member_id",
        "member_epoch",
        "topics",
    )
    group_id: str
    member_id: str | None  # v9+
    member_epoch: int  # v9+
    topics: list[OffsetFetchRequestTopics] | None

    def __init__(
        self,
        *,
        group_id: str = "",
        member_id: str | None = None,
        member_epoch: int = -1,
        topics: Iterable[OffsetFetchRequestTopics] | None = (),
    ) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.member_epoch = member_epoch
        self.topics = None if topics is None else list(topics)

    def write(self, out: Writer, version: int) -> None:
        out.string(self.group_id, True)
        if version >= 9:
            out.nullable_string(self.member_id, True)
            out.pack(_I32, self.member_epoch)
        out.nullable_array(self.topics, True)
        for item in self.topics or ():
            item.write(out, version)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.group_id = reader.string(True)
        if version >= 9:
            self.member_id = reader.nullable_string(True)
            (self.member_epoch,) = reader.unpack(_I32)
        else:
            self.member_id = None
            self.member_epoch = -1
        count = reader.nullable_array(True)
        self.topics = None if count < 0 else [OffsetFetchRequestTopics.read(reader, version) for _ in range(count)]
        reader.skip_tags()
        return self


class OffsetFetchRequest(Request[OffsetFetchResponse]):
    """Versions 1 to 10."""

    API_KEY: ClassVar[int] = 9
    NAME: ClassVar[str] = "OffsetFetch"
    MIN_VERSION: ClassVar[int] = 1
    MAX_VERSION: ClassVar[int] = 10
    FLEXIBLE_SINCE: ClassVar[int] = 6
    RESPONSE: ClassVar[type[OffsetFetchResponse]] = OffsetFetchResponse

    __slots__ = (
        "group_id",
        "topics",
        "groups",
        "require_stable",
    )
    group_id: str  # v1 to v7
    topics: list[OffsetFetchRequestTopic] | None  # v1 to v7, may be None in v2+
    groups: list[OffsetFetchRequestGroup]  # v8+
    require_stable: bool  # v7+

    def __init__(
        self,
        *,
        group_id: str = "",
        topics: Iterable[OffsetFetchRequestTopic] | None = (),
        groups: Iterable[OffsetFetchRequestGroup] = (),
        require_stable: bool = False,
    ) -> None:
        self.group_id = group_id
        self.topics = None if topics is None else list(topics)
        self.groups = list(groups)
        self.require_stable = require_stable

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        if version <= 7:
            out.string(self.group_id, flexible)
            if version >= 2:
                out.nullable_array(self.topics, flexible)
            else:
                out.array(self.topics, flexible)
            for item in self.topics or ():
                item.write(out, version)
        else:
            if self.group_id != "":
                raise absent("OffsetFetch", "OffsetFetchRequest.group_id", version)
            if self.topics != []:
                raise absent("OffsetFetch", "OffsetFetchRequest.topics", version)
        if version >= 8:
            out.array(self.groups, flexible)
            for item in self.groups:
                item.write(out, version)
        elif self.groups:
            raise absent("OffsetFetch", "OffsetFetchRequest.groups", version)
        if version >= 7:
            out.pack(_BOOL, self.require_stable)
        elif self.require_stable:
            raise absent("OffsetFetch", "OffsetFetchRequest.require_stable", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        if version <= 7:
            self.group_id = reader.string(flexible)
            count = reader.nullable_array(flexible) if version >= 2 else reader.array(flexible)
            self.topics = None if count < 0 else [OffsetFetchRequestTopic.read(reader, version) for _ in range(count)]
        else:
            self.group_id = ""
            self.topics = []
        if version >= 8:
            self.groups = [OffsetFetchRequestGroup.read(reader, version) for _ in range(reader.array(flexible))]
        else:
            self.groups = []
        if version >= 7:
            (self.require_stable,) = reader.unpack(_BOOL)
        else:
            self.require_stable = False
        if flexible:
            reader.skip_tags()
        return self
