"""What was handed out, what of it is consumed, and what interruptions do to both."""

from __future__ import annotations

import pytest

from kafkastatic._fetch.consumption import PORTION, Consumption
from kafkastatic._fetch.positions import EARLIEST, Positions
from kafkastatic.errors import CorruptRecordError, IllegalStateError
from kafkastatic.types import OffsetAndMetadata, TopicPartition

from .logs import A, Application, B, C, batch, consumption, push


def handed(source: Consumption, tp: TopicPartition = A) -> int:
    source.settle()
    return source.positions[tp].handed


def consumed(source: Consumption, tp: TopicPartition = A) -> int:
    source.settle()
    return source.positions[tp].consumed


def of(offset: int) -> dict[TopicPartition, OffsetAndMetadata]:
    return {A: OffsetAndMetadata(offset)}


# ── what counts as consumed ──


def test_a_record_is_consumed_when_the_next_one_is_asked_for() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 3))
    seen: list[tuple[int, int, int]] = []
    for _, offset in Application(source).loop():
        seen.append((offset, consumed(source), handed(source)))

    assert seen == [(0, 0, 1), (1, 1, 2), (2, 2, 3)]
    assert consumed(source) == handed(source) == 3


def test_the_same_holds_one_by_one() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 2), batch(2, 1))
    app = Application(source)
    seen = [(app.one(), consumed(source), handed(source)) for _ in range(3)]

    assert seen == [((A, 0), 0, 1), ((A, 1), 1, 2), ((A, 2), 2, 3)]
    assert app.one() is None
    assert consumed(source) == 3


@pytest.mark.parametrize("limit", [3, 5, 9], ids=["part of a batch", "a batch", "more than a batch"])
def test_a_list_is_in_hand_as_a_whole(limit: int) -> None:
    """Auto-commit in the middle of its handling covers none of it."""
    source = consumption(a=0)
    push(source.positions[A], batch(0, 5), batch(5, 5))
    app = Application(source)
    taken = min(limit, 5)

    assert app.many(limit) == (A, list(range(taken)))
    assert (consumed(source), handed(source)) == (0, taken)
    assert source.in_hand() == {A: taken - 1}

    source.ask()
    assert (consumed(source), handed(source)) == (taken, taken)
    assert source.in_hand() == {}


def test_break_neither_skips_nor_repeats() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 4), batch(4, 2))
    app = Application(source)
    seen: list[int] = []
    for stop_at in (1, 2, 4, 5):
        for _, offset in app.loop():
            seen.append(offset)
            if offset == stop_at:
                break
        assert consumed(source) == stop_at

    assert seen == [0, 1, 2, 3, 4, 5]


def test_ways_of_asking_can_be_mixed() -> None:
    """Also inside the body of a loop, whose own next step goes on after what the body took."""
    source = consumption(a=0)
    push(source.positions[A], batch(0, 8), batch(8, 4))
    app = Application(source)
    loop = app.loop()

    assert next(loop) == (A, 0)
    assert app.one() == (A, 1)
    assert app.many(2) == (A, [2, 3])
    assert consumed(source) == 2
    assert next(loop) == (A, 4)
    assert consumed(source) == 4
    assert app.many(99) == (A, [5, 6, 7])
    assert consumed(source) == 5
    assert next(loop) == (A, 8)
    assert consumed(source) == 8
    assert [offset for _, offset in loop] == [9, 10, 11]


def test_a_list_may_span_partitions() -> None:
    """`getmany()` goes on with whatever else is there; all of it is in hand."""
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 2))
    push(source.positions[B], batch(0, 4))
    source.ask()
    for limit in (10, 3):
        cursor = source.next()
        assert cursor is not None
        source.take(cursor, limit)

    assert source.in_hand() == {A: 1, B: 2}
    assert source.consumed_offsets() == {A: 0, B: 0}
    assert source.handed_offsets() == {A: 2, B: 3}

    source.ask()
    assert source.in_hand() == {}
    assert source.consumed_offsets() == {A: 2, B: 3}


def test_asking_for_some_partitions_keeps_the_rest_of_the_others() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 3))
    push(source.positions[B], batch(0, 3))
    app = Application(source)

    assert app.one() == (A, 0)
    assert app.many(2, only={B}) == (B, [0, 1])
    assert consumed(source) == 1
    assert app.many(9, only={B}) == (B, [2])
    assert app.many(9, only={B}) == (A, [])
    assert app.many(9) == (A, [1, 2])


def test_batches_of_partitions_take_turns() -> None:
    """A partition that has always more does not keep the others waiting."""
    source = consumption(a=0, b=0, c=0)
    push(source.positions[A], *(batch(n * 2, 2) for n in range(4)))
    push(source.positions[B], batch(0, 1), batch(1, 1))
    push(source.positions[C], batch(0, 1))
    order = [tp for tp, _ in Application(source).loop()]

    assert order == [A, A, B, C, A, A, B, A, A, A, A]


# ── commits ──


def test_an_explicit_commit_covers_the_record_in_hand() -> None:
    source = consumption(a=5)
    push(source.positions[A], batch(5, 3))
    loop = Application(source).loop()
    next(loop)
    next(loop)

    assert source.handed_offsets() == {A: 7}
    assert source.consumed_offsets() == {A: 6}


def test_what_was_committed_is_not_committed_again() -> None:
    source = consumption(a=5)
    source.positions[A].committed = OffsetAndMetadata(5)

    assert source.handed_offsets() == source.consumed_offsets() == {}


def test_auto_commit_does_not_take_an_explicit_commit_back() -> None:
    """Neither on its timer, nor when the partition is revoked with the committed record still in hand."""
    source = consumption(a=0)
    push(source.positions[A], batch(0, 3))
    loop = Application(source).loop()
    next(loop)
    next(loop)
    source.committed(of(2))

    assert source.consumed_offsets() == {}
    source.hold({A})
    assert source.in_hand() == {}
    assert source.consumed_offsets({A}) == {}


def test_a_commit_of_a_part_of_a_list_consumes_that_part() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 5))
    Application(source).many(5)
    source.committed(of(3))

    assert consumed(source) == 3
    assert source.in_hand() == {A: 4}
    assert source.consumed_offsets() == {}


def test_a_commit_of_offsets_of_its_own_moves_no_position() -> None:
    """Behind what is consumed, auto-commit catches up; ahead of it, auto-commit does not take it back."""
    source = consumption(a=0)
    push(source.positions[A], batch(0, 5))
    app = Application(source)
    app.many(3)
    source.ask()
    for own, due in ((1, {A: 3}), (3, {}), (4, {}), (1000, {})):
        source.committed(of(own))
        assert (consumed(source), handed(source)) == (3, 3)
        assert source.consumed_offsets() == due


def test_a_commit_that_returns_after_a_seek_moves_no_position() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 5))
    Application(source).many(5)
    source.seek(A, 2)
    source.committed(of(5))

    assert consumed(source) == 2


def test_offsets_are_committed_back_after_a_seek_back() -> None:
    source = consumption(a=10)
    source.committed(of(10))
    source.seek(A, 3)

    assert source.consumed_offsets() == source.handed_offsets() == {A: 3}
    source.committed(of(3))
    assert source.consumed_offsets() == source.handed_offsets() == {}
    source.seek_by_time(A, EARLIEST)
    source.positions[A].move(1)
    assert source.consumed_offsets() == source.handed_offsets() == {A: 1}


def test_offsets_are_committed_back_after_a_truncation() -> None:
    """What was committed beyond the cut is of records that exist no more."""
    source = consumption(a=10)
    source.committed(of(10))
    source.cut_at(A, 4, 1)

    assert source.consumed_offsets() == {A: 4}


def test_a_partition_that_does_not_know_its_start_commits_nothing() -> None:
    source = consumption(a=4)
    source.seek_by_time(A, EARLIEST)

    assert source.handed_offsets() == source.consumed_offsets() == {}
    assert [state.tp for state in source.positions.unresolved()] == [A]


def test_commits_can_be_asked_for_by_partition() -> None:
    source = consumption(a=1, b=2)

    assert source.handed_offsets([B]) == source.consumed_offsets([B]) == {B: 2}


def test_commits_of_partitions_that_are_gone_are_not_noted() -> None:
    source = consumption(a=1)
    source.forget({A})
    source.committed(of(9))

    assert A not in source.positions


# ── batches that hold less than they cover ──


def test_control_and_empty_batches_move_the_position() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 1, control=True), batch(1, 4, keep=()), batch(5, 1), batch(6, 1, control=True))
    app = Application(source)

    assert app.one() == (A, 5)
    assert (consumed(source), handed(source)) == (5, 6)
    assert app.one() is None
    assert (consumed(source), handed(source)) == (7, 7)


def test_an_empty_batch_behind_a_list_in_hand_consumes_nothing_of_it() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 2), batch(2, 1, control=True))
    Application(source).many(2)
    assert source.next() is None

    assert (consumed(source), handed(source)) == (0, 3)
    source.ask()
    assert consumed(source) == 3


def test_compaction_leaves_gaps() -> None:
    """Behind the last record of a batch the position is behind the whole batch."""
    source = consumption(a=0)
    push(source.positions[A], batch(0, 10, keep=(2, 5)), batch(10, 5, keep=(14,)))
    seen = [(offset, consumed(source), handed(source)) for _, offset in Application(source).loop()]

    assert seen == [(2, 0, 3), (5, 3, 10), (14, 10, 15)]
    assert consumed(source) == 15


def test_a_fetch_may_begin_in_the_middle_of_a_batch() -> None:
    source = consumption(a=3)
    push(source.positions[A], batch(0, 5))

    assert list(Application(source).loop()) == [(A, 3), (A, 4)]


def test_a_batch_of_records_all_before_the_position_is_passed_over() -> None:
    source = consumption(a=8)
    push(source.positions[A], batch(0, 10, keep=(2, 5)), batch(10, 1))

    assert list(Application(source).loop()) == [(A, 10)]


# ── seek ──


@pytest.mark.parametrize("target", [0, 2, 7], ids=["back", "here", "ahead"])
def test_a_seek_ends_the_loop_over_what_was_decoded(target: int) -> None:
    """In the body of a loop the next record is the one sought."""
    source = consumption(a=0)
    push(source.positions[A], batch(0, 5), batch(5, 5))
    loop = Application(source).loop()
    assert [next(loop), next(loop)] == [(A, 0), (A, 1)]
    source.seek(A, target)

    state = source.positions[A]
    assert (consumed(source), handed(source), state.fetch_at, state.buffered) == (target, target, target, 0)
    push(state, batch(0, 10))
    assert next(loop) == (A, target)


def test_a_seek_with_a_list_in_hand_forgets_that_it_is() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 5))
    Application(source).many(5)
    source.seek(A, 3)
    source.ask()

    assert (consumed(source), handed(source)) == (3, 3)


def test_a_seek_by_time_forgets_what_is_in_hand() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 5))
    app = Application(source)
    loop = app.loop()
    next(loop)
    app.many(2)
    source.seek_by_time(A, EARLIEST)

    assert source.in_hand() == {}
    assert list(loop) == []
    assert source.positions[A].fetch_at is None


def test_a_seek_of_one_partition_leaves_the_cursor_of_another() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 3))
    loop = Application(source).loop()
    assert next(loop) == (A, 0)
    source.seek(B, 7)

    assert next(loop) == (A, 1)
    assert handed(source, B) == 7


def test_only_assigned_partitions_can_be_sought() -> None:
    with pytest.raises(IllegalStateError, match="orders-1 is not assigned"):
        consumption(a=0).seek(B, 1)


# ── pause ──


def test_a_paused_partition_keeps_what_was_decoded() -> None:
    """Nothing is lost, repeated, or out of order, whatever else is read meanwhile."""
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 3), batch(3, 1))
    push(source.positions[B], batch(0, 2))
    loop = Application(source).loop()
    assert next(loop) == (A, 0)
    source.pause(A)
    assert source.in_hand() == {A: 0}

    assert [next(loop), next(loop), next(loop, None)] == [(B, 0), (B, 1), None]
    assert (consumed(source), handed(source)) == (1, 1)
    source.positions[A].paused = False
    assert [offset for _, offset in Application(source).loop()] == [1, 2, 3]


def test_what_is_held_back_counts_as_buffered() -> None:
    source = consumption(a=0)
    data = batch(0, 3)
    push(source.positions[A], data)
    app = Application(source)
    app.one()
    assert source.positions.buffered == 0
    source.pause(A)
    assert source.positions.buffered == len(data)

    source.positions[A].paused = False
    assert app.one() == (A, 1)
    assert source.positions.buffered == 0
    source.pause(A)
    source.seek(A, 0)
    assert source.positions.buffered == 0


def test_a_pause_after_the_last_record_of_a_batch_holds_nothing_back() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 2, keep=(0,)))
    app = Application(source)
    app.one()
    source.pause(A)

    assert source.positions[A].held is None
    assert (consumed(source), handed(source)) == (0, 2)
    source.ask()
    assert consumed(source) == 2


def test_a_paused_partition_can_be_sought() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 5))
    app = Application(source)
    app.one()
    source.pause(A)
    source.seek(A, 3)
    push(source.positions[A], batch(0, 5))

    assert app.one() is None
    source.positions[A].paused = False
    assert app.one() == (A, 3)


# ── revoke ──


def test_a_revoke_waits_for_the_record_in_hand() -> None:
    """Nothing more of the partition is handed out; the next ask, of whatever partition, consumes the record."""
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 3), batch(3, 3))
    push(source.positions[B], batch(0, 1))
    loop = Application(source).loop()
    next(loop)
    next(loop)
    source.hold({A})
    assert source.in_hand() == {A: 1}
    assert source.consumed_offsets({A}) == {A: 1}

    assert next(loop) == (B, 0)
    assert source.in_hand() == {B: 0}
    assert source.consumed_offsets({A}) == {A: 2}
    source.forget({A})
    assert list(loop) == []


def test_at_the_deadline_the_record_in_hand_is_not_consumed() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 3))
    loop = Application(source).loop()
    next(loop)
    next(loop)
    source.hold({A})
    committed = source.consumed_offsets({A})
    source.forget({A})

    assert committed == {A: 1}
    assert source.handed_offsets() == {B: 0}
    assert source.in_hand() == {}
    assert list(loop) == []


def test_a_revoke_waits_for_a_list_in_hand() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 6))
    app = Application(source)
    app.many(4)
    source.hold({A})

    assert source.in_hand() == {A: 3}
    assert source.consumed_offsets({A}) == {A: 0}
    assert app.many(4) == (A, [])
    assert source.consumed_offsets({A}) == {A: 4}


def test_a_revoke_with_nothing_in_hand_waits_for_nothing() -> None:
    """Neither before the first record, nor with a batch that was decoded and not yet begun."""
    source = consumption(a=0)
    push(source.positions[A], batch(0, 3))
    source.ask()
    assert source.next() is not None
    source.hold({A})

    assert source.in_hand() == {}
    assert source.cursor is None
    assert source.next() is None


def test_a_revoke_of_another_partition_leaves_the_cursor_alone() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 3))
    loop = Application(source).loop()
    next(loop)
    source.hold({B, C})
    source.forget({B, C})

    assert [offset for _, offset in loop] == [1, 2]


def test_a_partition_that_comes_back_starts_where_it_is_told() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 3))
    loop = Application(source).loop()
    next(loop)
    source.forget({A})
    source.positions.add({A})
    source.positions[A].move(0)
    push(source.positions[A], batch(0, 3))

    assert source.in_hand() == {}
    assert [offset for _, offset in loop] == [0, 1, 2]


def test_a_partition_that_is_being_set_up_hands_out_nothing() -> None:
    source = consumption(a=0)
    source.positions[A].barred = True
    push(source.positions[A], batch(0, 3))

    assert Application(source).one() is None


# ── stop ──


def test_stop_ends_a_loop_after_the_record_in_hand() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 3), batch(3, 3))
    push(source.positions[B], batch(0, 3))
    seen: list[int] = []
    for _, offset in Application(source).loop():
        seen.append(offset)
        if offset == 1:
            source.stop()

    assert seen == [0, 1]
    assert source.consumed_offsets() == {A: 2, B: 0}


def test_stop_before_the_first_record_ends_a_loop() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 3))
    source.ask()
    source.next()
    source.stop()
    source.ask()

    assert source.consumed_offsets() == {A: 0}


# ── what cannot be delivered ──


def test_a_corrupt_batch_is_met_after_everything_before_it() -> None:
    """At each ask, until a seek passes it."""
    source = consumption(a=0)
    push(source.positions[A], batch(0, 2), batch(2, 3, corrupt=True), batch(5, 1))
    app = Application(source)
    assert [app.one(), app.one()] == [(A, 0), (A, 1)]
    errors: list[CorruptRecordError] = []
    for _ in range(3):
        with pytest.raises(CorruptRecordError, match=r"orders-0 offset 2: .*CRC") as caught:
            app.one()
        errors.append(caught.value)

    assert len(set(map(id, errors))) == 3
    assert (consumed(source), handed(source)) == (2, 2)
    assert source.positions[A].fetch_at == 2
    assert source.positions.buffered == 0
    source.seek(A, errors[0].next_offset)
    push(source.positions[A], batch(5, 1))
    assert app.one() == (A, 5)


def test_a_partition_that_cannot_go_on_does_not_hold_up_the_others() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 1, corrupt=True))
    push(source.positions[B], batch(0, 1), batch(1, 1))
    app = Application(source)
    outcomes: list[object] = []
    for _ in range(5):
        try:
            outcomes.append(app.one())
        except CorruptRecordError as error:
            outcomes.append(error.partition)

    assert outcomes == [0, (B, 0), 0, (B, 1), 0]


def test_an_error_of_a_paused_or_unwanted_partition_is_not_met() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 1, corrupt=True))
    push(source.positions[B], batch(0, 1))
    app = Application(source)

    assert app.many(9, only={B}) == (B, [0])
    source.pause(A)
    assert app.one() is None
    source.positions[A].paused = False
    with pytest.raises(CorruptRecordError):
        app.one()


def test_a_seek_back_before_a_corrupt_batch_meets_it_again() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 1), batch(1, 1, corrupt=True))
    app = Application(source)
    app.one()
    with pytest.raises(CorruptRecordError):
        app.one()
    source.seek(A, 0)
    push(source.positions[A], batch(0, 1), batch(1, 1, corrupt=True))

    assert app.one() == (A, 0)
    with pytest.raises(CorruptRecordError):
        app.one()


def test_an_error_behind_a_paused_batch_is_met_after_it() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 3))
    app = Application(source)
    app.one()
    source.pause(A)
    source.positions[A].error = CorruptRecordError("gone", topic="orders", partition=0, offset=3)
    source.positions[A].paused = False

    assert [app.one(), app.one()] == [(A, 1), (A, 2)]
    with pytest.raises(CorruptRecordError):
        app.one()


def test_crcs_need_not_be_checked() -> None:
    source = consumption(a=0)
    unchecked = Consumption(source.positions, check_crcs=False, max_decompressed=1 << 20)
    data = bytearray(batch(0, 1))
    data[17] ^= 0xFF
    push(source.positions[A], bytes(data))

    assert Application(unchecked).one() == (A, 0)


# ── what drivers look at ──


def test_progress_changes_with_every_record_asked_for() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 3), batch(3, 1))
    seen = [source.progress()]
    for _ in Application(source).loop():
        seen.append(source.progress())
        assert source.progress() == seen[-1]
    seen.append(source.progress())

    assert len(set(seen)) == len(seen) == 6


def test_the_last_record_in_hand_is_known() -> None:
    source = consumption(a=0, b=0)
    push(source.positions[A], batch(0, 3))
    push(source.positions[B], batch(0, 9, keep=(4,)))
    app = Application(source)
    assert source.last_in_hand() is None
    app.one()
    assert source.last_in_hand() == ("orders", 0, 0)
    app.many(2)
    assert source.last_in_hand() == ("orders", 0, 2)
    app.one()
    assert source.last_in_hand() == ("orders", 1, 4)


def test_room_in_a_buffer_is_told_once() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 3), batch(3, 1, control=True))
    app = Application(source)
    app.one()
    assert source.freed
    source.freed = False
    app.one()
    assert not source.freed
    app.one()
    assert app.one() is None
    assert source.freed


def test_lag_is_behind_the_position() -> None:
    source = consumption(a=4)
    state = source.positions[A]
    assert state.lag is None
    state.high_watermark = 10
    assert state.lag == 6
    source.seek(A, 99)
    assert state.lag == 0
    source.seek_by_time(A, EARLIEST)
    assert state.lag is None


def test_partitions_are_assigned_once() -> None:
    positions = Positions()
    positions.add([B, A])
    positions[A].move(3)
    positions.add([A, C])
    positions.remove([B, B])

    assert [state.tp for state in positions] == [A, C]
    assert len(positions) == 2
    assert positions[A].handed == 3
    assert positions.partitions() == {A, C}


# ── room, turns, and who has none ──


def test_room_is_told_of_at_the_low_water_or_at_once_where_none_is_left() -> None:
    positions = Positions()
    positions.add([A])
    positions[A].move(0)
    push(positions[A], *(batch(n, 1, value_size=100) for n in range(4)))
    source = Consumption(positions, check_crcs=True, max_decompressed=1 << 20, low_water=300)
    app = Application(source)
    told = []
    for full in (False, True, False, False):
        positions.full, source.freed = full, False
        app.one()
        told.append(source.freed)

    assert told == [False, True, True, True]
    assert not positions.full


def test_what_befalls_a_partition_that_was_given_up_is_nobodys_business() -> None:
    source = consumption(a=0, b=0)
    gone = source.positions[A]
    source.forget([A])
    gone.error = CorruptRecordError("bad", topic="orders", partition=0, offset=0)
    push(gone, batch(0, 1))
    push(source.positions[B], batch(0, 1))

    assert Application(source).one() == (B, 0)
    assert Application(source).one() is None


def test_a_handler_is_given_very_many_records_in_portions() -> None:
    source = consumption(a=0)
    push(source.positions[A], batch(0, 2 * PORTION + 1))
    source.begin_handling()
    given = []
    if source.next() is None:  # it takes long without the compiled decoder
        assert source.heavy is not None
        source.heavy()
    while (cursor := source.next()) is not None:
        held = source.give_out(cursor)
        source.positions[A].handed = held.next_offset
        given.append((held.records[0].offset, len(held.records), held.next_offset))

    assert given == [(0, PORTION, PORTION), (PORTION, PORTION, 2 * PORTION), (2 * PORTION, 1, 2 * PORTION + 1)]
