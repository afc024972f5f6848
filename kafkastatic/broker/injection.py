"""The handle of a fault that is set: how often it struck, who is parked, and the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kafkastatic.broker.faults import Rule


class Fault:
    """A fault as `Broker.inject` set it.

    Attributes:
        rule: what it does.
        hits: how many requests it struck.
        parked: how many of them wait for `release` now.
    """

    def __init__(self, rule: Rule, remove: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self.rule = rule
        self.hits = 0
        self.parked = 0
        self._remove = remove
        self._loop = loop
        self._released = loop.create_future()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def remove(self) -> None:
        """It strikes no more. Who is parked stays so."""
        self._on_loop(self._remove)

    def release(self) -> None:
        """Let those go on that are parked, and park nobody any more."""
        self._on_loop(self._release)

    async def reached(self, hits: int = 1, timeout: float = 5.0) -> None:
        """Wait until it has struck so many requests, from whichever event loop.

        Raises:
            TimeoutError: if it has not within `timeout` seconds.
        """
        waiting = self._wait_for(hits)
        if asyncio.get_running_loop() is self._loop:
            await asyncio.wait_for(waiting, timeout)
        else:
            await asyncio.wait_for(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(waiting, self._loop)), timeout)

    # ── the broker's side, in its loop ──

    async def struck(self) -> None:
        """A request is here; returns when it may go on."""
        self.hits += 1
        for hits, waiter in self._waiters:
            if self.hits >= hits and not waiter.done():
                waiter.set_result(None)
        if self.rule.hold:
            self.parked += 1
            try:
                await asyncio.shield(self._released)
            finally:
                self.parked -= 1
        if self.rule.delay_ms:
            await asyncio.sleep(self.rule.delay_ms / 1000)

    def _release(self) -> None:
        self._remove()
        if not self._released.done():
            self._released.set_result(None)

    async def _wait_for(self, hits: int) -> None:
        if self.hits >= hits:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((hits, waiter))
        try:
            await waiter
        finally:
            self._waiters.remove((hits, waiter))

    def _on_loop(self, call: Callable[[], None]) -> None:
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            call()
        else:
            self._loop.call_soon_threadsafe(call)
