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
_I32_I16 = struct.Struct(">ih")
_I8 = struct.Struct(">b")


class Coordinator(Message):
    __slots__ = (
        "key",
        "node_id",
        "host",
        "port",
        "error_code",
        "error_message",
    )
    key: str
    node_id: int
    host: str
    port: int
    error_code: int
    error_message: str | None

    def __init__(
        self,
        *,
        key: str = "",
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
    ) -> None:
        self.key = key
        self.node_id = node_id
        self.host = host
        self.port = port
        self.error_code = error_code
        self.error_message = error_message

    def write(self, out: Writer, version: int) -> None:
        out.string(self.key, True)
        out.pack(_I32, self.node_id)
        out.string(self.host, True)
        out.pack(_I32_I16, self.port, self.error_code)
        out.nullable_string(self.error_message, True)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.key = reader.string(True)
        (self.node_id,) = reader.unpack(_I32)
        self.host = reader.string(True)
        self.port, self.error_code = reader.unpack(_I32_I16)
        self.error_message = reader.nullable_string(True)
        reader.skip_tags()
        return self


class FindCoordinatorResponse(Response):
    """Versions 0 to 6."""

    API_KEY: ClassVar[int] = 10
    NAME: ClassVar[str] = "FindCoordinator"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 6
    FLEXIBLE_SINCE: ClassVar[int] = 3

    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "node_id",
        "host",
        "port",
        "coordinators",
    )
    throttle_time_ms: int  # v1+
    error_code: int  # v0 to v3
    error_message: str | None  # v1 to v3
    node_id: int  # v0 to v3
    host: str  # v0 to v3
    port: int  # v0 to v3
    coordinators: list[Coordinator]  # v4+

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        coordinators: Iterable[Coordinator] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.node_id = node_id
        self.host = host
        self.port = port
        self.coordinators = list(coordinators)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 3
        if version >= 1:
            out.pack(_I32, self.throttle_time_ms)
        if version <= 3:
            out.pack(_I16, self.error_code)
        elif self.error_code != 0:
            raise absent("FindCoordinator", "FindCoordinatorResponse.error_code", version)
        if 1 <= version <= 3:
            out.nullable_string(self.error_message, flexible)
        if version <= 3:
            out.pack(_I32, self.node_id)
            out.string(self.host, flexible)
            out.pack(_I32, self.port)
        else:
            if self.node_id != 0:
                raise absent("FindCoordinator", "FindCoordinatorResponse.node_id", version)
            if self.host != "":
                raise absent("FindCoordinator", "FindCoordinatorResponse.host", version)
            if self.port != 0:
                raise absent("FindCoordinator", "FindCoordinatorResponse.port", version)
        if version >= 4:
            out.array(self.coordinators, flexible)
            for item in self.coordinators:
                item.write(out, version)
        elif self.coordinators:
            raise absent("FindCoordinator", "FindCoordinatorResponse.coordinators", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 3
        if version >= 1:
            (self.throttle_time_ms,) = reader.unpack(_I32)
        else:
            self.throttle_time_ms = 0
        if version <= 3:
            (self.error_code,) = reader.unpack(_I16)
        else:
            self.error_code = 0
        if 1 <= version <= 3:
            self.error_message = reader.nullable_string(flexible)
        else:
            self.error_message = ""
        if version <= 3:
            (self.node_id,) = reader.unpack(_I32)
            self.host = reader.string(flexible)
            (self.port,) = reader.unpack(_I32)
        else:
            self.node_id = 0
            self.host = ""
            self.port = 0
        if version >= 4:
            self.coordinators = [Coordinator.read(reader, version) for _ in range(reader.array(flexible))]
        else:
            self.coordinators = []
        if flexible:
            reader.skip_tags()
        return self


class FindCoordinatorRequest(Request[FindCoordinatorResponse]):
    """Versions 0 to 6."""

    API_KEY: ClassVar[int] = 10
    NAME: ClassVar[str] = "FindCoordinator"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 6
    FLEXIBLE_SINCE: ClassVar[int] = 3
    RESPONSE: ClassVar[type[FindCoordinatorResponse]] = FindCoordinatorResponse

    __slots__ = (
        "key",
        "key_type",
        "coordinator_keys",
    )
    key: str  # v0 to v3
    key_type: int  # v1+
    coordinator_keys: list[str]  # v4+

    def __init__(
        self,
        *,
        key: str = "",
        key_type: int = 0,
        coordinator_keys: Iterable[str] = (),
    ) -> None:
        self.key = key
        self.key_type = key_type
        self.coordinator_keys = list(coordinator_keys)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 3
        if version <= 3:
            out.string(self.key, flexible)
        elif self.key != "":
            raise absent("FindCoordinator", "FindCoordinatorRequest.key", version)
        if version >= 1:
            out.pack(_I8, self.key_type)
        elif self.key_type != 0:
            raise absent("FindCoordinator", "FindCoordinatorRequest.key_type", version)
        if version >= 4:
            out.array(self.coordinator_keys, flexible)
            for item in self.coordinator_keys:
                out.string(item, flexible)
        elif self.coordinator_keys:
            raise absent("FindCoordinator", "FindCoordinatorRequest.coordinator_keys", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 3
        if version <= 3:
            self.key = reader.string(flexible)
        else:
            self.key = ""
        if version >= 1:
            (self.key_type,) = reader.unpack(_I8)
        else:
            self.key_type = 0
        if version >= 4:
            self.coordinator_keys = [reader.string(flexible) for _ in range(reader.array(flexible))]
        else:
            self.coordinator_keys = []
        if flexible:
            reader.skip_tags()
        return self
