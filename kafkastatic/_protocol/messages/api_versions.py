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

_BOOL = struct.Struct(">?")
_I16 = struct.Struct(">h")
_I16_I16 = struct.Struct(">hh")
_I16_I16_I16 = struct.Struct(">hhh")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")


class ApiVersion(Message):
    __slots__ = (
        "api_key",
        "min_version",
        "max_version",
    )
    api_key: int
    min_version: int
    max_version: int

    def __init__(
        self,
        *,
        api_key: int = 0,
        min_version: int = 0,
        max_version: int = 0,
    ) -> None:
        self.api_key = api_key
        self.min_version = min_version
        self.max_version = max_version

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 3
        out.pack(_I16_I16_I16, self.api_key, self.min_version, self.max_version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 3
        self.api_key, self.min_version, self.max_version = reader.unpack(_I16_I16_I16)
        if flexible:
            reader.skip_tags()
        return self


class SupportedFeatureKey(Message):
    __slots__ = (
        "name",
        "min_version",
        "max_version",
    )
    name: str
    min_version: int
    max_version: int

    def __init__(
        self,
        *,
        name: str = "",
        min_version: int = 0,
        max_version: int = 0,
    ) -> None:
        self.name = name
        self.min_version = min_version
        self.max_version = max_version

    def write(self, out: Writer, version: int) -> None:
        out.string(self.name, True)
        out.pack(_I16_I16, self.min_version, self.max_version)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.name = reader.string(True)
        self.min_version, self.max_version = reader.unpack(_I16_I16)
        reader.skip_tags()
        return self


class FinalizedFeatureKey(Message):
    __slots__ = (
        "name",
        "max_version_level",
        "min_version_level",
    )
    name: str
    max_version_level: int
    min_version_level: int

    def __init__(
        self,
        *,
        name: str = "",
        max_version_level: int = 0,
        min_version_level: int = 0,
    ) -> None:
        self.name = name
        self.max_version_level = max_version_level
        self.min_version_level = min_version_level

    def write(self, out: Writer, version: int) -> None:
        out.string(self.name, True)
        out.pack(_I16_I16, self.max_version_level, self.min_version_level)
        out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        self.name = reader.string(True)
        self.max_version_level, self.min_version_level = reader.unpack(_I16_I16)
        reader.skip_tags()
        return self


class ApiVersionsResponse(Response):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 18
    NAME: ClassVar[str] = "ApiVersions"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 3

    __slots__ = (
        "error_code",
        "api_keys",
        "throttle_time_ms",
        "supported_features",
        "finalized_features_epoch",
        "finalized_features",
        "zk_migration_ready",
    )
    error_code: int
    api_keys: list[ApiVersion]
    throttle_time_ms: int  # v1+
    supported_features: list[SupportedFeatureKey]  # v3+
    finalized_features_epoch: int  # v3+
    finalized_features: list[FinalizedFeatureKey]  # v3+
    zk_migration_ready: bool  # v3+

    def __init__(
        self,
        *,
        error_code: int = 0,
        api_keys: Iterable[ApiVersion] = (),
        throttle_time_ms: int = 0,
        supported_features: Iterable[SupportedFeatureKey] = (),
        finalized_features_epoch: int = -1,
        finalized_features: Iterable[FinalizedFeatureKey] = (),
        zk_migration_ready: bool = False,
    ) -> None:
        self.error_code = error_code
        self.api_keys = list(api_keys)
        self.throttle_time_ms = throttle_time_ms
        self.supported_features = list(supported_features)
        self.finalized_features_epoch = finalized_features_epoch
        self.finalized_features = list(finalized_features)
        self.zk_migration_ready = zk_migration_ready

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 3
        out.pack(_I16, self.error_code)
        out.array(self.api_keys, flexible)
        for item in self.api_keys:
            item.write(out, version)
        if version >= 1:
            out.pack(_I32, self.throttle_time_ms)
        if flexible:
            tags: list[tuple[int, Writer]] = []
            if self.supported_features:
                tag = Writer()
                tag.array(self.supported_features, flexible)
                for item in self.supported_features:
                    item.write(tag, version)
                tags.append((0, tag))
            if self.finalized_features_epoch != -1:
                tag = Writer()
                tag.pack(_I64, self.finalized_features_epoch)
                tags.append((1, tag))
            if self.finalized_features:
                tag = Writer()
                tag.array(self.finalized_features, flexible)
                for item in self.finalized_features:
                    item.write(tag, version)
                tags.append((2, tag))
            if self.zk_migration_ready:
                tag = Writer()
                tag.pack(_BOOL, self.zk_migration_ready)
                tags.append((3, tag))
            out.tags(tags)

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 3
        (self.error_code,) = reader.unpack(_I16)
        self.api_keys = [ApiVersion.read(reader, version) for _ in range(reader.array(flexible))]
        if version >= 1:
            (self.throttle_time_ms,) = reader.unpack(_I32)
        else:
            self.throttle_time_ms = 0
        self.supported_features = []
        self.finalized_features_epoch = -1
        self.finalized_features = []
        self.zk_migration_ready = False
        if flexible:
            tag = -1
            for _ in range(reader.uvarint()):
                tag, end = reader.tag(tag)
                if tag == 0:
                    self.supported_features = [SupportedFeatureKey.read(reader, version) for _ in range(reader.array(flexible))]
                elif tag == 1:
                    (self.finalized_features_epoch,) = reader.unpack(_I64)
                elif tag == 2:
                    self.finalized_features = [FinalizedFeatureKey.read(reader, version) for _ in range(reader.array(flexible))]
                elif tag == 3:
                    (self.zk_migration_ready,) = reader.unpack(_BOOL)
                else:
                    reader.position = end
                reader.end_tag(tag, end)
        return self


class ApiVersionsRequest(Request[ApiVersionsResponse]):
    """Versions 0 to 5."""

    API_KEY: ClassVar[int] = 18
    NAME: ClassVar[str] = "ApiVersions"
    MIN_VERSION: ClassVar[int] = 0
    MAX_VERSION: ClassVar[int] = 5
    FLEXIBLE_SINCE: ClassVar[int] = 3
    RESPONSE: ClassVar[type[ApiVersionsResponse]] = ApiVersionsResponse

    __slots__ = (
        "client_software_name",
        "client_software_version",
        "cluster_id",
        "node_id",
    )
    client_software_name: str  # v3+
    client_software_version: str  # v3+
    cluster_id: str | None  # v5+
    node_id: int  # v5+

    def __init__(
        self,
        *,
        client_software_name: str = "",
        client_software_version: str = "",
        cluster_id: str | None = None,
        node_id: int = -1,
    ) -> None:
        self.client_software_name = client_software_name
        self.client_software_version = client_software_version
        self.cluster_id = cluster_id
        self.node_id = node_id

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 3
        if version >= 3:
            out.string(self.client_software_name, flexible)
            out.string(self.client_software_version, flexible)
        if version >= 5:
            out.nullable_string(self.cluster_id, flexible)
            out.pack(_I32, self.node_id)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 3
        if version >= 3:
            self.client_software_name = reader.string(flexible)
            self.client_software_version = reader.string(flexible)
        else:
            self.client_software_name = ""
            self.client_software_version = ""
        if version >= 5:
            self.cluster_id = reader.nullable_string(flexible)
            (self.node_id,) = reader.unpack(_I32)
        else:
            self.cluster_id = None
            self.node_id = -1
        if flexible:
            reader.skip_tags()
        return self
