"""A record's own face, compiled and plain."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kafkastatic._records import ConsumerRecord, encode_batch
from kafkastatic.types import TopicPartition
from tests.records.twins import COMPILED, FIELDS, Twin, both_twins, each_twin

OTHERS = ("others", 4, 43, 5, 1, b"yek", None, (), 8, -1, 6)


def record(cls: Any = ConsumerRecord, **changes: object) -> Any:
    made = cls("orders", 3, 42, 1_700_000_000_123, 0, b"key", b"value", (("h", None),), 7, 3, 5)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def decoded(twin: Twin) -> Any:
    (made,) = twin.decode_records(
        encode_batch([(b"key", b"value", [("h", b"x")], 1)])[61:], "t", 0, 1, 0, 0, None, 0, 0
    )
    return made


@each_twin
def test_a_record_says_where_and_when_it_is(twin: Twin) -> None:
    assert record(twin.ConsumerRecord).tp == TopicPartition("orders", 3)
    assert record(twin.ConsumerRecord).datetime == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    early = record(twin.ConsumerRecord, timestamp=-1)
    assert early.datetime == datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)


@each_twin
@pytest.mark.parametrize("timestamp", [2**62, -(2**62)])
def test_a_time_outside_the_calendar_is_an_overflow(twin: Twin, timestamp: int) -> None:
    """Some producers send nanoseconds."""
    with pytest.raises(OverflowError):
        _ = record(twin.ConsumerRecord, timestamp=timestamp).datetime


@each_twin
def test_a_record_can_be_made_and_matched(twin: Twin) -> None:
    """As in applications' own tests: by position or name, with the defaults of what is rarely given."""
    made = twin.ConsumerRecord("orders", 3, 42, 5, 0, key=None, value=b"v")

    assert [getattr(made, name) for name in FIELDS] == ["orders", 3, 42, 5, 0, None, b"v", (), -1, -1, -1]
    match made:
        case twin.ConsumerRecord(topic="orders", value=value):
            assert value == b"v"
        case _:
            pytest.fail("no match")
    with pytest.raises(TypeError):
        twin.ConsumerRecord("orders", 3, 42)
    with pytest.raises(AttributeError):
        made.other = 1


@each_twin
def test_its_type_takes_parameters(twin: Twin) -> None:
    """In annotations that are evaluated."""
    assert twin.ConsumerRecord[str, int].__origin__ is twin.ConsumerRecord


@each_twin
def test_records_compare_by_every_field(twin: Twin) -> None:
    cls = twin.ConsumerRecord
    assert record(cls) == record(cls)
    for name, other in zip(FIELDS, OTHERS, strict=True):
        assert record(cls) != record(cls, **{name: other})
    assert record(cls) != ("orders", 3, 42)
    with pytest.raises(TypeError, match="unhashable"):
        hash(record(cls))


@each_twin
def test_records_are_small_and_copied(twin: Twin) -> None:
    """No dict each."""
    made = record(twin.ConsumerRecord)
    assert not hasattr(made, "__dict__")
    for copied in (copy.copy(made), copy.copy(decoded(twin))):
        assert type(copied) is twin.ConsumerRecord
    assert copy.copy(made) == made


def test_records_are_pickled() -> None:
    """They go to other processes, where the other implementation may be in use: its name is not in the pickle."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(record(), protocol)) == record()
    assert copy.deepcopy(record()) == record()
    assert b"_compiled" not in pickle.dumps(record())
    assert type(pickle.loads(pickle.dumps(record()))) is ConsumerRecord


@each_twin
def test_the_repr_names_every_field(twin: Twin) -> None:
    text = repr(record(twin.ConsumerRecord))
    assert eval(text, {"ConsumerRecord": twin.ConsumerRecord}) == record(twin.ConsumerRecord)
    assert all(f"{name}=" in text for name in FIELDS)


class Order:
    """What a deserialiser may make."""

    def __init__(self, record: Any) -> None:
        self.record = record


@each_twin
@pytest.mark.parametrize("make", [decoded, lambda twin: record(twin.ConsumerRecord)], ids=["decoded", "made"])
@pytest.mark.parametrize("name", ["key", "value", "headers", "topic"])
def test_a_record_in_a_cycle_is_collected(twin: Twin, make: Callable[[Twin], Any], name: str) -> None:
    """Decoded records are unknown to the garbage collector only for as long as they lead nowhere."""
    order = Order(make(twin))
    setattr(order.record, name, order)
    gone = weakref.ref(order)

    del order
    gc.collect()

    assert gone() is None


@each_twin
def test_a_record_that_is_made_anew_in_a_cycle_is_collected(twin: Twin) -> None:
    made = decoded(twin)
    order = Order(made)
    made.__init__("orders", 0, 0, 0, 0, None, order)
    gone = weakref.ref(order)

    del order, made
    gc.collect()

    assert gone() is None


@each_twin
def test_a_long_chain_of_records_goes_without_using_up_the_stack(twin: Twin) -> None:
    chain: Any = None
    for offset in range(1_000_000):
        chain = twin.ConsumerRecord("orders", 0, offset, 0, 0, None, chain)
    assert chain.value.offset == 999_998

    del chain


@both_twins
def test_the_collector_does_not_know_decoded_records() -> None:
    """Nor their headers: a million of them in memory cost no collection anything."""
    made = decoded(COMPILED)
    assert [gc.is_tracked(thing) for thing in (made, made.headers, made.headers[0])] == [False, False, False]
    made.value = "a deserialised text"
    assert not gc.is_tracked(made)
    made.value = {"a": []}
    assert gc.is_tracked(made)
