"""One run of a handler.

A pump asks for records and gives them to one worker per partition, which lives in a cancel scope that ends with the
partition's assignment. What is done moves the partition's `consumed`, without a gap, and is committed as ever: on the
timer, on revoke, on close.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar

import anyio
from anyio.abc import TaskGroup, TaskStatus

from kafkastatic._drivers.client import Client, first_leaf
from kafkastatic._drivers.handling import Handling
from kafkastatic._drivers.handout import LONGEST_RUN
from kafkastatic._fetch.positions import PartitionState
from kafkastatic.errors import KafkaError
from kafkastatic.types import Ordering, TopicPartition
from kafkastatic.worker.keys import ByKey
from kafkastatic.worker.partition import InOrder, Lane, PartitionWorker

Status = TaskStatus[frozenset[TopicPartition]]

_calling: ContextVar[object] = ContextVar("kafkastatic.run", default=None)
"""The run whose handler is called here; tasks that a handler starts inherit it."""


class Run:
    """One call of `Consumer.run`, and the `Worker` that the drivers know meanwhile.

    Args:
        assigned: waits for the first assignment, which `status` is told of.
    """

    def __init__(
        self,
        client: Client,
        handling: Handling,
        ordering: Ordering,
        concurrency: int,
        assigned: Callable[[], Awaitable[object]],
        status: Status,
    ) -> None:
        self.client = client
        self.handling = handling
        self.by_key = ordering == "key"
        self._kind = ByKey if self.by_key else InOrder
        self.now = client.runtime.clock()
        self.concurrency = concurrency
        self.slots = anyio.Semaphore(concurrency, fast_acquire=True)
        self.latest: Lane | None = None  # that began a record last
        self.fed = 0  # how many workers have records
        self.stopping = False
        self._assigned = assigned
        self._status: Status | None = status
        self._failure: Exception | None = None
        self._pumping = anyio.CancelScope()
        self._changed = anyio.Event()
        self._finished = False
        self._workers: dict[TopicPartition, PartitionWorker] = {}
        self._alive: set[PartitionWorker] = set()  # those that were cut and have not ended yet too

    async def run(self) -> None:
        """Handle records until the consumer is stopped or closed.

        Raises:
            KafkaError: what ended it, bare.
        """
        with self.client.worked_by(self):
            try:
                await self._live()
            except BaseExceptionGroup as group:  # what is no Exception: SystemExit in a handler, for instance
                leaf = first_leaf(group)
                raise leaf from leaf.__cause__
        self.client.raise_fatal()
        if self._failure is not None:
            raise self._failure
        if not self._finished:
            raise RuntimeError("A task of run() was cancelled from within.")
        self._tell()

    async def _live(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell_when_assigned, name="kafkastatic:run:assigned")
            with self._pumping:
                await self._pump(tasks)
            await self._finish()
            self._finished = True
            tasks.cancel_scope.cancel()

    async def _pump(self, tasks: TaskGroup) -> None:
        client = self.client
        try:
            while True:
                cursor = await client.hand_out.next(self, raw=True)
                if cursor is None:
                    return
                self._worker(cursor.state, tasks).give(client.consumption.give_out(cursor))
        except Exception as error:
            if client.fatal is None and not client.closing:
                self.fail(error)

    def __contains__(self, tp: object) -> bool:
        """Whether records of a partition are wanted now."""
        worker = self._workers.get(tp)  # type: ignore[arg-type]
        return worker is None or worker.ready

    def _worker(self, state: PartitionState, tasks: TaskGroup) -> PartitionWorker:
        worker = self._workers.get(state.tp)
        if worker is None or worker.state is not state:
            self.cut([state.tp])
            before = [other for other in self._alive if other.state.tp == state.tp]
            worker = self._workers[state.tp] = self._kind(self, state, before)
            self._alive.add(worker)
            tasks.start_soon(worker.run, name=f"kafkastatic:run:{state.tp}")
        return worker

    async def _finish(self) -> None:
        """Let the records in hand be done, for `drain_timeout_ms` at most."""
        self.stopping = True
        self.changed()
        client = self.client
        with anyio.move_on_after(client.config.drain_timeout):
            while client.running and client.fatal is None and any(worker.in_hand for worker in self._alive):
                await self.change()
        self.cut(list(self._workers))
        while self._alive:
            await self.change()

    async def _tell_when_assigned(self) -> None:
        try:
            await self._assigned()
        except KafkaError:
            return  # the pump meets it too
        self._tell()

    def _tell(self) -> None:
        status, self._status = self._status, None
        if status is not None:
            status.started(self.client.positions.partitions())

    # ── what the drivers ask and tell ──

    @property
    def calling(self) -> bool:
        return _calling.get() is self

    def busy(self, partitions: Collection[TopicPartition]) -> bool:
        return any(worker.in_hand for worker in self._alive if worker.state.tp in partitions)

    def cut(self, partitions: Collection[TopicPartition]) -> None:
        for tp in partitions:
            worker = self._workers.pop(tp, None)
            if worker is not None:
                worker.cut()

    def oldest(self) -> tuple[float, tuple[str, int, int]] | None:
        at_work = [lane for worker in self._alive for lane in worker.lanes if lane.record and lane.since < math.inf]
        if not at_work:
            return None
        lane = min(at_work, key=lambda lane: lane.since)
        assert lane.record is not None
        return lane.since, (lane.record.topic, lane.record.partition, lane.record.offset)

    def changed(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def fail(self, error: Exception) -> None:
        """End with this error, when what is in hand elsewhere is done. The first one counts."""
        self._failure = self._failure or error
        self.stopping = True
        self._pumping.cancel()
        self.changed()

    # ── what the workers ask and tell ──

    async def change(self) -> None:
        """Wait until something has changed."""
        await self._changed.wait()

    @property
    def turn(self) -> float:
        """For how long a lane may go on: handlers that never wait must not keep the loop for longer, all together."""
        return LONGEST_RUN / max(self.concurrency - self.slots.value, min(self.fed, self.concurrency), 1)

    def still_alive(self, workers: Collection[PartitionWorker]) -> bool:
        return not self._alive.isdisjoint(workers)

    def enter(self) -> None:
        """This task, and those that it starts, call the handler."""
        _calling.set(self)

    def hungry(self) -> None:
        self.client.hand_out.arrived()

    def idle(self, worker: PartitionWorker) -> None:
        """Nothing of a partition is in hand."""
        self.client.assignment.asked()
        if not worker.current:
            self.hungry()
        if self.stopping:
            self.changed()

    def ended(self, worker: PartitionWorker) -> None:
        self._alive.discard(worker)
        if self._workers.get(worker.state.tp) is worker:
            del self._workers[worker.state.tp]
        self.client.assignment.asked()
        self.changed()
