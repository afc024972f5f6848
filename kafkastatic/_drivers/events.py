"""Hands the events of one consumer to whoever reads them, and tells its health to whoever asks."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from kafkastatic import events as e
from kafkastatic._group import member as m
from kafkastatic._group.journal import Journal
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig

KEPT = 256
"""How many events are kept for a reader that does not ask. A rebalance makes about six."""


class EventsDriver:
    """What a consumer tells of itself.

    Args:
        raise_fatal: raises what ended the consumer, if it has ended with an error.
        silent: for how long the event loop has been silent, in seconds.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        runtime: Runtime,
        *,
        raise_fatal: Callable[[], None],
        silent: Callable[[], float],
    ) -> None:
        self.ended = False
        self.raise_fatal = raise_fatal
        self._silent = silent
        self._longest_silence = config.session_timeout_ms / 1000
        self._wall = runtime.wall
        self._journal = Journal(config.max_poll_interval_ms / 1000)
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()  # who lets go of a reader is done with it

    def saw(self, event: m.Event, actions: Sequence[m.Action], member: m.Member, now: float) -> None:
        """The membership machine was given `event` and answered with `actions`."""
        self._publish(self._journal.saw(event, actions, member, now, self._wall()))

    def failed(self, error: BaseException) -> None:
        """The consumer has ended with this error."""
        self._publish(self._journal.failed(error, self._wall()))
        self._end()

    def starting(self) -> None:
        self._journal.starting(self._wall())

    def alone(self) -> None:
        """It reads, and asks nothing of a group."""
        self._journal.alone(self._wall())

    def stopped(self) -> None:
        """The application wants no more of it; whoever reads events in a task is to end, like whoever reads records."""
        self._journal.stopping(self._wall())
        self._end()

    def closing(self) -> None:
        self._journal.closing(self._wall())

    def closed(self) -> None:
        self._journal.closed(self._wall())
        self._end()

    def health(self) -> e.Health:
        """How the consumer is. Safe from any thread."""
        now = self._wall()
        health, silence = self._journal.health(now), self._silent()
        if health.live and silence > self._longest_silence:
            return e.Health(False, False, f"blocked: the event loop, for {silence:.0f} s", now - silence)
        return health

    def reader(self) -> Reader:
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    def _publish(self, events: Iterable[e.Event]) -> None:
        for event in events:
            for reader in self._readers:
                reader.put(event)

    def _end(self) -> None:
        self.ended = True
        for reader in self._readers:
            reader.wake()


class Reader:
    """The events from when it was made, until the consumer ends. One that is dropped leaves nothing behind."""

    def __init__(self, driver: EventsDriver) -> None:
        self._driver = driver
        self._kept: deque[e.Event] = deque()
        self._missed = 0
        self._arrived: asyncio.Event | None = None

    def put(self, event: e.Event) -> None:
        if len(self._kept) == KEPT:
            self._kept.popleft()
            self._missed += 1
        self._kept.append(event)
        self.wake()

    def wake(self) -> None:
        if self._arrived is not None:
            self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> e.Event:
        while not self._kept:
            if self._driver.ended:
                self._driver.raise_fatal()
                raise StopAsyncIteration
            if self._arrived is None or self._arrived.is_set():
                self._arrived = asyncio.Event()
            await self._arrived.wait()
        missed, self._missed = self._missed, 0
        return e.Missed(self._kept[0].at, missed) if missed else self._kept.popleft()
