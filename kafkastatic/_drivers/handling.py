"""One record through the application's handler: deserialised, called, called again, and what becomes of a failure."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
import anyio.lowlevel

from kafkastatic._drivers import cancellation
from kafkastatic._drivers.deserializers import Deserializers
from kafkastatic._drivers.log import EventLog
from kafkastatic._net.backoff import Backoff
from kafkastatic._records import ConsumerRecord
from kafkastatic._runtime import Runtime
from kafkastatic.errors import ConfigError, HandlerError, RecordError
from kafkastatic.types import DeadLetter, OnError, Retry

Record = ConsumerRecord[Any, Any]
Handler = Callable[[Any], object]
Write = Callable[[str, ConsumerRecord[bytes, bytes], Exception], Awaitable[object]]


class InHand:
    """What one task has in hand.

    Attributes:
        record: the handler works on it, or waits to be called again with it.
        since: when the attempt under way began; infinite between attempts.
    """

    __slots__ = ("record", "since")

    def __init__(self) -> None:
        self.record: Record | None = None
        self.since = math.inf


class Handling:
    """A handler, and what to do when it raises.

    Attributes:
        call: one attempt with one record; the handler itself, where nothing has to be done around it.
        in_threads: it is a plain function, called in worker threads.

    Args:
        threads: how many of them there may be at a time.
        write: writes a dead letter, given the topic, the record as it was fetched, and what it met; says where to.
    """

    def __init__(
        self,
        handler: Handler,
        on_error: OnError,
        deserializers: Deserializers,
        runtime: Runtime,
        log: EventLog,
        *,
        threads: int,
        write: Write,
    ) -> None:
        if _makes_generators(handler):
            raise ConfigError("The handler is a generator function: calling it does nothing.", remedy="Do not yield.")
        self.in_threads = not _is_async(handler)
        self._handler = handler
        self._retry = on_error if isinstance(on_error, Retry) else None
        self._then = on_error.then if isinstance(on_error, Retry) else on_error
        if self._then not in ("raise", "skip") and not isinstance(self._then, DeadLetter):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"on_error must be 'raise', 'skip', a Retry or a DeadLetter, got {on_error!r}.")
        self._deserializers = deserializers
        self._runtime = runtime
        self._log = log
        self._threads = anyio.CapacityLimiter(threads)
        self._write = write
        self.call: Callable[[Record], Awaitable[object]]
        if self.in_threads:
            self.call = self._call_in_thread
        elif deserializers:
            self.call = self._call_deserialised
        else:
            self.call = cast("Callable[[Record], Awaitable[object]]", handler)

    async def failed(self, hand: InHand, error: BaseException) -> None:
        """Go on after an attempt that raised `error`; the record is done with when this returns.

        Raises:
            RecordError: if that ends the run.
            CancelledError, or what is no `Exception`: as it came.
        """
        record = hand.record
        assert record is not None
        hand.since = math.inf
        found: Exception | None = await _meant(error)
        if self._retry is not None:
            found = await self._try_again(hand, record, found, self._retry)
        if found is not None:
            await self._give_up(record, found)

    async def _try_again(self, hand: InHand, record: Record, error: Exception, retry: Retry) -> Exception | None:
        backoff = Backoff(retry.backoff_ms, retry.backoff_max_ms, self._runtime.random)
        while backoff.attempt < retry.attempts:
            self._log.warning("handler_failed", attempt=backoff.attempt + 1, error=repr(error), **where(record))
            await anyio.sleep(backoff.next())
            hand.since = self._runtime.now()
            try:
                await self.call(record)
            except BaseException as again:
                hand.since = math.inf
                error = await _meant(again)
            else:
                return None
        return error

    async def _call_deserialised(self, record: Record) -> None:
        await cast("Awaitable[object]", self._handler(await self._deserializers.applied(record)))

    async def _call_in_thread(self, record: Record) -> None:
        if self._deserializers:
            record = await self._deserializers.applied(record)
        result = await self._runtime.run_in_thread(self._handler, record, limiter=self._threads)
        if inspect.isawaitable(result):  # a plain function around an async one
            await result

    async def _give_up(self, record: Record, error: Exception) -> None:
        if self._then == "raise":
            named = _named(record, error, f"the handler raised {type(error).__name__}: {error}.")
            raise named from error.__cause__ if named is error else error
        if isinstance(self._then, DeadLetter):
            try:
                written = await self._write(self._then.topic, record, error)
            except Exception as cause:
                what = f"the handler raised {type(error).__name__}, and no dead letter could be written: {cause}"
                raise _named(record, cause, what) from cause
            self._log.warning("dead_letter_written", error=repr(error), to=str(written), **where(record))
            return
        self._log.warning("record_skipped", error=repr(error), **where(record))


async def _meant(error: BaseException) -> Exception:
    """What an attempt raised, as the record's failure.

    Raises:
        CancelledError: if this task is cancelled, whatever the handler made of it.
        BaseException: what is no `Exception`, itself.
    """
    if isinstance(error, asyncio.CancelledError):
        if cancellation.from_outside():
            raise error
        inner = RuntimeError("The handler was cancelled from within.")
        inner.__cause__ = error
        return inner
    if not isinstance(error, Exception):
        raise error
    if cancellation.from_outside():
        await anyio.lowlevel.checkpoint()  # whatever it made of its cancellation is no failure of the record
    return error


def _is_async(handler: Handler) -> bool:
    return any(map(inspect.iscoroutinefunction, _functions(handler)))


def _makes_generators(handler: Handler) -> bool:
    return any(inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f) for f in _functions(handler))


def _functions(handler: Handler) -> tuple[object, object]:
    """What a handler is made of that can tell what calling it makes."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return handler, getattr(handler, "__call__", None)  # noqa: B004


def _named(record: Record, error: Exception, what: str) -> RecordError:
    """The error of this record: itself if it is one already, as a deserialiser's is."""
    topic, partition, offset = record.topic, record.partition, record.offset
    if isinstance(error, RecordError) and (error.topic, error.partition, error.offset) == (topic, partition, offset):
        return error
    return HandlerError(what, topic=topic, partition=partition, offset=offset)


def where(record: Record) -> dict[str, object]:
    """A record's place, as events tell it."""
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
