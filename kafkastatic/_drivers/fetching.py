"""Fetches ahead of the application: one loop per broker that leads an assigned partition."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._drivers.offsets import OffsetsDriver
from kafkastatic._fetch.plan import Ask, Need, Planner
from kafkastatic._fetch.positions import Positions
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool, Role
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import KafkaError

FULL_BUFFER_PAUSE = 0.05
"""Seconds that a broker's idle partitions wait for a full one to be drained, so that one request asks for all."""

_IDLE_LOOK = 1.0
"""Seconds after which a loop with nothing to ask for looks again, should a wake-up be missing."""


class FetchDriver:
    """Keeps the buffers of `positions` filled.

    Attributes:
        replanned: called whenever positions or leaders changed.

    Args:
        arrived: called whenever something new can be handed out, an error included.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        pool: Pool,
        metadata: MetadataDriver,
        offsets: OffsetsDriver,
        positions: Positions,
        runtime: Runtime,
        log: EventLog,
        *,
        arrived: Callable[[], None],
    ) -> None:
        self._config = config
        self._pool = pool
        self._metadata = metadata
        self._offsets = offsets
        self._positions = positions
        self._runtime = runtime
        self._log = log
        self._arrived = arrived
        self._retry = Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, runtime.random)
        self._planner = Planner(config, positions, self._retry.next)
        self._wake = anyio.Event()
        self._replan = anyio.Event()
        self._running: set[int] = set()
        self.replanned: list[Callable[[], None]] = []

    def wake(self) -> None:
        """Buffers have room again: look again at what to fetch."""
        wake, self._wake = self._wake, anyio.Event()
        wake.set()

    def replan(self) -> None:
        """Positions or leaders changed: look again at whom to ask, where partitions start, and what to fetch."""
        replan, self._replan = self._replan, anyio.Event()
        replan.set()
        self.wake()
        for told in self.replanned:
            told()

    async def run(self) -> None:
        self._metadata.watch(lambda _: self.replan())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._resolve, name="kafkastatic:resolve")
            while True:
                replan = self._replan
                self._start_loops(tasks)
                await replan.wait()

    def _start_loops(self, tasks: TaskGroup) -> None:
        for node_id in self._planner.leaders(self._metadata.snapshot).keys() - self._running:
            self._running.add(node_id)
            tasks.start_soon(self._fetch_from, node_id, name=f"kafkastatic:fetch:{node_id}")
        if self._planner.leaderless(self._metadata.snapshot):
            self._metadata.refresh_soon()

    async def _resolve(self) -> None:
        """Look up where partitions start, whenever there are any that do not know."""
        backoff = Backoff(self._config.retry_backoff_ms, self._config.retry_backoff_max_ms, self._runtime.random)
        while True:
            replan = self._replan
            states = self._positions.unresolved()
            if not states:
                backoff.reset()
                await replan.wait()
                continue
            try:
                await self._offsets.resolve(self._positions, states)
            except KafkaError as error:
                self._log.warning("offsets_not_resolved", error=str(error))
                for state in states:
                    if not error.retriable and state.fetch_at is None:
                        state.error = error
            self._arrived()
            self.replan()
            if self._positions.unresolved():
                replan = self._replan
                with anyio.move_on_after(backoff.next()):
                    await replan.wait()

    async def _fetch_from(self, node_id: int) -> None:
        """Fetch from one broker for as long as it leads any assigned partition."""
        try:
            while True:
                wake = self._wake
                states = self._planner.leaders(self._metadata.snapshot).get(node_id)
                if not states:
                    return
                ask = self._planner.plan(states, self._metadata.snapshot, self._runtime.now())
                if ask is not None and not ask.complete:
                    with anyio.move_on_after(FULL_BUFFER_PAUSE):
                        await wake.wait()
                    states = self._planner.leaders(self._metadata.snapshot).get(node_id, [])
                    ask = self._planner.plan(states, self._metadata.snapshot, self._runtime.now())
                if ask is None:
                    pauses = [state.retry_at - self._runtime.now() for state in states]
                    pause = min((pause for pause in pauses if pause > 0), default=_IDLE_LOOK)
                    with anyio.move_on_after(pause):
                        await wake.wait()
                    continue
                if not ask.complete:
                    ask.request.max_wait_ms = min(ask.request.max_wait_ms, round(FULL_BUFFER_PAUSE * 1000))
                await self._fetch(node_id, ask)
        finally:
            self._running.discard(node_id)
            self.replan()  # it may lead again by now

    async def _fetch(self, node_id: int, ask: Ask) -> None:
        timeout = self._config.request_timeout_ms / 1000
        try:
            answer = await self._pool.request(node_id, ask.request, Role.FETCH, timeout=timeout, cap=ask.cap)
            needs = self._planner.take(ask, answer, self._runtime.now())
        except KafkaError as error:
            self._log.warning("fetch_failed", broker=node_id, error=str(error))
            self._planner.failed(ask, self._runtime.now())
            self._metadata.refresh_soon()
            if not error.retriable:
                for tp in ask.asked:
                    state = self._positions.get(tp)
                    if state is not None:
                        state.error = error
                self._arrived()
            return
        if Need.METADATA in needs:
            self._metadata.refresh_soon()
        elif not needs:
            self._retry.reset()
        if Need.OFFSETS in needs:
            self.replan()
        self._arrived()
