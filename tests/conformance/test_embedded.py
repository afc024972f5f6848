"""The embedded broker answers the scripts as the real ones were recorded; its clock goes on when nothing else does."""

from __future__ import annotations

import functools

import pytest

from kafkastatic.broker import Broker
from tests.conformance import recordings
from tests.conformance.brokers import AT_ONCE, BROKERS, SETTINGS
from tests.conformance.differences import accepted, compared, needless, unlisted
from tests.conformance.scripts import SCENARIOS
from tests.conformance.session import play_all, played_on
from tests.conformance.transcript import Step
from tests.support.virtual_loop import run_virtually

pytestmark = pytest.mark.once

PLAYED = {broker: [name for name in played_on(broker) if name in SCENARIOS] for broker in BROKERS}
PAIRS = [(broker, name) for broker, names in PLAYED.items() for name in names]


@functools.cache
def answers(broker: str) -> dict[str, list[Step]]:
    """What the embedded broker answers as that one in every scenario. (A fixture would be made anew for every pair.)"""
    kind = BROKERS[broker]

    async def played() -> dict[str, list[Step]]:
        async with Broker(behaves_as=kind.release, **{**SETTINGS, **kind.settings}) as embedded:
            return await play_all(PLAYED[broker], embedded.bootstrap, at_once=AT_ONCE)

    return run_virtually(played())


@pytest.mark.parametrize(("broker", "name"), PAIRS)
def test_the_embedded_broker_answers_as_recorded(broker: str, name: str) -> None:
    """Step for step and field for field, but for what the table accepts; and each line of the table is needed."""
    differing = compared(recordings.recorded(name, broker), answers(broker)[name])
    listed = accepted("embedded", name, broker)
    assert [str(one) for one in unlisted(differing, listed)] == []
    assert needless(differing, listed) == []
