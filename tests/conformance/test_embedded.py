"""The embedded broker answers the scripts as the real ones were recorded; its clock goes on when nothing else does."""

from __future__ import annotations

import pytest

from kafkastatic.broker import Broker
from tests.conformance import recordings
from tests.conformance.brokers import AT_ONCE, BROKERS, SETTINGS
from tests.conformance.differences import accepted, compared, needless, unlisted
from tests.conformance.session import CONSUMER, play_all, played_on
from tests.conformance.transcript import Step
from tests.support.virtual_loop import run_virtually

pytestmark = pytest.mark.once

CONSUMER_ONES = set(played_on(CONSUMER[-1])) | set(played_on("4.4-interval"))
"""The embedded broker does not have consumer groups yet."""

PLAYED = {broker: [name for name in played_on(broker) if name not in CONSUMER_ONES] for broker in ("4.4", "3.9")}
PAIRS = [(broker, name) for broker, names in PLAYED.items() for name in names if not name.startswith("consumer_")]


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> tuple[str, dict[str, list[Step]]]:
    """(broker, what the embedded broker answers as that one in every scenario)."""
    broker: str = request.param
    settings = {name: value for name, value in SETTINGS.items() if not name.startswith("group_consumer")}

    async def played() -> dict[str, list[Step]]:
        async with Broker(behaves_as=BROKERS[broker].release, **settings) as embedded:
            return await play_all(PLAYED[broker], embedded.bootstrap, at_once=AT_ONCE)

    return broker, run_virtually(played())


@pytest.mark.parametrize(("answers", "name"), PAIRS, indirect=["answers"])
def test_the_embedded_broker_answers_as_recorded(answers: tuple[str, dict[str, list[Step]]], name: str) -> None:
    """Step for step and field for field, but for what the table accepts; and each line of the table is needed."""
    broker, found = answers
    differing = compared(recordings.recorded(name, broker), found[name])
    listed = accepted("embedded", name, broker)
    assert [str(one) for one in unlisted(differing, listed)] == []
    assert needless(differing, listed) == []
