"""Carries out what the membership decides about partitions: assign, revoke, lose, with the user's callbacks."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import ContextVar

import anyio

from kafkastatic._drivers.commits import CommitDriver
from kafkastatic._drivers.log import EventLog
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.types import RebalanceListener, TopicPartition, Worker

Partitions = frozenset[TopicPartition]

_calling: ContextVar[object] = ContextVar("kafkastatic.callback", default=None)
"""The callback that runs here, a token of its own; tasks that a callback starts inherit it."""


class AssignmentDriver:
    """Keeps `consumption` in step with the group.

    Attributes:
        listener: the application's callbacks, where it gave any.
        worker: whoever works on records while they are handed to a handler.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        consumption: Consumption,
        commits: CommitDriver,
        runtime: Runtime,
        log: EventLog,
        *,
        changed: Callable[[], None],
    ) -> None:
        self.listener: RebalanceListener | None = None
        self.worker: Worker | None = None
        self._config = config
        self._consumption = consumption
        self._commits = commits
        self._runtime = runtime
        self._log = log
        self._changed = changed
        self._draining: asyncio.Event | None = None  # while a revoke waits for the next ask
        self._no_drain = self._closing = False
        self._revoking: anyio.CancelScope | None = None
        self._callback: object = None
        self._told: Partitions = frozenset()  # partitions whose on_partitions_revoked has begun

    @property
    def in_callback(self) -> bool:
        """Whether one of the application's callbacks is calling, or a task of its own that it waits for."""
        return self._callback is not None and _calling.get() is self._callback

    def asked(self) -> None:
        """The application asked for its next record, or gave up what it had in hand."""
        if self._draining is not None:
            self._draining.set()

    def close(self) -> None:
        """Nobody will ask for a next record any more."""
        self._closing = True
        self.do_not_drain()

    def do_not_drain(self) -> None:
        """The application itself gives its partitions up: do not wait for it to ask again."""
        self._no_drain = True
        self.asked()

    async def assign(self, added: Partitions) -> None:
        """Own `added` too; nothing of them is fetched before the callback is done, so that it may seek."""
        self._told -= added
        self._no_drain = self._closing
        positions = self._consumption.positions
        positions.add(added)
        for tp in added:
            positions[tp].barred = True
        if self.listener is not None:
            await self._call(self.listener.on_partitions_assigned, added)
        for tp in added:
            state = positions.get(tp)
            if state is not None:
                state.barred = False
        self._changed()

    async def revoke(self, partitions: Partitions, deadline: float) -> None:
        """Stop handing out, wait until `deadline` for the record in hand, call back, commit what is consumed.

        All of it ends with the rebalance timeout, at which the group goes on without us.
        """
        held = partitions & self._consumption.positions.partitions()
        if not held:
            return  # lost before this began
        limit = self._runtime.now() + self._config.max_poll_interval_ms / 1000
        self._consumption.hold(held)
        with anyio.CancelScope() as scope:
            self._revoking = scope
            await self._finish(held, deadline, limit)
        if self._still_own(held):  # not lost meanwhile; an ask may have ended the drain at the same moment
            self._told = held
            if self.listener is not None:
                await self._call_until(limit, self.listener.on_partitions_revoked, held)
            with anyio.CancelScope(deadline=limit) as scope:
                self._revoking = scope
                if self._config.enable_auto_commit and self._still_own(held):
                    await self._commits.auto(lambda: self._consumption.consumed_offsets(held), "on_revoke")
        self._revoking = None
        self.forget(held)

    def _still_own(self, partitions: Partitions) -> bool:
        return partitions <= self._consumption.positions.partitions()

    async def _call_until(self, limit: float, callback: Callable[[Partitions], object], partitions: Partitions) -> None:
        with anyio.CancelScope(deadline=limit) as scope:
            await self._call(callback, partitions)
        if scope.cancelled_caught:
            self._log.error("callback_timeout", callback=callback.__name__, partitions=len(partitions))

    def drop(self, partitions: Partitions) -> None:
        """Forget partitions at once; a revoke under way is cut short."""
        if self._revoking is not None:
            self._revoking.cancel()
        self.forget(partitions)

    def forget(self, partitions: Partitions) -> None:
        """Whatever is in hand of these partitions will never be consumed."""
        if self.worker is not None:
            self.worker.cut(partitions)
        self._consumption.forget(partitions)
        self._changed()

    async def lose(self, partitions: Partitions) -> None:
        """Tell the application of lost partitions, but for those whose revoking it was told of."""
        untold, self._told = partitions - self._told, frozenset()
        if untold and self.listener is not None:
            limit = self._runtime.now() + self._config.max_poll_interval_ms / 1000
            await self._call_until(limit, self.listener.on_partitions_lost, untold)

    async def finish(self) -> None:
        """Hand out nothing more, and let what is in hand be done: before the last commit of one who is in no group."""
        everything = self._consumption.positions.partitions()
        self._consumption.hold(everything)
        deadline = self._runtime.now() + self._config.drain_timeout
        await self._finish(everything, deadline, deadline + self._config.drain_timeout)

    async def _finish(self, partitions: Partitions, deadline: float, limit: float) -> None:
        """Wait until nothing of the partitions is in hand; cancel what is at the deadline, and wait for its end too."""
        if await self._none_in_hand(partitions, deadline) or self.worker is None:
            return
        self.worker.cut(partitions)
        if not await self._none_in_hand(partitions, limit):
            self._log.error("handler_does_not_end", partitions=len(partitions))

    async def _none_in_hand(self, partitions: Partitions, deadline: float) -> bool:
        with anyio.CancelScope(deadline=deadline) as scope:
            while self._in_hand(partitions):
                self._draining = asyncio.Event()
                await self._draining.wait()
        self._draining = None
        if scope.cancelled_caught:
            self._log.warning("drain_timeout", in_hand=str(self._consumption.last_in_hand()))
        return not scope.cancelled_caught

    def _in_hand(self, partitions: Partitions) -> bool:
        if self.worker is not None:
            return self.worker.busy(partitions)
        return not self._no_drain and not self._consumption.in_hand().keys().isdisjoint(partitions)

    async def _call(self, callback: Callable[[Partitions], object], partitions: Partitions) -> None:
        self._callback = object()
        token = _calling.set(self._callback)
        try:
            result = callback(partitions)
            if inspect.isawaitable(result):
                await result
        finally:
            _calling.reset(token)
            self._callback = None
