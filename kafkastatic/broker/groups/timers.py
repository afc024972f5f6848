"""Many timers behind one deadline. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Timers(Generic[K]):
    """Times by key, at which something is due.

    A timer that is put off, as sessions are with every heartbeat, costs a dict entry: its place in the queue is found
    to be too early when its turn comes, and moved then.
    """

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._places: dict[K, tuple[float, int]] = {}
        self._queue: list[tuple[float, int, K]] = []
        self._count = 0  # those that are due together ring in the order they were set

    def set(self, key: K, at: float) -> None:
        """Let `key` ring at `at`, and not when it was to ring before."""
        self._due[key] = at
        if key not in self._places or at < self._places[key][0]:
            self._push(key, at)

    def cancel(self, key: K) -> None:
        self._due.pop(key, None)

    def has(self, key: K) -> bool:
        """Whether it is set."""
        return key in self._due

    def deadline(self) -> float | None:
        """When the next one rings; `None` while none is set."""
        while self._queue:
            at, count, key = self._queue[0]
            due = self._due.get(key)
            if self._places.get(key) != (at, count):
                heapq.heappop(self._queue)  # it has an earlier place
            elif due == at:
                return at
            else:
                heapq.heappop(self._queue)
                del self._places[key]
                if due is not None:
                    self._push(key, due)
        return None

    def pop(self, now: float) -> K | None:
        """One that is due, which is no longer set then; `None` if there is none."""
        deadline = self.deadline()
        if deadline is None or deadline > now:
            return None
        _, _, key = heapq.heappop(self._queue)
        del self._due[key], self._places[key]
        return key

    def _push(self, key: K, at: float) -> None:
        self._count += 1
        self._places[key] = (at, self._count)
        heapq.heappush(self._queue, (at, self._count, key))
