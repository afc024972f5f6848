"""Says when something blocks the event loop, how long, and where: heartbeats and commits wait as long as it does.

A thread asks the loop for a sign of life, a few times in each interval that it may be silent. So what blocks the loop
is named while it still does, which the loop itself cannot do.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from functools import partial
from types import FrameType

import anyio

from kafkastatic._drivers.log import EventLog
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig

QUESTIONS = 4
"""How often the loop is asked in each interval that it may be silent: a stall is noticed up to a quarter late."""

SHORTEST_PAUSE = 0.01
"""Seconds between two questions at least, however short the heartbeat interval."""

MOST_FRAMES = 12
"""How many frames of a blocked thread are told, the innermost ones."""

_JOIN_TIMEOUT = 0.5
"""Seconds that a close waits for the thread, which may be held up by the application's logging."""


class Pulse:
    """When a loop counts as stalled. Times are seconds of any clock that never goes back.

    Args:
        limit: how long the loop may be silent.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._asked = 0.0
        self._told = False

    def ask(self, now: float) -> None:
        """The loop was asked for a sign of life."""
        self._asked, self._told = now, False

    def silent(self, now: float) -> float:
        """How long ago the loop was asked."""
        return now - self._asked

    def patience(self, now: float) -> float | None:
        """How long to wait for the sign before the loop is overdue; `None` for as long as it takes: that was told."""
        return None if self._told else max(self._asked + self._limit - now, 0.0)

    def overdue(self, now: float) -> float | None:
        """For how long the loop has been silent, when that is too long; once for each stall."""
        if self._told or now - self._asked < self._limit:
            return None
        self._told = True
        return now - self._asked

    def answered(self, now: float) -> float | None:
        """For how long the loop had been silent, if that was told."""
        return now - self._asked if self._told else None


class Watchdog:
    """Watches the loop that `run` runs on, until that is cancelled.

    Events are `loop_stalled`, once the loop was silent for half of `heartbeat_interval_ms`, and `loop_recovered` with
    the whole time. Both name the frame that the loop's thread was in, and those that called it.
    """

    def __init__(self, config: ConsumerConfig, runtime: Runtime, log: EventLog) -> None:
        self._limit = config.heartbeat_interval / 2
        self._runtime = runtime
        self._log = log
        self._closed = threading.Event()
        self._sign = threading.Event()
        self._pulse = Pulse(self._limit)
        self._loop_thread: int | None = None

    def silent(self) -> float:
        """For how many seconds the loop has given no sign of life; 0 where it is not watched. From any thread."""
        if self._loop_thread in (None, threading.get_ident()) or self._sign.is_set():
            return 0.0
        return self._pulse.silent(self._runtime.monotonic())

    async def run(self) -> None:
        self._pulse.ask(self._runtime.monotonic())
        self._loop_thread = threading.get_ident()
        watch = partial(self._watch, asyncio.get_running_loop(), self._loop_thread)
        join = self._runtime.start_thread(watch, "kafkastatic:watchdog")
        try:
            await anyio.sleep_forever()
        finally:
            self._loop_thread = None
            self._closed.set()
            self._sign.set()
            join(_JOIN_TIMEOUT)

    # ── in the thread ──

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        pulse, now = self._pulse, self._runtime.monotonic
        while True:
            pulse.ask(now())
            self._sign.clear()
            if self._closed.is_set():
                return
            try:
                loop.call_soon_threadsafe(self._sign.set)
            except RuntimeError:  # the loop is closed
                return
            if self._closed.wait(max(self._limit / QUESTIONS, SHORTEST_PAUSE)):  # slept through the answer, as a rule
                return
            blamed: dict[str, object] = {}
            while not self._sign.wait(pulse.patience(now())):
                silent = pulse.overdue(now())
                if silent is not None:
                    blamed = blame(sys._current_frames().get(thread))  # pyright: ignore[reportPrivateUsage]
                    self._log.warning("loop_stalled", seconds=round(silent, 3), **blamed)
            silent = pulse.answered(now())
            if silent is not None:
                self._log.warning("loop_recovered", seconds=round(silent, 3), **blamed)


def blame(frame: FrameType | None) -> dict[str, object]:
    """Where a thread is: the innermost frame, and the `stack` of those around it, up to the loop's own."""
    stack: list[str] = []
    blamed: dict[str, object] = {}
    while frame is not None and frame.f_code is not _LOOP_CALLS and len(stack) < MOST_FRAMES:
        file, line, function = frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname
        blamed = blamed or {"file": file, "line": line, "function": function}
        stack.append(f"{file}:{line} {function}")
        frame = frame.f_back
    return {**blamed, "stack": stack}


_LOOP_CALLS = asyncio.Handle._run.__code__
"""The frame in which asyncio calls whatever runs on its loop."""
