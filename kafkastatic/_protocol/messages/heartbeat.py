# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

import struct
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Reader,
    Request,
    Response,
    Writer,
    absent,
)

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")


class HeartbeatResponse(Response):
    """Versions 0 to 4."""

    API_KEY: ClassVar[int] = 12
    NAME: ClassVar[str] = "Heartbeat"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 4
    FLEXIBLE_SINCE: ClassVar[int] = 4

    __slots__ = (
        "throttle_time_ms",
        "error_code",
    )
    throttle_time_ms: int  # v1+
    error_code: int

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        if version >= 1:
            out.pack(_I32, self.throttle_time_ms)
        out.pack(_I16, self.error_code)
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
        if flexible:
            reader.skip_tags()
        return self


class HeartbeatRequest(Request[HeartbeatResponse]):
    """Versions 0 to 4."""

    API_KEY: ClassVar[int] = 12
    NAME: ClassVar[str] = "Heartbeat"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 4
    FLEXIBLE_SINCE: ClassVar[int] = 4
    RESPONSE: ClassVar[type[HeartbeatResponse]] = HeartbeatResponse

    __slots__ = (
        "group_id",
        "generation_id",
        "member_id",
        "group_instance_id",
    )
    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None  # v3+

    def __init__(
        self,
        *,
        group_id: str = "",
        generation_id: int = 0,
        member_id: str = "",
        group_instance_id: str | None = None,
    ) -> None:
        self.group_id = group_id
        self.generation_id = generation_id
        self.member_id = member_id
        self.group_instance_id = group_instance_id

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.group_id, flexible)
        out.pack(_I32, self.generation_id)
        out.string(self.member_id, flexible)
        if version >= 3:
            out.nullable_string(self.group_instance_id, flexible)
        elif self.group_instance_id is not None:
            raise absent("Heartbeat", "HeartbeatRequest.group_instance_id", version)
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
        if flexible:
            reader.skip_tags()
        return self
