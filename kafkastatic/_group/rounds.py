"""One rebalance as a member lives through it: from a settled assignment to the next, and where the time went."""

from __future__ import annotations

from kafkastatic.events import Rebalanced
from kafkastatic.types import Membership

PHASES = ("revoke", "join", "sync", "assign")


class Round:
    """One rebalance.

    Args:
        before: the membership as it was.
        cause: what began it.
        now: when, on the clock of the machine.

    Attributes:
        orderly: the membership was not lost meanwhile.
    """

    def __init__(self, before: Membership, cause: str, now: float) -> None:
        self.cause = cause
        self.orderly = True
        self._before = before
        self._began = self._since = now
        self._phase: str | None = None
        self._spent: dict[str, float] = dict.fromkeys(PHASES, 0.0)

    def enter(self, phase: str | None, now: float) -> None:
        """A phase begins; with `None` the last one has ended, and the next one tells what was waited for until then."""
        waited_for = "sync" if phase == "assign" else phase
        self._spent[self._phase or waited_for or "sync"] += now - self._since
        self._phase, self._since = phase, now

    def end(self, after: Membership, now: float, at: float) -> Rebalanced:
        self.enter(None, now)
        owned, had = after.assignment, self._before.assignment
        return Rebalanced(
            at,
            self.cause,
            self._before.epoch,
            after.epoch,
            kept=owned & had,
            added=owned - had,
            revoked=had - owned,
            **self._spent,
            total=now - self._began,
        )
