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


class ListedGroup(Message):
    __slots__ = (
        "group_id",
        "protocol_type",
        "group_state",
        "group_type",
    )
    group_id: str
    protocol_type: str
    group_state: str  # v4+
    group_type: str  # v5+

    def __init__(
        self,
        *,
        group_id: str = "",
        protocol_type: str = "",
        group_state: str = "",
        group_type: str = "",
    ) -> None:
        self.group_id = group_id
        self.protocol_type = protocol_type
        self.group_state = group_state
        self.group_type = group_type

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 3
        out.string(self.group_id, flexible)
        out.string(self.protocol_type, flexible)
        if version >= 4:
            out.string(self.group_state, flexible)
        if version >= 5:
            out.string(self.group_type, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 3
        self.group_id = reader.string(flexible)
        self.protocol_type = reader.string(flexible)
        if version >= 4:
            self.group_state = reader.string(flexible)
        else:
            self.group_state = ""
        if version >= 5:
            self.group_type = reader.string(flexible)
        else:
            self.group_type = ""
        if flexible:
            reader.skip_tags()
        return self


class ListGroupsResponse(Response):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 16
    NAME: ClassVar[str] = "ListGroups"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 3

    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "groups",
    )
    throttle_time_ms: int  # v1+
    error_code: int
    groups: list[ListedGroup]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        groups: Iterable[ListedGroup] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.groups = list(groups)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 3
        if version >= 1:
            out.pack(_I32, self.throttle_time_ms)
        out.pack(_I16, self.error_code)
        out.array(self.groups, flexible)
        for item in self.groups:
            item.write(out, version)
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
        (self.error_code,) = reader.unpack(_I16)
        self.groups = [ListedGroup.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class ListGroupsRequest(Request[ListGroupsResponse]):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 16
    NAME: ClassVar[str] = "ListGroups"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 3
    RESPONSE: ClassVar[type[ListGroupsResponse]] = ListGroupsResponse

    __slots__ = (
        "states_filter",
        "types_filter",
    )
    states_filter: list[str]  # v4+
    types_filter: list[str]  # v5+

    def __init__(
        self,
        *,
        states_filter: Iterable[str] = (),
        types_filter: Iterable[str] = (),
    ) -> None:
        self.states_filter = list(states_filter)
        self.types_filter = list(types_filter)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 3
        if version >= 4:
            out.array(self.states_filter, flexible)
            for item in self.states_filter:
                out.string(item, flexible)
        elif self.states_filter:
            raise absent("ListGroups", "ListGroupsRequest.states_filter", version)
        if version >= 5:
            out.array(self.types_filter, flexible)
            for item in self.types_filter:
                out.string(item, flexible)
        elif self.types_filter:
            raise absent("ListGroups", "ListGroupsRequest.types_filter", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 3
        if version >= 4:
            self.states_filter = [reader.string(flexible) for _ in range(reader.array(flexible))]
        else:
            self.states_filter = []
        if version >= 5:
            self.types_filter = [reader.string(flexible) for _ in range(reader.array(flexible))]
        else:
            self.types_filter = []
        if flexible:
            reader.skip_tags()
        return self
