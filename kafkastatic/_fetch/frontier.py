"""How far the records of a partition are done without a gap, when they end in any order. Pure."""

from __future__ import annotations

from collections import deque

from kafkastatic._fetch.positions import PartitionState


class Frontier:
    """The offsets that are begun and not done.

    Whenever it ends, and however: there is no undone offset before `first`.
    """

    def __init__(self) -> None:
        self._order: deque[int] = deque()  # as begun; those done are taken out when they come to the front
        self._open: set[int] = set()

    def __len__(self) -> int:
        """How many are begun and not done."""
        return len(self._open)

    @property
    def first(self) -> int | None:
        """The lowest offset that is begun and not done."""
        return self._order[0] if self._order else None

    def begin(self, offset: int) -> None:
        """Raises `ValueError` unless `offset` is behind those that were begun before and are not all done."""
        if self._order and offset <= self._order[-1]:
            raise ValueError(f"offset {offset} begins after {self._order[-1]}")
        self._order.append(offset)
        self._open.add(offset)

    def done(self, offset: int) -> None:
        """Raises `ValueError` unless `offset` is begun and not done."""
        if offset not in self._open:
            raise ValueError(f"offset {offset} is done, but was not begun")
        self._open.remove(offset)
        order = self._order
        while order and order[0] not in self._open:
            order.popleft()


class Progress:
    """The books of one partition whose records a handler works on: `handed` follows what is begun, `consumed` what is
    done.

    A seek or a reset makes it stale: what was begun before is of no account then.

    Args:
        moves: of the state, when it gave out the records; as it is now if not given.
    """

    def __init__(self, state: PartitionState, moves: int | None = None) -> None:
        self.state = state
        self._moves = state.moves if moves is None else moves
        self._frontier = Frontier()

    def __len__(self) -> int:
        """How many records are begun and not done."""
        return len(self._frontier)

    @property
    def stale(self) -> bool:
        return self.state.moves != self._moves

    def begin(self, offset: int, behind: int) -> None:
        """The record at `offset` is handed to the handler; `behind` is where the next one may be."""
        self._frontier.begin(offset)
        self.state.handed = behind

    def done(self, offset: int) -> None:
        frontier, state = self._frontier, self.state
        frontier.done(offset)
        if state.moves == self._moves:
            first = frontier.first
            state.consumed = max(state.consumed, state.handed if first is None else first)
