"""Which requests a fault strikes, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kafkastatic.broker.faults import Place, Rule, Rules


def about(*places: Place) -> Callable[[], Iterable[Place]]:
    return lambda: places


def test_a_fault_strikes_its_api_client_and_node_only() -> None:
    """What a fault does not say stands for any."""
    rules = Rules()
    number = rules.add(rule := Rule("Heartbeat", client_id="a", node=2, error=27), times=None)

    struck = [
        rules.strike("Heartbeat", "a", 2, about()),
        rules.strike("Heartbeat", "b", 2, about()),
        rules.strike("Heartbeat", "a", 1, about()),
        rules.strike("SyncGroup", "a", 2, about()),
        rules.strike("Heartbeat", "a", 2, about()),
    ]

    assert struck == [(number, rule), None, None, None, (number, rule)]


def test_a_fault_strikes_as_often_as_it_was_told_and_the_next_one_takes_over() -> None:
    """They strike in the order in which they were set."""
    rules = Rules()
    first = rules.add(once := Rule("Fetch", error=6), times=2)
    second = rules.add(always := Rule("Fetch", delay_ms=5), times=None)

    struck = [rules.strike("Fetch", "", 1, about()) for _ in range(4)]

    assert struck == [(first, once), (first, once), (second, always), (second, always)]
    rules.remove(second)
    assert rules.strike("Fetch", "", 1, about()) is None


def test_a_fault_for_a_partition_is_spent_only_on_requests_about_it() -> None:
    """The topic alone stands for all its partitions."""
    rules = Rules()
    number = rules.add(rule := Rule("Produce", topic="a", partition=1, error=6), times=1)

    assert rules.strike("Produce", "", 1, about(("a", 0), ("b", 1))) is None
    assert rules.strike("Produce", "", 1, about(("b", 0), ("a", 1))) == (number, rule)
    assert rules.strike("Produce", "", 1, about(("a", 1))) is None
    assert Rule("Produce", topic="a").covers(("a", 7))
    assert not Rule("Produce", topic="a").covers(("b", 7))
