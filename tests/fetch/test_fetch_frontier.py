"""How far a partition is done: without a gap, whatever ends first, and whenever it all ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkastatic._fetch.frontier import Progress
from kafkastatic._fetch.positions import PartitionState
from tests.fetch.logs import A


def state(start: int = 0) -> PartitionState:
    found = PartitionState(A)
    found.move(start)
    return found


def books(found: PartitionState) -> tuple[int, int]:
    return found.consumed, found.handed


def test_progress_waits_for_the_lowest() -> None:
    """What ends out of order is counted once all before it have ended."""
    partition = state(3)
    progress = Progress(partition)
    for offset in (3, 4, 9):
        progress.begin(offset, offset + 1)

    seen = [(partition.consumed, len(progress))]
    for offset in (9, 3, 4):
        progress.done(offset)
        seen.append((partition.consumed, len(progress)))

    assert seen == [(3, 3), (3, 2), (4, 1), (10, 0)]


def test_offsets_begin_in_order_and_end_once() -> None:
    progress = Progress(state(5))
    progress.begin(5, 6)
    for mistake in (lambda: progress.begin(5, 6), lambda: progress.begin(4, 5), lambda: progress.done(6)):
        with pytest.raises(ValueError, match="offset"):
            mistake()
    progress.done(5)
    with pytest.raises(ValueError, match="offset 5 is done, but was not begun"):
        progress.done(5)


def test_progress_moves_the_books_of_its_partition() -> None:
    """`handed` follows what is begun, `consumed` what is done, over the offsets that compaction removed."""
    partition = state(10)
    progress = Progress(partition)
    seen = [books(partition)]
    progress.begin(10, 11)
    seen.append(books(partition))
    progress.begin(12, 20)  # the last of a batch that covers offsets up to 19
    seen.append(books(partition))
    progress.done(12)
    seen.append(books(partition))
    progress.done(10)
    seen.append(books(partition))

    assert seen == [(10, 10), (10, 11), (10, 20), (10, 20), (20, 20)]


def test_a_seek_makes_what_was_begun_before_it_of_no_account() -> None:
    partition = state(0)
    progress = Progress(partition)
    progress.begin(0, 1)
    partition.move(7)
    progress.done(0)

    assert (progress.stale, books(partition)) == (True, (7, 7))


def test_records_given_out_before_a_seek_are_of_no_account_whenever_they_begin() -> None:
    partition = state(0)
    given = partition.moves
    partition.move(7)
    progress = Progress(partition, given)

    assert progress.stale


def test_a_batch_that_cannot_be_read_leaves_what_is_in_hand_of_account() -> None:
    """Fetched data is dropped then, but the records before it are still the application's to be done with."""
    partition = state(0)
    progress = Progress(partition)
    progress.begin(0, 1)
    partition.drop()
    progress.done(0)

    assert (progress.stale, books(partition)) == (False, (1, 1))


def test_an_explicit_commit_that_went_further_is_not_undone() -> None:
    partition = state(0)
    progress = Progress(partition)
    progress.begin(0, 1)
    progress.begin(1, 2)
    partition.consumed = 2
    progress.done(0)

    assert books(partition) == (2, 2)


@st.composite
def crashes(draw: st.DrawFn) -> tuple[list[int], list[tuple[str, int]]]:
    """Offsets with gaps, and an order of beginnings and ends that breaks off anywhere."""
    offsets = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=40)))
    window = draw(st.integers(1, 32))
    waiting, begun, steps = list(offsets), list[int](), list[tuple[str, int]]()
    while waiting or begun:
        if waiting and len(begun) < window and (not begun or draw(st.booleans())):
            begun.append(waiting.pop(0))
            steps.append(("begin", begun[-1]))
        else:
            steps.append(("done", begun.pop(draw(st.integers(0, len(begun) - 1)))))
    return offsets, steps[: draw(st.integers(0, len(steps)))]


@given(crashes())
def test_wherever_it_crashes_the_frontier_has_no_gap(crash: tuple[list[int], list[tuple[str, int]]]) -> None:
    """`consumed` never goes back, every offset below it is done, and it is as far as that allows."""
    offsets, steps = crash
    partition = state(offsets[0])
    progress = Progress(partition)
    done: set[int] = set()
    for what, offset in steps:
        before = partition.consumed
        if what == "begin":
            progress.begin(offset, offset + 1)
        else:
            progress.done(offset)
            done.add(offset)
        assert partition.consumed >= before
        undone = [offset for offset in offsets if offset not in done]
        limit = min([*undone, partition.handed])
        assert partition.consumed <= limit
        assert {offset for offset in offsets if offset < partition.consumed} <= done
        if what == "done":
            assert partition.consumed == limit
