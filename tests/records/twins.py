"""The two implementations of records and their decoders, for tests that hold for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from kafkastatic import impl
from kafkastatic._records import plain, record

if impl.records == "compiled":
    from kafkastatic._records import _compiled as compiled
else:
    compiled = None
    COMPILED: Any = None

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
both_twins = pytest.mark.skipif(len(TWINS) < 2, reason="the compiled module is not in use")


def fields(found: Any) -> tuple[Any, ...]:
    """What a record of any class says, its key and value as bytes."""
    return tuple(
        bytes(content) if isinstance(content, memoryview) else content
        for content in (getattr(found, name) for name in FIELDS)
    )
