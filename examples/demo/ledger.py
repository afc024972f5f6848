"""What was produced, what a group received of it, and for how long nobody did. Pure: times are given, in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

SHORTEST = 0.1
"""A gap this long counts as dark; below it a group is as quick as its broker and its machine."""

Produced = Mapping[int, Mapping[int, float]]
"""By partition and offset, in their order: when the record was produced."""


class Gap(NamedTuple):
    """A time in which records of a partition waited, and none of them was received.

    Attributes:
        reader: who received the record before; "" at the beginning.
    """

    partition: int
    start: float
    end: float
    reader: str = ""

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
        self._first: dict[int, dict[int, tuple[float, str]]] = {}
        self._away: list[tuple[str, float, float]] = []
        self.twice = 0

    def received(self, partition: int, offsets: Iterable[int], at: float, reader: str = "") -> None:
        first = self._first.setdefault(partition, {})
        for offset in offsets:
            if offset in first:
                self.twice += 1
            else:
                first[offset] = (at, reader)

    def was_away(self, reader: str, since: float, until: float) -> None:
        """A reader restarted: its partitions had to wait for it, or for another reader."""
        self._away.append((reader, since, until))

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
            Gap(partition, start, end, reader)
            for partition, offsets in self._produced.items()
            for start, end, reader in _gaps(offsets, self._first.get(partition, {}), now)
            if end - start >= SHORTEST
        ]

    def imposed(self, now: float) -> list[Gap]:
        """Those of partitions whose reader was at work all the time: what others' restarts cost it."""
        return [
            gap
            for gap in self.gaps(now)
            if not any(gap.reader == who and since < gap.end and gap.start < until for who, since, until in self._away)
        ]

    def dark(self, now: float) -> list[int]:
        """The partitions that are dark now."""
        return sorted({gap.partition for gap in self.gaps(now) if gap.end == now})


def _gaps(
    produced: Mapping[int, float], first: Mapping[int, tuple[float, str]], now: float
) -> Iterator[tuple[float, float, str]]:
    """From when a record waited, and the one before it was received, until it was received itself."""
    last, reader = float("-inf"), ""
    for offset, at in produced.items():
        until, by = first.get(offset, (now, ""))
        if until > last:
            yield max(at, last), until, reader
            last, reader = until, by
