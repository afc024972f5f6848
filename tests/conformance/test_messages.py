"""The messages that are declared by hand, against the bytes that Kafka's own Java classes write."""

from __future__ import annotations

import base64
import gzip
import json
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import messages

_VECTORS = Path(__file__).parent.parent / "protocol" / "vectors.jsonl.gz"
NAMES = [f"ConsumerGroup{api}{kind}" for api in ("Heartbeat", "Describe") for kind in ("Request", "Response")]


def vectors(name: str) -> list[tuple[int, bytes, Any]]:
    """(version, bytes, fields) of a message."""
    lines = (json.loads(line) for line in gzip.decompress(_VECTORS.read_bytes()).decode().splitlines())
    wanted = (line for line in lines if (line["kind"], line["name"]) == ("message", name))
    return [(line["version"], bytes.fromhex(line["hex"]), line["json"]) for line in wanted]


def plain(value: Any) -> Any:
    """kafka-python's values as Kafka's own classes print them as JSON."""
    if isinstance(value, Mapping):
        return {re.sub("_(.)", lambda found: found[1].upper(), key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    if isinstance(value, uuid.UUID):
        return base64.urlsafe_b64encode(value.bytes).decode().rstrip("=")
    return value


@pytest.mark.parametrize("name", NAMES)
def test_they_read_and_write_what_kafka_writes(name: str) -> None:
    """Every field at every version, each way."""
    found = vectors(name)
    assert {version for version, _, _ in found} == {0, 1}
    message = getattr(messages, name)
    for version, data, fields in found:
        read = message.decode(data, version=version)
        assert plain(read.to_dict(json=False)) == fields
        read._header = None  # it was read without one
        assert bytes(read.encode(version=version)) == data
