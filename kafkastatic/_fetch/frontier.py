"""How far the records of a partition are done without a gap, when they end in any order. Pure."""

from __future__ import annotations

from collections import deque

from kafkastatic._fetch.positions import PartitionState


class Progress:
    """The books of one partition whose records a handler works on: `handed` follows what is begun, `consumed` what is
    done.

    Whenever it ends, and however: there is no undone record before `consumed`. A seek or a reset makes it stale: what
    was begun before is of no account then.

    Args:
        moves: of the state, when it gave out the records; as it is now if not given.
    """

    def __init__(self, state: PartitionState, moves: int | None = None) -> None:
        self.state = state
        self._moves = state.moves if moves is None else moves
        self._order: deque[int] = deque()  # as begun; those done are taken out when they come to the front
        self._open: set[int] = set()  # begun and not done

    def __len__(self) -> int:
        """How many records are begun and not done."""
        return len(self._open)

    @property
    def stale(self) -> bool:
        return self.state.moves != self._moves

    def begin(self, offset: int, behind: int) -> None:
        """The record at `offset` is handed to the handler; `behind` is where the next one may be.

        Raises `ValueError` unless it is behind those that were begun before and are not all done.
        """
        order = self._order
        if order and offset <= order[-1]:
            raise ValueError(f"offset {offset} begins after {order[-1]}")
        order.append(offset)
        self._open.add(offset)
        self.state.handed = behind

    def done(self, offset: int) -> None:
        """Raises `ValueError` unless the record is begun and not done."""
        order, still_open, state = self._order, self._open, self.state
        if offset not in still_open:
            raise ValueError(f"offset {offset} is done, but was not begun")
        still_open.remove(offset)
        while order and order[0] not in still_open:
            order.popleft()
        if state.moves == self._moves:
            first = order[0] if order else state.handed
            if state.consumed < first:  # an explicit commit may have gone further
                state.consumed = first
