"""The states of a classic member and every way between them, as data.

The machine moves only along this table, and the diagram in docs/membership.md is drawn from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.Enum):
    IDLE = "idle"  # not started
    FINDING = "finding"  # cannot join before the coordinator is known
    WAITING = "waiting"  # backs off before the next JoinGroup
    JOINING = "joining"  # JoinGroup is on its way or parked
    BALANCING = "balancing"  # leads, and waits for the metadata of the group's topics
    SYNCING = "syncing"  # SyncGroup is on its way or parked
    ASSIGNING = "assigning"  # in the group; on_partitions_assigned runs
    STABLE = "stable"  # in the group
    REVOKING = "revoking"  # still in the group; partitions, all or some, are given up in order
    LOSING = "losing"  # out of the group; on_partitions_lost runs
    PAUSED = "paused"  # not in the group by the application's doing
    LEAVING = "leaving"  # LeaveGroup is on its way
    STOPPED = "stopped"
    FAILED = "failed"


_REJOIN = {"rejoin": State.JOINING, "rejoin, no coordinator": State.FINDING}
_END = {"left": State.STOPPED, "leave": State.LEAVING}
_AFTER = {**_REJOIN, **_END, "stepped out": State.PAUSED}
_KEEPING = {"revoke": State.REVOKING, "lost": State.LOSING}  # who rebalances cooperatively owns partitions all the time

TABLE: Mapping[State, Mapping[str, State]] = {
    State.IDLE: {"started": State.FINDING, "started without topics": State.PAUSED, "left": State.STOPPED},
    State.FINDING: {
        "coordinator found": State.JOINING,
        "stepped out": State.PAUSED,
        "left": State.STOPPED,
        **_KEEPING,
    },
    State.WAITING: {"rejoin": State.JOINING, "stepped out": State.PAUSED, **_END, **_KEEPING},
    State.JOINING: {
        "rejoin": State.JOINING,
        "joined": State.SYNCING,
        "joined, topics unknown": State.BALANCING,
        "not now": State.WAITING,
        "coordinator lost": State.FINDING,
        "stepped out": State.PAUSED,
        **_END,
        **_KEEPING,
    },
    State.BALANCING: {"balanced": State.SYNCING, "stepped out": State.PAUSED, **_END, **_KEEPING},
    State.SYNCING: {
        "synced": State.ASSIGNING,
        "synced, owns less": State.REVOKING,
        "rejoin": State.JOINING,
        "coordinator lost": State.FINDING,
        "stepped out": State.PAUSED,
        **_END,
        **_KEEPING,
    },
    State.ASSIGNING: {"assigned": State.STABLE, "lost": State.LOSING},
    State.STABLE: {**_KEEPING, **_AFTER},
    State.REVOKING: {"revoked": State.ASSIGNING, **_KEEPING, **_AFTER},
    State.LOSING: _AFTER,
    State.PAUSED: {**_REJOIN, **_END},
    State.LEAVING: {"left": State.STOPPED},
    State.STOPPED: {},
    State.FAILED: {},
}
"""Where each cause leads from each state. `failed` leads from every state but the last two to FAILED."""

IN_GROUP = frozenset({State.ASSIGNING, State.STABLE, State.REVOKING})
"""The states in which heartbeats are sent."""

OVER = frozenset({State.STOPPED, State.FAILED})
"""The states that nothing leads out of."""
