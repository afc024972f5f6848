"""Records whose key and value stay in the bytes of their batch."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest

from kafkastatic._records import RecordView, decode, encode_batch, split
from kafkastatic.types import TopicPartition
from tests.records.test_records_vectors import VECTORS
from tests.records.twins import Twin, each_twin, fields

ROWS = [(b"key", b"value", [("h", b"x"), ("n", None)], 1000), (None, None, [], 1001), (b"", b"v", [], 1002)]
ABOUT = ("orders", 3, 3, 40, 1000, None, 7, 0)


def views(twin: Twin, data: Any = None) -> list[Any]:
    return twin.decode_views(encode_batch(ROWS)[61:] if data is None else data, *ABOUT)


@each_twin
def test_a_view_has_the_attributes_of_a_record(twin: Twin) -> None:
    first, second, third = views(twin)

    assert fields(first) == ("orders", 3, 40, 1000, 0, b"key", b"value", (("h", b"x"), ("n", None)), 7, 3, 5)
    assert fields(second) == ("orders", 3, 41, 1001, 0, None, None, (), 7, -1, -1)
    assert fields(third) == ("orders", 3, 42, 1002, 0, b"", b"v", (), 7, 0, 1)
    assert first.tp == TopicPartition("orders", 3)
    assert first.datetime == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert "offset=40" in repr(first)


@each_twin
def test_keys_and_values_are_not_copied(twin: Twin) -> None:
    """They are the batch's own bytes."""
    data = bytearray(encode_batch(ROWS)[61:])
    view = views(twin, data)[0]
    key, value = view.key, view.value

    data[data.index(b"value")] = ord("V")

    assert (type(key), type(value)) == (memoryview, memoryview)
    assert (bytes(key), bytes(value), bytes(view.value)) == (b"key", b"Value", b"Value")


class Bytes(bytearray):
    """Bytes that can be watched."""


@each_twin
def test_a_view_keeps_its_batch_and_no_longer(twin: Twin) -> None:
    """So does a value that was taken from it."""
    data = Bytes(encode_batch(ROWS)[61:])
    gone = weakref.ref(data)
    value = views(twin, data)[0].value

    del data
    gc.collect()
    assert gone() is not None
    assert bytes(value) == b"value"
    del value
    gc.collect()
    assert gone() is None


@each_twin
def test_views_compare_by_their_contents(twin: Twin) -> None:
    assert views(twin) == views(twin)
    assert views(twin)[0] != views(twin)[1]
    assert views(twin)[0] != 40
    with pytest.raises(TypeError, match="unhashable"):
        hash(views(twin)[0])


@each_twin
def test_views_are_not_copied_or_pickled(twin: Twin) -> None:
    """With an error that says why."""
    for function in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="its bytes are its batch's"):
            function(views(twin)[0])


@each_twin
@pytest.mark.parametrize(("key", "value"), [(b"k", b"v"), (None, b"v"), (b"k", None), (b"", b""), (None, None)])
def test_messages_of_old_formats_have_views_too(twin: Twin, key: bytes | None, value: bytes | None) -> None:
    sizes = [-1 if content is None else len(content) for content in (key, value)]
    record = twin.ConsumerRecord("orders", 3, 42, 5, 1, key, value, (), -1, *sizes)

    view = twin.view_of(record)

    assert type(view) is twin.RecordView
    assert fields(view) == fields(record)


@pytest.mark.parametrize("name", VECTORS)
def test_views_say_what_records_say(name: str) -> None:
    """Of every batch that Kafka's own classes made, of old formats too."""
    for raw in split(b64decode(VECTORS[name]["data"])).batches:
        records = decode(raw, "topic", 3, from_offset=raw.base_offset + 1)
        found = decode(raw, "topic", 3, from_offset=raw.base_offset + 1, views=True)

        assert [fields(view) for view in found] == [fields(record) for record in records]
        assert all(type(view) is RecordView for view in found)
