"""The broker from another thread: its calls carried out in its own event loop, or a loop of its own in a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from kafkastatic._runtime import Runtime

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE = 10.0  # seconds that another thread waits for the broker's


class HasLoop(Protocol):
    """What runs in an event loop."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...


S = TypeVar("S", bound=HasLoop)


def in_loop(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Have a plain method run in its object's event loop, whichever thread calls it."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        loop = self.loop
        if runs(loop):
            return method(self, *args, **kwargs)
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                done.set_result(method(self, *args, **kwargs))
            except BaseException as error:
                done.set_exception(error)

        loop.call_soon_threadsafe(run)
        return done.result(_PATIENCE)

    return call


def runs(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is the loop that the caller runs in."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class LoopThread:
    """A thread with an event loop that runs `opened`, and `closed` when it is stopped."""

    def __init__(self, runtime: Runtime, opened: Callable[[], Awaitable[Any]], closed: Callable[[], Awaitable[Any]]):
        self._runtime = runtime
        self._opened = opened
        self._closed = closed
        self._ready: concurrent.futures.Future[Callable[[], object]] = concurrent.futures.Future()
        self._join: Callable[[float], None] = lambda timeout: None

    def start(self) -> None:
        """Raises what `opened` raised."""
        self._join = self._runtime.start_thread(lambda: asyncio.run(self._run()), "kafkastatic-broker")
        self._stop = self._ready.result(_PATIENCE)

    def stop(self) -> None:
        """Returns when everything is closed."""
        self._stop()
        self._join(_PATIENCE)

    async def _run(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._opened()
        except BaseException as error:
            self._ready.set_exception(error)
            return
        self._ready.set_result(lambda: loop.call_soon_threadsafe(ended.set))
        try:
            await ended.wait()
        finally:
            await self._closed()
