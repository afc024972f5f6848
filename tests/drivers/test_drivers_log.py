"""Where events go: to what the application configured, and nowhere else."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
import structlog

from kafkastatic._drivers.log import EventLog


def test_events_go_to_structlog_where_the_application_configured_it() -> None:
    """With the identity and the fields as they are."""
    seen: list[dict[str, object]] = []

    def take(_logger: object, level: str, event: dict[str, object]) -> dict[str, object]:
        seen.append({"level": level, **event})
        raise structlog.DropEvent

    structlog.configure(processors=[take])
    try:
        EventLog(group="billing", group_instance_id=None).warning("lost", partitions=[1])
    finally:
        structlog.reset_defaults()
    assert seen == [{"level": "warning", "event": "lost", "group": "billing", "partitions": [1]}]


def test_events_go_to_logging_where_structlog_is_not_configured(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "kafkastatic"):
        EventLog(group="billing").info("left", code=25)
    assert [record.getMessage() for record in caplog.records] == ["left group='billing' code=25"]


def test_an_event_imports_nothing() -> None:
    """structlog takes tens of milliseconds to import, which the event loop would have to wait for."""
    code = """
import sys
from kafkastatic import Consumer
from kafkastatic._drivers.log import EventLog
EventLog().warning("lost")
sys.exit("structlog" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
