"""What of an answer is passed over with `isolation_level="read_committed"`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafkastatic._fetch.transactions import mark_aborted
from kafkastatic._protocol.messages.fetch import AbortedTransaction, PartitionData
from kafkastatic._records import RawBatch, encode_batch, split
from kafkastatic.errors import CorruptRecordError

from .logs import A, Application, offsets
from .planning import Fetches

ABORT, COMMIT, UNKNOWN = 0, 1, 7
OPTIONS = {"isolation_level": "read_committed"}


class Log:
    """Batches written one behind another, each record's value its own offset."""

    def __init__(self, start: int = 0) -> None:
        self.end = start
        self.data = b""

    def write(self, producer: int = -1, count: int = 1, *, transactional: bool | None = None) -> Log:
        records = [(None, b"%d" % offset, (), 0) for offset in range(self.end, self.end + count)]
        inside = producer >= 0 if transactional is None else transactional
        return self._add(count, records, producer, is_transactional=inside)

    def mark(self, producer: int, kind: int) -> Log:
        key = b"\0\0" + kind.to_bytes(2, "big")
        return self._add(1, [(key, b"\0\0\0\0\0\0", (), 0)], producer, is_transactional=True, is_control=True)

    def _add(self, count: int, records: Any, producer: int, **kinds: bool) -> Log:
        self.data += encode_batch(records, base_offset=self.end, producer_id=producer, producer_epoch=0, **kinds)
        self.end += count
        return self


def passed_over(log: Log, *aborted: tuple[int, int]) -> list[int]:
    """The first offsets of the batches that are passed over, given producers and first offsets of transactions."""
    batches = split(log.data).batches
    mark_aborted(batches, [AbortedTransaction(producer_id=p, first_offset=first) for p, first in aborted])
    return [batch.base_offset for batch in batches if batch.is_aborted]


def test_batches_of_an_aborted_transaction_are_passed_over() -> None:
    """Up to its marker: the producer's next one is another transaction."""
    log = Log().write(7).write(7).mark(7, ABORT).write(7).mark(7, COMMIT)

    assert passed_over(log, (7, 0)) == [0, 1]


def test_what_stands_between_is_delivered() -> None:
    """Of other producers, in transactions or not."""
    log = Log().write().write(7).write(8).write(7).write(9, transactional=False).mark(8, COMMIT).write(7).mark(7, ABORT)

    assert passed_over(log, (7, 1)) == [1, 3, 6]


def test_transactions_may_overlap() -> None:
    log = Log().write(7).write(8).write(7).write(9).mark(7, ABORT).write(8).mark(8, ABORT).write(8).mark(9, COMMIT)

    assert passed_over(log, (8, 1), (7, 0)) == [0, 1, 2, 5]


def test_one_producer_may_abort_again_and_again() -> None:
    log = Log().write(7).mark(7, ABORT).write(7).mark(7, COMMIT).write(7).write(7).mark(7, ABORT)

    assert passed_over(log, (7, 0), (7, 4)) == [0, 4, 5]


def test_an_answer_may_begin_in_the_middle_of_a_transaction() -> None:
    """Its first offset is before those of all batches then."""
    assert passed_over(Log(50).write(7).write().mark(7, ABORT).write(7), (7, 12)) == [50]


def test_a_transaction_begins_at_its_first_offset() -> None:
    """What its producer wrote before, in a committed one whose marker stands before it, is delivered."""
    assert passed_over(Log().write(7).mark(7, COMMIT).write(7).mark(7, ABORT), (7, 2)) == [2]


def test_a_producers_records_outside_transactions_are_delivered() -> None:
    """An idempotent producer has an id, but no transaction."""
    assert passed_over(Log().write(7, transactional=False).write(7).mark(7, ABORT), (7, 0)) == [1]


@pytest.mark.parametrize("marker", [COMMIT, UNKNOWN, "empty", "garbage"])
def test_only_an_abort_marker_ends_it(marker: Any) -> None:
    """Other control batches of the producer do not: one that does not parse, or that compaction has emptied."""
    log = Log().write(7)
    if isinstance(marker, int):
        log.mark(7, marker)
    else:
        key = b"\0" if marker == "garbage" else None
        log._add(1, [(key, b"", (), 0)], 7, is_transactional=True, is_control=True)
    log.write(7)

    assert passed_over(log, (7, 0)) == [0, 2]


def test_no_transactions_cost_no_walk() -> None:
    """As with read_uncommitted, for which brokers send none."""
    batch = RawBatch(memoryview(Log().write(7).data))
    for nothing in (None, []):
        mark_aborted([batch], nothing)
        assert not batch.is_aborted


steps = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["write", "write", "commit", "abort"])), max_size=40)


@settings(max_examples=300, deadline=None)
@given(given_steps=steps, size=st.integers(1, 9), start=st.integers(0, 40))
def test_exactly_the_aborted_records_are_passed_over(given_steps: list[tuple[int, str]], size: int, start: int) -> None:
    """Any interleaving of three producers and records without one, in answers of any size, from anywhere on."""
    log, running, ended, wanted = Log(), {}, [], set[int]()
    for producer, step in given_steps:
        if step == "write" or producer == 0:
            if producer:
                running.setdefault(producer, []).append(log.end)
            log.write(producer or -1)
        elif producer in running:
            inside = running.pop(producer)
            if step == "abort":
                wanted.update(inside)
                ended.append((producer, inside[0], log.end))
            log.mark(producer, ABORT if step == "abort" else COMMIT)
    stable = min((inside[0] for inside in running.values()), default=log.end)
    batches = [batch for batch in split(log.data).batches if start <= batch.base_offset < stable]

    passed: set[int] = set()
    for at in range(0, len(batches), size):
        answer = batches[at : at + size]
        first, last = answer[0].base_offset, answer[-1].last_offset
        named = [AbortedTransaction(producer_id=p, first_offset=b) for p, b, e in ended if b <= last and first <= e]
        mark_aborted(answer, named)
        passed |= {batch.base_offset for batch in answer if batch.is_aborted}
    assert passed == {offset for offset in wanted if start <= offset < stable}


# ── from the answer to the application ──


def answered(log: Log, *aborted: tuple[int, int], stable: int = -1, high: int = 100) -> PartitionData:
    named = [AbortedTransaction(producer_id=producer, first_offset=first) for producer, first in aborted]
    return PartitionData(
        high_watermark=high, last_stable_offset=stable, aborted_transactions=named, records=log.data or None
    )


def test_positions_pass_over_what_is_not_delivered() -> None:
    """Aborted records and markers, at the log's end too: what is consumed, and may be committed, is behind them."""
    fetches = Fetches(options=OPTIONS, a=0)
    log = Log().write(count=2).write(7, count=3).mark(7, ABORT).write().write(7, count=2).mark(7, ABORT)
    fetches.take(fetches.ask(), a=answered(log, (7, 2), (7, 7)))
    application = Application(fetches.source)

    assert [application.one() for _ in range(4)] == [(A, 0), (A, 1), (A, 6), None]
    assert fetches.source.consumed_offsets() == {A: 10}
    assert fetches.source.handed_offsets() == {A: 10}
    assert fetches.positions[A].lag == 90


def test_a_list_ends_behind_what_is_not_delivered() -> None:
    fetches = Fetches(options=OPTIONS, a=0)
    fetches.take(fetches.ask(), a=answered(Log().write(count=2).mark(7, ABORT).write(7).mark(7, ABORT), (7, 3)))
    fetches.source.ask()
    cursor = fetches.source.next()

    assert cursor is not None
    assert offsets(fetches.source.take(cursor, 10)) == [0, 1]
    assert fetches.source.next() is None
    assert fetches.source.handed_offsets() == {A: 5}
    assert fetches.source.consumed_offsets() == {A: 0}
    fetches.source.ask()
    assert fetches.source.consumed_offsets() == {A: 5}


def test_a_corrupt_aborted_batch_is_an_error_still() -> None:
    """Its header, by which it is taken for aborted, may be what is corrupt."""
    log = Log().write(7)
    log.data = log.data[:-1] + b"?"
    fetches = Fetches(options=OPTIONS, a=0)
    fetches.take(fetches.ask(), a=answered(log, (7, 0)))

    with pytest.raises(CorruptRecordError):
        Application(fetches.source).one()


@pytest.mark.parametrize(
    ("level", "number", "readable"), [("read_uncommitted", 0, 100), ("read_committed", 1, 40)], ids=["un", "committed"]
)
def test_the_lag_ends_where_reading_does(level: str, number: int, readable: int) -> None:
    """With read_committed that is the last stable offset, before the first open transaction."""
    fetches = Fetches(options={"isolation_level": level}, a=10)
    ask = fetches.ask()
    fetches.take(ask, a=answered(Log(), stable=40, high=100))

    assert ask.request.isolation_level == number
    assert fetches.positions[A].high_watermark == readable
    assert fetches.positions[A].lag == readable - 10


def test_answers_are_judged_one_by_one() -> None:
    """The next one names its own transactions."""
    fetches = Fetches(options=OPTIONS, a=0)
    fetches.take(fetches.ask(), a=answered(Log().write(7), (7, 0)))
    fetches.take(fetches.ask(), a=answered(Log(1).write(7).mark(7, ABORT).write(7), (7, 0)))
    fetches.take(fetches.ask(), a=answered(Log(4).write(7).mark(7, COMMIT)))
    application = Application(fetches.source)

    assert [application.one() for _ in range(3)] == [(A, 3), (A, 4), None]
