"""What a membership machine is told and says, as the events and the health that the application sees.

Pure, like the machines, and of no protocol: it goes by what all of them report. `saw` takes one event, what the machine
answered to it, and returns what is to be told; `health` is a value that another thread may read at any time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from kafkastatic import events as e
from kafkastatic._group import member as m
from kafkastatic._group.rounds import Round
from kafkastatic.errors import FencedError, KafkaError
from kafkastatic.types import Membership

Partitions = m.Partitions


class _Life(IntEnum):
    """How far the consumer's life is; it goes on, never back."""

    RUNNING = 0
    STOPPED = 1
    CLOSING = 2
    CLOSED = 3
    FAILED = 4


class Journal:
    """One consumer's. Times: `now` is the machine's clock, `at` seconds since the epoch.

    Args:
        rebalance_timeout: seconds after which a rebalance does not count as ready any more.
    """

    def __init__(self, rebalance_timeout: float) -> None:
        self._patience = rebalance_timeout
        self._life = _Life.RUNNING
        self._alone = False
        self._last = Membership("")
        self._settled = False
        self._round: Round | None = None
        self._assigning: deque[Partitions] = deque()  # whose callbacks have not ended
        self._revoking: deque[Partitions] = deque()
        self._losing = 0
        self._cause: tuple[str, bool] | None = None  # of a loss, and whether that is inferred, as was reported just now
        self._entering = _LOOKING
        self._out = ""  # why we are not in the group, where nothing is done about it
        self._waiting = ""
        self._doubt = ""
        self._health = e.Health(True, False, "not started", 0.0)
        self._ready_until = float("inf")

    # ── health ──

    def health(self, at: float) -> e.Health:
        """How the consumer is. Safe from any thread."""
        health, until = self._health, self._ready_until
        if health.ready and at >= until:
            return health.evolve(ready=False, reason=f"{health.reason}, for longer than max_poll_interval_ms")
        return health

    def starting(self, at: float) -> None:
        self._tell(True, False, "starting", at)

    def alone(self, at: float) -> None:
        """Nothing is asked of a group: it was started without one, or partitions were assigned by hand."""
        self._alone = True
        if self._life is _Life.RUNNING:
            self._tell(True, True, "reads without a group", at)

    def stopping(self, at: float) -> None:
        self._live_on(_Life.STOPPED, "stopped", at)

    def closing(self, at: float) -> None:
        self._live_on(_Life.CLOSING, "closing", at)

    def closed(self, at: float) -> None:
        self._live_on(_Life.CLOSED, "closed", at)

    def failed(self, error: BaseException, at: float) -> list[e.Event]:
        """The consumer has ended with this error."""
        self._live_on(_Life.FAILED, f"ended: {type(error).__name__}", at)
        self._health = self._health.evolve(error=error)
        if isinstance(error, FencedError):
            return [e.Fenced(at, error, getattr(error, "owner", None))]
        return []

    def _live_on(self, life: _Life, reason: str, at: float) -> None:
        if life > self._life:
            self._life = life
            self._tell(life is not _Life.FAILED, False, reason, at)

    def _tell(self, live: bool, ready: bool, reason: str, at: float, ready_until: float = float("inf")) -> None:
        before = self._health
        if (before.live, before.ready, before.reason) != (live, ready, reason):
            self._ready_until = ready_until
            self._health = e.Health(live, ready, reason, at)

    def _judge(self, at: float) -> None:
        """How a member of a group is."""
        if self._out:
            self._tell(True, False, f"not in the group: {self._out}", at)
        elif self._waiting:
            self._tell(True, False, f"waiting for the instance id: {self._waiting}", at)
        elif self._settled and self._doubt:
            self._tell(True, self._doubt == _COORDINATOR, f"unconfirmed: {self._doubt}", at)
        elif self._settled:
            self._tell(True, True, "in the group", at)
        elif self._round is not None and self._round.orderly:
            self._tell(True, True, f"rebalancing: {self._round.cause}", at, at + self._patience)
        else:
            self._tell(True, False, f"joining the group: {self._entering}", at)

    # ── what the machine is told, and says ──

    def saw(
        self, event: m.Event, actions: Sequence[m.Action], member: m.Member, now: float, at: float
    ) -> list[e.Event]:
        """The machine was given `event` and answered with `actions`; `member` is as it is afterwards."""
        after = member.membership
        told = self._finished(event, after, now, at)
        was_settled = self._settled or any(isinstance(event, e.Assigned) for event in told)
        if was_settled and not member.settled and self._round is None:
            self._round = Round(self._last, _cause(actions), now)
        for action in actions:
            told += self._acted(action, actions, now, at)
        self._last, self._settled = after, member.settled
        if self._settled:
            self._out = self._waiting = self._entering = ""
            if self._round is not None:
                told.append(self._round.end(after, now, at))
                self._round = None
        elif isinstance(event, m.CoordinatorFound) and self._entering == _LOOKING:
            self._out = "nothing is subscribed to"
        if self._life is _Life.RUNNING and not self._alone:
            self._judge(at)
        return told

    def _finished(self, event: m.Event, after: Membership, now: float, at: float) -> list[e.Event]:
        """What the end of a callback means, unless the partitions were lost meanwhile."""
        told: list[e.Event] = []
        match event:
            case m.AssignFinished() if self._assigning:
                added = self._assigning.popleft()
                if event.error is None and after.epoch >= 0 and added <= after.assignment:
                    told.append(e.Assigned(at, after.epoch, after.assignment, added))
            case m.RevokeFinished() if self._revoking:
                revoked = self._revoking.popleft()
                if event.error is None and revoked:
                    told.append(e.Revoked(at, self._last.epoch, revoked))
            case m.LoseFinished() if self._losing:
                self._losing -= 1
            case _:
                return told
        if not (self._assigning or self._revoking or self._losing):
            self._enter(None, now)
        return told

    def _acted(self, action: m.Action, actions: Sequence[m.Action], now: float, at: float) -> list[e.Event]:
        match action:
            case m.Report():
                return self._reported(action.event, action.fields, now, at)
            case m.Assign():
                self._assigning.append(action.added)
                self._entering = "on_partitions_assigned runs"
                self._enter("assign", now)
            case m.Revoke():
                self._revoking.append(action.partitions)
                self._enter("revoke", now)
            case m.Lose():
                return self._lost(action, actions, now, at)
            case m.Fail():
                self._round, self._out = None, type(action.error).__name__
            case m.Stop():
                self._round = None
            case _:
                pass
        return []

    def _lost(self, action: m.Lose, actions: Sequence[m.Action], now: float, at: float) -> list[e.Event]:
        self._losing += 1
        self._revoking = deque(partitions - action.partitions for partitions in self._revoking)
        self._enter("revoke", now)
        if self._round is not None:
            self._round.orderly = False
        reported, self._cause = self._cause, None
        cause, inferred = reported or (_ending(actions), False)
        if not action.partitions and reported is None:
            return []
        return [e.Lost(at, self._last.epoch, action.partitions, cause, inferred)]

    def _reported(self, name: str, fields: Mapping[str, Any], now: float, at: float) -> list[e.Event]:
        if name in _CERTAIN:
            self._doubt = ""
        match name:
            case "joining":
                self._out, self._entering = "", fields["reason"]
                self._enter("join", now)
                return [e.Joining(at, fields["member_id"], fields["reason"])]
            case "joined":
                self._waiting = ""
                self._enter("sync", now)
                return [e.Joined(at, fields["member_id"], fields["epoch"], fields.get("leader"))]
            case "lost":
                self._cause = fields["cause"], bool(fields.get("inferred"))
                self._out = f"lost, {fields['cause']}"
            case "poll_expired":
                self._cause = "max_poll_interval_ms", False
                self._out = "max_poll_interval_ms exceeded"
            case "stepped_out":
                self._round, self._waiting, self._cause = None, "", None
                self._out = self._out or "unsubscribed"
            case "coordinator_lost":
                self._doubt = self._doubt or _COORDINATOR
            case "session_timeout_passed":
                self._doubt = _INTERVALS if fields.get("inferred") else _SESSION
            case "waiting_for_release":
                self._waiting = fields["error"]
                return [e.Waiting(at, fields["error"], at, at + fields["timeout_s"])]
            case _:
                pass
        return []

    def _enter(self, phase: str | None, now: float) -> None:
        if self._round is not None:
            self._round.enter(phase, now)


_LOOKING = "looking for the coordinator"
_COORDINATOR = "the coordinator was lost"
_SESSION = "no word of the coordinator for session_timeout_ms"
_INTERVALS = "no word of the coordinator for three heartbeat intervals"  # the broker knows how long a session is
"""What puts a membership in doubt."""

_CERTAIN = frozenset({"joining", "joined", "assigned", "revoking", "lost", "stepped_out", "membership_confirmed"})
"""Reports after which an earlier doubt is of no account."""


def _cause(actions: Sequence[m.Action]) -> str:
    """What begins a rebalance, in the machine's words."""
    for action in actions:
        if isinstance(action, m.Report):
            if action.event in ("revoking", "joining"):
                return str(action.fields["reason"])
            if action.event == "lost":
                return f"lost membership: {action.fields['cause']}"
    return "the assignment changed"


def _ending(actions: Sequence[m.Action]) -> str:
    """Why partitions are lost with the consumer."""
    for action in actions:
        if isinstance(action, m.Fail) and isinstance(action.error, KafkaError) and action.error.code is not None:
            return action.error.name.lower()
    return "failed"
