"""Batches made by Kafka's own classes (tools/BatchVectors.java), decoded exactly as Kafka decodes them."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import cramjam
import pytest
from pytest import MonkeyPatch

from kafkastatic._records import ConsumerRecord, decode, split
from kafkastatic._records.compression import fast
from kafkastatic._records.compression import gzip as gzip_codec

LINES = gzip.decompress(Path(__file__).with_name("vectors.jsonl.gz").read_bytes()).splitlines()
VECTORS: dict[str, Any] = {vector["name"]: vector for vector in map(json.loads, LINES)}
CURRENT = [name for name in VECTORS if not name.startswith("legacy")]
LEGACY = [name for name in VECTORS if name.startswith("legacy")]
GZIPS = [gzip_codec.whole_by_cramjam, fast.whole_by_isal]
HEADER_FIELDS = (
    "magic",
    "base_offset",
    "last_offset",
    "next_offset",
    "count",
    "leader_epoch",
    "max_timestamp",
    "timestamp_type",
    "codec",
    "is_control",
    "is_transactional",
    "producer_id",
    "producer_epoch",
    "base_sequence",
    "crc",
    "size",
)


def blob(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


def as_java_read_it(batch: dict[str, Any]) -> list[ConsumerRecord[bytes, bytes]]:
    records: list[ConsumerRecord[bytes, bytes]] = []
    for offset, timestamp, key64, value64, headers64 in batch["records"]:
        key, value = blob(key64), blob(value64)
        headers = tuple((b64decode(name).decode(), blob(content)) for name, content in headers64)
        records.append(
            ConsumerRecord(
                "topic",
                3,
                offset,
                timestamp,
                batch["timestamp_type"],
                key,
                value,
                headers,
                batch["leader_epoch"],
                -1 if key is None else len(key),
                -1 if value is None else len(value),
            )
        )
    return records


def test_the_vectors_cover_every_codec_and_shape() -> None:
    """The file was not cut short."""
    shapes = {"one", "keys", "nulls", "headers", "times", "large", "many"}
    shapes |= {"log-append-time", "transactional", "compacted", "compacted-empty"}
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        assert {f"{shape}-{codec}" for shape in shapes} <= set(CURRENT)
    assert len(CURRENT) == 58
    shapes = {"one", "keys", "nulls", "times", "large", "gaps"}
    for magic in (0, 1):
        for codec in ("none", "gzip", "snappy", "lz4"):
            assert {f"legacy-{shape}-v{magic}-{codec}" for shape in shapes} <= set(LEGACY)
    assert len(LEGACY) == 59


@pytest.mark.parametrize("name", CURRENT)
def test_headers_are_read_as_kafka_reads_them(name: str) -> None:
    """Every field of every batch header, and no bytes left over."""
    vector = VECTORS[name]
    batches, truncated_size = split(b64decode(vector["data"]))

    assert truncated_size is None
    found = [{field: getattr(batch, field) for field in HEADER_FIELDS} for batch in batches]
    assert found == [{field: batch[field] for field in HEADER_FIELDS} for batch in vector["batches"]]


@pytest.mark.parametrize(
    ("name", "whole"),
    [(name, whole) for name in VECTORS for whole in (GZIPS if "gzip" in name else GZIPS[:1])],
)
def test_records_are_read_as_kafka_reads_them(name: str, whole: gzip_codec.Whole, monkeypatch: MonkeyPatch) -> None:
    """Every field of every record, by either decoder of gzip; control batches have none."""
    monkeypatch.setattr(gzip_codec, "_whole", whole)
    vector = VECTORS[name]
    for raw, batch in zip(split(b64decode(vector["data"])).batches, vector["batches"], strict=True):
        expected = [] if batch["is_control"] else as_java_read_it(batch)

        assert decode(raw, "topic", 3) == expected


@pytest.mark.parametrize("name", VECTORS)
def test_records_before_the_fetched_offset_are_left_out(name: str) -> None:
    """A fetch may begin at any offset of a batch, also at one that compaction removed."""
    vector = VECTORS[name]
    for raw in split(b64decode(vector["data"])).batches:
        everything = decode(raw, "topic", 3)
        for offset in {raw.base_offset, raw.base_offset + 1, raw.base_offset + 2, raw.last_offset, raw.next_offset}:
            expected = [record for record in everything if record.offset >= offset]

            assert decode(raw, "topic", 3, from_offset=offset) == expected


@pytest.mark.parametrize("name", LEGACY)
def test_headers_of_old_messages_are_read_as_kafka_reads_them(name: str) -> None:
    """But for what only the messages inside a compressed one tell."""
    vector = VECTORS[name]
    batches, truncated_size = split(b64decode(vector["data"]))

    inside = {"base_offset", "count"}
    fields = [field for field in HEADER_FIELDS if field not in inside]
    assert truncated_size is None
    found = [{field: getattr(batch, field) for field in fields} for batch in batches]
    assert found == [{field: batch[field] for field in fields} for batch in vector["batches"]]


@pytest.mark.parametrize("name", [name for name in LEGACY if name.endswith("v0-lz4")])
def test_lz4_of_the_oldest_format_has_a_wrong_header_checksum(name: str) -> None:
    """That of Kafka's own classes too (KIP-57): lz4 libraries refuse it, so it has to be put right first."""
    (vector,) = VECTORS[name]["batches"]
    at = b64decode(VECTORS[name]["data"]).index(b"\x04\x22\x4d\x18")
    frame = b64decode(VECTORS[name]["data"])[at:]

    assert vector["codec"] == 3
    with pytest.raises(cramjam.DecompressionError):
        cramjam.lz4.decompress(frame)
