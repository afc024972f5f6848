"""Structured events, silent until the application configures logging.

structlog prints when nobody configured it, which a library must not cause. So an event goes to structlog when the
application configured that, else to the standard library's logger `kafkastatic`, which is silent by default.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

_standard = logging.getLogger("kafkastatic")
_standard.addHandler(logging.NullHandler())


class EventLog:
    """A logger with the identity of one consumer bound to it."""

    def __init__(self, **identity: object) -> None:
        self._identity = {key: value for key, value in identity.items() if value is not None}

    def info(self, event: str, **fields: object) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        # Where nobody has imported it, nobody has configured it: no need for an import that blocks the loop.
        structlog: Any = sys.modules.get("structlog")
        is_configured = getattr(structlog, "is_configured", None)  # another thread may be importing it just now
        if is_configured is not None and is_configured():
            logger = structlog.get_logger("kafkastatic")
            getattr(logger, level)(event, **self._identity, **fields)
        elif _standard.isEnabledFor(getattr(logging, level.upper())):
            pairs = " ".join(f"{key}={value!r}" for key, value in {**self._identity, **fields}.items())
            getattr(_standard, level)("%s %s", event, pairs)
