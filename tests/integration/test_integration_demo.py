"""The demo on a real Kafka, as `make demo-real` runs it."""

from __future__ import annotations

import os

import pytest

from tests.support.demo import check, demo
from tools.real_kafka import available


def test_it_shows_the_same_on_a_real_kafka() -> None:
    """What the embedded broker shows is no peculiarity of it."""
    reason = available()
    if reason and os.environ.get("KAFKASTATIC_REQUIRE_KAFKA") != "1":
        pytest.skip(reason)
    check(demo("--real"))
