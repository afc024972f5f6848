"""What was produced, what a group received of it, and for how long nobody did. Pure: times are given, in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

SHORTEST = 0.1
"""A gap this long counts as dark; below it a group is as quick as its broker and its machine."""

Produced = Mapping[int, Mapping[int, float]]
"""By partition and offset, in their order: when the record was produced."""


class Gap(NamedTuple):
    """A time in which records of a partition waited, and none of them was received."""

    partition: int
    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


class Ledger:
    """What one group received.

    Attributes:
        twice: how many times a record was received that had been received before.
    """

    def __init__(self, produced: Produced) -> None:
        self._produced = produced
        self._first: dict[int, dict[int, float]] = {}
        self.twice = 0

    def received(self, partition: int, offsets: Iterable[int], at: float) -> None:
        first = self._first.setdefault(partition, {})
        for offset in offsets:
            if offset in first:
                self.twice += 1
            else:
                first[offset] = at

    def missing(self) -> int:
        """How many records that were produced nobody has received."""
        return sum(
            offset not in self._first.get(partition, {})
            for partition, offsets in self._produced.items()
            for offset in offsets
        )

    def gaps(self, now: float) -> list[Gap]:
        """The dark times so far; what is unread now makes gaps that end now."""
        return [
            Gap(partition, start, end)
            for partition, offsets in self._produced.items()
            for start, end in _gaps(offsets, self._first.get(partition, {}), now)
            if end - start >= SHORTEST
        ]

    def dark(self, now: float) -> list[int]:
        """The partitions that are dark now."""
        return sorted({gap.partition for gap in self.gaps(now) if gap.end == now})


def _gaps(produced: Mapping[int, float], first: Mapping[int, float], now: float) -> Iterator[tuple[float, float]]:
    """From when a record waited, and the one before it was received, until it was received itself."""
    last = float("-inf")
    for offset, at in produced.items():
        until = first.get(offset, now)
        if until > last:
            yield max(at, last), until
            last = until
