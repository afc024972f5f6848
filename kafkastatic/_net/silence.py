"""Requests that have waited for an answer longer than they should: a broker may hang without its connections ending.

A broker that is frozen, or that the network has cut off, looks alive to TCP. That it lost its partitions and groups
to others only the others can tell: whoever waits in silence has the cluster's metadata looked at again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager


class _Wait:
    __slots__ = ("due", "heard", "patience", "received")

    def __init__(self, due: float, patience: float, received: Callable[[], int]) -> None:
        self.due = due
        self.patience = patience
        self.received = received
        self.heard = received()


class Silence:
    """Keeps the waits of one client. Pure: times are handed in."""

    def __init__(self) -> None:
        self._waits: set[_Wait] = set()

    @contextmanager
    def waiting(self, now: float, expected: float, patience: float, received: Callable[[], int]) -> Generator[None]:
        """One request, for as long as the block runs.

        Args:
            expected: seconds that the answer may well take.
            patience: seconds of silence beyond that, and between two looks at it.
            received: counts the bytes that came in; while it grows there is no silence.
        """
        wait = _Wait(now + expected + patience, patience, received)
        self._waits.add(wait)
        try:
            yield
        finally:
            self._waits.discard(wait)

    def look(self, now: float) -> bool:
        """Whether something is overdue and has heard nothing since the last look at it. It is due again later then."""
        silent = False
        for wait in self._waits:
            if wait.due <= now:
                received = wait.received()
                silent = silent or received == wait.heard
                wait.heard, wait.due = received, now + wait.patience
        return silent

    def next_look(self) -> float:
        """When the first of the present waits is due; infinity if there is none."""
        return min((wait.due for wait in self._waits), default=math.inf)
