"""The brokers that the scripts run against, all with the same settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.conformance import recordings
from tests.conformance.session import play_all, played_on
from tests.conformance.transcript import Step
from tools.real_kafka import RealKafka


@dataclass(frozen=True)
class Kind:
    """A kind of broker: its name among people, the release that the embedded one behaves as, and its own settings."""

    name: str
    release: Literal["4.4", "3.9"]
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def version(self) -> str:
        return {"4.4": "4.4.0", "3.9": "3.9.2"}[self.release]


_SHORT_SESSIONS = {"group_consumer_session_timeout_ms": 6_000}

BROKERS = {
    "4.4": Kind("4.4.0", "4.4", {"group_consumer_assignment_interval_ms": 0}),
    "3.9": Kind("3.9.2", "3.9"),
    "3.9-java": Kind("3.9.2 with Java", "3.9", {"group_coordinator_rebalance_protocols": "classic,consumer"}),
    "4.4-short": Kind("4.4.0", "4.4", {"group_consumer_assignment_interval_ms": 0, **_SHORT_SESSIONS}),
    "3.9-java-short": Kind(
        "3.9.2 with Java", "3.9", {"group_coordinator_rebalance_protocols": "classic,consumer", **_SHORT_SESSIONS}
    ),
    "4.4-interval": Kind("4.4.0 with an interval", "4.4", {"group_consumer_assignment_interval_ms": 1_500}),
}
"""Those that the scripts are played on. 3.9.2 has two coordinators: Scala's, and with its setting that of Java."""

EVERY_DAY = ("4.4", "3.9", "3.9-java")
"""Those whose real ones are played with in every run; the others only when they are recorded, as they count seconds."""


def every_day(broker: str) -> list[str]:
    """The scenarios that a real one is played with in every run: all, or those that it does not answer as the first."""
    names = played_on(broker)
    return [name for name in names if broker == EVERY_DAY[0] or recordings.differs(name, broker)]


SETTINGS = {
    "group_min_session_timeout_ms": 500,
    "group_max_session_timeout_ms": 60_000,
    "group_initial_rebalance_delay_ms": 0,
    "group_max_size": 4,
    "group_consumer_session_timeout_ms": 50_000,
    "group_consumer_heartbeat_interval_ms": 2_000,
    "group_consumer_max_size": 4,
    "group_consumer_migration_policy": "bidirectional",
    "default_replication_factor": 1,
    "auto_create_topics_enable": False,
}
"""Those of them all."""

_REAL = {
    "group_consumer_min_session_timeout_ms": 1_000,
    "group_consumer_min_heartbeat_interval_ms": 100,
    "log_initial_task_delay_ms": 3_600_000,
}
"""What Kafka, other than the embedded broker, wants to be told: bounds, and to leave old records where they are.

Half a minute after its start it would delete what is older than a week: some scripts write records of 1970.
"""

AT_ONCE = 24
"""Scenarios that run side by side: most of them wait most of the time."""


def real(broker: str) -> RealKafka:
    """A real broker of that kind, not started yet."""
    kind = BROKERS[broker]
    settings = {**SETTINGS, **_REAL, **kind.settings}
    return RealKafka(kind.version, {name.replace("_", "."): value for name, value in settings.items()})


def play_on(bootstrap: str, names: Iterable[str]) -> dict[str, list[Step]]:
    """The transcripts of these scenarios on that broker."""
    # Fewer than on virtual time: a machine that stalls lets sessions of a second run out.
    return asyncio.run(play_all(list(names), bootstrap, at_once=AT_ONCE // 2))
