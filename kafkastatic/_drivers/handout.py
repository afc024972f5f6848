"""From fetched batches to the application: waits for records, decodes, deserialises, and keeps the poll clock."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Container, Iterator
from typing import Any

import anyio
import anyio.lowlevel

from kafkastatic._fetch.consumption import Consumption, Cursor
from kafkastatic._fetch.positions import Records
from kafkastatic.errors import DeserializationError, IllegalStateError, KafkaError
from kafkastatic.types import TopicPartition

Deserializer = Callable[[bytes], Any | Awaitable[Any]]


class HandOut:
    """The asks of one application.

    Args:
        check: raises when the consumer has ended.
        asked: told of every ask.
        emptied: told when a buffer has room again.
    """

    def __init__(
        self,
        consumption: Consumption,
        key_deserializer: Deserializer | None,
        value_deserializer: Deserializer | None,
        *,
        check: Callable[[], None],
        asked: Callable[[], None],
        emptied: Callable[[], None],
    ) -> None:
        self._consumption = consumption
        self._key = key_deserializer
        self._value = value_deserializer
        self._check = check
        self._asked = asked
        self._emptied = emptied
        self._arrived = anyio.Event()
        self._busy = False

    def arrived(self) -> None:
        """Something changed that an ask may wait for: records, an error, the end."""
        arrived, self._arrived = self._arrived, anyio.Event()
        arrived.set()

    async def next(self, only: Container[TopicPartition] | None = None) -> Cursor | None:
        """Ask for more records and wait for them; `None` when the consumer was stopped.

        What was handed out before is consumed by this. Cancelling it loses nothing.

        Raises:
            IllegalStateError: if another task is asking.
            KafkaError: what ended the consumer, or what cannot be delivered.
        """
        if self._busy:
            raise IllegalStateError("Another task is asking this consumer for records.", remedy="Let one task iterate.")
        consumption = self._consumption
        self._busy = True
        try:
            self._check()
            consumption.ask()
            self._asked()
            while not consumption.stopped:
                try:
                    cursor = self._next(only)
                except KafkaError:
                    await anyio.lowlevel.checkpoint()  # who asks again and again must not keep the fetches from running
                    raise
                if cursor is None:
                    consumption.waiting = True
                    await self._arrived.wait()
                    consumption.waiting = False
                elif await self._convert(cursor):
                    return cursor
                self._check()
            return None
        finally:
            consumption.waiting = self._busy = False

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
            if not limit or self._key is not None or self._value is not None:
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
        if self._key is None and self._value is None:
            return True
        consumption = self._consumption
        while cursor.converted < cursor.size:
            record = cursor.records[cursor.converted]
            try:
                key = await _apply(self._key, record.key)
                value = await _apply(self._value, record.value)
            except Exception as cause:
                if consumption.cursor is not cursor:
                    return False
                error = DeserializationError(
                    f"the deserializer raised {type(cause).__name__}: {cause}.",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )
                error.__cause__ = cause
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
