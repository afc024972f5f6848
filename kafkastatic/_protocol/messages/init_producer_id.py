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

_I32 = struct.Struct(">i")
_I32_I16_I64_I16 = struct.Struct(">ihqh")
_I64_I16 = struct.Struct(">qh")


class InitProducerIdResponse(Response):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 22
    NAME: ClassVar[str] = "InitProducerId"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 2

    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "producer_id",
        "producer_epoch",
    )
    throttle_time_ms: int
    error_code: int
    producer_id: int
    producer_epoch: int

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        producer_id: int = -1,
        producer_epoch: int = 0,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.pack(_I32_I16_I64_I16, self.throttle_time_ms, self.error_code, self.producer_id, self.producer_epoch)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        (
            self.throttle_time_ms,
            self.error_code,
            self.producer_id,
            self.producer_epoch,
        ) = reader.unpack(_I32_I16_I64_I16)
        if flexible:
            reader.skip_tags()
        return self


class InitProducerIdRequest(Request[InitProducerIdResponse]):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 22
    NAME: ClassVar[str] = "InitProducerId"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 2
    RESPONSE: ClassVar[type[InitProducerIdResponse]] = InitProducerIdResponse

    __slots__ = (
        "transactional_id",
        "transaction_timeout_ms",
        "producer_id",
        "producer_epoch",
    )
    transactional_id: str | None
    transaction_timeout_ms: int
    producer_id: int  # v3+
    producer_epoch: int  # v3+

    def __init__(
        self,
        *,
        transactional_id: str | None = "",
        transaction_timeout_ms: int = 0,
        producer_id: int = -1,
        producer_epoch: int = -1,
    ) -> None:
        self.transactional_id = transactional_id
        self.transaction_timeout_ms = transaction_timeout_ms
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 2
        out.nullable_string(self.transactional_id, flexible)
        out.pack(_I32, self.transaction_timeout_ms)
        if version >= 3:
            out.pack(_I64_I16, self.producer_id, self.producer_epoch)
        else:
            if self.producer_id != -1:
                raise absent("InitProducerId", "InitProducerIdRequest.producer_id", version)
            if self.producer_epoch != -1:
                raise absent("InitProducerId", "InitProducerIdRequest.producer_epoch", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 2
        self.transactional_id = reader.nullable_string(flexible)
        (self.transaction_timeout_ms,) = reader.unpack(_I32)
        if version >= 3:
            self.producer_id, self.producer_epoch = reader.unpack(_I64_I16)
        else:
            self.producer_id = -1
            self.producer_epoch = -1
        if flexible:
            reader.skip_tags()
        return self
