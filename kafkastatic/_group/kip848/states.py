"""The states of a member of a KIP-848 group and every way between them, as data.

The machine moves only along this table, and the diagram in docs/membership.md is drawn from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.Enum):
    IDLE = "idle"  # not started
    FINDING = "finding"  # cannot join before the coordinator is known
    SAVING = "saving"  # cannot join before its member id is durable
    JOINING = "joining"  # the heartbeat of epoch 0 is on its way
    PROBING = "probing"  # a dynamic member that was refused because of what it was itself leaves as that
    WAITING = "waiting"  # backs off before it joins again
    STABLE = "stable"  # in the group; owns what it was told to own, as far as it knows the topics
    ASSIGNING = "assigning"  # in the group; on_partitions_assigned runs
    REVOKING = "revoking"  # in the group; some partitions, or all, are given up in order
    LOSING = "losing"  # out of the group; on_partitions_lost runs
    PAUSED = "paused"  # not in the group by the application's doing
    LEAVING = "leaving"  # the heartbeat of epoch -1 or -2 is on its way
    STOPPED = "stopped"
    FAILED = "failed"


_SAVE = {"join, id not durable": State.SAVING}
_JOIN = {"join": State.JOINING, "join, no coordinator": State.FINDING}
_LEFT = {"left": State.STOPPED}
_LEAVE = {"leave": State.LEAVING}
_OUT = {"stepped out": State.PAUSED}

TABLE: Mapping[State, Mapping[str, State]] = {
    State.IDLE: {"started": State.FINDING, "started without topics": State.PAUSED, **_LEFT},
    State.FINDING: {"join": State.JOINING, **_SAVE, **_OUT, **_LEFT},
    State.SAVING: {"join": State.JOINING, **_OUT, **_LEFT},
    State.JOINING: {
        "joined": State.STABLE,
        "maybe ours": State.PROBING,
        "not now": State.WAITING,
        "coordinator lost": State.FINDING,
        **_OUT,
        **_LEAVE,
    },
    State.PROBING: {
        "join": State.JOINING,
        "not now": State.WAITING,
        "coordinator lost": State.FINDING,
        **_OUT,
        **_LEAVE,
    },
    State.WAITING: {"join": State.JOINING, **_OUT, **_LEFT, **_LEAVE},
    State.STABLE: {
        "assign": State.ASSIGNING,
        "revoke": State.REVOKING,
        "lost": State.LOSING,
        **_OUT,
        **_LEFT,
        **_LEAVE,
    },
    State.ASSIGNING: {"assigned": State.STABLE, "lost": State.LOSING},
    State.REVOKING: {"revoked": State.STABLE, "lost": State.LOSING},
    State.LOSING: {**_JOIN, **_OUT, **_LEFT, **_LEAVE},
    State.PAUSED: {**_JOIN, **_SAVE, **_LEFT, **_LEAVE},
    State.LEAVING: _LEFT,
    State.STOPPED: {},
    State.FAILED: {},
}
"""Where each cause leads from each state. `failed` leads from every state but the last two to FAILED."""

IN_GROUP = frozenset({State.STABLE, State.ASSIGNING, State.REVOKING})
"""The states in which heartbeats are sent."""

OVER = frozenset({State.STOPPED, State.FAILED})
"""The states that nothing leads out of."""
