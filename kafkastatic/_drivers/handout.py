"""From fetched batches to the application: waits for records, decodes, deserialises, and keeps the poll clock."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Awaitable, Callable, Container, Iterator
from typing import Any

import anyio
import anyio.lowlevel

from kafkastatic._fetch.consumption import Consumption, Cursor
from kafkastatic._fetch.positions import Records
from kafkastatic._records import ConsumerRecord
from kafkastatic._runtime import Runtime
from kafkastatic.errors import DeserializationError, IllegalStateError, KafkaError
from kafkastatic.types import TopicPartition

LONGEST_RUN = 0.005
"""Seconds that handing out may go on without a turn for other tasks."""

Deserializer = Callable[[bytes], Any | Awaitable[Any]]


class Deserializers:
    """What is applied to keys and values that are not null; false where there is none."""

    def __init__(self, key: Deserializer | None, value: Deserializer | None) -> None:
        self._key = key
        self._value = value

    def __bool__(self) -> bool:
        return self._key is not None or self._value is not None

    async def convert(self, record: ConsumerRecord[Any, Any]) -> tuple[Any, Any]:
        """The key and the value to be. Raises `DeserializationError`."""
        try:
            return await _apply(self._key, record.key), await _apply(self._value, record.value)
        except Exception as cause:
            raise DeserializationError(
                f"the deserializer raised {type(cause).__name__}: {cause}.",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
            ) from cause

    async def applied(self, record: ConsumerRecord[bytes, bytes]) -> ConsumerRecord[Any, Any]:
        """A copy of a record with its key and value deserialised. Raises `DeserializationError`."""
        converted: ConsumerRecord[Any, Any] = copy.copy(record)
        converted.key, converted.value = await self.convert(record)
        return converted


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
        self._arrived = anyio.Event()
        self.busy = False
        self._ran = 0.0  # when other tasks last had their turn

    def arrived(self) -> None:
        """Something changed that an ask may wait for: records, an error, the end."""
        arrived, self._arrived = self._arrived, anyio.Event()
        arrived.set()

    async def next(
        self, only: Container[TopicPartition] | None = None, patience: float = math.inf, *, raw: bool = False
    ) -> Cursor | None:
        """Ask for more records and wait for them; `None` when there are none in time, or the consumer was stopped.

        What was handed out before is consumed by this. Cancelling it loses nothing.

        Args:
            patience: seconds to wait for records to arrive; what is there already is always handed out.
            raw: do not deserialise.

        Raises:
            IllegalStateError: if another task is asking.
            KafkaError: what ended the consumer, or what cannot be delivered.
        """
        if self.busy or (self._consumption.handling and not raw):  # a run that ends still has records in hand
            raise IllegalStateError("Another task is asking this consumer for records.", remedy="Let one task iterate.")
        consumption = self._consumption
        self.busy = True
        try:
            await self._let_others_run()
            consumption.ask()
            self._asked()
            self._check()
            deadline = self._runtime.now() + patience
            while not consumption.stopped:
                cursor = self._next(only)
                if cursor is not None and (raw or await self._convert(cursor)):
                    return cursor
                if cursor is None and not await self._wait(deadline):
                    return None
                self._check()
            return None
        finally:
            self.busy = False

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
        if self._runtime.now() - self._ran > LONGEST_RUN:
            await anyio.lowlevel.checkpoint()
            self._ran = self._runtime.now()

    def take(
        self, cursor: Cursor, limit: int, only: Container[TopicPartition] | None
    ) -> Iterator[tuple[TopicPartition, Records]]:
        """Up to `limit` records, of the cursor first, then of whatever else is there without waiting.

        With deserialisers it is the cursor's only, for they may have to be awaited. What cannot be delivered is met
        by the next ask.
        """
        consumption = self._consumption
        while True:
            tp, records = cursor.state.tp, consumption.take(cursor, limit)
            limit -= len(records)
            yield tp, records
            if not limit or self._deserializers:
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
        if not self._deserializers:
            return True
        consumption = self._consumption
        while cursor.converted < cursor.size:
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


async def _apply(function: Deserializer | None, data: bytes | None) -> Any:
    """The deserialised value; a tombstone, or a missing key, stays `None`."""
    if function is None or data is None:
        return data
    value = function(data)
    return await value if inspect.isawaitable(value) else value
