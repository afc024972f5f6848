"""The demo's bookkeeping: dark times, records read twice, records lost."""

from __future__ import annotations

from examples.demo.ledger import Gap, Ledger


def every_tenth(count: int, start: float = 10.0) -> dict[int, float]:
    """Offsets from 0 on, one each 0.1 s."""
    return {offset: start + offset / 10 for offset in range(count)}


def test_what_is_read_as_it_comes_is_never_dark() -> None:
    """Nothing is dark while each record is received before the next one is produced."""
    ledger = Ledger({0: every_tenth(3)})
    for offset in range(3):
        ledger.received(0, [offset], 10.0 + offset / 10 + 0.01)

    assert ledger.gaps(20.0) == []
    assert ledger.missing() == 0


def test_a_partition_is_dark_from_when_a_record_waits_until_one_is_received() -> None:
    """The gap begins with the first record that waits, and not with the last one received."""
    ledger = Ledger({3: {0: 10.0, 1: 12.0, 2: 12.5}})
    ledger.received(3, [0], 10.01)
    ledger.received(3, [1, 2], 13.0)

    assert ledger.gaps(20.0) == [Gap(3, 12.0, 13.0)]


def test_a_slow_but_steady_reader_is_dark_between_what_it_receives() -> None:
    """Records that wait their turn do not make one long gap: whenever some are received it ends."""
    ledger = Ledger({0: {0: 10.0, 1: 10.0, 2: 10.0}})
    ledger.received(0, [0], 10.25)
    ledger.received(0, [1], 10.5)
    ledger.received(0, [2], 10.75)

    assert ledger.gaps(20.0) == [Gap(0, 10.0, 10.25), Gap(0, 10.25, 10.5), Gap(0, 10.5, 10.75)]


def test_what_waits_for_a_reader_that_restarts_is_told_from_what_its_restart_costs_the_others() -> None:
    """A gap is its reader's own if that one was away at any time of it; who read the record before is the reader."""
    ledger = Ledger({0: {0: 10.0, 1: 11.0}, 1: {0: 10.0, 1: 11.0}, 2: {0: 10.0, 1: 11.0}})
    for partition, reader, back in ((0, "a", 12.0), (1, "b", 11.5), (2, "a", 11.25)):
        ledger.received(partition, [0], 10.0, reader)
        ledger.received(partition, [1], back, "c")
    ledger.was_away("a", 11.375, 12.5)

    assert ledger.gaps(20.0) == [Gap(0, 11.0, 12.0, "a"), Gap(1, 11.0, 11.5, "b"), Gap(2, 11.0, 11.25, "a")]
    assert ledger.imposed(20.0) == [Gap(1, 11.0, 11.5, "b"), Gap(2, 11.0, 11.25, "a")]


def test_short_gaps_do_not_count() -> None:
    """Below a tenth of a second it is what a poll takes."""
    ledger = Ledger({0: {0: 10.0, 1: 11.0}})
    ledger.received(0, [0], 10.09)
    ledger.received(0, [1], 11.125)

    assert ledger.gaps(20.0) == [Gap(0, 11.0, 11.125)]


def test_what_is_unread_now_is_dark_now() -> None:
    """An open gap reaches until now, and its partition is among the dark ones."""
    ledger = Ledger({0: {0: 10.0}, 1: {0: 10.0}, 2: {0: 10.0}})
    ledger.received(1, [0], 10.5)

    assert ledger.gaps(11.0) == [Gap(0, 10.0, 11.0), Gap(1, 10.0, 10.5), Gap(2, 10.0, 11.0)]
    assert ledger.dark(11.0) == [0, 2]
    assert ledger.dark(10.05) == []
    assert ledger.missing() == 2


def test_a_record_read_again_is_counted_and_ends_no_gap() -> None:
    """While a new owner reads old records again, the new ones still wait."""
    ledger = Ledger({0: {0: 10.0, 1: 11.0}})
    ledger.received(0, [0], 10.0)
    ledger.received(0, [0], 11.5)
    ledger.received(0, [0, 1], 12.0)

    assert ledger.twice == 2
    assert ledger.gaps(20.0) == [Gap(0, 11.0, 12.0)]


def test_a_record_that_is_received_before_it_is_known_to_be_written_has_not_waited() -> None:
    """The member may be told sooner than the producer."""
    ledger = Ledger({0: {0: 10.0, 1: 10.5}})
    ledger.received(0, [0], 9.9)
    ledger.received(0, [1], 10.4)

    assert ledger.gaps(20.0) == []
    assert ledger.missing() == 0
