"""Under which leader epochs a partition's records were written, as far as they were fetched."""

from __future__ import annotations

UNKNOWN = -1
"""The epoch of records whose format, or whose broker, does not tell."""


class Epochs:
    """Where each epoch begins. Written once for each batch that begins one, read by offset.

    A position is an offset and the epoch of the record before it (KIP-320): what a commit carries, and what a new
    leader is asked about.
    """

    __slots__ = ("_starts",)

    def __init__(self) -> None:
        self._starts: list[tuple[int, int]] = []

    def restart(self, epoch: int = UNKNOWN) -> None:
        """Forget everything; `epoch` is that of the records before whatever comes next."""
        self._starts = [] if epoch < 0 else [(-1, epoch)]

    def begin(self, offset: int, epoch: int, needed: int) -> None:
        """Records from `offset` on are of `epoch`, whatever was noted of them before.

        Args:
            needed: nobody will ask for an offset before this one.
        """
        starts = self._starts
        while starts and starts[-1][0] >= offset:
            starts.pop()
        if epoch == (starts[-1][1] if starts else UNKNOWN):
            return
        while len(starts) > 1 and starts[1][0] < needed:
            del starts[0]
        starts.append((offset, epoch))

    def cut(self, offset: int, epoch: int) -> None:
        """Records from `offset` on are gone, and those before it are of no later epoch than this."""
        self._starts = [(start, min(known, epoch)) for start, known in self._starts if start < offset]

    def before(self, offset: int) -> int:
        """The epoch of the last record before `offset`, -1 where it is not known."""
        return next((epoch for start, epoch in reversed(self._starts) if start < offset), UNKNOWN)
