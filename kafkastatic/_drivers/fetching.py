"""Fetches ahead of the application: one loop per broker that serves an assigned partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._fetch.answers import Ask, Need, Outcome
from kafkastatic._fetch.plan import Plan, Planner, Sources
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
        positions: Positions,
        runtime: Runtime,
        log: EventLog,
        *,
        arrived: Callable[[], None],
    ) -> None:
        self._config = config
        self._pool = pool
        self._metadata = metadata
        self._positions = positions
        self._runtime = runtime
        self._log = log
        self._arrived = arrived
        self._retries: dict[int, Backoff] = {}
        self._planner = Planner(config, positions, lambda node: self._retry(node).next())
        self._wake = asyncio.Event()
        self._replan = asyncio.Event()
        self._running: set[int] = set()
        self.replanned: list[Callable[[], None]] = []

    def wake(self) -> None:
        """Buffers have room again: look again at what to fetch."""
        self._wake.set()

    def replan(self) -> None:
        """Positions or leaders changed: look again at whom to ask, and for what."""
        replan, self._replan = self._replan, asyncio.Event()
        replan.set()
        self.wake()
        for told in self.replanned:
            told()

    async def run(self) -> None:
        self._metadata.watch(lambda _: self.replan())
        async with anyio.create_task_group() as tasks:
            while True:
                replan = self._replan
                self._start_loops(tasks)
                with anyio.CancelScope(deadline=self._planner.next_change(self._runtime.now())):
                    await replan.wait()

    def _start_loops(self, tasks: TaskGroup) -> None:
        for node_id in self._sources().keys() - self._running:
            self._running.add(node_id)
            tasks.start_soon(self._fetch_from, node_id, name=f"kafkastatic:fetch:{node_id}")
        if self._planner.leaderless(self._metadata.snapshot):
            self._metadata.refresh_soon()

    def _sources(self) -> Sources:
        return self._planner.sources(self._metadata.snapshot, self._runtime.now())

    def _retry(self, node_id: int) -> Backoff:
        config = self._config
        if node_id not in self._retries:
            backoff = Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, self._runtime.random)
            self._retries[node_id] = backoff
        return self._retries[node_id]

    async def _fetch_from(self, node_id: int) -> None:
        """Fetch from one broker for as long as it serves any assigned partition."""
        try:
            while True:
                await self._throttle(node_id)
                wake, sources, plan = self._look(node_id)
                if plan is not None and not plan.complete:
                    with anyio.move_on_after(FULL_BUFFER_PAUSE):
                        while plan is not None and not plan.complete:
                            await wake.wait()
                            wake, sources, plan = self._look(node_id)
                    wake, sources, plan = self._look(node_id)  # a seek may have come with the end of the pause
                if node_id not in sources:
                    return
                if plan is None:
                    pauses = [state.retry_at - self._runtime.now() for state in sources.get(node_id, ())]
                    pause = min((pause for pause in pauses if pause > 0), default=_IDLE_LOOK)
                    with anyio.move_on_after(pause):
                        await wake.wait()
                    continue
                ask = self._planner.ask(plan, self._metadata.snapshot)
                if not plan.complete:
                    ask.request.max_wait_ms = min(ask.request.max_wait_ms, round(FULL_BUFFER_PAUSE * 1000))
                await self._fetch(ask)
        finally:
            self._running.discard(node_id)
            self.replan()  # it may serve some again by now

    def _look(self, node_id: int) -> tuple[asyncio.Event, Sources, Plan | None]:
        """What to ask a broker for now, and the event that says when to look again."""
        if self._wake.is_set():
            self._wake = asyncio.Event()
        sources = self._sources()
        return self._wake, sources, self._planner.plan(node_id, sources, self._runtime.now())

    async def _throttle(self, node_id: int) -> None:
        """Ask nothing while the broker would not listen; what is asked then is planned then."""
        pause = self._pool.throttled(node_id, Role.FETCH)
        if pause > 0:
            await anyio.sleep(pause)

    async def _fetch(self, ask: Ask) -> None:
        timeout = self._config.request_timeout_ms / 1000
        try:
            answer = await self._pool.request(ask.node, ask.request, Role.FETCH, timeout=timeout, cap=ask.cap)
        except KafkaError as error:
            self._failed(ask, error)
            return
        try:
            outcome = self._planner.take(ask, answer, self._runtime.now())
        except KafkaError as error:
            self._failed(ask, error)
            return
        if not outcome.needs and not outcome.leaders and not outcome.delayed:
            self._retry(ask.node).reset()
        self._follow(outcome)

    def _failed(self, ask: Ask, error: KafkaError) -> None:
        self._log.warning("fetch_failed", broker=ask.node, error=str(error))
        outcome = self._planner.no_answer(ask, self._runtime.now())
        if not error.retriable:
            for tp, asked in ask.asked.items():
                if self._positions.get(tp) is asked.state:
                    asked.state.error = error
        self._follow(outcome)

    def _follow(self, outcome: Outcome) -> None:
        if outcome.leaders:
            taken = self._metadata.led_by(outcome.leaders, outcome.brokers)
            if not outcome.leaders.keys() <= taken:
                outcome.needs.add(Need.METADATA)
        if Need.METADATA in outcome.needs:
            self._metadata.refresh_soon()
        if outcome.needs & {Need.OFFSETS, Need.SOURCES}:
            self.replan()
        self._arrived()
