"""The records of one partition by key: side by side, but for those with equal keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from kafkastatic._drivers.handling import Record
from kafkastatic._fetch.frontier import Progress
from kafkastatic._fetch.positions import Held, PartitionState
from kafkastatic.worker.partition import Lane, PartitionWorker

if TYPE_CHECKING:
    from kafkastatic.worker.run import Run


class ByKey(PartitionWorker):
    """Lanes, as many as there are slots, each of which takes whatever may begin next.

    A lane goes from record to record by itself while there is one. Whoever begins a record, and leaves more that may
    be, sees to it that another lane is coming: it takes the next when this one's handler waits, or its turn is over.
    """

    def __init__(self, run: Run, state: PartitionState, before: Collection[PartitionWorker]) -> None:
        super().__init__(run, state, before)
        self._progress = Progress(state)
        self._window = run.client.config.max_poll_records  # with as many begun and not done it wants no more
        self._rest: Iterator[Record] = iter(())  # of the portion, what is not begun
        self._last: Record | None = None
        self._behind = -1
        self._all_begun = True
        self._lined_up: dict[bytes, deque[Record] | None] = {}  # by the keys at work, what waits for its turn
        self._next_of_key: deque[Record] = deque()  # what had its turn come
        self._step = anyio.Event()
        self._coming = False  # a lane is called, or waits for a slot
        self._calls = anyio.Semaphore(0)  # for lanes that have nothing to do
        self._waiting = 0  # how many of those there are
        self._tasks: TaskGroup
        self._context = copy_context()

    async def _live(self) -> None:
        self._context = copy_context()
        async with anyio.create_task_group() as self._tasks:
            await super()._live()
        self._run.fail(RuntimeError("A task of run() was cancelled from within."))

    async def _work(self, portion: Held, moves: int) -> None:
        if moves != self._moves:  # after a seek: what is in hand from before it must not be overtaken
            await self._until(lambda: not self.in_hand)
            self._moves, self._progress = moves, Progress(self.state, moves)
            self._lined_up.clear()
            self._next_of_key.clear()
        self._rest, self._last = iter(portion.records), portion.records[-1]
        self._behind = portion.next_offset
        self._all_begun = False
        self._call_lane()
        await self._until(lambda: self._all_begun and (len(self._progress) < self._window or self._stale))

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that a lane brings about."""
        while not condition():
            self._step = anyio.Event()
            await self._step.wait()

    # ── lanes ──

    def _call_lane(self) -> None:
        """See that one more lane goes to work, unless one is coming, or all are at work."""
        if self._coming:
            return
        if self._waiting:
            self._waiting -= 1
            self._calls.release()
        elif len(self.lanes) < self._run.concurrency:
            lane = Lane()
            self.lanes.append(lane)
            self._context.run(self._tasks.start_soon, self._live_in, lane)  # not in what a handler made of its own
        else:
            return
        self._coming = True

    async def _live_in(self, lane: Lane) -> None:
        while True:
            may_begin = await self._slot(lane)
            self._coming = False
            if may_begin:
                await self._work_in(lane)
            self._leave_slot(lane)
            if self._interrupted():
                self._drop()
            self._step.set()
            if not self.in_hand:
                self._run.idle(self)
            if self._more and not self._coming:
                self._coming = True  # itself: it gave its slot up
            else:
                self._waiting += 1
                await self._calls.acquire()

    async def _work_in(self, lane: Lane) -> None:
        """Handle records while there are any to begin, and the lane has its slot."""
        run, state, now = self._run, self.state, self._now
        call = run.handling.call
        while True:
            begins = now()
            over = begins > lane.keeps or (begins > lane.until and run.latest is lane)
            if over or state.paused or self._interrupted():
                await self._turn(lane)
                if not lane.slot or self._interrupted():
                    return
                begins = now()
            record = self._next()
            if record is None:
                return
            if not self._coming and self._more:
                self._call_lane()
            run.latest = lane
            lane.since = begins
            lane.record = record
            try:
                await call(record)
            except BaseException as error:
                if not await self._failed(lane, error):
                    return
            self._done(record)

    @property
    def _more(self) -> bool:
        """There are records to be begun."""
        return not self._all_begun or bool(self._next_of_key)

    def _drop(self) -> None:
        """Begin nothing more of what was given."""
        self._rest, self._all_begun = iter(()), True
        self._next_of_key.clear()

    def _next(self) -> Record | None:
        """Begin a record, where one may be; those whose key is at work line up."""
        if self._next_of_key:
            return self._next_of_key.popleft()
        lined_up, begin = self._lined_up, self._progress.begin
        for record in self._rest:
            if record is self._last:
                begin(record.offset, self._behind)
                self._all_begun = True
                self._step.set()
            else:
                begin(record.offset, record.offset + 1)
            key = record.key
            if key is None:
                return record
            if key not in lined_up:
                lined_up[key] = None
                return record
            behind = lined_up[key]
            if behind is None:
                lined_up[key] = deque((record,))
            else:
                behind.append(record)
        return None

    def _done(self, record: Record) -> None:
        self._progress.done(record.offset)
        if self._all_begun:
            self._step.set()
        if record.key is None:
            return
        behind = self._lined_up[record.key]
        if behind:
            self._next_of_key.append(behind.popleft())
        else:
            del self._lined_up[record.key]
