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
_I16_I32 = struct.Struct(">hi")
_I32 = struct.Struct(">i")


class JoinGroupResponseMember(Message):
    __slots__ = (
        "member_id",
        "group_instance_id",
        "metadata",
    )
    member_id: str
    group_instance_id: str | None  # v5+
    metadata: bytes

    def __init__(
        self,
        *,
        member_id: str = "",
        group_instance_id: str | None = None,
        metadata: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.metadata = metadata

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.string(self.member_id, flexible)
        if version >= 5:
            out.nullable_string(self.group_instance_id, flexible)
        out.blob(self.metadata, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        self.member_id = reader.string(flexible)
        if version >= 5:
            self.group_instance_id = reader.nullable_string(flexible)
        else:
            self.group_instance_id = None
        self.metadata = reader.blob(flexible)
        if flexible:
            reader.skip_tags()
        return self


class JoinGroupResponse(Response):
    """Versions 0 to 9."""

    API_KEY: ClassVar[int] = 11
    NAME: ClassVar[str] = "JoinGroup"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 9
    FLEXIBLE_SINCE: ClassVar[int] = 6

    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "generation_id",
        "protocol_type",
        "protocol_name",
        "leader",
        "skip_assignment",
        "member_id",
        "members",
    )
    throttle_time_ms: int  # v2+
    error_code: int
    generation_id: int
    protocol_type: str | None  # v7+
    protocol_name: str | None  # may be None in v7+
    leader: str
    skip_assignment: bool  # v9+
    member_id: str
    members: list[JoinGroupResponseMember]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        generation_id: int = -1,
        protocol_type: str | None = None,
        protocol_name: str | None = "",
        leader: str = "",
        skip_assignment: bool = False,
        member_id: str = "",
        members: Iterable[JoinGroupResponseMember] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.generation_id = generation_id
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.leader = leader
        self.skip_assignment = skip_assignment
        self.member_id = member_id
        self.members = list(members)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        if version >= 2:
            out.pack(_I32, self.throttle_time_ms)
        out.pack(_I16_I32, self.error_code, self.generation_id)
        if version >= 7:
            out.nullable_string(self.protocol_type, flexible)
        if version >= 7:
            out.nullable_string(self.protocol_name, flexible)
        else:
            out.string(self.protocol_name, flexible)
        out.string(self.leader, flexible)
        if version >= 9:
            out.pack(_BOOL, self.skip_assignment)
        elif self.skip_assignment:
            raise absent("JoinGroup", "JoinGroupResponse.skip_assignment", version)
        out.string(self.member_id, flexible)
        out.array(self.members, flexible)
        for item in self.members:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        if version >= 2:
            (self.throttle_time_ms,) = reader.unpack(_I32)
        else:
            self.throttle_time_ms = 0
        self.error_code, self.generation_id = reader.unpack(_I16_I32)
        if version >= 7:
            self.protocol_type = reader.nullable_string(flexible)
        else:
            self.protocol_type = None
        self.protocol_name = reader.nullable_string(flexible) if version >= 7 else reader.string(flexible)
        self.leader = reader.string(flexible)
        if version >= 9:
            (self.skip_assignment,) = reader.unpack(_BOOL)
        else:
            self.skip_assignment = False
        self.member_id = reader.string(flexible)
        self.members = [JoinGroupResponseMember.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class JoinGroupRequestProtocol(Message):
    __slots__ = (
        "name",
        "metadata",
    )
    name: str
    metadata: bytes

    def __init__(
        self,
        *,
        name: str = "",
        metadata: bytes = b"",
    ) -> None:
        self.name = name
        self.metadata = metadata

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.string(self.name, flexible)
        out.blob(self.metadata, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        self.name = reader.string(flexible)
        self.metadata = reader.blob(flexible)
        if flexible:
            reader.skip_tags()
        return self


class JoinGroupRequest(Request[JoinGroupResponse]):
    """Versions 0 to 9."""

    API_KEY: ClassVar[int] = 11
    NAME: ClassVar[str] = "JoinGroup"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 9
    FLEXIBLE_SINCE: ClassVar[int] = 6
    RESPONSE: ClassVar[type[JoinGroupResponse]] = JoinGroupResponse

    __slots__ = (
        "group_id",
        "session_timeout_ms",
        "rebalance_timeout_ms",
        "member_id",
        "group_instance_id",
        "protocol_type",
        "protocols",
        "reason",
    )
    group_id: str
    session_timeout_ms: int
    rebalance_timeout_ms: int  # v1+
    member_id: str
    group_instance_id: str | None  # v5+
    protocol_type: str
    protocols: list[JoinGroupRequestProtocol]
    reason: str | None  # v8+

    def __init__(
        self,
        *,
        group_id: str = "",
        session_timeout_ms: int = 0,
        rebalance_timeout_ms: int = -1,
        member_id: str = "",
        group_instance_id: str | None = None,
        protocol_type: str = "",
        protocols: Iterable[JoinGroupRequestProtocol] = (),
        reason: str | None = None,
    ) -> None:
        self.group_id = group_id
        self.session_timeout_ms = session_timeout_ms
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.protocol_type = protocol_type
        self.protocols = list(protocols)
        self.reason = reason

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 6
        out.string(self.group_id, flexible)
        out.pack(_I32, self.session_timeout_ms)
        if version >= 1:
            out.pack(_I32, self.rebalance_timeout_ms)
        out.string(self.member_id, flexible)
        if version >= 5:
            out.nullable_string(self.group_instance_id, flexible)
        elif self.group_instance_id is not None:
            raise absent("JoinGroup", "JoinGroupRequest.group_instance_id", version)
        out.string(self.protocol_type, flexible)
        out.array(self.protocols, flexible)
        for item in self.protocols:
            item.write(out, version)
        if version >= 8:
            out.nullable_string(self.reason, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 6
        self.group_id = reader.string(flexible)
        (self.session_timeout_ms,) = reader.unpack(_I32)
        if version >= 1:
            (self.rebalance_timeout_ms,) = reader.unpack(_I32)
        else:
            self.rebalance_timeout_ms = -1
        self.member_id = reader.string(flexible)
        if version >= 5:
            self.group_instance_id = reader.nullable_string(flexible)
        else:
            self.group_instance_id = None
        self.protocol_type = reader.string(flexible)
        self.protocols = [JoinGroupRequestProtocol.read(reader, version) for _ in range(reader.array(flexible))]
        if version >= 8:
            self.reason = reader.nullable_string(flexible)
        else:
            self.reason = None
        if flexible:
            reader.skip_tags()
        return self
