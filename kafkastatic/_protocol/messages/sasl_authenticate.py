# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

import struct
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Reader,
    Request,
    Response,
    Writer,
)

_I16 = struct.Struct(">h")
_I64 = struct.Struct(">q")


class SaslAuthenticateResponse(Response):
    """Versions 0 to 2."""

    API_KEY: ClassVar[int] = 36
    NAME: ClassVar[str] = "SaslAuthenticate"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 2
    FLEXIBLE_SINCE: ClassVar[int] = 2

    __slots__ = (
        "error_code",
        "error_message",
        "auth_bytes",
        "session_lifetime_ms",
    )
    error_code: int
    error_message: str | None
    auth_bytes: bytes
    session_lifetime_ms: int  # v1+

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        auth_bytes: bytes = b"",
        session_lifetime_ms: int = 0,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.auth_bytes = auth_bytes
        self.session_lifetime_ms = session_lifetime_ms

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.pack(_I16, self.error_code)
        out.nullable_string(self.error_message, flexible)
        out.blob(self.auth_bytes, flexible)
        if version >= 1:
            out.pack(_I64, self.session_lifetime_ms)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        (self.error_code,) = reader.unpack(_I16)
        self.error_message = reader.nullable_string(flexible)
        self.auth_bytes = reader.blob(flexible)
        if version >= 1:
            (self.session_lifetime_ms,) = reader.unpack(_I64)
        else:
            self.session_lifetime_ms = 0
        if flexible:
            reader.skip_tags()
        return self


class SaslAuthenticateRequest(Request[SaslAuthenticateResponse]):
    """Versions 0 to 2."""

    API_KEY: ClassVar[int] = 36
    NAME: ClassVar[str] = "SaslAuthenticate"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 2
    FLEXIBLE_SINCE: ClassVar[int] = 2
    RESPONSE: ClassVar[type[SaslAuthenticateResponse]] = SaslAuthenticateResponse

    __slots__ = (
        "auth_bytes",
    )
    auth_bytes: bytes

    def __init__(
        self,
        *,
        auth_bytes: bytes = b"",
    ) -> None:
        self.auth_bytes = auth_bytes

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.blob(self.auth_bytes, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        self.auth_bytes = reader.blob(flexible)
        if flexible:
            reader.skip_tags()
        return self
