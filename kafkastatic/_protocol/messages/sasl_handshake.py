# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Reader,
    Request,
    Response,
    Writer,
)

_I16 = struct.Struct(">h")


class SaslHandshakeResponse(Response):
    """Versions 0 to 1."""

    API_KEY: ClassVar[int] = 17
    NAME: ClassVar[str] = "SaslHandshake"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 1
    FLEXIBLE_SINCE: ClassVar[int] = 32767

    __slots__ = (
        "error_code",
        "mechanisms",
    )
    error_code: int
    mechanisms: list[str]

    def __init__(
        self,
        *,
        error_code: int = 0,
        mechanisms: Iterable[str] = (),
    ) -> None:
        self.error_code = error_code
        self.mechanisms = list(mechanisms)

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I16, self.error_code)
        out.array(self.mechanisms, False)
        for item in self.mechanisms:
            out.string(item, False)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.error_code,) = reader.unpack(_I16)
        self.mechanisms = [reader.string(False) for _ in range(reader.array(False))]
        return self


class SaslHandshakeRequest(Request[SaslHandshakeResponse]):
    """Versions 0 to 1."""

    API_KEY: ClassVar[int] = 17
    NAME: ClassVar[str] = "SaslHandshake"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 1
    FLEXIBLE_SINCE: ClassVar[int] = 32767
    RESPONSE: ClassVar[type[SaslHandshakeResponse]] = SaslHandshakeResponse

    __slots__ = (
        "mechanism",
    )
    mechanism: str

    def __init__(
        self,
        *,
        mechanism: str = "",
    ) -> None:
        self.mechanism = mechanism

    def write(self, out: Writer, version: int) -> None:
        out.string(self.mechanism, False)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.mechanism = reader.string(False)
        return self
