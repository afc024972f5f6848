"""From fetched batches to the application: waits for records, decodes, deserialises, and keeps the poll clock."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Container, Iterator

import anyio
import anyio.lowlevel

from kafkastatic._drivers.deserializers import Deserializers
from kafkastatic._fetch.consumption import Consumption, Cursor
from kafkastatic._fetch.decoding import Decoding
from kafkastatic._fetch.positions import Records
from kafkastatic._records import ConsumerRecord
from kafkastatic._runtime import Runtime
from kafkastatic.errors import DeserializationError, IllegalStateError, KafkaError
from kafkastatic.types import TopicPartition

LONGEST_RUN = 0.005
"""Seconds that handing out may go on without a turn for other tasks."""

PORTION = 1000
"""Records that iteration may take without a look at the clock."""

AT_ONCE = 250
"""Records that `getone` may: it takes longer over each."""


class HandOut:
    """The asks of one application.

    Attributes:
        busy: an ask is under way.

    Args:
        check: raises when the consumer has ended.
        asked: told of every ask.
        emptied: told when a buffer has room again.
    """

    def __init__(
        self,
        consumption: Consumption,
        runtime: Runtime,
        deserializers: Deserializers,
        *,
        check: Callable[[], None],
        asked: Callable[[], None],
        emptied: Callable[[], None],
    ) -> None:
        self._consumption = consumption
        self._runtime = runtime
        self._deserializers = deserializers
        self._check = check
        self._asked = asked
        self._emptied = emptied
        self._arrived = asyncio.Event()
        self.busy = False
        self._ran = 0.0  # when other tasks last had their turn
        self._quick = 0  # how many records were handed out at once since
        self._decoding = False

    def arrived(self) -> None:
        """Something changed that an ask may wait for: records, an error, the end."""
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    async def next(
        self,
        only: Container[TopicPartition] | None = None,
        patience: float = math.inf,
        *,
        raw: bool = False,
        views: bool = False,
    ) -> Cursor | None:
        """Ask for more records and wait for them; `None` when there are none in time, or the consumer was stopped.

        What was handed out before is consumed by this. Cancelling it loses nothing.

        Args:
            patience: seconds to wait for records to arrive; what is there already is always handed out.
            raw: do not deserialise.
            views: lazy records; they are not deserialised.

        Raises:
            IllegalStateError: if another task is asking.
            KafkaError: what ended the consumer, or what cannot be delivered.
        """
        consumption = self._consumption
        if self.busy or (consumption.handling and not raw):  # a run that ends still has records in hand
            raise IllegalStateError("Another task is asking this consumer for records.", remedy="Let one task iterate.")
        self.busy = True
        try:
            if self._runtime.now() - self._ran > LONGEST_RUN:
                await self._let_others_run()
            consumption.ask()
            self._asked()
            self._check()
            consumption.show_views(views)
            deadline: float | None = None
            while not consumption.stopped:
                cursor = self._next(only)
                if cursor is not None:
                    if raw or not self._deserializers or await self._convert(cursor):
                        return cursor
                elif consumption.heavy is not None:
                    await self._decode(consumption.heavy)
                else:
                    deadline = self._runtime.now() + patience if deadline is None else deadline
                    if not await self._wait(deadline):
                        return None
                self._check()
            return None
        finally:
            self.busy = False
            self._quick = 0

    def at_once(self) -> ConsumerRecord[bytes, bytes] | None:
        """One record more of those that are being handed out; `None` where `next` has to be asked for it.

        Raises:
            KafkaError: what ended the consumer.
        """
        cursor = self._consumption.cursor
        self._quick += 1
        if cursor is None or self.busy or self._quick > AT_ONCE or not self._consumption.simple:
            return None
        if self._deserializers and cursor.converted < cursor.size:
            return None
        self._check()
        return next(cursor.iterator, None)

    async def _wait(self, deadline: float) -> bool:
        """Wait until something has arrived; `False` when it is too late."""
        self._consumption.waiting = True
        try:
            with anyio.CancelScope(deadline=deadline) as scope:
                await self._arrived.wait()
        finally:
            self._consumption.waiting = False
            self._ran = self._runtime.now()
        return not scope.cancelled_caught

    async def _let_others_run(self) -> None:
        """An application that finds records, or errors, at every ask must not keep the loop to itself."""
        await anyio.lowlevel.checkpoint()
        self._ran = self._runtime.now()

    async def _decode(self, heavy: Decoding) -> None:
        """Have a batch decoded by a thread, and wait until that, or anything else, has arrived.

        One thread at a time: where an earlier ask was cancelled, or something else came first, it is still at work.
        """
        if not self._decoding:
            loop = asyncio.get_running_loop()

            def work() -> None:
                try:
                    heavy()
                finally:
                    with contextlib.suppress(RuntimeError):  # the loop is closed
                        loop.call_soon_threadsafe(self._decoded)

            self._decoding = True
            self._runtime.start_thread(work, "kafkastatic:decode")
        await self._wait(math.inf)

    def _decoded(self) -> None:
        self._decoding = False
        self.arrived()

    def take(
        self, cursor: Cursor, limit: int, only: Container[TopicPartition] | None
    ) -> Iterator[tuple[TopicPartition, Records]]:
        """Up to `limit` records, of the cursor first, then of whatever else is there without waiting.

        With deserialisers it is the cursor's only, for they may have to be awaited. What cannot be delivered is met
        by the next ask.
        """
        consumption, until = self._consumption, self._runtime.now() + LONGEST_RUN
        while True:
            tp, records = cursor.state.tp, consumption.take(cursor, limit)
            limit -= len(records)
            yield tp, records
            if not limit or self._deserializers or self._runtime.now() > until:
                return
            try:
                more = self._next(only)
            except KafkaError:
                return
            if more is None:
                return
            cursor = more

    def _next(self, only: Container[TopicPartition] | None) -> Cursor | None:
        """What is there now; the fetches are told when that made room in a buffer."""
        consumption = self._consumption
        try:
            return consumption.next(only)
        finally:
            if consumption.freed:
                consumption.freed = False
                self._emptied()

    async def _convert(self, cursor: Cursor) -> bool:
        """Deserialise the cursor's records in place; `False` when the cursor was taken away meanwhile.

        A record that cannot be deserialised ends the cursor before it, and is met by the next ask.
        """
        consumption = self._consumption
        while cursor.converted < cursor.size:
            if cursor.converted % 100 == 99 and self._runtime.now() - self._ran > LONGEST_RUN:
                await self._let_others_run()
                if consumption.cursor is not cursor:
                    return False
                if cursor.converted >= cursor.size:  # cut meanwhile
                    break
            record = cursor.records[cursor.converted]
            try:
                key, value = await self._deserializers.convert(record)
            except DeserializationError as error:
                if consumption.cursor is not cursor:
                    return False
                consumption.poison_at(cursor, cursor.converted, error)
                break
            if consumption.cursor is not cursor:
                return False
            record.key, record.value = key, value
            cursor.converted += 1
        return bool(cursor.size)
