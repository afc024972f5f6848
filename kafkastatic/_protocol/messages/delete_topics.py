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
    absent,
)

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_UUID = struct.Struct(">16s")


class DeletableTopicResult(Message):
    __slots__ = (
        "name",
        "topic_id",
        "error_code",
        "error_message",
    )
    name: str | None  # may be None in v6+
    topic_id: bytes  # v6+
    error_code: int
    error_message: str | None  # v5+

    def __init__(
        self,
        *,
        name: str | None = "",
        topic_id: bytes = ZERO_UUID,
        error_code: int = 0,
        error_message: str | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.error_code = error_code
        self.error_message = error_message

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        if version >= 6:
            out.nullable_string(self.name, flexible)
        else:
            out.string(self.name, flexible)
        if version >= 6:
            out.uuid(self.topic_id)
        out.pack(_I16, self.error_code)
        if version >= 5:
            out.nullable_string(self.error_message, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.name = reader.nullable_string(flexible) if version >= 6 else reader.string(flexible)
        if version >= 6:
            (self.topic_id,) = reader.unpack(_UUID)
        else:
            self.topic_id = ZERO_UUID
        (self.error_code,) = reader.unpack(_I16)
        if version >= 5:
            self.error_message = reader.nullable_string(flexible)
        else:
            self.error_message = None
        if flexible:
            reader.skip_tags()
        return self


class DeleteTopicsResponse(Response):
    """Versions 1 to 6."""

    API_KEY: ClassVar[int] = 20
    NAME: ClassVar[str] = "DeleteTopics"
    MIN_VERSION: ClassVar[int] = 1
    MAX_VERSION: ClassVar[int] = 6
    FLEXIBLE_SINCE: ClassVar[int] = 4

    __slots__ = (
        "throttle_time_ms",
        "responses",
    )
    throttle_time_ms: int
    responses: list[DeletableTopicResult]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        responses: Iterable[DeletableTopicResult] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.responses = list(responses)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.pack(_I32, self.throttle_time_ms)
        out.array(self.responses, flexible)
        for item in self.responses:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        (self.throttle_time_ms,) = reader.unpack(_I32)
        self.responses = [DeletableTopicResult.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class DeleteTopicState(Message):
    __slots__ = (
        "name",
        "topic_id",
    )
    name: str | None
    topic_id: bytes

    def __init__(
        self,
        *,
        name: str | None = None,
        topic_id: bytes = ZERO_UUID,
    ) -> None:
        self.name = name
        self.topic_id = topic_id

    def write(self, out: Writer, version: int) -> None:
        out.nullable_string(self.name, True)
        out.uuid(self.topic_id)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.name = reader.nullable_string(True)
        (self.topic_id,) = reader.unpack(_UUID)
        reader.skip_tags()
        return self


class DeleteTopicsRequest(Request[DeleteTopicsResponse]):
    """Versions 1 to 6."""

    API_KEY: ClassVar[int] = 20
    NAME: ClassVar[str] = "DeleteTopics"
    MIN_VERSION: ClassVar[int] = 1
    MAX_VERSION: ClassVar[int] = 6
    FLEXIBLE_SINCE: ClassVar[int] = 4
    RESPONSE: ClassVar[type[DeleteTopicsResponse]] = DeleteTopicsResponse

    __slots__ = (
        "topics",
        "topic_names",
        "timeout_ms",
    )
    topics: list[DeleteTopicState]  # v6+
    topic_names: list[str]  # v1 to v5
    timeout_ms: int

    def __init__(
        self,
        *,
        topics: Iterable[DeleteTopicState] = (),
        topic_names: Iterable[str] = (),
        timeout_ms: int = 0,
    ) -> None:
        self.topics = list(topics)
        self.topic_names = list(topic_names)
        self.timeout_ms = timeout_ms

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        if version >= 6:
            out.array(self.topics, flexible)
            for item in self.topics:
                item.write(out, version)
        elif self.topics:
            raise absent("DeleteTopics", "DeleteTopicsRequest.topics", version)
        if version <= 5:
            out.array(self.topic_names, flexible)
            for item in self.topic_names:
                out.string(item, flexible)
        out.pack(_I32, self.timeout_ms)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        if version >= 6:
            self.topics = [DeleteTopicState.read(reader, version) for _ in range(reader.array(flexible))]
        else:
            self.topics = []
        if version <= 5:
            self.topic_names = [reader.string(flexible) for _ in range(reader.array(flexible))]
        else:
            self.topic_names = []
        (self.timeout_ms,) = reader.unpack(_I32)
        if flexible:
            reader.skip_tags()
        return self
