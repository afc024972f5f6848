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
_BOOL_I8_BOOL = struct.Struct(">?b?")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I8 = struct.Struct(">b")


class DescribeConfigsSynonym(Message):
    __slots__ = (
        "name",
        "value",
        "source",
    )
    name: str
    value: str | None
    source: int

    def __init__(
        self,
        *,
        name: str = "",
        value: str | None = "",
        source: int = 0,
    ) -> None:
        self.name = name
        self.value = value
        self.source = source

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.name, flexible)
        out.nullable_string(self.value, flexible)
        out.pack(_I8, self.source)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.name = reader.string(flexible)
        self.value = reader.nullable_string(flexible)
        (self.source,) = reader.unpack(_I8)
        if flexible:
            reader.skip_tags()
        return self


class DescribeConfigsResourceResult(Message):
    __slots__ = (
        "name",
        "value",
        "read_only",
        "config_source",
        "is_sensitive",
        "synonyms",
        "config_type",
        "documentation",
    )
    name: str
    value: str | None
    read_only: bool
    config_source: int
    is_sensitive: bool
    synonyms: list[DescribeConfigsSynonym]
    config_type: int  # v3+
    documentation: str | None  # v3+

    def __init__(
        self,
        *,
        name: str = "",
        value: str | None = "",
        read_only: bool = False,
        config_source: int = -1,
        is_sensitive: bool = False,
        synonyms: Iterable[DescribeConfigsSynonym] = (),
        config_type: int = 0,
        documentation: str | None = "",
    ) -> None:
        self.name = name
        self.value = value
        self.read_only = read_only
        self.config_source = config_source
        self.is_sensitive = is_sensitive
        self.synonyms = list(synonyms)
        self.config_type = config_type
        self.documentation = documentation

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.string(self.name, flexible)
        out.nullable_string(self.value, flexible)
        out.pack(_BOOL_I8_BOOL, self.read_only, self.config_source, self.is_sensitive)
        out.array(self.synonyms, flexible)
        for item in self.synonyms:
            item.write(out, version)
        if version >= 3:
            out.pack(_I8, self.config_type)
            out.nullable_string(self.documentation, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.name = reader.string(flexible)
        self.value = reader.nullable_string(flexible)
        self.read_only, self.config_source, self.is_sensitive = reader.unpack(_BOOL_I8_BOOL)
        self.synonyms = [DescribeConfigsSynonym.read(reader, version) for _ in range(reader.array(flexible))]
        if version >= 3:
            (self.config_type,) = reader.unpack(_I8)
            self.documentation = reader.nullable_string(flexible)
        else:
            self.config_type = 0
            self.documentation = ""
        if flexible:
            reader.skip_tags()
        return self


class DescribeConfigsResult(Message):
    __slots__ = (
        "error_code",
        "error_message",
        "resource_type",
        "resource_name",
        "configs",
    )
    error_code: int
    error_message: str | None
    resource_type: int
    resource_name: str
    configs: list[DescribeConfigsResourceResult]

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        resource_type: int = 0,
        resource_name: str = "",
        configs: Iterable[DescribeConfigsResourceResult] = (),
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.configs = list(configs)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.pack(_I16, self.error_code)
        out.nullable_string(self.error_message, flexible)
        out.pack(_I8, self.resource_type)
        out.string(self.resource_name, flexible)
        out.array(self.configs, flexible)
        for item in self.configs:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        (self.error_code,) = reader.unpack(_I16)
        self.error_message = reader.nullable_string(flexible)
        (self.resource_type,) = reader.unpack(_I8)
        self.resource_name = reader.string(flexible)
        self.configs = [DescribeConfigsResourceResult.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class DescribeConfigsResponse(Response):
    """Versions 1 to 4."""

    API_KEY: ClassVar[int] = 32
    NAME: ClassVar[str] = "DescribeConfigs"
    MIN_VERSION: ClassVar[int] = 1
    MAX_VERSION: ClassVar[int] = 4
    FLEXIBLE_SINCE: ClassVar[int] = 4

    __slots__ = (
        "throttle_time_ms",
        "results",
    )
    throttle_time_ms: int
    results: list[DescribeConfigsResult]

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        results: Iterable[DescribeConfigsResult] = (),
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results = list(results)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.pack(_I32, self.throttle_time_ms)
        out.array(self.results, flexible)
        for item in self.results:
            item.write(out, version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        (self.throttle_time_ms,) = reader.unpack(_I32)
        self.results = [DescribeConfigsResult.read(reader, version) for _ in range(reader.array(flexible))]
        if flexible:
            reader.skip_tags()
        return self


class DescribeConfigsResource(Message):
    __slots__ = (
        "resource_type",
        "resource_name",
        "configuration_keys",
    )
    resource_type: int
    resource_name: str
    configuration_keys: list[str] | None

    def __init__(
        self,
        *,
        resource_type: int = 0,
        resource_name: str = "",
        configuration_keys: Iterable[str] | None = (),
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.configuration_keys = None if configuration_keys is None else list(configuration_keys)

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.pack(_I8, self.resource_type)
        out.string(self.resource_name, flexible)
        out.nullable_array(self.configuration_keys, flexible)
        for item in self.configuration_keys or ():
            out.string(item, flexible)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        (self.resource_type,) = reader.unpack(_I8)
        self.resource_name = reader.string(flexible)
        count = reader.nullable_array(flexible)
        self.configuration_keys = None if count < 0 else [reader.string(flexible) for _ in range(count)]
        if flexible:
            reader.skip_tags()
        return self


class DescribeConfigsRequest(Request[DescribeConfigsResponse]):
    """Versions 1 to 4."""

    API_KEY: ClassVar[int] = 32
    NAME: ClassVar[str] = "DescribeConfigs"
    MIN_VERSION: ClassVar[int] = 1
    MAX_VERSION: ClassVar[int] = 4
    FLEXIBLE_SINCE: ClassVar[int] = 4
    RESPONSE: ClassVar[type[DescribeConfigsResponse]] = DescribeConfigsResponse

    __slots__ = (
        "resources",
        "include_synonyms",
        "include_documentation",
    )
    resources: list[DescribeConfigsResource]
    include_synonyms: bool
    include_documentation: bool  # v3+

    def __init__(
        self,
        *,
        resources: Iterable[DescribeConfigsResource] = (),
        include_synonyms: bool = False,
        include_documentation: bool = False,
    ) -> None:
        self.resources = list(resources)
        self.include_synonyms = include_synonyms
        self.include_documentation = include_documentation

    def write(self, out: Writer, version: int) -> None:
        flexible = version >= 4
        out.array(self.resources, flexible)
        for item in self.resources:
            item.write(out, version)
        out.pack(_BOOL, self.include_synonyms)
        if version >= 3:
            out.pack(_BOOL, self.include_documentation)
        elif self.include_documentation:
            raise absent("DescribeConfigs", "DescribeConfigsRequest.include_documentation", version)
        if flexible:
            out.tags()

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        self = cls.__new__(cls)
        flexible = version >= 4
        self.resources = [DescribeConfigsResource.read(reader, version) for _ in range(reader.array(flexible))]
        (self.include_synonyms,) = reader.unpack(_BOOL)
        if version >= 3:
            (self.include_documentation,) = reader.unpack(_BOOL)
        else:
            self.include_documentation = False
        if flexible:
            reader.skip_tags()
        return self
