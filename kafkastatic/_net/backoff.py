"""Exponential backoff with jitter (KIP-580)."""

from __future__ import annotations

from collections.abc import Callable

JITTER = 0.2


def delay(attempt: int, base_ms: int, max_ms: int, random: Callable[[], float]) -> float:
    """Seconds to wait before the retry number `attempt`, counted from 0; each is up to 20 % off, either way."""
    exact = min(base_ms * 2.0 ** min(attempt, 30), max(base_ms, max_ms))
    return exact * (1 + JITTER * (2 * random() - 1)) / 1000


class Backoff:
    """The delays of one chain of retries."""

    def __init__(self, base_ms: int, max_ms: int, random: Callable[[], float]) -> None:
        self._base_ms, self._max_ms, self._random = base_ms, max_ms, random
        self.attempt = 0

    def next(self) -> float:
        """Seconds to wait now; the next answer is longer."""
        self.attempt += 1
        return delay(self.attempt - 1, self._base_ms, self._max_ms, self._random)

    def reset(self) -> None:
        self.attempt = 0
