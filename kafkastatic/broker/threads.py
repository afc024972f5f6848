"""The broker from another thread: its calls carried out in its own event loop, or a loop of its own in a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from kafkastatic._runtime import Runtime

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE = 10.0  # seconds that another thread waits for the broker's


class Calls:
    """The calls that other threads make into an event loop, while it takes some.

    A call that was given up, or that came too late, is not carried out any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[concurrent.futures.Future[Any]] = set()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop.

        Raises:
            RuntimeError: if there is none, or not any more.
        """
        if self._loop is None:
            raise not_running()
        return self._loop

    def open(self) -> None:
        """Take calls, in the running event loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Take no more; those that wait are told so."""
        with self._lock:
            self._loop = None
            waiting, self._waiting = self._waiting, set()
        for done in waiting:
            if done.set_running_or_notify_cancel():
                done.set_exception(not_running())

    def make(self, call: Callable[[], T]) -> T:
        """Carry out a call in the loop, and wait for it.

        Raises:
            RuntimeError: if the loop does not run, or ends before.
            TimeoutError: if it is too busy; then the call is not carried out.
        """
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            with self._lock:
                self._waiting.discard(done)
            if done.running() or done.done() or not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(call())
            except BaseException as error:
                done.set_exception(error)

        with self._lock:
            self.loop.call_soon_threadsafe(run)
            self._waiting.add(done)
        try:
            return done.result(_PATIENCE)
        except TimeoutError:
            if done.cancel():
                raise TimeoutError(f"The broker's event loop was busy for {_PATIENCE:g} s: nothing was done.") from None
            return done.result()  # it had just begun, or it failed with this error


class HasCalls(Protocol):
    """What runs in an event loop, and is called from anywhere."""

    @property
    def calls(self) -> Calls: ...


S = TypeVar("S", bound=HasCalls)


def in_loop(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Have a plain method run in its object's event loop, whichever thread calls it."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if runs(self.calls.loop):
            return method(self, *args, **kwargs)
        return self.calls.make(lambda: method(self, *args, **kwargs))

    return call


def not_running() -> RuntimeError:
    """What is raised by calls to a broker that does not run."""
    return RuntimeError("The broker is not running: use it inside its `with` or `async with`.")


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
