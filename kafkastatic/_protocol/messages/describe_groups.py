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

_BOOL = struct.Struct(">?")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")


class DescribedGroupMember(Message):
    __slots__ = (
        "member_id",
        "group_instance_id",
        "client_id",
        "client_host",
        "member_metadata",
        "member_assignment",
    )
    member_id: str
    group_instance_id: str | None  # v4+
    client_id: str
    client_host: str
    member_metadata: bytes
    member_assignment: bytes

    def __init__(
        self,
        *,
        member_id: str = "",
        group_instance_id: str | None = None,
        client_id: str = "",
        client_host: str = "",
        member_metadata: bytes = b"",
        member_assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.member_metadata = member_metadata
        self.member_assignment = member_assignment

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 5
        out.string(self.member_id, flexible)
        if version >= 4:
            out.nullable_string(self.group_instance_id, flexible)
        out.string(self.client_id, flexible)
        out.string(self.client_host, flexible)
        out.blob(self.member_metadata, flexible)
        out.blob(self.member_assignment, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        self.member_id = reader.string(flexible)
        if version >= 4:
            self.group_instance_id = reader.nullable_string(flexible)
        else:
            self.group_instance_id = None
        self.client_id = reader.string(flexible)
        self.client_host = reader.string(flexible)
        self.member_metadata = reader.blob(flexible)
        self.member_assignment = reader.blob(flexible)
        if flexible:
            reader.skip_tags()
        return self


class DescribedGroup(Message):
    __slots__ = (
        "error_code",
        "error_message",
        "group_id",
        "group_state",
        "protocol_type",
        "protocol_data",
        "members",
        "authorized_operations",
    )
    error_code: int
    error_message: str | None  # v6+
    group_id: str
    group_state: str
    protocol_type: str
    protocol_data: str
    members: list[DescribedGroupMember]
    authorized_operations: int  # v3+

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = None,
        group_id: str = "",
        group_state: str = "",
        protocol_type: str = "",
        protocol_data: str = "",
        members: Iterable[DescribedGroupMember] = (),
        authorized_operations: int = -2147483648,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.group_id = group_id
        self.group_state = group_state
        self.protocol_type = protocol_type
        self.protocol_data = protocol_data
        self.members = list(members)
        self.authorized_operations = authorized_operations

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 5
        out.pack(_I16, self.error_code)
        if version >= 6:
            out.nullable_string(self.error_message, flexible)
        elif self.error_message is not None:
            raise absent("DescribeGroups", "DescribedGroup.error_message", version)
        out.string(self.group_id, flexible)
        out.string(self.group_state, flexible)
        out.string(self.protocol_type, flexible)
        out.string(self.protocol_data, flexible)
        out.array(self.members, flexible)
        for item in self.members:
            item.write(out, version)
        if version >= 3:
            out.pack(_I32, self.authorized_operations)
        elif self.authorized_operations != -2147483648:
            raise absent("DescribeGroups", "DescribedGroup.authorized_operations", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        (self.error_code,) = reader.unpack(_I16)
        if version >= 6:
            self.error_message = reader.nullable_string(flexible)
        else:
            self.error_message = None
        self.group_id = reader.string(flexible)
        self.group_state = reader.string(flexible)
        self.protocol_type = reader.string(flexible)
        self.protocol_data = reader.string(flexible)
        self.members = [DescribedGroupMember.read(reader, version) for _ in range(reader.array(flexible))]
        if version >= 3:
            (self.authorized_operations,) = reader.unpack(_I32)
        else:
            self.authorized_operations = -2147483648
        if flexible:
            reader.skip_tags()
        return self


class DescribeGroupsResponse(Response):
    """Versions 0 to 6."""

    API_KEY: ClassVar[int] = 15
    NAME: ClassVar[str] = "DescribeGroups"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 6
    FLEXIBLE_SINCE: ClassVar[int] = 5

    __slots__ = (
        "throttle_time_ms",
        "groups",
    )
    throttle_time_ms: int  # v1+
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
        flexible = version >= 5
        if version >= 1:
            out.pack(_I32, self.throttle_time_ms)
        out.array(self.groups, flexible)
        for item in self.groups:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        if version >= 1:
            (self.throttle_time_ms,) = reader.unpack(_I32)
        else:
            self.throttle_time_ms = 0
        self.groups = [DescribedGroup.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class DescribeGroupsRequest(Request[DescribeGroupsResponse]):
    """Versions 0 to 6."""

    API_KEY: ClassVar[int] = 15
    NAME: ClassVar[str] = "DescribeGroups"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 6
    FLEXIBLE_SINCE: ClassVar[int] = 5
    RESPONSE: ClassVar[type[DescribeGroupsResponse]] = DescribeGroupsResponse

    __slots__ = (
        "groups",
        "include_authorized_operations",
    )
    groups: list[str]
    include_authorized_operations: bool  # v3+

    def __init__(
        self,
        *,
        groups: Iterable[str] = (),
        include_authorized_operations: bool = False,
    ) -> None:
        self.groups = list(groups)
        self.include_authorized_operations = include_authorized_operations

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 5
        out.array(self.groups, flexible)
        for item in self.groups:
            out.string(item, flexible)
        if version >= 3:
            out.pack(_BOOL, self.include_authorized_operations)
        elif self.include_authorized_operations:
            raise absent("DescribeGroups", "DescribeGroupsRequest.include_authorized_operations", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 5
        self.groups = [reader.string(flexible) for _ in range(reader.array(flexible))]
        if version >= 3:
            (self.include_authorized_operations,) = reader.unpack(_BOOL)
        else:
            self.include_authorized_operations = False
        if flexible:
            reader.skip_tags()
        return self
