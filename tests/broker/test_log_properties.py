"""Whatever is appended and read, in any order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kafkastatic.broker.log import Found, PartitionLog
from tests.broker.batches import CODECS, Seen, batch, headers, seen

TIMES = st.integers(0, 40)
BATCHES = st.tuples(st.sampled_from(list(CODECS)), st.lists(TIMES, min_size=1, max_size=5))
LOGS = st.lists(BATCHES, min_size=1, max_size=12)


def filled(batches: list[tuple[str, list[int]]]) -> tuple[PartitionLog, list[Seen]]:
    """A log, and every record that it should have."""
    log, expected = PartitionLog(), list[Seen]()
    for number, (codec, times) in enumerate(batches):
        log.append(
            batch(*((time, None, b"%d" % number) for time in times), codec=codec), leader_epoch=number // 3, now_ms=0
        )
        expected += [Seen(len(expected) + at, time, None, b"%d" % number) for at, time in enumerate(times)]
    return log, expected


@settings(max_examples=60, deadline=None)
@given(LOGS, st.data())
def test_a_reader_that_goes_on_where_it_stopped_gets_every_record_once(
    batches: list[tuple[str, list[int]]], data: st.DataObject
) -> None:
    """Whatever limits it names: whole batches, in order, and within the limit but for the first."""
    log, expected = filled(batches)
    got: list[Seen] = []
    while len(got) < log.end_offset:
        limit = data.draw(st.integers(0, 400))
        found = log.read(len(got), limit, at_least_one=True)

        sizes = [len(one) for one in found]
        assert len(found) == 1 or sum(sizes) <= limit
        rest = log.read(len(got) + sum(delta + 1 for _, _, delta in headers(found)), 1 << 30, at_least_one=False)
        assert not rest or sum(sizes) + len(rest[0]) > limit
        got += seen(found)
    assert got == expected


@settings(max_examples=60, deadline=None)
@given(LOGS, st.data())
def test_a_read_from_the_middle_gives_the_batch_around_it_and_those_after(
    batches: list[tuple[str, list[int]]], data: st.DataObject
) -> None:
    """No batch before it, and none left out."""
    log, expected = filled(batches)
    offset = data.draw(st.integers(0, log.end_offset))

    found = seen(log.read(offset, 1 << 30, at_least_one=True))

    assert found == expected[log.end_offset - len(found) :]
    around = next((record.value for record in expected if record.offset == offset), None)
    assert [record.value for record in found[:1]] == ([] if around is None else [around])
    assert all(record.value == around for record in found if record.offset < offset)


@settings(max_examples=100, deadline=None)
@given(LOGS, st.integers(-1, 41), st.data())
def test_a_time_is_found_where_a_naive_search_finds_it(
    batches: list[tuple[str, list[int]]], time: int, data: st.DataObject
) -> None:
    """Before and after records were deleted."""
    log, expected = filled(batches)
    for start in (0, data.draw(st.integers(0, log.end_offset))):
        log.delete_before(start)
        left = [record for record in expected if record.offset >= start]

        newer = next((record for record in left if record.timestamp >= time), None)
        newest = max(left, key=lambda record: (record.timestamp, -record.offset), default=None)

        assert _place(log.offset_for(time)) == _place(newer)
        assert _place(log.newest()) == _place(newest)


def _place(found: Found | Seen | None) -> tuple[int, int] | None:
    return None if found is None else (found.timestamp, found.offset)
