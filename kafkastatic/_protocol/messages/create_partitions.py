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
_I32_BOOL = struct.Struct(">i?")


class CreatePartitionsTopicResult(Message):
    __slots__ = (
        "name",
        "error_code",
        "error_message",
    )
    name: str
    error_code: int
    error_message: str | None

    def __init__(
        self,
        *,
        name: str = "",
        error_code: int = 0,
        error_message: str | None = None,
    ) -> None:
        self.name = name
        self.error_code = error_code
        self.error_message = error_message

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.string(self.name, flexible)
        out.pack(_I16, self.error_code)
        out.nullable_string(self.error_message, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        self.name = reader.string(flexible)
        (self.error_code,) = reader.unpack(_I16)
        self.error_message = reader.nullable_string(flexible)
        if flexible:
            reader.skip_tags()
        return self


class CreatePartitionsResponse(Response):
    """Versions 0 to 3."""

    API_KEY: ClassVar[int] = 37
    NAME: ClassVar[str] = "CreatePartitions"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 3
    FLEXIBLE_SINCE: ClassVar[int] = 2

    __slots__ = (
        "throttle_time_ms",
        "results",
    )
    throttle_time_ms: int
    results: list[CreatePartitionsTopicResult]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        results: Iterable[CreatePartitionsTopicResult] = (),
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
        self.results = [CreatePartitionsTopicResult.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class CreatePartitionsAssignment(Message):
    __slots__ = (
        "broker_ids",
    )
    broker_ids: list[int]

    def __init__(
        self,
        *,
        broker_ids: Iterable[int] = (),
    ) -> None:
        self.broker_ids = list(broker_ids)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.array(self.broker_ids, flexible)
        out.numbers(self.broker_ids, "i")
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        self.broker_ids = reader.numbers(reader.array(flexible), "i")
        if flexible:
            reader.skip_tags()
        return self


class CreatePartitionsTopic(Message):
    __slots__ = (
        "name",
        "count",
        "assignments",
    )
    name: str
    count: int
    assignments: list[CreatePartitionsAssignment] | None

    def __init__(
        self,
        *,
        name: str = "",
        count: int = 0,
        assignments: Iterable[CreatePartitionsAssignment] | None = (),
    ) -> None:
        self.name = name
        self.count = count
        self.assignments = None if assignments is None else list(assignments)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.string(self.name, flexible)
        out.pack(_I32, self.count)
        out.nullable_array(self.assignments, flexible)
        for item in self.assignments or ():
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        self.name = reader.string(flexible)
        (self.count,) = reader.unpack(_I32)
        count = reader.nullable_array(flexible)
        self.assignments = None if count < 0 else [CreatePartitionsAssignment.read(reader, version) for _ in range(count)]
        if flexible:
            reader.skip_tags()
        return self


class CreatePartitionsRequest(Request[CreatePartitionsResponse]):
    """Versions 0 to 3."""

    API_KEY: ClassVar[int] = 37
    NAME: ClassVar[str] = "CreatePartitions"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 3
    FLEXIBLE_SINCE: ClassVar[int] = 2
    RESPONSE: ClassVar[type[CreatePartitionsResponse]] = CreatePartitionsResponse

    __slots__ = (
        "topics",
        "timeout_ms",
        "validate_only",
    )
    topics: list[CreatePartitionsTopic]
    timeout_ms: int
    validate_only: bool

    def __init__(
        self,
        *,
        topics: Iterable[CreatePartitionsTopic] = (),
        timeout_ms: int = 0,
        validate_only: bool = False,
    ) -> None:
        self.topics = list(topics)
        self.timeout_ms = timeout_ms
        self.validate_only = validate_only

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.array(self.topics, flexible)
        for item in self.topics:
            item.write(out, version)
        out.pack(_I32_BOOL, self.timeout_ms, self.validate_only)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        self.topics = [CreatePartitionsTopic.read(reader, version) for _ in range(reader.array(flexible))]
        self.timeout_ms, self.validate_only = reader.unpack(_I32_BOOL)
        if flexible:
            reader.skip_tags()
        return self
