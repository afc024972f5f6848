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

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")


class SyncGroupResponse(Response):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 14
    NAME: ClassVar[str] = "SyncGroup"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 4

    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "protocol_type",
        "protocol_name",
        "assignment",
    )
    throttle_time_ms: int  # v1+
    error_code: int
    protocol_type: str | None  # v5+
    protocol_name: str | None  # v5+
    assignment: bytes

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
        assignment: bytes = b"",
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.assignment = assignment

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        if version >= 1:
            out.pack(_I32, self.throttle_time_ms)
        out.pack(_I16, self.error_code)
        if version >= 5:
            out.nullable_string(self.protocol_type, flexible)
            out.nullable_string(self.protocol_name, flexible)
        out.blob(self.assignment, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        if version >= 1:
            (self.throttle_time_ms,) = reader.unpack(_I32)
        else:
            self.throttle_time_ms = 0
        (self.error_code,) = reader.unpack(_I16)
        if version >= 5:
            self.protocol_type = reader.nullable_string(flexible)
            self.protocol_name = reader.nullable_string(flexible)
        else:
            self.protocol_type = None
            self.protocol_name = None
        self.assignment = reader.blob(flexible)
        if flexible:
            reader.skip_tags()
        return self


class SyncGroupRequestAssignment(Message):
    __slots__ = (
        "member_id",
        "assignment",
    )
    member_id: str
    assignment: bytes

    def __init__(
        self,
        *,
        member_id: str = "",
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.assignment = assignment

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.member_id, flexible)
        out.blob(self.assignment, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.member_id = reader.string(flexible)
        self.assignment = reader.blob(flexible)
        if flexible:
            reader.skip_tags()
        return self


class SyncGroupRequest(Request[SyncGroupResponse]):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 14
    NAME: ClassVar[str] = "SyncGroup"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 4
    RESPONSE: ClassVar[type[SyncGroupResponse]] = SyncGroupResponse

    __slots__ = (
        "group_id",
        "generation_id",
        "member_id",
        "group_instance_id",
        "protocol_type",
        "protocol_name",
        "assignments",
    )
    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None  # v3+
    protocol_type: str | None  # v5+
    protocol_name: str | None  # v5+
    assignments: list[SyncGroupRequestAssignment]

    def __init__(
        self,
        *,
        group_id: str = "",
        generation_id: int = 0,
        member_id: str = "",
        group_instance_id: str | None = None,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
        assignments: Iterable[SyncGroupRequestAssignment] = (),
    ) -> None:
        self.group_id = group_id
        self.generation_id = generation_id
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.assignments = list(assignments)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.group_id, flexible)
        out.pack(_I32, self.generation_id)
        out.string(self.member_id, flexible)
        if version >= 3:
            out.nullable_string(self.group_instance_id, flexible)
        elif self.group_instance_id is not None:
            raise absent("SyncGroup", "SyncGroupRequest.group_instance_id", version)
        if version >= 5:
            out.nullable_string(self.protocol_type, flexible)
            out.nullable_string(self.protocol_name, flexible)
        out.array(self.assignments, flexible)
        for item in self.assignments:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.group_id = reader.string(flexible)
        (self.generation_id,) = reader.unpack(_I32)
        self.member_id = reader.string(flexible)
        if version >= 3:
            self.group_instance_id = reader.nullable_string(flexible)
        else:
            self.group_instance_id = None
        if version >= 5:
            self.protocol_type = reader.nullable_string(flexible)
            self.protocol_name = reader.nullable_string(flexible)
        else:
            self.protocol_type = None
            self.protocol_name = None
        self.assignments = [SyncGroupRequestAssignment.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self
