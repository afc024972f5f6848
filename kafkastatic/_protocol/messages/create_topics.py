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
)

_BOOL_I8_BOOL = struct.Struct(">?b?")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I32_BOOL = struct.Struct(">i?")
_I32_I16 = struct.Struct(">ih")
_UUID = struct.Struct(">16s")


class CreatableTopicConfigs(Message):
    __slots__ = (
        "name",
        "value",
        "read_only",
        "config_source",
        "is_sensitive",
    )
    name: str
    value: str | None
    read_only: bool
    config_source: int
    is_sensitive: bool

    def __init__(
        self,
        *,
        name: str = "",
        value: str | None = "",
        read_only: bool = False,
        config_source: int = -1,
        is_sensitive: bool = False,
    ) -> None:
        self.name = name
        self.value = value
        self.read_only = read_only
        self.config_source = config_source
        self.is_sensitive = is_sensitive

    def write(self, out: Writer, version: int) -> None:
        out.string(self.name, True)
        out.nullable_string(self.value, True)
        out.pack(_BOOL_I8_BOOL, self.read_only, self.config_source, self.is_sensitive)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.name = reader.string(True)
        self.value = reader.nullable_string(True)
        self.read_only, self.config_source, self.is_sensitive = reader.unpack(_BOOL_I8_BOOL)
        reader.skip_tags()
        return self


class CreatableTopicResult(Message):
    __slots__ = (
        "name",
        "topic_id",
        "error_code",
        "error_message",
        "topic_config_error_code",
        "num_partitions",
        "replication_factor",
        "configs",
    )
    name: str
    topic_id: bytes  # v7+
    error_code: int
    error_message: str | None
    topic_config_error_code: int  # v5+
    num_partitions: int  # v5+
    replication_factor: int  # v5+
    configs: list[CreatableTopicConfigs] | None  # v5+

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: bytes = ZERO_UUID,
        error_code: int = 0,
        error_message: str | None = "",
        topic_config_error_code: int = 0,
        num_partitions: int = -1,
        replication_factor: int = -1,
        configs: Iterable[CreatableTopicConfigs] | None = (),
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.error_code = error_code
        self.error_message = error_message
        self.topic_config_error_code = topic_config_error_code
        self.num_partitions = num_partitions
        self.replication_factor = replication_factor
        self.configs = None if configs is None else list(configs)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 5
        out.string(self.name, flexible)
        if version >= 7:
            out.uuid(self.topic_id)
        out.pack(_I16, self.error_code)
        out.nullable_string(self.error_message, flexible)
        if version >= 5:
            out.pack(_I32_I16, self.num_partitions, self.replication_factor)
            out.nullable_array(self.configs, flexible)
            for item in self.configs or ():
                item.write(out, version)
        if flexible:
            tags: list[tuple[int, Writer]] = []
            if self.topic_config_error_code != 0:
                tag = Writer()
                tag.pack(_I16, self.topic_config_error_code)
                tags.append((0, tag))
            out.tags(tags)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        self.name = reader.string(flexible)
        if version >= 7:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        (self.error_code,) = reader.unpack(_I16)
        self.error_message = reader.nullable_string(flexible)
        if version >= 5:
            self.num_partitions, self.replication_factor = reader.unpack(_I32_I16)
            count = reader.nullable_array(flexible)
            self.configs = None if count < 0 else [CreatableTopicConfigs.read(reader, version) for _ in range(count)]
        else:
            self.num_partitions = -1
            self.replication_factor = -1
            self.configs = []
        self.topic_config_error_code = 0
        if flexible:
            tag = -1
            for _ in range(reader.uvarint()):
                tag, end = reader.tag(tag)
                if tag == 0:
                    (self.topic_config_error_code,) = reader.unpack(_I16)
                else:
                    reader.position = end
                reader.end_tag(tag, end)
        return self


class CreateTopicsResponse(Response):
    """Versions 2 to 7."""

    API_KEY: ClassVar[int] = 19
    NAME: ClassVar[str] = "CreateTopics"
    MIN_VERSION: ClassVar[int] = 2
    MAX_VERSION: ClassVar[int] = 7
    FLEXIBLE_SINCE: ClassVar[int] = 5

    __slots__ = (
        "throttle_time_ms",
        "topics",
    )
    throttle_time_ms: int
    topics: list[CreatableTopicResult]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: Iterable[CreatableTopicResult] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = list(topics)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 5
        out.pack(_I32, self.throttle_time_ms)
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        (self.throttle_time_ms,) = reader.unpack(_I32)
        self.topics = [CreatableTopicResult.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class CreatableReplicaAssignment(Message):
    __slots__ = (
        "partition_index",
        "broker_ids",
    )
    partition_index: int
    broker_ids: list[int]

    def __init__(
        self,
        *,
        partition_index: int = 0,
        broker_ids: Iterable[int] = (),
    ) -> None:
        self.partition_index = partition_index
        self.broker_ids = list(broker_ids)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 5
        out.pack(_I32, self.partition_index)
        out.array(self.broker_ids, flexible)
        out.numbers(self.broker_ids, "i")
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        (self.partition_index,) = reader.unpack(_I32)
        self.broker_ids = reader.numbers(reader.array(flexible), "i")
        if flexible:
            reader.skip_tags()
        return self


class CreatableTopicConfig(Message):
    __slots__ = (
        "name",
        "value",
    )
    name: str
    value: str | None

    def __init__(
        self,
        *,
        name: str = "",
        value: str | None = "",
    ) -> None:
        self.name = name
        self.value = value

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 5
        out.string(self.name, flexible)
        out.nullable_string(self.value, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        self.name = reader.string(flexible)
        self.value = reader.nullable_string(flexible)
        if flexible:
            reader.skip_tags()
        return self


class CreatableTopic(Message):
    __slots__ = (
        "name",
        "num_partitions",
        "replication_factor",
        "assignments",
        "configs",
    )
    name: str
    num_partitions: int
    replication_factor: int
    assignments: list[CreatableReplicaAssignment]
    configs: list[CreatableTopicConfig]

    def __init__(
        self,
        *,
        name: str = "",
        num_partitions: int = 0,
        replication_factor: int = 0,
        assignments: Iterable[CreatableReplicaAssignment] = (),
        configs: Iterable[CreatableTopicConfig] = (),
    ) -> None:
        self.name = name
        self.num_partitions = num_partitions
        self.replication_factor = replication_factor
        self.assignments = list(assignments)
        self.configs = list(configs)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 5
        out.string(self.name, flexible)
        out.pack(_I32_I16, self.num_partitions, self.replication_factor)
        out.array(self.assignments, flexible)
        for item in self.assignments:
            item.write(out, version)
        out.array(self.configs, flexible)
        for item in self.configs:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        self.name = reader.string(flexible)
        self.num_partitions, self.replication_factor = reader.unpack(_I32_I16)
        self.assignments = [CreatableReplicaAssignment.read(reader, version) for _ in range(reader.array(flexible))]
        self.configs = [CreatableTopicConfig.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class CreateTopicsRequest(Request[CreateTopicsResponse]):
    """Versions 2 to 7."""

    API_KEY: ClassVar[int] = 19
    NAME: ClassVar[str] = "CreateTopics"
    MIN_VERSION: ClassVar[int] = 2
    MAX_VERSION: ClassVar[int] = 7
    FLEXIBLE_SINCE: ClassVar[int] = 5
    RESPONSE: ClassVar[type[CreateTopicsResponse]] = CreateTopicsResponse

    __slots__ = (
        "topics",
        "timeout_ms",
        "validate_only",
    )
    topics: list[CreatableTopic]
    timeout_ms: int
    validate_only: bool

    def __init__(
        self,
        *,
        topics: Iterable[CreatableTopic] = (),
        timeout_ms: int = 60000,
        validate_only: bool = False,
    ) -> None:
        self.topics = list(topics)
        self.timeout_ms = timeout_ms
        self.validate_only = validate_only

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 5
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        out.pack(_I32_BOOL, self.timeout_ms, self.validate_only)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        self.topics = [CreatableTopic.read(reader, version) for _ in range(reader.array(flexible))]
        self.timeout_ms, self.validate_only = reader.unpack(_I32_BOOL)
        if flexible:
            reader.skip_tags()
        return self
