"""A record's own face."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime

import pytest

from kafkastatic._records import ConsumerRecord
from kafkastatic.types import TopicPartition

FIELDS: dict[str, object] = {
    "topic": "others",
    "partition": 4,
    "offset": 43,
    "timestamp": 5,
    "timestamp_type": 1,
    "key": b"yek",
    "value": None,
    "headers": (),
    "leader_epoch": 8,
    "serialized_key_size": -1,
    "serialized_value_size": 6,
}


def record(**changes: object) -> ConsumerRecord[bytes, bytes]:
    made = ConsumerRecord("orders", 3, 42, 1_700_000_000_123, 0, b"key", b"value", (("h", None),), 7, 3, 5)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_record_says_where_and_when_it_is() -> None:
    assert record().tp == TopicPartition("orders", 3)
    assert record().datetime == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert record(timestamp=-1).datetime == datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)


@pytest.mark.parametrize("timestamp", [2**62, -(2**62)])
def test_a_time_outside_the_calendar_is_an_overflow(timestamp: int) -> None:
    """Some producers send nanoseconds."""
    with pytest.raises(OverflowError):
        _ = record(timestamp=timestamp).datetime


def test_records_compare_by_every_field() -> None:
    assert record() == record()
    for name, other in FIELDS.items():
        assert record() != record(**{name: other})
    assert record() != ("orders", 3, 42)
    with pytest.raises(TypeError, match="unhashable"):
        hash(record())


def test_records_are_small_copied_and_pickled() -> None:
    """No dict each; and they go to other processes."""
    assert not hasattr(record(), "__dict__")
    assert copy.copy(record()) == pickle.loads(pickle.dumps(record())) == record()


def test_the_repr_names_every_field() -> None:
    text = repr(record())
    assert eval(text) == record()
    assert all(f"{name}=" in text for name in FIELDS)
