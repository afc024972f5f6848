"""Several brokers that are asked the same thing: when each of them is, and whose answer counts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic

import anyio
from anyio.abc import TaskGroup

from kafkastatic._net.opening import Node
from kafkastatic._protocol.primitives import R
from kafkastatic.errors import AuthenticationError, KafkaError, KafkaTimeoutError

HEDGE = 0.5
"""Seconds after which a broker that any other could stand in for gets company; doubled each time."""

ABREAST = 3
"""How many are asked at a time: a cluster that is slow under its load is not helped by more."""

DOUBT = 5.0
"""Seconds after which one that has said nothing does not count among those: several may hang at once, a whole zone."""

ANEW = 10.0
"""Seconds for which the known brokers alone are waited for, unless all have failed; half of the time if that is less.

As long as a connection may take to be made: one that cannot be made has failed by then, and an answer that takes longer
than any slow cluster should. Where the bootstrap servers lead may be another cluster, and to go there by mistake costs
every connection and position."""


class _Attempt:
    __slots__ = ("began", "known", "node", "over")

    def __init__(self, node: Node, began: float, known: bool) -> None:
        self.node = node
        self.began = began
        self.known = known
        self.over = False


class Race(Generic[R]):
    """One question to several brokers; the first answer ends it.

    Args:
        ask: asks one of them, within so many seconds.
        now: the event loop's time.
        deadline: when it is over in any case.

    Attributes:
        won: the answer and the address that gave it.
        refused: a login that was refused, if there was no answer.
        failures: the others' errors.
    """

    def __init__(self, ask: Callable[[Node, float], Awaitable[R]], now: Callable[[], float], deadline: float) -> None:
        self.won: tuple[R, str] | None = None
        self.refused: AuthenticationError | None = None
        self.failures: list[tuple[str, KafkaError]] = []
        self._ask = ask
        self._now = now
        self._deadline = deadline
        self._attempts: list[_Attempt] = []
        self._failed = asyncio.Event()

    async def run(self, known: Sequence[Node], others: Sequence[Node]) -> None:
        """Ask the known brokers of a cluster, then others that may lead to it, or to another one."""
        now = self._now()
        if len(known) + len(others) == 1:  # nobody to race with
            await self._decides(_Attempt((*known, *others)[0], now, bool(known)))
            return
        async with anyio.create_task_group() as tasks:
            patience = min(ANEW, (self._deadline - now) / 2) if others else self._deadline - now
            not_asked = await self._field(tasks, known, True, now + patience)
            await self._field(tasks, [*others, *not_asked], False, self._deadline)
        if self.won is not None:
            self.refused = None

    async def _field(self, tasks: TaskGroup, nodes: Sequence[Node], known: bool, until: float) -> Sequence[Node]:
        """Ask these, until there is an answer, all have failed, or the time is over; returns whom it did not ask."""
        waiting, abreast, interval = deque(nodes), self._running() + 1, HEDGE
        more = self._now() + interval
        while self.refused is None and (now := self._now()) < until:
            if now >= more:
                abreast, interval = abreast + 1, interval * 2
                more = now + interval
            while waiting and self._running() < min(abreast, ABREAST):
                attempt = _Attempt(waiting.popleft(), now, known)
                self._attempts.append(attempt)
                tasks.start_soon(self._run, attempt, tasks.cancel_scope)
                more = now + interval
            if all(attempt.over for attempt in self._attempts):
                break
            await self._until_one_fails(min(more, until, self._next_doubt()))
        return waiting

    async def _until_one_fails(self, at: float) -> None:
        self._failed = asyncio.Event()
        with anyio.CancelScope(deadline=at):
            await self._failed.wait()
        for attempt in self._attempts:
            if not attempt.over and self._now() - attempt.began >= HEDGE:
                attempt.node.silent = True

    def _running(self) -> int:
        return sum(not attempt.over and self._now() < attempt.began + DOUBT for attempt in self._attempts)

    def _next_doubt(self) -> float:
        now = self._now()
        doubts = (attempt.began + DOUBT for attempt in self._attempts if not attempt.over)
        return min((at for at in doubts if at > now), default=self._deadline)

    async def _run(self, attempt: _Attempt, all_of_them: anyio.CancelScope) -> None:
        if await self._decides(attempt):
            all_of_them.cancel()
        self._failed.set()

    async def _decides(self, attempt: _Attempt) -> bool:
        """Ask one of them; whether what came of it ends the race."""
        node = attempt.node
        try:
            answer = await self._ask(node, self._deadline - self._now())
        except AuthenticationError as error:
            attempt.over, self.refused = True, error
            return attempt.known or not any(other.known and not other.over for other in self._attempts)
        except KafkaError as error:
            attempt.over = True
            self.failures.append((node.address, error))
            node.silent = self._now() - attempt.began >= HEDGE or isinstance(error, KafkaTimeoutError)
            if node.not_before <= self._now():  # a connection that failed has been counted
                node.not_before = self._now() + node.backoff.next()
            return False
        attempt.over, node.silent = True, False
        self.won = self.won or (answer, node.address)
        return True
