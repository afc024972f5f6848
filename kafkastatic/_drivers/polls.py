"""Watches that the application goes on asking for records: `max_poll_interval_ms`.

Nothing of this costs per record: progress is sampled. Waiting for records never expires.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import anyio

from kafkastatic._fetch.consumption import Consumption
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig

SAMPLES = 10
"""How often an interval is looked at: an expiry is noticed up to a tenth of it late."""


class PollExpiry(NamedTuple):
    """The record in hand (topic, partition, offset), and by how many seconds it was held too long when noticed."""

    last: tuple[str, int, int] | None
    excess: float


class PollWatch:
    """The poll clock of one consumer.

    Attributes:
        expiry: how the interval was exceeded, until the application asks again.

    Args:
        exempt: whether nobody waits for this application, whose partitions are assigned by hand.
        expired: told of each expiry, once.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        consumption: Consumption,
        runtime: Runtime,
        exempt: Callable[[], bool],
        expired: Callable[[PollExpiry], None],
    ) -> None:
        self.expiry: PollExpiry | None = None
        self._interval = config.max_poll_interval_ms / 1000
        self._step = min(self._interval / SAMPLES, config.heartbeat_interval_ms / 1000)
        self._consumption = consumption
        self._runtime = runtime
        self._exempt = exempt
        self._expired = expired

    async def run(self) -> None:
        consumption = self._consumption
        progress, since = consumption.progress(), self._runtime.now()
        while True:
            await anyio.sleep(self._step)
            now = self._runtime.now()
            idle = consumption.waiting or self._exempt() or not len(consumption.positions)
            if idle or consumption.progress() != progress:
                progress, since = consumption.progress(), now
            elif now - since > self._interval and self.expiry is None:
                self.expiry = PollExpiry(consumption.last_in_hand(), now - since - self._interval)
                self._expired(self.expiry)

    def resumed(self) -> bool:
        """The application asks again: whether it had been too slow until now."""
        expiry, self.expiry = self.expiry, None
        return expiry is not None
