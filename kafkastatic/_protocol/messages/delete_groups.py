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
)

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")


class DeletableGroupResult(Message):
    __slots__ = (
        "group_id",
        "error_code",
        "error_message",
    )
    group_id: str
    error_code: int
    error_message: str | None  # v3+

    def __init__(
        self,
        *,
        group_id: str = "",
        error_code: int = 0,
        error_message: str | None = None,
    ) -> None:
        self.group_id = group_id
        self.error_code = error_code
        self.error_message = error_message

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.string(self.group_id, flexible)
        out.pack(_I16, self.error_code)
        if version >= 3:
            out.nullable_string(self.error_message, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        self.group_id = reader.string(flexible)
        (self.error_code,) = reader.unpack(_I16)
        if version >= 3:
            self.error_message = reader.nullable_string(flexible)
        else:
            self.error_message = None
        if flexible:
            reader.skip_tags()
        return self


class DeleteGroupsResponse(Response):
    """Versions 0 to 3."""

    API_KEY: ClassVar[int] = 42
    NAME: ClassVar[str] = "DeleteGroups"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 3
    FLEXIBLE_SINCE: ClassVar[int] = 2

    __slots__ = (
        "throttle_time_ms",
        "results",
    )
    throttle_time_ms: int
    results: list[DeletableGroupResult]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        results: Iterable[DeletableGroupResult] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results = list(results)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.pack(_I32, self.throttle_time_ms)
        out.array(self.results, flexible)
        for item in self.results:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        (self.throttle_time_ms,) = reader.unpack(_I32)
        self.results = [DeletableGroupResult.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class DeleteGroupsRequest(Request[DeleteGroupsResponse]):
    """Versions 0 to 3."""

    API_KEY: ClassVar[int] = 42
    NAME: ClassVar[str] = "DeleteGroups"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 3
    FLEXIBLE_SINCE: ClassVar[int] = 2
    RESPONSE: ClassVar[type[DeleteGroupsResponse]] = DeleteGroupsResponse

    __slots__ = (
        "groups_names",
    )
    groups_names: list[str]

    def __init__(
        self,
        *,
        groups_names: Iterable[str] = (),
    ) -> None:
        self.groups_names = list(groups_names)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.array(self.groups_names, flexible)
        for item in self.groups_names:
            out.string(item, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        self.groups_names = [reader.string(flexible) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self
