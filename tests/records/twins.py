"""The two implementations of records and their decoders, for tests that hold for both."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from kafkastatic._records import plain, record

try:
    from kafkastatic._records import _compiled as compiled
except ImportError:  # nothing could be compiled here; with KAFKASTATIC_IMPL=compiled nothing could be imported either
    compiled = None

FIELDS = (
    "topic",
    "partition",
    "offset",
    "timestamp",
    "timestamp_type",
    "key",
    "value",
    "headers",
    "leader_epoch",
    "serialized_key_size",
    "serialized_value_size",
)


class Twin(NamedTuple):
    name: str
    ConsumerRecord: Any
    RecordView: Any
    decode_records: Callable[..., list[Any]]
    decode_views: Callable[..., list[Any]]
    view_of: Callable[..., Any]

    def __str__(self) -> str:
        return self.name


PLAIN = Twin("plain", record.ConsumerRecord, record.RecordView, plain.decode_records, plain.decode_views, plain.view_of)
COMPILED: Any = None
TWINS = [PLAIN]
if compiled is not None:
    COMPILED = Twin(
        "compiled",
        compiled.ConsumerRecord,
        compiled.RecordView,
        compiled.decode_records,
        compiled.decode_views,
        compiled.view_of,
    )
    TWINS.append(COMPILED)

each_twin = pytest.mark.parametrize("twin", TWINS, ids=str)
both_twins = pytest.mark.skipif(len(TWINS) < 2, reason="there is no compiled module here")


def fields(found: Any) -> tuple[Any, ...]:
    """What a record of any class says, its key and value as bytes."""
    return tuple(
        bytes(content) if isinstance(content, memoryview) else content
        for content in (getattr(found, name) for name in FIELDS)
    )


def exact(data: bytes) -> memoryview:
    """These bytes and none behind them: bytes, bytearrays and arrays have a few more, which hide a read too far."""
    inline = 16  # what ctypes keeps in the object itself
    octets = (ctypes.c_ubyte * (inline + len(data))).from_buffer_copy(bytes(inline) + data)
    return memoryview(octets).cast("B")[inline:]
