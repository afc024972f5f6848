"""What was recorded of the two releases: for every scenario, and different only where it is said why."""

from __future__ import annotations

import pytest

from tests.conformance import recordings
from tests.conformance.differences import DIFFERENCES, accepted, compared, needless, unlisted
from tests.conformance.scripts import SCENARIOS


def test_every_scenario_is_recorded_and_nothing_else() -> None:
    """`python -m tests.conformance.record` was run since the last one was added."""
    assert recordings.names() == set(SCENARIOS)


def test_every_difference_is_of_a_scenario_that_there_is() -> None:
    """The table names no other."""
    assert {name for line in DIFFERENCES for name in line.scenarios} <= set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_releases_differ_only_where_it_is_listed(name: str) -> None:
    """Each difference of 3.9.2 from 4.4.0 is in the table, and each line of the table is needed."""
    differing = compared(recordings.recorded(name, "4.4"), recordings.recorded(name, "3.9"))
    listed = accepted("3.9.2", name)
    assert [str(one) for one in unlisted(differing, listed)] == []
    assert needless(differing, listed) == []
