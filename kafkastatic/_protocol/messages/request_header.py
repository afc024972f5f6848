# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

import struct
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Reader,
    TopLevel,
    Writer,
)

_I16_I16_I32 = struct.Struct(">hhi")


class RequestHeader(TopLevel):
    """Versions 1 to 2."""

    NAME: ClassVar[str] = "RequestHeader"
    MIN_VERSION: ClassVar[int] = 1
    MAX_VERSION: ClassVar[int] = 2
    FLEXIBLE_SINCE: ClassVar[int] = 2

    __slots__ = (
        "request_api_key",
        "request_api_version",
        "correlation_id",
        "client_id",
    )
    request_api_key: int
    request_api_version: int
    correlation_id: int
    client_id: str | None

    def __init__(
        self,
        *,
        request_api_key: int = 0,
        request_api_version: int = 0,
        correlation_id: int = 0,
        client_id: str | None = "",
    ) -> None:
        self.request_api_key = request_api_key
        self.request_api_version = request_api_version
        self.correlation_id = correlation_id
        self.client_id = client_id

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.pack(_I16_I16_I32, self.request_api_key, self.request_api_version, self.correlation_id)
        out.nullable_string(self.client_id, False)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        self.request_api_key, self.request_api_version, self.correlation_id = reader.unpack(_I16_I16_I32)
        self.client_id = reader.nullable_string(False)
        if flexible:
            reader.skip_tags()
        return self
