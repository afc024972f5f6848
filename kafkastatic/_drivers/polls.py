"""Watches that the application goes on asking for records: `max_poll_interval_ms`.

Nothing of this costs per record: progress is sampled. Waiting for records never expires.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from kafkastatic._fetch.consumption import Consumption
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import MaxPollExceededError

SAMPLES = 10
"""How often an interval is looked at: an expiry is noticed up to a tenth of it late."""


Record = tuple[str, int, int]
"""Topic, partition and offset."""


class PollWatch:
    """The poll clock of one consumer.

    Attributes:
        expiry: how the interval was exceeded, until the application asks again.
        oldest: of a handler that works on several records at once, since when on which; `None` without a handler.

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
        expired: Callable[[MaxPollExceededError], None],
    ) -> None:
        self.expiry: MaxPollExceededError | None = None
        self.oldest: Callable[[], tuple[float, Record] | None] | None = None
        self._interval_ms = config.max_poll_interval_ms
        self._interval = config.max_poll_interval_ms / 1000
        self._step = min(self._interval / SAMPLES, config.heartbeat_interval)
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
            if self.oldest is not None:
                progress, since = None, now
                oldest = self.oldest()
                if oldest is not None and not self._exempt():
                    self._look(now - oldest[0], oldest[1])
                continue
            idle = consumption.waiting or self._exempt() or not len(consumption.positions)
            if idle or consumption.progress() != progress:
                progress, since = consumption.progress(), now
            else:
                self._look(now - since, consumption.last_in_hand())

    def _look(self, held: float, record: Record | None) -> None:
        excess_ms = int((held - self._interval) * 1000)
        if excess_ms > 0 and self.expiry is None:  # by a whole one, so that what is said of it is true
            self.expiry = MaxPollExceededError(record, self._interval_ms, excess_ms)
            self._expired(self.expiry)

    def resumed(self) -> bool:
        """The application asks again: whether it had been too slow until now."""
        expiry, self.expiry = self.expiry, None
        return expiry is not None
