"""What the application was handed and what of it is consumed.

The list of a decoded batch and its one shared list iterator are the cursor: `async for` takes records from the
iterator with no further bookkeeping, and how far it came is read back from the iterator's length hint. Cutting the
list ends the application's loop over it at the next step.

A record counts as consumed when the next one is asked for; in `handling`, when the handler is done with it and with
all before it (`frontier.Progress`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Container, Mapping
from functools import partial
from operator import length_hint
from typing import Any, cast

from kafkastatic._fetch.decoding import Decoding
from kafkastatic._fetch.epochs import UNKNOWN
from kafkastatic._fetch.positions import Held, PartitionState, Positions, Records
from kafkastatic._records import RawBatch, decode, decoding_time
from kafkastatic.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError, RecordError
from kafkastatic.types import OffsetAndMetadata, TopicInfo, TopicPartition

_STANDING = (RecordError, NoOffsetForPartitionError, OffsetOutOfRangeError)
"""Errors that only a seek passes."""

LONGEST_DECODING = 0.005
"""Seconds for which decoding a batch may hold the event loop."""

PORTION = 5_000
"""Records that a handler is given at a time."""

MOST = 2**63
"""A low water that nothing reaches: every batch that is handed out makes room."""


class Cursor:
    """The records of one partition that are being handed out.

    Attributes:
        iterator: the shared iterator; whoever takes a record from it has been handed it.
        converted: how many records are deserialised.
        listed: how many were handed out when a list of them was: the whole list is in hand until one more is.
    """

    __slots__ = ("batch_size", "converted", "iterator", "listed", "next_offset", "records", "size", "state")

    def __init__(self, state: PartitionState, held: Held) -> None:
        self.state = state
        self.records = held.records
        self.iterator = iter(held.records)
        self.size = len(held.records)
        self.next_offset = held.next_offset
        self.converted = held.converted
        self.batch_size = held.batch_size
        self.listed = 0

    @property
    def taken(self) -> int:
        """How many records were handed out."""
        return self.size - length_hint(self.iterator)

    def behind(self, count: int) -> int:
        """The offset behind the first `count` records."""
        if count == self.size:
            return self.next_offset
        return self.records[count - 1].offset + 1 if count else self.state.handed

    def cut(self) -> Held:
        """End here: what was not handed out is returned."""
        taken = self.taken
        rest = Held(self.records[taken:], self.next_offset, self.batch_size, max(self.converted - taken, 0))
        self.cut_at(taken)
        return rest

    def cut_at(self, count: int) -> None:
        """Keep the first `count` records only."""
        if count < self.size:
            self.next_offset = self.behind(count)
            del self.records[count:]
            self.size = count


class Consumption:
    """Hands out records of `positions` and keeps the books.

    Attributes:
        cursor: what is being handed out now.
        asks: counts the asks for more records that reached us, to notice progress.
        handling: a handler works on what is given out: asks consume nothing.
        waiting: the application waits for records.
        stopped: nothing more is handed out.
        freed: a buffer has room again; whoever tells the fetches of it sets it back.
        views: records are lazy ones; see `show_views`.
        heavy: a batch that has to be decoded before anything else is handed out, for longer than the event loop may
            be held: to be called elsewhere, then `next` again.

    Args:
        low_water: bytes of a partition below which its buffer has room again.
    """

    def __init__(self, positions: Positions, *, check_crcs: bool, max_decompressed: int, low_water: int = MOST) -> None:
        self.positions = positions
        self.views = False
        self.heavy: Decoding | None = None
        self._low_water = low_water
        self.cursor: Cursor | None = None
        self.asks = 0
        self.handling = False
        self.waiting = False
        self.stopped = False
        self.freed = False
        self._check_crcs = check_crcs
        self._max_decompressed = max_decompressed
        self._in_hand: list[PartitionState] = []  # what the next ask consumes, beside the cursor's

    # ── handing out ──

    @property
    def simple(self) -> bool:
        """The next record of the cursor can be handed out with no other books than its iterator."""
        return not (self._in_hand or self.handling or self.views)

    def ask(self) -> None:
        """The application asks for the next record: everything handed out before is consumed."""
        self.asks += 1
        if self.handling:
            return
        cursor = self.cursor
        if cursor is not None and cursor.taken:
            self._settle(cursor)
            cursor.state.consumed = cursor.state.handed
        if cursor is not None and cursor.taken == cursor.size:
            self._end()
        for state in self._in_hand:
            state.consumed = state.handed
        self._in_hand.clear()

    def next(self, only: Container[TopicPartition] | None = None) -> Cursor | None:
        """The records to hand out now; `None` where nothing is there, or `heavy` has to be decoded first.

        Call `ask` first.

        Args:
            only: take records of these partitions only.

        Raises:
            KafkaError: what stands at a partition's position and cannot be delivered.
        """
        if self.cursor is not None:
            if only is None or self.cursor.state.tp in only:
                return self.cursor
            self._put_back()
        heavy, self.heavy = self.heavy, None
        served: list[PartitionState] = []
        try:
            for state in self.positions.line:
                if state.paused or state.barred or (only is not None and state.tp not in only):
                    continue
                served.append(state)
                self.cursor = self._open(state, heavy)
                if self.heavy is not None:
                    served.pop()  # it keeps its turn
                    return None
                if self.cursor is not None:
                    return self.cursor
        finally:
            for state in served:
                self.positions.to_back(state)
        return None

    def take(self, cursor: Cursor, limit: int) -> Records:
        """Up to `limit` records as a list, all of them in hand until the next ask."""
        state, taken = cursor.state, cursor.taken
        end = min(taken + limit, cursor.size)
        records = cursor.records if end - taken == cursor.size else cursor.records[taken:end]
        cast("Any", cursor.iterator).__setstate__(end)  # past them: cheaper than taking each from it
        cursor.listed = end
        state.handed = cursor.behind(end)
        self._in_hand.append(state)
        if end == cursor.size:
            self._end()
        return records

    def give_out(self, cursor: Cursor) -> Held:
        """A cursor's records for a handler, none of them begun; `end_handling` takes back what is not done.

        Of very many the first: whoever gets them must not have to look at all of them at once.
        """
        held = cursor.cut()
        self._end()
        cursor.state.open = True
        if len(held.records) > PORTION:
            rest = Held(held.records[PORTION:], held.next_offset, held.batch_size)
            cursor.state.keep(rest)
            del held.records[PORTION:]
            held.next_offset = held.records[-1].offset + 1
        return held

    def begin_handling(self) -> None:
        """What was handed out before is consumed by this ask; from now on `Progress` says what is.

        Records that are deserialised are dropped and fetched again: a handler's are so when it is called.
        """
        self.ask()
        self._fetch_held_again(lambda held: held.converted > 0)
        self.handling = True

    def show_views(self, views: bool) -> None:
        """Hand out lazy records from now on, or plain ones; those decoded already are fetched again. After an `ask`."""
        if self.views != views:
            self._fetch_held_again(lambda held: True)
            self.views = views

    def _fetch_held_again(self, which: Callable[[Held], bool]) -> None:
        if self.cursor is not None:
            self._put_back()
            self._in_hand.clear()
        for state in self.positions:
            if state.held is not None and which(state.held):
                state.return_to(state.handed)
                self.freed = True

    def end_handling(self) -> None:
        """Whatever was given out and is not done is handed out again."""
        self.handling = False
        if self.cursor is not None:
            self._put_back()
        self._in_hand.clear()
        for state in self.positions:
            if state.open or state.handed > state.consumed:
                state.open = False
                state.go_back()

    def _open(self, state: PartitionState, heavy: Decoding | None) -> Cursor | None:
        """The next records of a partition that has any; empty batches are passed over."""
        held, state.held = state.held, None
        if held is not None:
            self._freed(state, held.batch_size)
            return self._begin(state, held)
        while state.buffer:
            batch = state.buffer[0]
            try:
                records = self._decode(state, batch, heavy)
            except KafkaError as error:
                self.poison(state, error)
                break
            if records is None:
                return None
            self._freed(state, state.buffer.popleft().size)
            if records:
                return self._begin(state, Held(records, batch.next_offset, batch.size))
            if state.consumed == state.handed:
                state.consumed = batch.next_offset
            state.handed = batch.next_offset
        if state.error is not None:
            error = copy.copy(state.error)
            if not isinstance(error, _STANDING):  # said once; it may be over by the next fetch
                state.error = None
                self.freed = True
            raise error
        return None

    def _decode(self, state: PartitionState, batch: RawBatch, heavy: Decoding | None) -> Records | None:
        """A batch's records; `None` where they would take too long: then `heavy` does it."""
        if heavy is not None and heavy.of(batch, state.handed, self.views):
            if heavy.done:
                return heavy.result()
            self.heavy = heavy
            return None
        topic, partition = state.tp
        work = partial(
            decode,
            batch,
            topic,
            partition,
            from_offset=state.handed,
            check_crcs=self._check_crcs,
            max_decompressed=self._max_decompressed,
            views=self.views,
        )
        if decoding_time(batch) > LONGEST_DECODING:
            self.heavy = Decoding(work, batch, state.handed, self.views)
            return None
        return cast("Records", work())  # nobody looks at keys and values before the application does

    def _freed(self, state: PartitionState, size: int) -> None:
        state.buffered -= size
        if state.buffered < self._low_water or self.positions.full:
            self.positions.full = False
            self.freed = True

    def _begin(self, state: PartitionState, what: Held) -> Cursor:
        state.open = True
        return Cursor(state, what)

    def _end(self) -> None:
        assert self.cursor is not None
        self.cursor.state.open = False
        self.cursor = None

    def poison(self, state: PartitionState, error: KafkaError) -> None:
        """`error` stands behind what can be handed out: every ask that comes to it raises it, until a seek passes."""
        state.drop()
        state.error = error
        self.freed = True

    def poison_at(self, cursor: Cursor, index: int, error: KafkaError) -> None:
        """`error` stands at the cursor's record number `index`."""
        cursor.cut_at(index)
        self.poison(cursor.state, error)
        if not cursor.size:
            self._end()

    def _settle(self, cursor: Cursor) -> None:
        """Read back from the iterator how far the application came."""
        taken = cursor.taken
        if taken:
            if taken > 1 and taken != cursor.listed:
                cursor.state.consumed = max(cursor.state.consumed, cursor.behind(taken - 1))
            cursor.state.handed = cursor.behind(taken)

    # ── the books ──

    def settle(self) -> None:
        """Bring `handed` and `consumed` up to date; the record in hand stays unconsumed."""
        if self.cursor is not None:
            self._settle(self.cursor)

    def handed_offsets(self, partitions: Collection[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """What an explicit commit covers: everything handed out, where that is not committed yet."""
        if self.handling:
            return self.consumed_offsets(partitions)
        self.settle()
        return {
            state.tp: state.handed
            for state in self._known(partitions)
            if state.committed is None or state.committed.offset != state.handed
        }

    def consumed_offsets(self, partitions: Collection[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """What auto-commit covers: everything consumed, where that is ahead of what is committed.

        It never goes back by itself: behind an explicit commit that is ahead, it waits until it has come so far.
        """
        self.settle()
        return {
            state.tp: state.consumed
            for state in self._known(partitions)
            if state.committed is None or state.committed.offset < state.consumed
        }

    def _known(self, partitions: Collection[TopicPartition] | None) -> list[PartitionState]:
        return [
            state
            for state in self.positions
            if state.fetch_at is not None and not state.gone and (partitions is None or state.tp in partitions)
        ]

    def committed(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        """Take note of what the coordinator has accepted: it is consumed, even if it is still in hand.

        But for what a handler has in hand: that is consumed when the handler is done.
        """
        self.settle()
        for tp, offset in offsets.items():
            state = self.positions.get(tp)
            if state is not None:
                state.committed = offset
                if state.consumed < offset.offset <= state.handed and not self.handling:
                    state.consumed = offset.offset

    def in_hand(self) -> dict[TopicPartition, int]:
        """The partitions of which the application has records in hand that are not committed, with the last offset."""
        self.settle()
        return {state.tp: state.handed - 1 for state in self.positions if state.handed > state.consumed}

    def last_in_hand(self) -> tuple[str, int, int] | None:
        """Topic, partition and offset of the record that the application works on."""
        held = self.in_hand()
        if self.cursor is not None and self.cursor.taken and not self.waiting:
            tp = self.cursor.state.tp
            return (tp.topic, tp.partition, self.cursor.records[self.cursor.taken - 1].offset)
        return next(((tp.topic, tp.partition, offset) for tp, offset in held.items()), None)

    def progress(self) -> object:
        """A value that changes whenever the application asks for another record."""
        return (self.asks, id(self.cursor), self.cursor.taken if self.cursor is not None else -1)

    # ── interruptions ──

    def hold(self, partitions: Collection[TopicPartition]) -> None:
        """Hand out nothing more of partitions that are about to go; the record in hand stays in hand."""
        for tp in partitions:
            state = self.positions.get(tp)
            if state is not None:
                state.barred = True
        if self.cursor is not None and self.cursor.state.tp in partitions:
            self.cursor.cut()
            if not self.cursor.taken:
                self._end()

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """The partitions are gone: what is in hand of them can never be consumed."""
        if self.cursor is not None and self.cursor.state.tp in partitions:
            self.cursor.cut()
            self._end()
        self.positions.remove(partitions)

    def vanish(self, partitions: Collection[TopicPartition]) -> None:
        """The topics of these partitions were deleted: nothing more is handed out, what is in hand stays in hand."""
        for tp in partitions:
            state = self.positions[tp]
            if self.cursor is not None and self.cursor.state is state:
                self._put_back()
            state.drop()
            if self.handling:
                state.go_back()
            state.moves += 1  # a handler is not given the rest of what it was about to get
            self.freed = True

    def begin_again(self, recreated: Mapping[TopicPartition, TopicInfo]) -> None:
        """Other topics took the names of the partitions' topics: what is in hand is of the old ones."""
        for tp, topic in recreated.items():
            self._leave(tp)
            self.positions.begin_again(self.positions[tp], topic)
            self.freed = True

    def pause(self, tp: TopicPartition) -> None:
        """Hold a partition's records back; the record in hand stays in hand."""
        state = self.positions[tp]
        state.paused = True
        if self.cursor is not None and self.cursor.state is state:
            self._put_back()

    def seek(self, tp: TopicPartition, offset: int, epoch: int = UNKNOWN) -> None:
        """Go on at `offset`; the record in hand is no longer of any account."""
        self._leave(tp)
        self.positions[tp].seek(offset, epoch)

    def seek_by_time(self, tp: TopicPartition, timestamp: int) -> None:
        self._leave(tp)
        self.positions[tp].move_by_time(timestamp)

    def fetch_again(self, tp: TopicPartition) -> None:
        """Forget what was fetched and is not handed out; the record in hand stays in hand."""
        state = self.positions[tp]
        if self.cursor is not None and self.cursor.state is state:
            self.cursor.cut()
            self._settle(self.cursor)
            if not self.cursor.taken:
                self._end()
        state.drop()
        self.freed = True

    def cut_at(self, tp: TopicPartition, offset: int, epoch: int) -> None:
        """Go on at `offset`, where the log was cut before the position; records in hand before it stay in hand.

        A handler's come again: which of them it has, and which only wait for it, is not known here.
        """
        self.settle()
        state = self.positions[tp]
        in_hand = state.handed > state.consumed
        self._leave(tp)
        state.cut_at(offset, epoch)
        if self.handling:
            state.go_back()  # a handler is not given the rest of what it was about to get
        elif in_hand and state not in self._in_hand:
            self._in_hand.append(state)

    def stop(self) -> None:
        """End the application's loop after the record in hand."""
        self.stopped = True
        if self.cursor is not None:
            self.cursor.cut()

    def _leave(self, tp: TopicPartition) -> None:
        state = self.positions[tp]
        if self.cursor is not None and self.cursor.state is state:
            self.cursor.cut()
            self._end()

    def _put_back(self) -> None:
        """Keep what is not handed out of the cursor for later, and what is in hand in the books."""
        cursor = self.cursor
        assert cursor is not None
        rest = cursor.cut()
        self._settle(cursor)
        if rest.records:
            cursor.state.keep(rest)
        if cursor.state.handed > cursor.state.consumed:
            self._in_hand.append(cursor.state)
        self._end()
