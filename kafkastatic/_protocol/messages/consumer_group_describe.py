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

_BOOL = struct.Struct(">?")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I32_I32 = struct.Struct(">ii")
_I8 = struct.Struct(">b")
_UUID = struct.Struct(">16s")


class TopicPartitions(Message):
    __slots__ = (
        "topic_id",
        "topic_name",
        "partitions",
    )
    topic_id: bytes
    topic_name: str
    partitions: list[int]

    def __init__(
        self,
        *,
        topic_id: bytes = ZERO_UUID,
        topic_name: str = "",
        partitions: Iterable[int] = (),
    ) -> None:
        self.topic_id = topic_id
        self.topic_name = topic_name
        self.partitions = list(partitions)

    def write(self, out: Writer, version: int) -> None:
        out.uuid(self.topic_id)
        out.string(self.topic_name, True)
        out.array(self.partitions, True)
        out.numbers(self.partitions, "i")
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.topic_id,) = reader.unpack(_UUID)
        self.topic_name = reader.string(True)
        self.partitions = reader.numbers(reader.array(True), "i")
        reader.skip_tags()
        return self


class Assignment(Message):
    __slots__ = (
        "topic_partitions",
    )
    topic_partitions: list[TopicPartitions]

    def __init__(
        self,
        *,
        topic_partitions: Iterable[TopicPartitions] = (),
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
        self.topic_partitions = [TopicPartitions.read(reader, version) for _ in range(reader.array(True))]
        reader.skip_tags()
        return self


class Member(Message):
    __slots__ = (
        "member_id",
        "instance_id",
        "rack_id",
        "member_epoch",
        "client_id",
        "client_host",
        "subscribed_topic_names",
        "subscribed_topic_regex",
        "assignment",
        "target_assignment",
        "member_type",
    )
    member_id: str
    instance_id: str | None
    rack_id: str | None
    member_epoch: int
    client_id: str
    client_host: str
    subscribed_topic_names: list[str]
    subscribed_topic_regex: str | None
    assignment: Assignment
    target_assignment: Assignment
    member_type: int  # v1+

    def __init__(
        self,
        *,
        member_id: str = "",
        instance_id: str | None = None,
        rack_id: str | None = None,
        member_epoch: int = 0,
        client_id: str = "",
        client_host: str = "",
        subscribed_topic_names: Iterable[str] = (),
        subscribed_topic_regex: str | None = None,
        assignment: Assignment | None = None,
        target_assignment: Assignment | None = None,
        member_type: int = -1,
    ) -> None:
        self.member_id = member_id
        self.instance_id = instance_id
        self.rack_id = rack_id
        self.member_epoch = member_epoch
        self.client_id = client_id
        self.client_host = client_host
        self.subscribed_topic_names = list(subscribed_topic_names)
        self.subscribed_topic_regex = subscribed_topic_regex
        self.assignment = Assignment() if assignment is None else assignment
        self.target_assignment = Assignment() if target_assignment is None else target_assignment
        self.member_type = member_type

    def write(self, out: Writer, version: int) -> None:
        out.string(self.member_id, True)
        out.nullable_string(self.instance_id, True)
        out.nullable_string(self.rack_id, True)
        out.pack(_I32, self.member_epoch)
        out.string(self.client_id, True)
        out.string(self.client_host, True)
        out.array(self.subscribed_topic_names, True)
        for item in self.subscribed_topic_names:
            out.string(item, True)
        out.nullable_string(self.subscribed_topic_regex, True)
        self.assignment.write(out, version)
        self.target_assignment.write(out, version)
        if version >= 1:
            out.pack(_I8, self.member_type)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.member_id = reader.string(True)
        self.instance_id = reader.nullable_string(True)
        self.rack_id = reader.nullable_string(True)
        (self.member_epoch,) = reader.unpack(_I32)
        self.client_id = reader.string(True)
        self.client_host = reader.string(True)
        self.subscribed_topic_names = [reader.string(True) for _ in range(reader.array(True))]
        self.subscribed_topic_regex = reader.nullable_string(True)
        self.assignment = Assignment.read(reader, version)
        self.target_assignment = Assignment.read(reader, version)
        if version >= 1:
            (self.member_type,) = reader.unpack(_I8)
        else:
            self.member_type = -1
        reader.skip_tags()
        return self


class DescribedGroup(Message):
    __slots__ = (
        "error_code",
        "error_message",
        "group_id",
        "group_state",
        "group_epoch",
        "assignment_epoch",
        "assignor_name",
        "members",
        "authorized_operations",
    )
    error_code: int
    error_message: str | None
    group_id: str
    group_state: str
    group_epoch: int
    assignment_epoch: int
    assignor_name: str
    members: list[Member]
    authorized_operations: int

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = None,
        group_id: str = "",
        group_state: str = "",
        group_epoch: int = 0,
        assignment_epoch: int = 0,
        assignor_name: str = "",
        members: Iterable[Member] = (),
        authorized_operations: int = -2147483648,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.group_id = group_id
        self.group_state = group_state
        self.group_epoch = group_epoch
        self.assignment_epoch = assignment_epoch
        self.assignor_name = assignor_name
        self.members = list(members)
        self.authorized_operations = authorized_operations

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I16, self.error_code)
        out.nullable_string(self.error_message, True)
        out.string(self.group_id, True)
        out.string(self.group_state, True)
        out.pack(_I32_I32, self.group_epoch, self.assignment_epoch)
        out.string(self.assignor_name, True)
        out.array(self.members, True)
        for item in self.members:
            item.write(out, version)
        out.pack(_I32, self.authorized_operations)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.error_code,) = reader.unpack(_I16)
        self.error_message = reader.nullable_string(True)
        self.group_id = reader.string(True)
        self.group_state = reader.string(True)
        self.group_epoch, self.assignment_epoch = reader.unpack(_I32_I32)
        self.assignor_name = reader.string(True)
        self.members = [Member.read(reader, version) for _ in range(reader.array(True))]
        (self.authorized_operations,) = reader.unpack(_I32)
        reader.skip_tags()
        return self


class ConsumerGroupDescribeResponse(Response):
    """Versions 0 to 1."""

    API_KEY: ClassVar[int] = 69
    NAME: ClassVar[str] = "ConsumerGroupDescribe"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 1
    FLEXIBLE_SINCE: ClassVar[int] = 0

    __slots__ = (
        "throttle_time_ms",
        "groups",
    )
    throttle_time_ms: int
    groups: list[DescribedGroup]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        groups: Iterable[DescribedGroup] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.groups = list(groups)

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32, self.throttle_time_ms)
        out.array(self.groups, True)
        for item in self.groups:
            item.write(out, version)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.throttle_time_ms,) = reader.unpack(_I32)
        self.groups = [DescribedGroup.read(reader, version) for _ in range(reader.array(True))]
        reader.skip_tags()
        return self


class ConsumerGroupDescribeRequest(Request[ConsumerGroupDescribeResponse]):
    """Versions 0 to 1."""

    API_KEY: ClassVar[int] = 69
    NAME: ClassVar[str] = "ConsumerGroupDescribe"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 1
    FLEXIBLE_SINCE: ClassVar[int] = 0
    RESPONSE: ClassVar[type[ConsumerGroupDescribeResponse]] = ConsumerGroupDescribeResponse

    __slots__ = (
        "group_ids",
        "include_authorized_operations",
    )
    group_ids: list[str]
    include_authorized_operations: bool

    def __init__(
        self,
        *,
        group_ids: Iterable[str] = (),
        include_authorized_operations: bool = False,
    ) -> None:
        self.group_ids = list(group_ids)
        self.include_authorized_operations = include_authorized_operations

    def write(self, out: Writer, version: int) -> None:
        out.array(self.group_ids, True)
        for item in self.group_ids:
            out.string(item, True)
        out.pack(_BOOL, self.include_authorized_operations)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.group_ids = [reader.string(True) for _ in range(reader.array(True))]
        (self.include_authorized_operations,) = reader.unpack(_BOOL)
        reader.skip_tags()
        return self
