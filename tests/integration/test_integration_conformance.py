"""Real brokers answer the scripts of tests/conformance as they were recorded."""

from __future__ import annotations

import pytest

from tests.conformance import recordings
from tests.conformance.brokers import RELEASES, play_on, real
from tests.conformance.differences import compared
from tests.conformance.scripts import SCENARIOS
from tests.conformance.transcript import Step
from tests.integration.conftest import demand_kafka


@pytest.fixture(scope="module", params=RELEASES)
def answers(request: pytest.FixtureRequest) -> tuple[str, dict[str, list[Step]]]:
    """(release, what a real broker of that release answers in every scenario)."""
    release: str = request.param
    demand_kafka(RELEASES[release])
    with real(release) as kafka:
        return release, play_on(kafka.bootstrap, SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_real_broker_answers_as_recorded(answers: tuple[str, dict[str, list[Step]]], name: str) -> None:
    """Step for step and field for field; `python -m tests.conformance.record` records again what changed."""
    release, found = answers
    assert [str(one) for one in compared(recordings.recorded(name, release), found[name])] == []
