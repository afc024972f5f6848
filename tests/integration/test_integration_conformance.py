"""Real brokers answer the scripts of tests/conformance as they were recorded."""

from __future__ import annotations

import pytest

from tests.conformance import recordings
from tests.conformance.brokers import BROKERS, play_on, real
from tests.conformance.differences import compared
from tests.conformance.session import played_on
from tests.conformance.transcript import Step
from tests.integration.conftest import demand_kafka

PAIRS = [(broker, name) for broker in BROKERS for name in played_on(broker)]


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> tuple[str, dict[str, list[Step]]]:
    """(broker, what a real broker of that kind answers in every scenario)."""
    broker: str = request.param
    demand_kafka(BROKERS[broker].version)
    with real(broker) as kafka:
        return broker, play_on(kafka.bootstrap, played_on(broker))


@pytest.mark.parametrize(("answers", "name"), PAIRS, indirect=["answers"])
def test_a_real_broker_answers_as_recorded(answers: tuple[str, dict[str, list[Step]]], name: str) -> None:
    """Step for step and field for field; `python -m tests.conformance.record` records again what changed."""
    broker, found = answers
    assert [str(one) for one in compared(recordings.recorded(name, broker), found[name])] == []
