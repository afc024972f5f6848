"""An event loop with a clock of its own, on which sleeping takes no time.

Sockets work too, as long as both ends are in this process: the clock stands still while there is anything to read.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CUSHION = 0.001
"""Real seconds before time passes where there are sockets: what was sent may still be on its way in the kernel."""

NOTHING_WITHIN = 10.0
"""Real seconds that it waits for sockets and threads when nothing is set to happen at any time."""


class _Selector(selectors.DefaultSelector):
    clock = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            events = super().select(NOTHING_WITHIN)
            if not events:
                raise RuntimeError("nothing is due, and nothing comes: what is waited for would never happen")
            return events
        if len(self.get_map()) > 1:  # one is the loop's own, to be woken by
            events = super().select(CUSHION)
        if not events:
            self.clock += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeping takes no time."""

    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.clock


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a loop whose clock begins at 0."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
