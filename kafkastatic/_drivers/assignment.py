"""Carries out what the membership decides about partitions: assign, revoke, lose, with the user's callbacks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar

import anyio

from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.offsets import OffsetsDriver
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import CommitFailedError
from kafkastatic.types import OffsetAndMetadata, RebalanceListener, TopicPartition

Partitions = frozenset[TopicPartition]

_calling: ContextVar[object] = ContextVar("kafkastatic.callback", default=None)
"""The callback that runs here, a token of its own; tasks that a callback starts inherit it."""


class AssignmentDriver:
    """Keeps `consumption` in step with the group.

    Attributes:
        listener: the application's callbacks, where it gave any.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        consumption: Consumption,
        offsets: OffsetsDriver,
        runtime: Runtime,
        log: EventLog,
        *,
        changed: Callable[[], None],
    ) -> None:
        self.listener: RebalanceListener | None = None
        self._config = config
        self._consumption = consumption
        self._offsets = offsets
        self._runtime = runtime
        self._log = log
        self._changed = changed
        self._asked = anyio.Event()
        self._closing = False
        self._revoking: anyio.CancelScope | None = None
        self._callback: object = None
        self._told: Partitions = frozenset()  # partitions whose on_partitions_revoked has begun

    @property
    def in_callback(self) -> bool:
        """Whether one of the application's callbacks is calling, or a task of its own that it waits for."""
        return self._callback is not None and _calling.get() is self._callback

    def asked(self) -> None:
        """The application asked for its next record, or gave up what it had in hand."""
        asked, self._asked = self._asked, anyio.Event()
        asked.set()

    def close(self) -> None:
        """Nobody will ask for a next record any more: do not wait for it."""
        self._closing = True
        self.asked()

    async def assign(self, added: Partitions) -> None:
        """Own `added` too; nothing of them is fetched before the callback is done, so that it may seek."""
        self._told -= added
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
        """Stop handing out, wait until `deadline` for the record in hand, call back, commit what is consumed."""
        self._consumption.hold(partitions)
        with anyio.CancelScope() as scope:
            self._revoking = scope
            await self._drain(partitions, deadline)
        self._told = partitions if not scope.cancelled_caught else frozenset()
        if self._told and self.listener is not None:
            await self._call(self.listener.on_partitions_revoked, partitions)
        if not scope.cancel_called:
            with anyio.CancelScope(deadline=self._runtime.now() + self._grace) as scope:
                self._revoking = scope
                await self._commit_consumed(partitions)
        self._revoking = None
        self._consumption.forget(partitions)
        self._changed()

    def drop(self, partitions: Partitions) -> None:
        """Forget partitions at once; a revoke under way is cut short."""
        if self._revoking is not None:
            self._revoking.cancel()
        self._consumption.forget(partitions)
        self._changed()

    async def lose(self, partitions: Partitions) -> None:
        """Tell the application of lost partitions, but for those whose revoking it was told of."""
        untold, self._told = partitions - self._told, frozenset()
        if untold and self.listener is not None:
            await self._call(self.listener.on_partitions_lost, untold)

    @property
    def _grace(self) -> float:
        """Seconds for the commit of a revoke."""
        return min(self._config.default_api_timeout_ms, self._config.max_poll_interval_ms) / 1000

    async def _drain(self, partitions: Partitions, deadline: float) -> None:
        with anyio.CancelScope(deadline=deadline) as scope:
            while not self._closing:
                asked = self._asked
                if not self._consumption.in_hand().keys() & partitions:
                    return
                await asked.wait()
        if scope.cancelled_caught:
            self._log.warning("drain_timeout", in_hand=str(self._consumption.last_in_hand()))

    async def _commit_consumed(self, partitions: Partitions) -> None:
        if self._config.enable_auto_commit:
            await self.commit(self._consumption.consumed_offsets(partitions), "on_revoke")

    async def commit(self, offsets: dict[TopicPartition, int], when: str) -> None:
        """Commit without the application's doing: a refusal is an event, the records are delivered again."""
        if not offsets or self._config.group_id is None:
            return
        full = {tp: OffsetAndMetadata(offset) for tp, offset in offsets.items()}
        try:
            await self._offsets.commit(full, self._consumption.positions.__contains__)
        except CommitFailedError as error:
            self._log.warning("auto_commit_failed", when=when, error=str(error))
        else:
            self._consumption.committed(full)

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
