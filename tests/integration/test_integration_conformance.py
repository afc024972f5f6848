"""Real brokers answer the scripts of tests/conformance as they were recorded."""

from __future__ import annotations

import functools

import pytest

from tests.conformance import recordings
from tests.conformance.brokers import BROKERS, EVERY_DAY, every_day, play_on, real
from tests.conformance.differences import compared
from tests.conformance.transcript import Step
from tests.integration.conftest import demand_kafka

PAIRS = [(broker, name) for broker in EVERY_DAY for name in every_day(broker)]


@functools.cache
def answers(broker: str) -> dict[str, list[Step]]:
    """What a real broker of that kind answers in every scenario. (A fixture would be made anew for every pair.)"""
    with real(broker) as kafka:
        return play_on(kafka.bootstrap, every_day(broker))


@pytest.mark.parametrize(("broker", "name"), PAIRS)
def test_a_real_broker_answers_as_recorded(broker: str, name: str) -> None:
    """Step for step and field for field; `python -m tests.conformance.record` records again what changed."""
    demand_kafka(BROKERS[broker].version)
    assert [str(one) for one in compared(recordings.recorded(name, broker), answers(broker)[name])] == []
