"""One record through the application's handler: deserialised, called, called again, and what becomes of a failure."""

from __future__ import annotations

import asyncio
import functools
import inspect
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


class Handling:
    """A handler, and what to do when it raises.

    Attributes:
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

    async def handle(self, record: Record, attempts: dict[int, float]) -> None:
        """Handle a record, whatever that takes; it is done with when this returns.

        Args:
            attempts: under the record's offset, since when an attempt is under way; kept up to date.

        Raises:
            RecordError: if it failed, and that ends the run.
        """
        error = await self._attempt(record, attempts)
        if error is not None and self._retry is not None:
            error = await self._try_again(record, attempts, error, self._retry)
        if error is not None:
            await self._give_up(record, error)

    async def _try_again(
        self, record: Record, attempts: dict[int, float], error: Exception, retry: Retry
    ) -> Exception | None:
        backoff = Backoff(retry.backoff_ms, retry.backoff_max_ms, self._runtime.random)
        found: Exception | None = error
        while found is not None and backoff.attempt < retry.attempts:
            self._log.warning("handler_failed", attempt=backoff.attempt + 1, error=repr(found), **where(record))
            await anyio.sleep(backoff.next())
            found = await self._attempt(record, attempts)
        return found

    async def _attempt(self, record: Record, attempts: dict[int, float]) -> Exception | None:
        """Call the handler once; what it raises is returned."""
        attempts[record.offset] = self._runtime.now()
        try:
            await self._call(await self._deserializers.applied(record) if self._deserializers else record)
        except asyncio.CancelledError as error:
            if cancellation.from_outside():
                raise
            inner = RuntimeError("The handler was cancelled from within.")
            inner.__cause__ = error
            return inner
        except Exception as error:
            if cancellation.from_outside():
                await anyio.lowlevel.checkpoint()  # whatever it made of its cancellation is no failure of the record
            return error
        finally:
            del attempts[record.offset]
        return None

    async def _call(self, record: Record) -> None:
        if not self.in_threads:
            await cast("Awaitable[object]", self._handler(record))
            return
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


def _is_async(handler: Handler) -> bool:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def _named(record: Record, error: Exception, what: str) -> RecordError:
    """The error of this record: itself if it is one already, as a deserialiser's is."""
    topic, partition, offset = record.topic, record.partition, record.offset
    if isinstance(error, RecordError) and (error.topic, error.partition, error.offset) == (topic, partition, offset):
        return error
    return HandlerError(what, topic=topic, partition=partition, offset=offset)


def where(record: Record) -> dict[str, object]:
    """A record's place, as events tell it."""
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
