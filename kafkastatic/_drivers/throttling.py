"""Tells, now and then, that a broker throttles us (KIP-219)."""

from __future__ import annotations

from kafkastatic._drivers.log import EventLog
from kafkastatic._net.pool import Role
from kafkastatic._runtime import Runtime

INTERVAL = 60.0
"""Seconds between two reports on the same connection: a quota throttles many times a second."""


class ThrottleReport:
    """The event `throttled`: at the first time, then how often and how long in all since it was last told."""

    def __init__(self, runtime: Runtime, log: EventLog) -> None:
        self._runtime = runtime
        self._log = log
        self._told: dict[tuple[str, Role], float] = {}
        self._since: dict[tuple[str, Role], tuple[int, float]] = {}

    def __call__(self, address: str, role: Role, seconds: float) -> None:
        connection = (address, role)
        times, total = self._since.get(connection, (0, 0.0))
        times, total = times + 1, total + seconds
        now = self._runtime.now()
        if now - self._told.get(connection, -INTERVAL) < INTERVAL:
            self._since[connection] = (times, total)
            return
        self._told[connection], self._since[connection] = now, (0, 0.0)
        self._log.warning(
            "throttled", broker=address, connection=role.value, times=times, throttle_time_ms=round(total * 1000)
        )
