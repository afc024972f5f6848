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
_I16_I32_I32 = struct.Struct(">hii")
_I32 = struct.Struct(">i")
_UUID = struct.Struct(">16s")


class MetadataResponseBroker(Message):
    __slots__ = (
        "node_id",
        "host",
        "port",
        "rack",
    )
    node_id: int
    host: str
    port: int
    rack: str | None  # v1+

    def __init__(
        self,
        *,
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        rack: str | None = None,
    ) -> None:
        self.node_id = node_id
        self.host = host
        self.port = port
        self.rack = rack

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        out.pack(_I32, self.node_id)
        out.string(self.host, flexible)
        out.pack(_I32, self.port)
        if version >= 1:
            out.nullable_string(self.rack, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        (self.node_id,) = reader.unpack(_I32)
        self.host = reader.string(flexible)
        (self.port,) = reader.unpack(_I32)
        if version >= 1:
            self.rack = reader.nullable_string(flexible)
        else:
            self.rack = None
        if flexible:
            reader.skip_tags()
        return self


class MetadataResponsePartition(Message):
    __slots__ = (
        "error_code",
        "partition_index",
        "leader_id",
        "leader_epoch",
        "replica_nodes",
        "isr_nodes",
        "offline_replicas",
    )
    error_code: int
    partition_index: int
    leader_id: int
    leader_epoch: int  # v7+
    replica_nodes: list[int]
    isr_nodes: list[int]
    offline_replicas: list[int]  # v5+

    def __init__(
        self,
        *,
        error_code: int = 0,
        partition_index: int = 0,
        leader_id: int = 0,
        leader_epoch: int = -1,
        replica_nodes: Iterable[int] = (),
        isr_nodes: Iterable[int] = (),
        offline_replicas: Iterable[int] = (),
    ) -> None:
        self.error_code = error_code
        self.partition_index = partition_index
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch
        self.replica_nodes = list(replica_nodes)
        self.isr_nodes = list(isr_nodes)
        self.offline_replicas = list(offline_replicas)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        out.pack(_I16_I32_I32, self.error_code, self.partition_index, self.leader_id)
        if version >= 7:
            out.pack(_I32, self.leader_epoch)
        out.array(self.replica_nodes, flexible)
        out.numbers(self.replica_nodes, "i")
        out.array(self.isr_nodes, flexible)
        out.numbers(self.isr_nodes, "i")
        if version >= 5:
            out.array(self.offline_replicas, flexible)
            out.numbers(self.offline_replicas, "i")
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        self.error_code, self.partition_index, self.leader_id = reader.unpack(_I16_I32_I32)
        if version >= 7:
            (self.leader_epoch,) = reader.unpack(_I32)
        else:
            self.leader_epoch = -1
        self.replica_nodes = reader.numbers(reader.array(flexible), "i")
        self.isr_nodes = reader.numbers(reader.array(flexible), "i")
        if version >= 5:
            self.offline_replicas = reader.numbers(reader.array(flexible), "i")
        else:
            self.offline_replicas = []
        if flexible:
            reader.skip_tags()
        return self


class MetadataResponseTopic(Message):
    __slots__ = (
        "error_code",
        "name",
        "topic_id",
        "is_internal",
        "partitions",
        "topic_authorized_operations",
    )
    error_code: int
    name: str | None  # may be None in v12+
    topic_id: bytes  # v10+
    is_internal: bool  # v1+
    partitions: list[MetadataResponsePartition]
    topic_authorized_operations: int  # v8+

    def __init__(
        self,
        *,
        error_code: int = 0,
        name: str | None = "",
        topic_id: bytes = ZERO_UUID,
        is_internal: bool = False,
        partitions: Iterable[MetadataResponsePartition] = (),
        topic_authorized_operations: int = -2147483648,
    ) -> None:
        self.error_code = error_code
        self.name = name
        self.topic_id = topic_id
        self.is_internal = is_internal
        self.partitions = list(partitions)
        self.topic_authorized_operations = topic_authorized_operations

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        out.pack(_I16, self.error_code)
        if version >= 12:
            out.nullable_string(self.name, flexible)
        else:
            out.string(self.name, flexible)
        if version >= 10:
            out.uuid(self.topic_id)
        if version >= 1:
            out.pack(_BOOL, self.is_internal)
        out.array(self.partitions, flexible)
        for item in self.partitions:
            item.write(out, version)
        if version >= 8:
            out.pack(_I32, self.topic_authorized_operations)
        elif self.topic_authorized_operations != -2147483648:
            raise absent("Metadata", "MetadataResponseTopic.topic_authorized_operations", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        (self.error_code,) = reader.unpack(_I16)
        self.name = reader.nullable_string(flexible) if version >= 12 else reader.string(flexible)
        if version >= 10:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        if version >= 1:
            (self.is_internal,) = reader.unpack(_BOOL)
        else:
            self.is_internal = False
        self.partitions = [MetadataResponsePartition.read(reader, version) for _ in range(reader.array(flexible))]
        if version >= 8:
            (self.topic_authorized_operations,) = reader.unpack(_I32)
        else:
            self.topic_authorized_operations = -2147483648
        if flexible:
            reader.skip_tags()
        return self


class MetadataResponse(Response):
    """Versions 0 to 13."""

    API_KEY: ClassVar[int] = 3
    NAME: ClassVar[str] = "Metadata"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 13
    FLEXIBLE_SINCE: ClassVar[int] = 9

    __slots__ = (
        "throttle_time_ms",
        "brokers",
        "cluster_id",
        "controller_id",
        "topics",
        "cluster_authorized_operations",
        "error_code",
    )
    throttle_time_ms: int  # v3+
    brokers: list[MetadataResponseBroker]
    cluster_id: str | None  # v2+
    controller_id: int  # v1+
    topics: list[MetadataResponseTopic]
    cluster_authorized_operations: int  # v8 to v10
    error_code: int  # v13+

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        brokers: Iterable[MetadataResponseBroker] = (),
        cluster_id: str | None = None,
        controller_id: int = -1,
        topics: Iterable[MetadataResponseTopic] = (),
        cluster_authorized_operations: int = -2147483648,
        error_code: int = 0,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.brokers = list(brokers)
        self.cluster_id = cluster_id
        self.controller_id = controller_id
        self.topics = list(topics)
        self.cluster_authorized_operations = cluster_authorized_operations
        self.error_code = error_code

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        if version >= 3:
            out.pack(_I32, self.throttle_time_ms)
        out.array(self.brokers, flexible)
        for item in self.brokers:
            item.write(out, version)
        if version >= 2:
            out.nullable_string(self.cluster_id, flexible)
        if version >= 1:
            out.pack(_I32, self.controller_id)
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        if 8 <= version <= 10:
            out.pack(_I32, self.cluster_authorized_operations)
        elif self.cluster_authorized_operations != -2147483648:
            raise absent("Metadata", "MetadataResponse.cluster_authorized_operations", version)
        if version >= 13:
            out.pack(_I16, self.error_code)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        if version >= 3:
            (self.throttle_time_ms,) = reader.unpack(_I32)
        else:
            self.throttle_time_ms = 0
        self.brokers = [MetadataResponseBroker.read(reader, version) for _ in range(reader.array(flexible))]
        if version >= 2:
            self.cluster_id = reader.nullable_string(flexible)
        else:
            self.cluster_id = None
        if version >= 1:
            (self.controller_id,) = reader.unpack(_I32)
        else:
            self.controller_id = -1
        self.topics = [MetadataResponseTopic.read(reader, version) for _ in range(reader.array(flexible))]
        if 8 <= version <= 10:
            (self.cluster_authorized_operations,) = reader.unpack(_I32)
        else:
            self.cluster_authorized_operations = -2147483648
        if version >= 13:
            (self.error_code,) = reader.unpack(_I16)
        else:
            self.error_code = 0
        if flexible:
            reader.skip_tags()
        return self


class MetadataRequestTopic(Message):
    __slots__ = (
        "topic_id",
        "name",
    )
    topic_id: bytes  # v10+
    name: str | None  # may be None in v10+

    def __init__(
        self,
        *,
        topic_id: bytes = ZERO_UUID,
        name: str | None = "",
    ) -> None:
        self.topic_id = topic_id
        self.name = name

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        if version >= 10:
            out.uuid(self.topic_id)
        if version >= 10:
            out.nullable_string(self.name, flexible)
        else:
            out.string(self.name, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        if version >= 10:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.name = reader.nullable_string(flexible) if version >= 10 else reader.string(flexible)
        if flexible:
            reader.skip_tags()
        return self


class MetadataRequest(Request[MetadataResponse]):
    """Versions 0 to 13."""

    API_KEY: ClassVar[int] = 3
    NAME: ClassVar[str] = "Metadata"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 13
    FLEXIBLE_SINCE: ClassVar[int] = 9
    RESPONSE: ClassVar[type[MetadataResponse]] = MetadataResponse

    __slots__ = (
        "topics",
        "allow_auto_topic_creation",
        "include_cluster_authorized_operations",
        "include_topic_authorized_operations",
    )
    topics: list[MetadataRequestTopic] | None  # may be None in v1+
    allow_auto_topic_creation: bool  # v4+
    include_cluster_authorized_operations: bool  # v8 to v10
    include_topic_authorized_operations: bool  # v8+

    def __init__(
        self,
        *,
        topics: Iterable[MetadataRequestTopic] | None = (),
        allow_auto_topic_creation: bool = True,
        include_cluster_authorized_operations: bool = False,
        include_topic_authorized_operations: bool = False,
    ) -> None:
        self.topics = None if topics is None else list(topics)
        self.allow_auto_topic_creation = allow_auto_topic_creation
        self.include_cluster_authorized_operations = include_cluster_authorized_operations
        self.include_topic_authorized_operations = include_topic_authorized_operations

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        if version >= 1:
            out.nullable_array(self.topics, flexible)
        else:
            out.array(self.topics, flexible)
        for item in self.topics or ():
            item.write(out, version)
        if version >= 4:
            out.pack(_BOOL, self.allow_auto_topic_creation)
        elif not self.allow_auto_topic_creation:
            raise absent("Metadata", "MetadataRequest.allow_auto_topic_creation", version)
        if 8 <= version <= 10:
            out.pack(_BOOL, self.include_cluster_authorized_operations)
        elif self.include_cluster_authorized_operations:
            raise absent("Metadata", "MetadataRequest.include_cluster_authorized_operations", version)
        if version >= 8:
            out.pack(_BOOL, self.include_topic_authorized_operations)
        elif self.include_topic_authorized_operations:
            raise absent("Metadata", "MetadataRequest.include_topic_authorized_operations", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        count = reader.nullable_array(flexible) if version >= 1 else reader.array(flexible)
        self.topics = None if count < 0 else [MetadataRequestTopic.read(reader, version) for _ in range(count)]
        if version >= 4:
            (self.allow_auto_topic_creation,) = reader.unpack(_BOOL)
        else:
            self.allow_auto_topic_creation = True
        if 8 <= version <= 10:
            (self.include_cluster_authorized_operations,) = reader.unpack(_BOOL)
        else:
            self.include_cluster_authorized_operations = False
        if version >= 8:
            (self.include_topic_authorized_operations,) = reader.unpack(_BOOL)
        else:
            self.include_topic_authorized_operations = False
        if flexible:
            reader.skip_tags()
        return self
