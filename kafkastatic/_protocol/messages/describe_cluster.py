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

_BOOL = struct.Struct(">?")
_I32 = struct.Struct(">i")
_I32_I16 = struct.Struct(">ih")
_I8 = struct.Struct(">b")


class DescribeClusterBroker(Message):
    __slots__ = (
        "broker_id",
        "host",
        "port",
        "rack",
        "is_fenced",
    )
    broker_id: int
    host: str
    port: int
    rack: str | None
    is_fenced: bool  # v2+

    def __init__(
        self,
        *,
        broker_id: int = 0,
        host: str = "",
        port: int = 0,
        rack: str | None = None,
        is_fenced: bool = False,
    ) -> None:
        self.broker_id = broker_id
        self.host = host
        self.port = port
        self.rack = rack
        self.is_fenced = is_fenced

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32, self.broker_id)
        out.string(self.host, True)
        out.pack(_I32, self.port)
        out.nullable_string(self.rack, True)
        if version >= 2:
            out.pack(_BOOL, self.is_fenced)
        elif self.is_fenced:
            raise absent("DescribeCluster", "DescribeClusterBroker.is_fenced", version)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.broker_id,) = reader.unpack(_I32)
        self.host = reader.string(True)
        (self.port,) = reader.unpack(_I32)
        self.rack = reader.nullable_string(True)
        if version >= 2:
            (self.is_fenced,) = reader.unpack(_BOOL)
        else:
            self.is_fenced = False
        reader.skip_tags()
        return self


class DescribeClusterResponse(Response):
    """Versions 0 to 2."""

    API_KEY: ClassVar[int] = 60
    NAME: ClassVar[str] = "DescribeCluster"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 2
    FLEXIBLE_SINCE: ClassVar[int] = 0

    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "endpoint_type",
        "cluster_id",
        "controller_id",
        "brokers",
        "cluster_authorized_operations",
    )
    throttle_time_ms: int
    error_code: int
    error_message: str | None
    endpoint_type: int  # v1+
    cluster_id: str
    controller_id: int
    brokers: list[DescribeClusterBroker]
    cluster_authorized_operations: int

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = None,
        endpoint_type: int = 1,
        cluster_id: str = "",
        controller_id: int = -1,
        brokers: Iterable[DescribeClusterBroker] = (),
        cluster_authorized_operations: int = -2147483648,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.endpoint_type = endpoint_type
        self.cluster_id = cluster_id
        self.controller_id = controller_id
        self.brokers = list(brokers)
        self.cluster_authorized_operations = cluster_authorized_operations

    def write(self, out: Writer, version: int) -> None:
        out.pack(_I32_I16, self.throttle_time_ms, self.error_code)
        out.nullable_string(self.error_message, True)
        if version >= 1:
            out.pack(_I8, self.endpoint_type)
        elif self.endpoint_type != 1:
            raise absent("DescribeCluster", "DescribeClusterResponse.endpoint_type", version)
        out.string(self.cluster_id, True)
        out.pack(_I32, self.controller_id)
        out.array(self.brokers, True)
        for item in self.brokers:
            item.write(out, version)
        out.pack(_I32, self.cluster_authorized_operations)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.throttle_time_ms, self.error_code = reader.unpack(_I32_I16)
        self.error_message = reader.nullable_string(True)
        if version >= 1:
            (self.endpoint_type,) = reader.unpack(_I8)
        else:
            self.endpoint_type = 1
        self.cluster_id = reader.string(True)
        (self.controller_id,) = reader.unpack(_I32)
        self.brokers = [DescribeClusterBroker.read(reader, version) for _ in range(reader.array(True))]
        (self.cluster_authorized_operations,) = reader.unpack(_I32)
        reader.skip_tags()
        return self


class DescribeClusterRequest(Request[DescribeClusterResponse]):
    """Versions 0 to 2."""

    API_KEY: ClassVar[int] = 60
    NAME: ClassVar[str] = "DescribeCluster"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 2
    FLEXIBLE_SINCE: ClassVar[int] = 0
    RESPONSE: ClassVar[type[DescribeClusterResponse]] = DescribeClusterResponse

    __slots__ = (
        "include_cluster_authorized_operations",
        "endpoint_type",
        "include_fenced_brokers",
    )
    include_cluster_authorized_operations: bool
    endpoint_type: int  # v1+
    include_fenced_brokers: bool  # v2+

    def __init__(
        self,
        *,
        include_cluster_authorized_operations: bool = False,
        endpoint_type: int = 1,
        include_fenced_brokers: bool = False,
    ) -> None:
        self.include_cluster_authorized_operations = include_cluster_authorized_operations
        self.endpoint_type = endpoint_type
        self.include_fenced_brokers = include_fenced_brokers

    def write(self, out: Writer, version: int) -> None:
        out.pack(_BOOL, self.include_cluster_authorized_operations)
        if version >= 1:
            out.pack(_I8, self.endpoint_type)
        elif self.endpoint_type != 1:
            raise absent("DescribeCluster", "DescribeClusterRequest.endpoint_type", version)
        if version >= 2:
            out.pack(_BOOL, self.include_fenced_brokers)
        elif self.include_fenced_brokers:
            raise absent("DescribeCluster", "DescribeClusterRequest.include_fenced_brokers", version)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        (self.include_cluster_authorized_operations,) = reader.unpack(_BOOL)
        if version >= 1:
            (self.endpoint_type,) = reader.unpack(_I8)
        else:
            self.endpoint_type = 1
        if version >= 2:
            (self.include_fenced_brokers,) = reader.unpack(_BOOL)
        else:
            self.include_fenced_brokers = False
        reader.skip_tags()
        return self
