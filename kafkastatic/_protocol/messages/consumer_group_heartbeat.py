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
_I32_I32 = struct.Struct(">ii")
_UUID = struct.Struct(">16s")


class ConsumerGroupHeartbeatResponseTopicPartitions(Message):
    __slots__ = (
        "topic_id",
        "partitions",
    )
    topic_id: bytes
    partitions: list[int]

    def __init__(
        self,
        *,
        topic_id: bytes = ZERO_UUID,
        partitions: Iterable[int] = (),
    ) -> None:
        self.topic_id = topic_id
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        out.uuid(self.topic_id)
        out.array(self.partitions, True)
        out.numbers(self.partitions, "i")
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.topic_id,) = reader.unpack(_UUID)
        self.partitions = reader.numbers(reader.array(True), "i")
        reader.skip_tags()
        return self


class Assignment(Message):
    __slots__ = (
        "topic_partitions",
    )
    topic_partitions: list[ConsumerGroupHeartbeatResponseTopicPartitions]

    def __init__(
        self,
        *,
        topic_partitions: Iterable[ConsumerGroupHeartbeatResponseTopicPartitions] = (),
    ) -> None:
        self.topic_partitions = list(topic_partitions)

    def write(self, out: Writer, version: int) -> None:
        out.array(self.topic_partitions, True)
        for item in self.topic_partitions:
            item.write(out, version)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.topic_partitions = [ConsumerGroupHeartbeatResponseTopicPartitions.read(reader, version) for _ in range(reader.array(True))]
        reader.skip_tags()
        return self


class ConsumerGroupHeartbeatResponse(Response):
    """Versions 0 to 1."""

    API_KEY: ClassVar[int] = 68
    NAME: ClassVar[str] = "ConsumerGroupHeartbeat"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 1
    FLEXIBLE_SINCE: ClassVar[int] = 0

    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "member_id",
        "member_epoch",
        "heartbeat_interval_ms",
        "assignment",
    )
    throttle_time_ms: int
    error_code: int
    error_message: str | None
    member_id: str | None
    member_epoch: int
    heartbeat_interval_ms: int
    assignment: Assignment | None

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = None,
        member_id: str | None = None,
        member_epoch: int = 0,
        heartbeat_interval_ms: int = 0,
        assignment: Assignment | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.member_id = member_id
        self.member_epoch = member_epoch
        self.heartbeat_interval_ms = heartbeat_interval_ms
        self.assignment = assignment

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32_I16, self.throttle_time_ms, self.error_code)
        out.nullable_string(self.error_message, True)
        out.nullable_string(self.member_id, True)
        out.pack(_I32_I32, self.member_epoch, self.heartbeat_interval_ms)
        out.presence(self.assignment is not None)
        if self.assignment is not None:
            self.assignment.write(out, version)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.throttle_time_ms, self.error_code = reader.unpack(_I32_I16)
        self.error_message = reader.nullable_string(True)
        self.member_id = reader.nullable_string(True)
        self.member_epoch, self.heartbeat_interval_ms = reader.unpack(_I32_I32)
        self.assignment = Assignment.read(reader, version) if reader.presence() else None
        reader.skip_tags()
        return self


class ConsumerGroupHeartbeatRequestTopicPartitions(Message):
    __slots__ = (
        "topic_id",
        "partitions",
    )
    topic_id: bytes
    partitions: list[int]

    def __init__(
        self,
        *,
        topic_id: bytes = ZERO_UUID,
        partitions: Iterable[int] = (),
    ) -> None:
        self.topic_id = topic_id
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        out.uuid(self.topic_id)
        out.array(self.partitions, True)
        out.numbers(self.partitions, "i")
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.topic_id,) = reader.unpack(_UUID)
        self.partitions = reader.numbers(reader.array(True), "i")
        reader.skip_tags()
        return self


class ConsumerGroupHeartbeatRequest(Request[ConsumerGroupHeartbeatResponse]):
    """Versions 0 to 1."""

    API_KEY: ClassVar[int] = 68
    NAME: ClassVar[str] = "ConsumerGroupHeartbeat"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 1
    FLEXIBLE_SINCE: ClassVar[int] = 0
    RESPONSE: ClassVar[type[ConsumerGroupHeartbeatResponse]] = ConsumerGroupHeartbeatResponse

    __slots__ = (
        "group_id",
        "member_id",
        "member_epoch",
        "instance_id",
        "rack_id",
        "rebalance_timeout_ms",
        "subscribed_topic_names",
        "subscribed_topic_regex",
        "server_assignor",
        "topic_partitions",
    )
    group_id: str
    member_id: str
    member_epoch: int
    instance_id: str | None
    rack_id: str | None
    rebalance_timeout_ms: int
    subscribed_topic_names: list[str] | None
    subscribed_topic_regex: str | None  # v1+
    server_assignor: str | None
    topic_partitions: list[ConsumerGroupHeartbeatRequestTopicPartitions] | None

    def __init__(
        self,
        *,
        group_id: str = "",
        member_id: str = "",
        member_epoch: int = 0,
        instance_id: str | None = None,
        rack_id: str | None = None,
        rebalance_timeout_ms: int = -1,
        subscribed_topic_names: Iterable[str] | None = None,
        subscribed_topic_regex: str | None = None,
        server_assignor: str | None = None,
        topic_partitions: Iterable[ConsumerGroupHeartbeatRequestTopicPartitions] | None = None,
    ) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.member_epoch = member_epoch
        self.instance_id = instance_id
        self.rack_id = rack_id
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.subscribed_topic_names = None if subscribed_topic_names is None else list(subscribed_topic_names)
        self.subscribed_topic_regex = subscribed_topic_regex
        self.server_assignor = server_assignor
        self.topic_partitions = None if topic_partitions is None else list(topic_partitions)

    def write(self, out: Writer, version: int) -> None:
        out.string(self.group_id, True)
        out.string(self.member_id, True)
        out.pack(_I32, self.member_epoch)
        out.nullable_string(self.instance_id, True)
        out.nullable_string(self.rack_id, True)
        out.pack(_I32, self.rebalance_timeout_ms)
        out.nullable_array(self.subscribed_topic_names, True)
        for item in self.subscribed_topic_names or ():
            out.string(item, True)
        if version >= 1:
            out.nullable_string(self.subscribed_topic_regex, True)
        elif self.subscribed_topic_regex is not None:
            raise absent("ConsumerGroupHeartbeat", "ConsumerGroupHeartbeatRequest.subscribed_topic_regex", version)
        out.nullable_string(self.server_assignor, True)
        out.nullable_array(self.topic_partitions, True)
        for item in self.topic_partitions or ():
            item.write(out, version)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.group_id = reader.string(True)
        self.member_id = reader.string(True)
        (self.member_epoch,) = reader.unpack(_I32)
        self.instance_id = reader.nullable_string(True)
        self.rack_id = reader.nullable_string(True)
        (self.rebalance_timeout_ms,) = reader.unpack(_I32)
        count = reader.nullable_array(True)
        self.subscribed_topic_names = None if count < 0 else [reader.string(True) for _ in range(count)]
        if version >= 1:
            self.subscribed_topic_regex = reader.nullable_string(True)
        else:
            self.subscribed_topic_regex = None
        self.server_assignor = reader.nullable_string(True)
        count = reader.nullable_array(True)
        self.topic_partitions = None if count < 0 else [ConsumerGroupHeartbeatRequestTopicPartitions.read(reader, version) for _ in range(count)]
        reader.skip_tags()
        return self
