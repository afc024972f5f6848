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


class MemberResponse(Message):
    __slots__ = (
        "member_id",
        "group_instance_id",
        "error_code",
    )
    member_id: str
    group_instance_id: str | None
    error_code: int

    def __init__(
        self,
        *,
        member_id: str = "",
        group_instance_id: str | None = "",
        error_code: int = 0,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.error_code = error_code

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.member_id, flexible)
        out.nullable_string(self.group_instance_id, flexible)
        out.pack(_I16, self.error_code)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.member_id = reader.string(flexible)
        self.group_instance_id = reader.nullable_string(flexible)
        (self.error_code,) = reader.unpack(_I16)
        if flexible:
            reader.skip_tags()
        return self


class LeaveGroupResponse(Response):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 13
    NAME: ClassVar[str] = "LeaveGroup"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 4

    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "members",
    )
    throttle_time_ms: int  # v1+
    error_code: int
    members: list[MemberResponse]  # v3+

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        members: Iterable[MemberResponse] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.members = list(members)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        if version >= 1:
            out.pack(_I32, self.throttle_time_ms)
        out.pack(_I16, self.error_code)
        if version >= 3:
            out.array(self.members, flexible)
            for item in self.members:
                item.write(out, version)
        elif self.members:
            raise absent("LeaveGroup", "LeaveGroupResponse.members", version)
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
        if version >= 3:
            self.members = [MemberResponse.read(reader, version) for _ in range(reader.array(flexible))]
        else:
            self.members = []
        if flexible:
            reader.skip_tags()
        return self


class MemberIdentity(Message):
    __slots__ = (
        "member_id",
        "group_instance_id",
        "reason",
    )
    member_id: str
    group_instance_id: str | None
    reason: str | None  # v5+

    def __init__(
        self,
        *,
        member_id: str = "",
        group_instance_id: str | None = None,
        reason: str | None = None,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.reason = reason

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.member_id, flexible)
        out.nullable_string(self.group_instance_id, flexible)
        if version >= 5:
            out.nullable_string(self.reason, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.member_id = reader.string(flexible)
        self.group_instance_id = reader.nullable_string(flexible)
        if version >= 5:
            self.reason = reader.nullable_string(flexible)
        else:
            self.reason = None
        if flexible:
            reader.skip_tags()
        return self


class LeaveGroupRequest(Request[LeaveGroupResponse]):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 13
    NAME: ClassVar[str] = "LeaveGroup"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 4
    RESPONSE: ClassVar[type[LeaveGroupResponse]] = LeaveGroupResponse

    __slots__ = (
        "group_id",
        "member_id",
        "members",
    )
    group_id: str
    member_id: str  # v0 to v2
    members: list[MemberIdentity]  # v3+

    def __init__(
        self,
        *,
        group_id: str = "",
        member_id: str = "",
        members: Iterable[MemberIdentity] = (),
    ) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.members = list(members)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.group_id, flexible)
        if version <= 2:
            out.string(self.member_id, flexible)
        elif self.member_id != "":
            raise absent("LeaveGroup", "LeaveGroupRequest.member_id", version)
        if version >= 3:
            out.array(self.members, flexible)
            for item in self.members:
                item.write(out, version)
        elif self.members:
            raise absent("LeaveGroup", "LeaveGroupRequest.members", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.group_id = reader.string(flexible)
        if version <= 2:
            self.member_id = reader.string(flexible)
        else:
            self.member_id = ""
        if version >= 3:
            self.members = [MemberIdentity.read(reader, version) for _ in range(reader.array(flexible))]
        else:
            self.members = []
        if flexible:
            reader.skip_tags()
        return self
