"""The handle of a fault that is set: how often it struck, who is parked, and the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kafkastatic.broker.faults import Rule
from kafkastatic.broker.threads import Calls, in_loop, runs


class Fault:
    """A fault as `Broker.inject` set it.

    Attributes:
        rule: what it does.
        hits: how many requests it struck.
        parked: how many of them wait for `release` now.
    """

    def __init__(self, rule: Rule, remove: Callable[[], None], calls: Calls) -> None:
        self.rule = rule
        self.hits = 0
        self.parked = 0
        self.calls = calls
        self._remove = remove
        self._released = asyncio.Event()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    @in_loop
    def remove(self) -> None:
        """It strikes no more. Who is parked stays so."""
        self._remove()

    @in_loop
    def release(self) -> None:
        """Let those go on that are parked, and park nobody any more."""
        self._remove()
        self._released.set()

    async def reached(self, hits: int = 1, timeout: float = 5.0) -> None:
        """Wait until it has struck so many requests, from whichever event loop.

        Raises:
            TimeoutError: if it has not within `timeout` seconds.
            RuntimeError: if the broker does not run any more.
        """
        loop = self.calls.loop
        waiting = self._wait_for(hits)
        if runs(loop):
            await asyncio.wait_for(waiting, timeout)
        else:
            await asyncio.wait_for(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(waiting, loop)), timeout)

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
                await self._released.wait()
            finally:
                self.parked -= 1
        if self.rule.delay_ms:
            await asyncio.sleep(self.rule.delay_ms / 1000)

    async def _wait_for(self, hits: int) -> None:
        if self.hits >= hits:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((hits, waiter))
        try:
            await waiter
        finally:
            self._waiters.remove((hits, waiter))
