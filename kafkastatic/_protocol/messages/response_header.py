# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.

from __future__ import annotations

import struct
from typing import ClassVar, Self

from kafkastatic._protocol.primitives import (
    Reader,
    TopLevel,
    Writer,
)

_I32 = struct.Struct(">i")


class ResponseHeader(TopLevel):
    """Versions 0 to 1."""

    NAME: ClassVar[str] = "ResponseHeader"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 1
    FLEXIBLE_SINCE: ClassVar[int] = 1

    __slots__ = (
        "correlation_id",
    )
    correlation_id: int

    def __init__(
        self,
        *,
        correlation_id: int = 0,
    ) -> None:
        self.correlation_id = correlation_id

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 1
        out.pack(_I32, self.correlation_id)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 1
        (self.correlation_id,) = reader.unpack(_I32)
        if flexible:
            reader.skip_tags()
        return self
