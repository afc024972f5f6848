# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Bytes,
    Message,
    Reader,
    Request,
    Response,
    Writer,
    ZERO_UUID,
    absent,
)

_I16_I32 = struct.Struct(">hi")
_I32 = struct.Struct(">i")
_I32_I16_I64_I64 = struct.Struct(">ihqq")
_I32_I32 = struct.Struct(">ii")
_I64 = struct.Struct(">q")
_UUID = struct.Struct(">16s")


class BatchIndexAndErrorMessage(Message):
    __slots__ = (
        "batch_index",
        "batch_index_error_message",
    )
    batch_index: int
    batch_index_error_message: str | None

    def __init__(
        self,
        *,
        batch_index: int = 0,
        batch_index_error_message: str | None = None,
    ) -> None:
        self.batch_index = batch_index
        self.batch_index_error_message = batch_index_error_message

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        out.pack(_I32, self.batch_index)
        out.nullable_string(self.batch_index_error_message, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        (self.batch_index,) = reader.unpack(_I32)
        self.batch_index_error_message = reader.nullable_string(flexible)
        if flexible:
            reader.skip_tags()
        return self


class LeaderIdAndEpoch(Message):
    __slots__ = (
        "leader_id",
        "leader_epoch",
    )
    leader_id: int
    leader_epoch: int

    def __init__(
        self,
        *,
        leader_id: int = -1,
        leader_epoch: int = -1,
    ) -> None:
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32_I32, self.leader_id, self.leader_epoch)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.leader_id, self.leader_epoch = reader.unpack(_I32_I32)
        reader.skip_tags()
        return self


class PartitionProduceResponse(Message):
    __slots__ = (
        "index",
        "error_code",
        "base_offset",
        "log_append_time_ms",
        "log_start_offset",
        "record_errors",
        "error_message",
        "current_leader",
    )
    index: int
    error_code: int
    base_offset: int
    log_append_time_ms: int
    log_start_offset: int  # v5+
    record_errors: list[BatchIndexAndErrorMessage]  # v8+
    error_message: str | None  # v8+
    current_leader: LeaderIdAndEpoch  # v10+

    def __init__(
        self,
        *,
        index: int = 0,
        error_code: int = 0,
        base_offset: int = 0,
        log_append_time_ms: int = -1,
        log_start_offset: int = -1,
        record_errors: Iterable[BatchIndexAndErrorMessage] = (),
        error_message: str | None = None,
        current_leader: LeaderIdAndEpoch | None = None,
    ) -> None:
        self.index = index
        self.error_code = error_code
        self.base_offset = base_offset
        self.log_append_time_ms = log_append_time_ms
        self.log_start_offset = log_start_offset
        self.record_errors = list(record_errors)
        self.error_message = error_message
        self.current_leader = LeaderIdAndEpoch() if current_leader is None else current_leader

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        out.pack(_I32_I16_I64_I64, self.index, self.error_code, self.base_offset, self.log_append_time_ms)
        if version >= 5:
            out.pack(_I64, self.log_start_offset)
        if version >= 8:
            out.array(self.record_errors, flexible)
            for item in self.record_errors:
                item.write(out, version)
            out.nullable_string(self.error_message, flexible)
        if version < 10 and self.current_leader != LeaderIdAndEpoch():
            raise absent("Produce", "PartitionProduceResponse.current_leader", version)
        if flexible:
            tags: list[tuple[int, Writer]] = []
            if version >= 10 and self.current_leader != LeaderIdAndEpoch():
                tag = Writer()
                self.current_leader.write(tag, version)
                tags.append((0, tag))
            out.tags(tags)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        self.index, self.error_code, self.base_offset, self.log_append_time_ms = reader.unpack(_I32_I16_I64_I64)
        if version >= 5:
            (self.log_start_offset,) = reader.unpack(_I64)
        else:
            self.log_start_offset = -1
        if version >= 8:
            self.record_errors = [BatchIndexAndErrorMessage.read(reader, version) for _ in range(reader.array(flexible))]
            self.error_message = reader.nullable_string(flexible)
        else:
            self.record_errors = []
            self.error_message = None
        self.current_leader = LeaderIdAndEpoch()
        if flexible:
            tag = -1
            for _ in range(reader.uvarint()):
                tag, end = reader.tag(tag)
                if tag == 0 and version >= 10:
                    self.current_leader = LeaderIdAndEpoch.read(reader, version)
                else:
                    reader.position = end
                reader.end_tag(tag, end)
        return self


class TopicProduceResponse(Message):
    __slots__ = (
        "name",
        "topic_id",
        "partition_responses",
    )
    name: str  # v3 to v12
    topic_id: bytes  # v13+
    partition_responses: list[PartitionProduceResponse]

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: bytes = ZERO_UUID,
        partition_responses: Iterable[PartitionProduceResponse] = (),
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partition_responses = list(partition_responses)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        if version <= 12:
            out.string(self.name, flexible)
        if version >= 13:
            out.uuid(self.topic_id)
        out.array(self.partition_responses, flexible)
        for item in self.partition_responses:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        if version <= 12:
            self.name = reader.string(flexible)
        else:
            self.name = ""
        if version >= 13:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.partition_responses = [PartitionProduceResponse.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class NodeEndpoint(Message):
    __slots__ = (
        "node_id",
        "host",
        "port",
        "rack",
    )
    node_id: int
    host: str
    port: int
    rack: str | None

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
        out.pack(_I32, self.node_id)
        out.string(self.host, True)
        out.pack(_I32, self.port)
        out.nullable_string(self.rack, True)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.node_id,) = reader.unpack(_I32)
        self.host = reader.string(True)
        (self.port,) = reader.unpack(_I32)
        self.rack = reader.nullable_string(True)
        reader.skip_tags()
        return self


class ProduceResponse(Response):
    """Versions 3 to 13."""

    API_KEY: ClassVar[int] = 0
    NAME: ClassVar[str] = "Produce"
    MIN_VERSION: ClassVar[int] = 3
    MAX_VERSION: ClassVar[int] = 13
    FLEXIBLE_SINCE: ClassVar[int] = 9

    __slots__ = (
        "responses",
        "throttle_time_ms",
        "node_endpoints",
    )
    responses: list[TopicProduceResponse]
    throttle_time_ms: int
    node_endpoints: list[NodeEndpoint]  # v10+

    def __init__(
        self,
        *,
        responses: Iterable[TopicProduceResponse] = (),
        throttle_time_ms: int = 0,
        node_endpoints: Iterable[NodeEndpoint] = (),
    ) -> None:
        self.responses = list(responses)
        self.throttle_time_ms = throttle_time_ms
        self.node_endpoints = list(node_endpoints)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        out.array(self.responses, flexible)
        for item in self.responses:
            item.write(out, version)
        out.pack(_I32, self.throttle_time_ms)
        if version < 10 and self.node_endpoints:
            raise absent("Produce", "ProduceResponse.node_endpoints", version)
        if flexible:
            tags: list[tuple[int, Writer]] = []
            if version >= 10 and self.node_endpoints:
                tag = Writer()
                tag.array(self.node_endpoints, flexible)
                for item in self.node_endpoints:
                    item.write(tag, version)
                tags.append((0, tag))
            out.tags(tags)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        self.responses = [TopicProduceResponse.read(reader, version) for _ in range(reader.array(flexible))]
        (self.throttle_time_ms,) = reader.unpack(_I32)
        self.node_endpoints = []
        if flexible:
            tag = -1
            for _ in range(reader.uvarint()):
                tag, end = reader.tag(tag)
                if tag == 0 and version >= 10:
                    self.node_endpoints = [NodeEndpoint.read(reader, version) for _ in range(reader.array(flexible))]
                else:
                    reader.position = end
                reader.end_tag(tag, end)
        return self


class PartitionProduceData(Message):
    __slots__ = (
        "index",
        "records",
    )
    index: int
    records: memoryview | None

    def __init__(
        self,
        *,
        index: int = 0,
        records: Bytes | None = None,
    ) -> None:
        self.index = index
        self.records = None if records is None else memoryview(records)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        out.pack(_I32, self.index)
        out.nullable_blob(self.records, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        (self.index,) = reader.unpack(_I32)
        self.records = reader.nullable_records(flexible)
        if flexible:
            reader.skip_tags()
        return self


class TopicProduceData(Message):
    __slots__ = (
        "name",
        "topic_id",
        "partition_data",
    )
    name: str  # v3 to v12
    topic_id: bytes  # v13+
    partition_data: list[PartitionProduceData]

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: bytes = ZERO_UUID,
        partition_data: Iterable[PartitionProduceData] = (),
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partition_data = list(partition_data)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        if version <= 12:
            out.string(self.name, flexible)
        if version >= 13:
            out.uuid(self.topic_id)
        out.array(self.partition_data, flexible)
        for item in self.partition_data:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        if version <= 12:
            self.name = reader.string(flexible)
        else:
            self.name = ""
        if version >= 13:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        self.partition_data = [PartitionProduceData.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class ProduceRequest(Request[ProduceResponse]):
    """Versions 3 to 13."""

    API_KEY: ClassVar[int] = 0
    NAME: ClassVar[str] = "Produce"
    MIN_VERSION: ClassVar[int] = 3
    MAX_VERSION: ClassVar[int] = 13
    FLEXIBLE_SINCE: ClassVar[int] = 9
    RESPONSE: ClassVar[type[ProduceResponse]] = ProduceResponse

    __slots__ = (
        "transactional_id",
        "acks",
        "timeout_ms",
        "topic_data",
    )
    transactional_id: str | None
    acks: int
    timeout_ms: int
    topic_data: list[TopicProduceData]

    def __init__(
        self,
        *,
        transactional_id: str | None = None,
        acks: int = 0,
        timeout_ms: int = 0,
        topic_data: Iterable[TopicProduceData] = (),
    ) -> None:
        self.transactional_id = transactional_id
        self.acks = acks
        self.timeout_ms = timeout_ms
        self.topic_data = list(topic_data)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 9
        out.nullable_string(self.transactional_id, flexible)
        out.pack(_I16_I32, self.acks, self.timeout_ms)
        out.array(self.topic_data, flexible)
        for item in self.topic_data:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 9
        self.transactional_id = reader.nullable_string(flexible)
        self.acks, self.timeout_ms = reader.unpack(_I16_I32)
        self.topic_data = [TopicProduceData.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self
