"""Buffers of large responses are used again, and never while somebody looks at one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kafkastatic._net.buffers import KEPT, LARGE, LARGEST, Buffers

SIZES = st.sampled_from([1, LARGE, LARGE + 1, 3 * LARGE, LARGEST, LARGEST + 1])


def test_a_buffer_is_used_again_when_its_views_are_gone() -> None:
    buffers = Buffers()
    first = buffers.take(3 * LARGE)
    part = first[5:10]
    first_object = first.obj
    del first
    assert buffers.take(2 * LARGE).obj is not first_object
    del part

    assert buffers.take(2 * LARGE).obj is first_object


def test_two_take_turns() -> None:
    """As where the records of one response are handed out while the next one is received."""
    buffers = Buffers()
    before = buffers.take(2 * LARGE)
    objects = []
    for _ in range(6):
        now = buffers.take(2 * LARGE)
        objects.append(id(now.obj))
        before = now
    assert before is not None

    assert objects[::2] == objects[:1] * 3
    assert objects[1::2] == objects[1:2] * 3


def test_small_responses_let_go_of_large_buffers() -> None:
    buffers = Buffers()
    first = id(buffers.take(LARGE).obj)
    assert id(buffers.take(LARGE).obj) == first
    buffers.take(100)
    kept = buffers.take(LARGE)

    assert buffers.take(LARGE).obj is not kept.obj


@settings(deadline=None)  # megabytes are cleared
@given(st.lists(st.tuples(SIZES, st.integers(0, 4)), max_size=20))
def test_no_byte_is_in_two_hands(steps: list[tuple[int, int]]) -> None:
    """Each step takes a buffer, marks its ends, and gives up all but the last few: none is marked by another."""
    buffers, held = Buffers(), list[tuple[int, memoryview]]()
    for number, (size, keep) in enumerate(steps):
        view = buffers.take(size)
        assert len(view) == size
        view[0] = view[-1] = number
        held.append((number, view))
        held = held[len(held) - min(keep, len(held)) :]
        del view
        assert all(one[0] == one[-1] == mark for mark, one in held)


def test_a_small_answer_is_not_put_into_a_large_buffer() -> None:
    """It would keep it for as long as it is kept itself."""
    buffers = Buffers()
    buffers.take(LARGEST)
    small = buffers.take(LARGE)

    assert len(small.obj) <= 2 * LARGE + 1024 * 1024


def test_what_is_kept_is_bounded() -> None:
    buffers = Buffers()
    taken = [buffers.take(size) for size in (LARGE, LARGEST, LARGEST + 1, LARGEST, LARGE)]
    objects = {id(view.obj): view.obj for view in taken}
    del taken
    again = [buffers.take(LARGE) for _ in range(len(objects))]

    assert sum(id(view.obj) in objects for view in again) <= KEPT
