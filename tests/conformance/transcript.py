"""Answers as text: a step each, a field a line, and names in place of what differs from run to run.

    a: JoinGroup v9
        error_code = 0
        member_id = "a-{id 1}"

Ids get their number in the order in which they appear, so two transcripts agree if the same id is the same everywhere.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kafka.record.memory_records import MemoryRecords

Fields = dict[str, str]
"""A field's path -> its value as JSON."""

Step = tuple[str, Fields]
"""Who asked what -> the answer."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_KAFKA_ID = re.compile(r"[A-Za-z0-9_-]{22}")
"""A UUID as Kafka prints it: the member ids that it makes for consumer groups."""

_CHANCE = re.compile(rf"{_UUID.pattern}|(?<='){_KAFKA_ID.pattern}(?=')")
"""What says nothing about an order."""

_NOBODY = str(uuid.UUID(int=0))

_NUMBERED = {
    "port": "port",
    "producer_id": "producer",
    "session_id": "session",
    "cluster_id": "cluster",
}
"""Fields whose values are names only."""

_MEANT = {
    "port": (-1,),
    "producer_id": (-1,),
    "session_id": (0,),
    "cluster_id": (None,),
    "finalized_features_epoch": (-1,),
}
"""Those of their values that mean something: none."""

_PROSE = {"error_message", "batch_index_error_message", "documentation"}
"""Texts for people: it counts whether there is one."""

_COUNTERS = {"finalized_features_epoch"}
"""Offsets of the controller's log, which moves by itself."""

_UNORDERED = {"members", "groups", "api_keys", "configs", "synonyms", "topic_partitions", "subscribed_topic_names"}
"""Lists that Kafka fills from a hash table, as the partitions in Metadata: compared in the order of their text."""

_KEYED = {"api_keys": "api_key", "configs": "name"}
"""Lists whose elements are called by a field of theirs rather than by their place."""


class Transcript:
    """The steps of one scenario, as they are recorded."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._names: dict[tuple[str, str], int] = {}

    def note(self, label: str, **fields: Any) -> None:
        """Add a step. `fields` are plain values: dicts, lists, bytes, numbers."""
        self.steps.append((label, dict(self._lines("", fields)) if fields else {}))

    def _lines(self, path: str, value: Any) -> Iterator[tuple[str, str]]:
        name = re.sub(r"\[.*\]$", "", path.rsplit(".", 1)[-1])
        if isinstance(value, Mapping) and value:
            for key, inner in value.items():
                yield from self._lines(f"{path}.{key}" if path else str(key), inner)
        elif name == "records" and value and isinstance(value, bytes | bytearray | memoryview):
            yield from self._lines(path, _batches(bytes(value)))
        elif isinstance(value, list | tuple) and value:
            for key, inner in _elements(name, value):
                yield from self._lines(f"{path}[{key}]", inner)
        else:
            yield path, json.dumps(self._plain(name, value), ensure_ascii=False)

    def _plain(self, name: str, value: Any) -> Any:
        if (value and name in _PROSE) or (name in _COUNTERS and value != -1):
            return f"{{{name}}}"
        if name in _NUMBERED and value not in _MEANT.get(name, ()):
            return self._name(_NUMBERED[name], str(value))
        if "timestamp" in name or name.endswith("time_ms"):
            return "{now}" if abs(value - time.time() * 1000) < 3_600_000 else value
        if isinstance(value, bytes | bytearray | memoryview):
            return readable(bytes(value))
        if isinstance(value, set):  # authorized operations, a bit each
            return sorted(map(str, value))
        if isinstance(value, uuid.UUID):
            value = str(value)
        if name == "member_id" and _KAFKA_ID.fullmatch(value or ""):
            return self._name("id", value)
        if isinstance(value, str):
            return _UUID.sub(lambda found: found[0] if found[0] == _NOBODY else self._name("id", found[0]), value)
        return value

    def _name(self, kind: str, value: str) -> str:
        known = sum(of == kind for of, _ in self._names)
        return f"{{{kind} {self._names.setdefault((kind, value), known + 1)}}}"


def _elements(name: str, values: Sequence[Any]) -> Iterator[tuple[object, Any]]:
    if name in _UNORDERED or (isinstance(values[0], dict) and "isr_nodes" in values[0]):
        values = sorted(values, key=lambda value: _CHANCE.sub("", repr(value)))
    elif name == "partitions" and isinstance(values[0], int):
        values = sorted(values)
    for place, value in enumerate(values):
        yield (value[_KEYED[name]] if name in _KEYED else place), value


def _batches(data: bytes) -> list[dict[str, Any]]:
    """Record batches by their headers and records, read by kafka-python; the checksum is checked."""
    found: list[dict[str, Any]] = []
    records = MemoryRecords(data)
    while (batch := records.next_batch()) is not None:
        header: dict[str, Any] = {"magic": batch.magic, "base_offset": batch.base_offset}
        if batch.magic == 2:
            header["valid"] = batch.validate_crc()
            for name in ("leader_epoch", "attributes", "last_offset_delta", "base_sequence", "producer_epoch"):
                header[name] = getattr(batch, name)
            header |= {"max_timestamp": batch.max_timestamp, "producer_id": batch.producer_id}
        header["read"] = [{"offset": r.offset, "timestamp": r.timestamp, "key": r.key, "value": r.value} for r in batch]
        found.append(header)
    return found


def readable(data: bytes) -> str:
    """Bytes as text where they are text, and as hex where they are not."""
    return data.decode("ascii") if data.isascii() and data.decode("ascii").isprintable() else f"0x{data.hex()}"


# Files


def write(path: Path, steps: Sequence[Step]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(steps), encoding="utf-8")


def as_text(steps: Sequence[Step]) -> str:
    return "".join(
        "".join((f"{label}\n", *(f"    {path} = {value}\n" for path, value in fields.items()), "\n"))
        for label, fields in steps
    )


def read(path: Path) -> list[Step]:
    steps: list[Step] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            field, _, value = line.strip().partition(" = ")
            steps[-1][1][field] = value
        elif line:
            steps.append((line, {}))
    return steps
