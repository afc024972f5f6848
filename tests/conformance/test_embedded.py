"""The embedded broker answers the scripts as the real ones were recorded; its clock goes on when nothing else does."""

from __future__ import annotations

import pytest

from kafkastatic.broker import Broker
from tests.conformance import recordings
from tests.conformance.brokers import AT_ONCE, RELEASES, SETTINGS
from tests.conformance.differences import accepted, compared, needless, unlisted
from tests.conformance.scripts import SCENARIOS
from tests.conformance.session import play_all
from tests.conformance.transcript import Step
from tests.support.virtual_loop import run_virtually

pytestmark = pytest.mark.once


@pytest.fixture(scope="module", params=RELEASES)
def answers(request: pytest.FixtureRequest) -> tuple[str, dict[str, list[Step]]]:
    """(release, what the embedded broker answers as that release in every scenario)."""
    release = request.param

    async def played() -> dict[str, list[Step]]:
        async with Broker(behaves_as=release, **SETTINGS) as broker:
            return await play_all(list(SCENARIOS), broker.bootstrap, at_once=AT_ONCE)

    return release, run_virtually(played())


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_embedded_broker_answers_as_recorded(answers: tuple[str, dict[str, list[Step]]], name: str) -> None:
    """Step for step and field for field, but for what the table accepts; and each line of the table is needed."""
    release, found = answers
    differing = compared(recordings.recorded(name, release), found[name])
    listed = accepted("embedded", name, release)
    assert [str(one) for one in unlisted(differing, listed)] == []
    assert needless(differing, listed) == []
