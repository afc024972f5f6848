"""Lazy records: handed out like any others, and never the wrong kind."""

from __future__ import annotations

from kafkastatic._fetch.consumption import Consumption
from kafkastatic._records import RecordView

from .logs import A, B, batch, consumption, offsets, push


def taken(source: Consumption, limit: int, *, views: bool) -> list[tuple[type, int]]:
    """The kind and the offset of each record that `batches()` is given."""
    source.ask()
    source.show_views(views)
    cursor = source.next()
    return [] if cursor is None else [(type(record), record.offset) for record in source.take(cursor, limit)]


def test_lazy_records_are_what_the_others_are() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 3, value_size=50))
    push(source.positions[B], batch(0, 3, value_size=50))
    plain = source.next()
    assert plain is not None
    records = source.take(plain, 9)
    source.ask()
    source.show_views(True)
    cursor = source.next()
    assert cursor is not None
    for lazy, record in zip(source.take(cursor, 9), records, strict=True):
        assert isinstance(lazy, RecordView)
        assert isinstance(lazy.value, memoryview)
        assert (lazy.key, lazy.value, lazy.headers) == (record.key, record.value, record.headers)
        assert (lazy.offset, lazy.timestamp) == (record.offset, record.timestamp)


def test_what_is_decoded_for_one_kind_of_reading_is_fetched_again_for_the_other() -> None:
    source = consumption(a=0)
    state = source.positions[A]
    push(state, batch(0, 4))
    assert taken(source, 1, views=True) == [(RecordView, 0)]
    assert taken(source, 1, views=True) == [(RecordView, 1)]

    assert taken(source, 9, views=False) == []
    assert (state.fetch_at, state.consumed, state.buffered) == (2, 2, 0)
    assert source.freed
    push(state, batch(0, 4))
    source.ask()
    cursor = source.next()
    assert cursor is not None
    assert not isinstance(cursor.records[0], RecordView)
    assert offsets(cursor.records) == [2, 3]


def test_what_is_not_decoded_yet_stays() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 2), batch(2, 2))
    assert [offset for _, offset in taken(source, 9, views=False)] == [0, 1]
    assert taken(source, 9, views=True) == [(RecordView, 2), (RecordView, 3)]


def test_a_lazy_value_keeps_its_batch_and_not_the_answer_it_came_in() -> None:
    source = consumption(a=0)
    content = batch(0, 2)
    push(source.positions[A], content)
    answer = memoryview(bytearray(content + bytes(1_000_000)))
    source.positions[A].buffer[0].data = answer[: len(content)]
    source.ask()
    source.show_views(True)
    cursor = source.next()
    assert cursor is not None
    value = cursor.records[0].value

    assert isinstance(value, memoryview)
    assert len(value.obj) < len(content)
