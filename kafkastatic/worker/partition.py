"""The records of one partition, on their way through a handler: one after the other here, by key in `keys`.

Nothing is made for a record here but the handler's own coroutine: a lane keeps its slot, and the loop, from record to
record until its turn is over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from kafkastatic._drivers.handling import InHand, where
from kafkastatic._drivers.handout import LONGEST_RUN
from kafkastatic._fetch.positions import Held, PartitionState
from kafkastatic.errors import RecordError

if TYPE_CHECKING:
    from kafkastatic.worker.run import Run


class Lane(InHand):
    """One task that works on records, one at a time.

    Attributes:
        slot: it has one of the run's slots.
        until: when the loop must have had its turn.
        keeps: until when it keeps its slot though others wait for one.
    """

    __slots__ = ("keeps", "slot", "until")

    def __init__(self) -> None:
        super().__init__()
        self.slot = False
        self.until = self.keeps = -math.inf


class PartitionWorker:
    """Works on one partition, for one spell of its assignment.

    Attributes:
        scope: ends with the assignment.
        gone: the assignment has ended.
        hungry: it wants more records.
        lanes: the tasks that call the handler.

    Args:
        before: those who worked on the partition before, and have not ended yet.
    """

    def __init__(self, run: Run, state: PartitionState, before: Collection[PartitionWorker]) -> None:
        self.state = state
        self.scope = anyio.CancelScope()
        self.gone = False
        self.hungry = True
        self.lanes: list[Lane] = []
        self._run = run
        self._before = before
        self._consumption = run.client.consumption
        self._now: Callable[[], float] = run.now
        self._moves = state.moves  # as it was when what is worked on was given; another number makes that stale
        self._portion: tuple[Held, int] | None = None
        self._given = anyio.Event()

    @property
    def in_hand(self) -> bool:
        """A handler works on a record, or waits to be called again with one."""
        return any(lane.record is not None for lane in self.lanes)

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
        self._run.fed += 1
        self._portion = portion, self.state.moves
        self._given.set()

    def cut(self) -> None:
        """The assignment has ended."""
        self.gone = True
        self.scope.cancel()

    async def run(self) -> None:
        """Work until the assignment ends. Begins when those before have ended."""
        self._run.enter()
        try:
            with self.scope:
                while self._run.still_alive(self._before):
                    await self._run.change()
                await self._live()
        finally:
            for lane in self.lanes:
                self._leave_slot(lane)
            self._run.fed -= not self.hungry
            self._run.ended(self)

    async def _live(self) -> None:
        while True:
            await self._given.wait()
            self._given = anyio.Event()
            portion, self._portion = self._portion, None
            assert portion is not None
            await self._work(*portion)
            del portion  # one that waits for more keeps nothing
            if self._stale or not self._interrupted():
                self.state.open = False
                self.hungry = True
                self._run.fed -= 1
                self._run.hungry()
            if not self.in_hand:
                self._run.idle(self)

    async def _work(self, portion: Held, moves: int) -> None:
        """Work on a portion until more is wanted, or nothing more of it may be begun.

        Args:
            moves: the partition's, when it was given.
        """
        raise NotImplementedError

    # ── what a lane asks ──

    @property
    def _stale(self) -> bool:
        """A seek or a reset came after what was given."""
        return self.state.moves != self._moves

    def _interrupted(self) -> bool:
        """Nothing more may be begun of what was given."""
        state = self.state
        over = self.gone or self._run.stopping or self._consumption.stopped
        return state.moves != self._moves or state.barred or over

    async def _turn(self, lane: Lane) -> None:
        """Its turn is over, or nothing may begin now: let others have theirs. It may have lost its slot after this."""
        lane.record = None
        run = self._run
        if lane.slot and run.latest is lane:  # else its handler has waited, and the loop has had its turn
            await anyio.lowlevel.checkpoint()
        now = self._now()
        if self.state.paused or (now > lane.keeps and run.slots.statistics().tasks_waiting):
            self._leave_slot(lane)
        else:
            self._begin_turn(lane, now)

    def _begin_turn(self, lane: Lane, now: float) -> None:
        lane.until = now + self._run.turn
        if now > lane.keeps:
            lane.keeps = now + LONGEST_RUN

    async def _slot(self, lane: Lane) -> bool:
        """Wait for a slot, if it has none, and while the partition is paused. Whether a record may begin then."""
        while not self._interrupted():
            if self.state.paused:
                self._leave_slot(lane)
                await self._run.change()
            elif lane.slot:
                return True
            else:
                await self._run.slots.acquire()
                lane.slot = True
                self._begin_turn(lane, self._now())
        return False

    async def _failed(self, lane: Lane, error: BaseException) -> bool:
        """The handler raised. Whether the record is done with all the same; if not, the run ends."""
        record, run = lane.record, self._run
        assert record is not None
        try:
            await run.handling.failed(lane, error)
        except RecordError as failure:
            run.fail(failure)
            return False
        except anyio.get_cancelled_exc_class():
            run.client.log.warning("handler_cancelled", **where(record), in_thread=run.handling.in_threads)
            raise
        finally:
            lane.record = None
        return True

    def _leave_slot(self, lane: Lane) -> None:
        lane.record = None
        lane.keeps = -math.inf  # it may have been given a turn, and no slot
        if lane.slot:
            lane.slot = False
            self._run.slots.release()


class InOrder(PartitionWorker):
    """One record after the other."""

    async def _work(self, portion: Held, moves: int) -> None:
        self._moves = moves
        if not self.lanes:
            self.lanes.append(Lane())
        (lane,) = self.lanes
        run, state, now = self._run, self.state, self._now
        call = run.handling.call
        last = portion.records[-1]
        for record in portion.records:
            begins = now()
            over = begins > lane.keeps or (begins > lane.until and run.latest is lane)
            if over or state.paused or self._interrupted():
                await self._turn(lane)
                if not await self._slot(lane):
                    break
                begins = now()
            run.latest = lane
            lane.since = begins
            lane.record = record
            behind = portion.next_offset if record is last else record.offset + 1
            state.handed = behind
            try:
                await call(record)
            except BaseException as error:
                if not await self._failed(lane, error):
                    break
            if state.consumed < behind and state.moves == moves:
                state.consumed = behind
        self._leave_slot(lane)
