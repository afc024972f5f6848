"""Who is asked for a partition: its leader, or the replica nearest to us that the leader has named (KIP-392)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from kafkastatic._fetch.positions import PartitionState
from kafkastatic.types import ClusterSnapshot


def source(state: PartitionState, snapshot: ClusterSnapshot, now: float) -> int | None:
    """The broker to ask, `None` where no leader is known or none of them can be reached."""
    info = snapshot.leader(state.tp)
    if info is None:
        return None
    replica = state.replica
    if replica is not None and now < state.replica_until and replica in snapshot.brokers and replica in info.replicas:
        return replica
    return info.leader if info.leader in snapshot.brokers else None


def read_from(state: PartitionState, replica: int, until: float) -> None:
    """The leader sends us to a replica; that holds for a time only, as the nearest one may come back."""
    state.replica, state.replica_until = replica, until


def back_to_leader(state: PartitionState, until: float) -> None:
    """The replica has failed: until then the leader is asked, and sends us nowhere."""
    state.replica, state.replica_until = None, until


def stays_with(node: int, state: PartitionState, now: float) -> bool:
    """Whether this broker, the leader, must send the data itself: the replica it names has failed, or is unknown."""
    return now < state.replica_until and state.replica != node


def next_change(states: Iterable[PartitionState], now: float) -> float:
    """When a replica's time is over, and the leader is to be asked again; infinity if never."""
    times = (state.replica_until for state in states if state.replica is not None)
    return min((time for time in times if time > now), default=math.inf)
