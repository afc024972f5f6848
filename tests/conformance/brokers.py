"""The brokers that the scripts run against, all with the same settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tests.conformance.session import play_all
from tests.conformance.transcript import Step
from tools.real_kafka import RealKafka

RELEASES = {"4.4": "4.4.0", "3.9": "3.9.2"}
"""What the embedded broker can behave as, and the real one that it is held to."""

SETTINGS = {
    "group_min_session_timeout_ms": 500,
    "group_max_session_timeout_ms": 60_000,
    "group_initial_rebalance_delay_ms": 0,
    "group_max_size": 4,
    "default_replication_factor": 1,
    "auto_create_topics_enable": False,
}

AT_ONCE = 24
"""Scenarios that run side by side: most of them wait most of the time."""


def real(release: str) -> RealKafka:
    """A real broker with these settings, not started yet."""
    return RealKafka(RELEASES[release], {name.replace("_", "."): value for name, value in SETTINGS.items()})


def play_on(bootstrap: str, names: Iterable[str]) -> dict[str, list[Step]]:
    """The transcripts of these scenarios on that broker."""
    # Fewer than on virtual time: a machine that stalls lets sessions of a second run out.
    return asyncio.run(play_all(list(names), bootstrap, at_once=AT_ONCE // 2))
