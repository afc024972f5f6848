"""`Consumer.run`: every record through a handler, partitions side by side, each partition or key in order.

One pump asks for records and gives them to one task per partition, which lives in a cancel scope that ends with the
partition's assignment. What is done moves the partition's `consumed`, without a gap (`_fetch/frontier.py`), and is
committed as ever: on the timer, on revoke, on close.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup, TaskStatus

from kafkastatic._drivers.client import Client, first_leaf
from kafkastatic._drivers.handling import Handling, Record, where
from kafkastatic._drivers.handout import LONGEST_RUN
from kafkastatic._fetch.frontier import Progress
from kafkastatic._fetch.positions import Held, PartitionState
from kafkastatic.errors import KafkaError, RecordError
from kafkastatic.types import Ordering, TopicPartition

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
        self.slots = anyio.Semaphore(concurrency, fast_acquire=True)
        self.stopping = False
        self._assigned = assigned
        self._status: Status | None = status
        self._failure: Exception | None = None
        self._pumping = anyio.CancelScope()
        self._changed = anyio.Event()
        self._ran = 0.0  # when other tasks last had their turn
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
            worker = self._workers[state.tp] = PartitionWorker(self, state, before)
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
                worker.scope.cancel()

    def oldest(self) -> tuple[float, tuple[str, int, int]] | None:
        found = [
            (since, (worker.state.tp.topic, worker.state.tp.partition, offset))
            for worker in self._alive
            for offset, since in worker.attempts.items()
        ]
        return min(found, default=None)

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

    async def let_others_run(self) -> None:
        """Handlers that never wait must not keep the loop to themselves."""
        now = self.client.runtime.now()
        if now - self._ran > LONGEST_RUN:
            await anyio.lowlevel.checkpoint()
            self._ran = now

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


class PartitionWorker:
    """The records of one partition, for one spell of its assignment.

    Attributes:
        scope: ends with the assignment.
        hungry: it wants more records.
        in_hand: the offsets that the handler works on, or waits to be called again with.
        attempts: since when it works on which.

    Args:
        before: those who worked on the partition before, and have not ended yet.
    """

    def __init__(self, run: Run, state: PartitionState, before: Collection[PartitionWorker]) -> None:
        self.state = state
        self.scope = anyio.CancelScope()
        self.hungry = True
        self.in_hand: set[int] = set()
        self.attempts: dict[int, float] = {}
        self._run = run
        self._before = before
        self._window = run.client.config.max_poll_records  # by key: with as many begun and not done it wants no more
        self._consumption = run.client.consumption
        self._progress = Progress(state)
        self._given = anyio.Event()
        self._portion: tuple[Held, Progress] | None = None
        self._step = anyio.Event()
        self._chains: dict[bytes, deque[Record]] = {}  # by key, what waits for the record before it
        self._slots = 0  # how many of the run's slots are taken

    @property
    def current(self) -> bool:
        """No other topic of the same name took the place of this one."""
        return self._consumption.positions.get(self.state.tp) is self.state

    @property
    def ready(self) -> bool:
        """It wants more records; where they are another topic's, not before what is in hand is done."""
        return self.hungry and (self.current or not self.in_hand)

    def give(self, portion: Held) -> None:
        """Take over records, when `hungry`."""
        self.hungry = False
        self._portion = portion, Progress(self.state) if self._progress.stale else self._progress
        self._given.set()

    async def run(self) -> None:
        """Work until the assignment ends. Begins when those before have ended."""
        self._run.enter()
        try:
            with self.scope:
                while self._run.still_alive(self._before):
                    await self._run.change()
                async with anyio.create_task_group() as tasks:
                    while True:
                        await self._given.wait()
                        self._given = anyio.Event()
                        assert self._portion is not None
                        await self._work(*self._portion, tasks)
        finally:
            for _ in range(self._slots):
                self._run.slots.release()
            self._run.ended(self)

    async def _work(self, portion: Held, progress: Progress, tasks: TaskGroup) -> None:
        """Begin every record of a portion, then ask for the next one."""
        if progress is not self._progress:  # after a seek: what is in hand from before it must not be overtaken
            await self._until(lambda: not self.in_hand)
            self._progress, self._chains = progress, {}
        last = portion.records[-1]
        for record in portion.records:
            behind = portion.next_offset if record is last else record.offset + 1
            chain = self._chains.get(record.key) if self._run.by_key and record.key is not None else None
            if chain is not None:
                if self._interrupted(progress):
                    break
                progress.begin(record.offset, behind)
                chain.append(record)
                continue
            if not await self._may_begin(progress):
                break
            progress.begin(record.offset, behind)
            if self._run.by_key:
                self._chain(record, progress, tasks)
            else:
                await self._handle(record, progress)
        if progress.stale or not self._interrupted(progress):
            await self._want_more(progress)

    async def _want_more(self, progress: Progress) -> None:
        await self._until(lambda: len(progress) < self._window or progress.stale)
        self.state.open = False
        self.hungry = True
        self._run.hungry()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that the end of a record brings about."""
        while not condition():
            self._step = anyio.Event()
            await self._step.wait()

    def _interrupted(self, progress: Progress) -> bool:
        """Nothing more may be begun of what was given."""
        going = self._run.stopping or self.scope.cancel_called or self._consumption.stopped
        return going or self.state.barred or progress.stale

    async def _may_begin(self, progress: Progress) -> bool:
        """Wait for a slot, and while the partition is paused; a slot is taken if this is true."""
        await self._run.let_others_run()
        while not self._interrupted(progress):
            if self.state.paused:
                await self._run.change()
                continue
            await self._run.slots.acquire()
            if not self._interrupted(progress) and not self.state.paused:
                self._slots += 1
                return True
            self._run.slots.release()
        return False

    def _chain(self, record: Record, progress: Progress, tasks: TaskGroup) -> None:
        """Handle a record beside others; records with its key line up behind it."""
        chain: deque[Record] = deque()
        self.in_hand.add(record.offset)  # from now on, not from when its task runs: a revoke must not come between
        if record.key is not None:
            self._chains[record.key] = chain
        tasks.start_soon(self._follow, record, chain, self._chains, progress)

    async def _follow(
        self, record: Record, chain: deque[Record], chains: dict[bytes, deque[Record]], progress: Progress
    ) -> None:
        try:
            if self.scope.cancel_called:  # the partition went before this task could run
                self._let_go(record.offset)
                return
            await self._handle(record, progress)
            while chain and await self._may_begin(progress):
                await self._handle(chain.popleft(), progress)
        finally:
            if record.key is not None:
                del chains[record.key]
            self._step.set()  # it may have given up without another record

    async def _handle(self, record: Record, progress: Progress) -> None:
        """Handle one record in the slot that is taken for it."""
        offset = record.offset
        self.in_hand.add(offset)
        try:
            await self._run.handling.handle(record, self.attempts)
            progress.done(offset)
        except RecordError as error:
            self._run.fail(error)
        except anyio.get_cancelled_exc_class():
            in_thread = self._run.handling.in_threads
            self._run.client.log.warning("handler_cancelled", **where(record), in_thread=in_thread)
            raise
        finally:
            self._let_go(offset)

    def _let_go(self, offset: int) -> None:
        """A record is in hand no more, and its slot is free."""
        self.in_hand.discard(offset)
        self._step.set()
        self._slots -= 1
        self._run.slots.release()
        if not self.in_hand:
            self._run.idle(self)
