"""What was recorded of the brokers: for every scenario, and different only where it is said why."""

from __future__ import annotations

import pytest

from tests.conformance import recordings
from tests.conformance.brokers import BROKERS
from tests.conformance.differences import DIFFERENCES, accepted, compared, needless, unlisted
from tests.conformance.scripts import SCENARIOS
from tests.conformance.session import first_played_on, played_on

OTHERS = [(broker, name) for broker in BROKERS for name in played_on(broker) if broker != first_played_on(name)]


def test_every_scenario_is_recorded_and_nothing_else() -> None:
    """`python -m tests.conformance.record` was run since the last one was added."""
    assert recordings.names() == set(SCENARIOS)


def test_every_difference_is_of_a_scenario_that_there_is() -> None:
    """The table names no other."""
    assert {name for line in DIFFERENCES for name in line.scenarios} <= set(SCENARIOS)


@pytest.mark.parametrize(("broker", "name"), OTHERS)
def test_the_releases_differ_only_where_it_is_listed(broker: str, name: str) -> None:
    """Each difference of 3.9.2, of either coordinator, from 4.4.0 is in the table, and each line of it is needed."""
    differing = compared(recordings.recorded(name, first_played_on(name)), recordings.recorded(name, broker))
    listed = accepted(BROKERS[broker].name, name)
    assert [str(one) for one in unlisted(differing, listed)] == []
    assert needless(differing, listed) == []
