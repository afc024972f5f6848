"""Requests that have waited for an answer longer than they should: a broker may hang without its connections ending.

A broker that is frozen, or that the network has cut off, looks alive to TCP. That it lost its partitions and groups
to others only the others can tell: whoever waits in silence has the cluster's metadata looked at again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Generic, TypeVar

W = TypeVar("W")


class _Wait(Generic[W]):
    __slots__ = ("due", "heard", "patience", "received", "whom")

    def __init__(self, whom: W, due: float, patience: float, received: Callable[[], int]) -> None:
        self.whom = whom
        self.due = due
        self.patience = patience
        self.received = received
        self.heard = received()


class Silence(Generic[W]):
    """Keeps the waits of one client, and for whom each is. Pure: times are handed in.

    Args:
        pause: the fewest seconds between two times at which there is silence to be told of.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._not_before = -math.inf
        self._waits: set[_Wait[W]] = set()

    @contextmanager
    def waiting(
        self, whom: W, now: float, expected: float, patience: float, received: Callable[[], int]
    ) -> Generator[None]:
        """One request, for as long as the block runs.

        Args:
            expected: seconds that the answer may well take.
            patience: seconds of silence beyond that, and between two looks at it.
            received: counts the bytes that came in; while it grows there is no silence.
        """
        wait = _Wait(whom, now + expected + patience, patience, received)
        self._waits.add(wait)
        try:
            yield
        finally:
            self._waits.discard(wait)

    def look(self, now: float) -> list[W]:
        """Who owes an answer and has sent nothing since the last look. They are looked at again later."""
        silent: list[W] = []
        if now < self._not_before:
            return silent
        for wait in self._waits:
            if wait.due <= now:
                received = wait.received()
                if received == wait.heard:
                    silent.append(wait.whom)
                wait.heard, wait.due = received, now + wait.patience
        if silent:
            self._not_before = now + self._pause
        return silent

    def next_look(self) -> float:
        """When the first of the present waits is to be looked at; infinity if there is none."""
        return max(self._not_before, min((wait.due for wait in self._waits), default=math.inf))
