"""Any order of fetches, asks, pauses, seeks, revokes, commits and bad records, held against a plain list of offsets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.positions import EARLIEST, PartitionState, Positions
from kafkastatic.errors import CorruptRecordError, DeserializationError, RecordError
from kafkastatic.types import OffsetAndMetadata, TopicPartition

from .logs import A, Application, B, C, batch, offsets, raw

pytestmark = pytest.mark.once


class Log:
    """One partition on the broker: batches of every shape, and which offsets exist."""

    def __init__(self) -> None:
        shapes = [
            (3, None, False),
            (1, None, True),
            (4, (1, 3), False),
            (2, (), False),
            (5, None, False),
            (3, (0,), False),
        ]
        self.batches: list[tuple[int, bytes]] = []  # last offset, bytes
        self.offsets: list[int] = []
        base = 0
        for count, keep, control in shapes * 3:
            kept = None if keep is None else [base + delta for delta in keep]
            self.batches.append((base + count - 1, batch(base, count, keep=kept, control=control)))
            if not control:
                self.offsets += range(base, base + count) if kept is None else kept
            base += count
        self.end = base

    def next(self, offset: int) -> int:
        """The first record at or behind an offset; the end of the log where there is none."""
        index = bisect_left(self.offsets, offset)
        return self.offsets[index] if index < len(self.offsets) else self.end

    def fetch(self, offset: int) -> bytes | None:
        return next((data for last, data in self.batches if last >= offset), None)


LOG = Log()

partitions = st.sampled_from([A, B, C])
positions = st.integers(0, LOG.end)


class Expected:
    """What the application should see of one assigned partition.

    Attributes:
        position: where the next record comes from.
        consumed: where the next record comes from for who takes over.
        bad: the offset of a record that is known not to be delivered.
        committed: what the coordinator has; it goes back after a seek only.
    """

    def __init__(self, start: int) -> None:
        self.position = self.consumed = start
        self.bad: int | None = None
        self.committed: int | None = None
        self.paused = self.held = False

    def seek(self, offset: int) -> None:
        self.position = self.consumed = offset
        self.bad = self.committed = None


class Interleavings(RuleBasedStateMachine):
    """The application and the drivers, one step at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.source = Consumption(Positions(), check_crcs=True, max_decompressed=1 << 20)
        self.app = Application(self.source)
        self.loop: Iterator[tuple[TopicPartition, int]] | None = None
        self.expected: dict[TopicPartition, Expected] = {}
        self.in_flight: dict[TopicPartition, int] | None = None

    @initialize()
    def start(self) -> None:
        for tp in (A, B, C):
            self.assign(tp, 0)

    # ── the drivers ──

    @rule(tp=partitions, start=positions)
    def assign(self, tp: TopicPartition, start: int) -> None:
        if tp not in self.expected:
            self.source.positions.add([tp])
            self.source.positions[tp].move(start)
            self.expected[tp] = Expected(start)

    def fetchable(self, tp: TopicPartition) -> PartitionState | None:
        state = self.source.positions.get(tp)
        return None if state is None or state.fetch_at is None or state.error is not None or state.barred else state

    @rule(tp=partitions, count=st.integers(1, 4))
    def fetch(self, tp: TopicPartition, count: int) -> None:
        self.assign(tp, 0)
        for _ in range(count):
            state = self.fetchable(tp)
            data = LOG.fetch(state.fetch_at) if state is not None and state.fetch_at is not None else None
            if state is not None and data is not None:
                state.push(raw(data))

    @rule(tp=partitions)
    def fetch_corrupt(self, tp: TopicPartition) -> None:
        state = self.fetchable(tp)
        if state is not None and state.fetch_at is not None:
            data = LOG.fetch(state.fetch_at)
            if data is not None:
                state.push(raw(data[:-1] + bytes([data[-1] ^ 1])))

    @rule(tp=partitions)
    def hold(self, tp: TopicPartition) -> None:
        self.source.hold({tp})
        if tp in self.expected:
            self.expected[tp].held = True

    @rule(tp=partitions)
    def forget(self, tp: TopicPartition) -> None:
        """The end of a revoke, drained or not, or a loss."""
        self.commit_consumed()
        self.source.forget({tp})
        self.expected.pop(tp, None)
        assert tp not in self.source.in_hand()

    @precondition(lambda self: self.in_flight is None)
    @rule(gone=st.sets(partitions, min_size=1), asks=st.booleans(), lost=st.booleans())
    def revoke(self, gone: set[TopicPartition], asks: bool, lost: bool) -> None:
        """A revoke in order: held back, drained until an ask or the deadline, committed, forgotten; or lost midway."""
        for tp in gone:
            self.hold(tp)
        if asks:
            self.one()
        if not lost:
            self.auto_commit(gone)
        self.source.forget(gone)
        for tp in gone:
            self.expected.pop(tp, None)
        assert not gone & self.source.consumed_offsets().keys()

    # ── the application ──

    @rule()
    def one(self) -> None:
        self.ask(self.app.one)

    @rule()
    def step(self) -> None:
        """The next step of a loop, which may have been begun before all sorts of things."""
        loop = self.loop = self.loop or self.app.loop()
        asks = self.source.asks
        taken = self.ask(lambda: next(loop, None), asks=False)
        if taken is None:
            self.loop = None
        elif self.source.asks != asks:
            self.consume_all(but=taken)
        else:
            self.expected[taken[0]].consumed = taken[1]  # the step says that what came before is done

    @rule()
    def one_at_once(self) -> None:
        """`getone()` where the next record is there: nobody is asked."""
        cursor = self.source.cursor
        record = next(cursor.iterator, None) if cursor is not None and self.source.simple else None
        if cursor is not None and record is not None:
            self.deliver(cursor.state.tp, record.offset)
            self.expected[cursor.state.tp].consumed = record.offset

    @rule(views=st.booleans())
    def show_views(self, views: bool) -> None:
        """Another kind of records: what is decoded is fetched again, what could not be deserialised tried again."""
        self.source.ask()
        self.consume_all()
        self.source.show_views(views)
        for tp, expected in self.expected.items():
            if self.source.positions[tp].error is None:
                expected.bad = None

    @rule()
    def leave_loop(self) -> None:
        self.loop = None

    @rule(limit=st.integers(1, 6), only=st.none() | st.sets(partitions, min_size=1))
    def many(self, limit: int, only: set[TopicPartition] | None) -> None:
        self.source.ask()
        self.consume_all()
        while limit:
            try:
                cursor = self.source.next(only)
            except RecordError as error:
                self.meet(error)
                return
            if cursor is None:
                return
            tp, records = cursor.state.tp, self.source.take(cursor, limit)
            assert only is None or tp in only
            for offset in offsets(records):
                self.deliver(tp, offset)
            limit -= len(records)

    @rule(index=st.integers(0, 9))
    def one_with_a_bad_value(self, index: int) -> None:
        """A deserializer fails somewhere in the batch whose turn it is."""
        self.source.ask()
        self.consume_all()
        try:
            cursor = self.source.next()
        except RecordError as error:
            self.meet(error)
            return
        if cursor is None:
            return
        if cursor.taken:  # all of it is deserialized
            self.deliver(cursor.state.tp, next(cursor.iterator).offset)
            return
        tp, index = cursor.state.tp, index % cursor.size
        bad = cursor.records[index].offset
        error = DeserializationError("bad", topic=tp.topic, partition=tp.partition, offset=bad)
        self.source.poison_at(cursor, index, error)
        self.expected[tp].bad = bad
        if cursor is self.source.cursor:
            self.deliver(tp, next(cursor.iterator).offset)

    @rule(tp=partitions)
    def pause(self, tp: TopicPartition) -> None:
        if tp in self.expected:
            self.source.pause(tp)
            self.expected[tp].paused = True

    @rule(tp=partitions)
    def resume(self, tp: TopicPartition) -> None:
        if tp in self.expected:
            self.source.positions[tp].paused = False
            self.expected[tp].paused = False

    @rule(tp=partitions, offset=positions)
    def seek(self, tp: TopicPartition, offset: int) -> None:
        if tp in self.expected:
            self.source.seek(tp, offset)
            self.expected[tp].seek(offset)

    @rule(tp=partitions, offset=positions)
    def seek_by_time(self, tp: TopicPartition, offset: int) -> None:
        if tp in self.expected:
            self.source.seek_by_time(tp, EARLIEST)
            assert tp not in self.source.consumed_offsets()
            self.source.positions[tp].move(offset)
            self.expected[tp].seek(offset)

    @rule()
    def commit_handed(self) -> None:
        """`commit()` in the body of a loop, answered at once."""
        self.send_commit()
        self.note_commit()

    @rule()
    def send_commit(self) -> None:
        self.in_flight = self.source.handed_offsets()
        for tp, offset in self.in_flight.items():
            assert self.expected[tp].position <= offset
            assert LOG.next(offset) == LOG.next(self.expected[tp].position)
            self.coordinator_takes(tp, offset)

    @precondition(lambda self: self.in_flight is not None)
    @rule()
    def note_commit(self) -> None:
        assert self.in_flight is not None
        self.source.committed({tp: OffsetAndMetadata(offset) for tp, offset in self.in_flight.items()})
        for tp, offset in self.in_flight.items():
            expected = self.expected.get(tp)
            if expected is not None and expected.consumed < offset and LOG.next(offset) <= LOG.next(expected.position):
                expected.consumed = offset
        self.in_flight = None

    @precondition(lambda self: self.in_flight is None)
    @rule()
    def commit_consumed(self) -> None:
        """Auto-commit. One commit is under way at a time."""
        if self.in_flight is None:
            self.auto_commit()

    def auto_commit(self, only: set[TopicPartition] | None = None) -> None:
        found = self.source.consumed_offsets(only)
        assert only is None or found.keys() <= only
        assert found.keys() <= self.expected.keys(), "not owned"
        for tp, offset in found.items():
            assert LOG.next(offset) <= LOG.next(self.expected[tp].consumed), "ahead of what is consumed"
            self.coordinator_takes(tp, offset)
        self.source.committed({tp: OffsetAndMetadata(offset) for tp, offset in found.items()})

    # ── what must hold ──

    def ask(self, how: object, *, asks: bool = True) -> tuple[TopicPartition, int] | None:
        assert callable(how)
        if asks:
            self.consume_all()
        try:
            taken = how()
        except RecordError as error:
            self.consume_all()
            self.loop = None if not asks else self.loop
            self.meet(error)
            return None
        if taken is None:
            self.consume_all()
            return None
        self.deliver(*taken)
        return taken

    def consume_all(self, but: tuple[TopicPartition, int] | None = None) -> None:
        for tp, expected in self.expected.items():
            expected.consumed = expected.position if but is None or tp != but[0] else but[1]

    def deliver(self, tp: TopicPartition, offset: int) -> None:
        expected = self.expected[tp]
        assert not expected.paused
        assert not expected.held
        assert offset == LOG.next(expected.position), "skipped or repeated"
        assert expected.bad is None or offset < expected.bad
        expected.position = offset + 1

    def meet(self, error: RecordError) -> None:
        """An error stands exactly at the position."""
        expected = self.expected[TopicPartition(error.topic, error.partition)]
        assert not expected.paused
        assert not expected.held
        assert LOG.next(expected.position) >= error.offset
        assert error.next_offset > expected.position
        if isinstance(error, DeserializationError):
            assert error.offset == expected.bad == LOG.next(expected.position)
        else:
            assert isinstance(error, CorruptRecordError)

    def coordinator_takes(self, tp: TopicPartition, offset: int) -> None:
        expected = self.expected[tp]
        assert offset <= LOG.next(expected.position), "ahead of what was delivered"
        assert expected.committed is None or offset >= expected.committed, "back without a seek"
        expected.committed = offset

    @invariant()
    def the_books_are_right(self) -> None:
        in_hand = self.source.in_hand()
        for tp, expected in self.expected.items():
            state = self.source.positions[tp]
            assert state.consumed <= state.handed
            assert LOG.next(state.handed) == LOG.next(expected.position)
            assert LOG.next(state.consumed) == LOG.next(expected.consumed), "the record in hand, or not all before it"
            assert (tp in in_hand) == (LOG.next(expected.consumed) < LOG.next(expected.position))
            held = state.held.batch_size if state.held is not None else 0
            assert state.buffered == sum(raw.size for raw in state.buffer) + held
        assert self.source.positions.partitions() == self.expected.keys()
        assert in_hand.keys() <= self.expected.keys()


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=200, stateful_step_count=80, deadline=None)
