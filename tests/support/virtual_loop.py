"""An event loop with a clock of its own, on which sleeping takes no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):
    clock = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            self.clock += timeout or 0
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeping takes no time."""

    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.clock


def run_virtually(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on a loop whose clock begins at 0."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main)
