"""Kafka's message schemas as plain values, read from the JSON files inside a kafka-clients jar."""

from __future__ import annotations

import json
import keyword
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

_FOREVER = 32767
_FIELD_METHODS = {"read", "write", "encode", "decode", "decode_prefix", "check_version"}


class Versions(NamedTuple):
    """A range of versions, both ends included; empty when `high < low`."""

    low: int
    high: int

    def __and__(self, other: Versions) -> Versions:
        return Versions(max(self.low, other.low), min(self.high, other.high))

    @property
    def empty(self) -> bool:
        return self.high < self.low

    @classmethod
    def parse(cls, text: str | None) -> Versions:
        if text is None or text == "none":
            return cls(0, -1)
        low, separator, high = text.partition("-")
        if separator:
            return cls(int(low), int(high))
        if low.endswith("+"):
            return cls(int(low[:-1]), _FOREVER)
        return cls(int(low), int(low))


@dataclass(frozen=True)
class Field:
    """A field of a struct.

    Attributes:
        kind: Kafka's type without the brackets: `"int32"`, `"string"`, or the name of a struct.
        flexible: the versions in which its type is the compact one, `None` where the message decides.
        default: the default as the schema spells it, `None` where it has none.
    """

    name: str
    kind: str
    is_array: bool
    versions: Versions
    nullable: Versions
    flexible: Versions | None
    tag: int | None
    ignorable: bool
    default: str | None

    @property
    def is_struct(self) -> bool:
        return self.kind[0].isupper()


@dataclass(frozen=True)
class Struct:
    """A struct, cut down to `versions`; `name` is that of its Python class."""

    name: str
    versions: Versions
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Message:
    """A message: `structs` in the order of their definition, the message itself last."""

    name: str
    type: str
    api_key: int | None
    versions: Versions
    flexible: Versions
    structs: tuple[Struct, ...]


def load(jar: Path, name: str) -> dict[str, Any]:
    """A schema as JSON. Kafka's files have comments, each on a line of its own."""
    with zipfile.ZipFile(jar) as archive:
        text = archive.read(f"common/message/{name}.json").decode()
    return json.loads("\n".join(line for line in text.splitlines() if not line.lstrip().startswith("//")))


def stable_versions(request: dict[str, Any]) -> Versions:
    """The versions of an API, by its request, without the latest where that is still unstable."""
    low, high = Versions.parse(request["validVersions"])
    return Versions(low, high - 1 if request.get("latestVersionUnstable") else high)


def parse(schema: dict[str, Any], versions: Versions, prefixed: frozenset[str] = frozenset()) -> Message:
    """A message cut down to `versions`. Structs named in `prefixed` get the message's name before their own."""
    name: str = schema["name"]
    common = {struct["name"]: struct for struct in schema.get("commonStructs", ())}
    builder = _Builder(name, common, prefixed, versions)
    builder.add(name, schema["fields"], versions)
    flexible = Versions.parse(schema.get("flexibleVersions"))
    return Message(name, schema["type"], schema.get("apiKey"), versions, flexible, tuple(builder.structs.values()))


def struct_names(schema: dict[str, Any]) -> set[str]:
    """The names of all structs that a schema defines."""
    names = {struct["name"] for struct in schema.get("commonStructs", ())}
    pending = [*schema["fields"], *(field for struct in schema.get("commonStructs", ()) for field in struct["fields"])]
    while pending:
        field = pending.pop()
        if "fields" in field:
            names.add(field["type"].removeprefix("[]"))
            pending.extend(field["fields"])
    return names


class _Builder:
    """Collects the structs of one message, inner ones first."""

    def __init__(
        self, message: str, common: dict[str, dict[str, Any]], prefixed: frozenset[str], versions: Versions
    ) -> None:
        self.structs: dict[str, Struct] = {}
        self._message = message
        self._common = common
        self._prefixed = prefixed
        self._versions = versions

    def add(self, name: str, raw_fields: list[dict[str, Any]], versions: Versions) -> None:
        fields: list[Field] = []
        for raw in raw_fields:
            present = Versions.parse(raw["versions"]) & versions
            if not present.empty:
                fields.append(self._field(raw, present))
        self.structs[name] = Struct(name, versions, tuple(fields))

    def _field(self, raw: dict[str, Any], versions: Versions) -> Field:
        kind: str = raw["type"].removeprefix("[]")
        if kind[0].isupper():
            kind = self._struct(kind, raw, versions)
        if raw.get("taggedVersions", raw["versions"]) != raw["versions"]:
            raise NotImplementedError(f"{raw['name']} is tagged in some of its versions only")
        return Field(
            name=snake(raw["name"]),
            kind=kind,
            is_array=raw["type"].startswith("[]"),
            versions=versions,
            nullable=Versions.parse(raw.get("nullableVersions")) & versions,
            flexible=Versions.parse(raw["flexibleVersions"]) if "flexibleVersions" in raw else None,
            tag=raw.get("tag"),
            ignorable=raw.get("ignorable", False),
            default=str(raw["default"]) if "default" in raw else None,
        )

    def _struct(self, kind: str, raw: dict[str, Any], versions: Versions) -> str:
        """Define a field's struct where that has not happened yet; the name of its class."""
        name = self._message + kind if kind in self._prefixed else kind
        if "fields" in raw:
            self.add(name, raw["fields"], versions)
        elif name not in self.structs:
            # Several fields share it, so it has the versions of the message, not those of the first field.
            common = self._common[kind]
            self.add(name, common["fields"], Versions.parse(common["versions"]) & self._versions)
        return name


def snake(name: str) -> str:
    """`GroupInstanceId` as `group_instance_id`; a name that Python has taken gets an underscore."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return f"{text}_" if keyword.iskeyword(text) or text in _FIELD_METHODS else text
