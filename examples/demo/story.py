"""What happens to the two groups, what is counted meanwhile, and what must come out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from examples.demo.group import Group
from examples.demo.ledger import Gap
from examples.demo.screen import GroupView, Line, MemberView, Screen, Sums, conclusion, counted, sums_table, table
from tools.load import Loader

TOPIC = "orders"
PARTITIONS = 12
RESTARTS = 1 + 3
TICK = 0.05
"""Seconds from a record of each partition to the next."""
DOWN = 0.3
"""Seconds from a member's end to its next start."""
CALM = 0.3
"""Seconds without an event, between those."""
PATIENCE = 30.0
"""Seconds that a phase may take."""
LAST_READ = 10.0
"""Seconds until a record that nobody has read counts as lost."""
REDRAWN = 0.1


class Mark(NamedTuple):
    """Where a group stood."""

    at: float
    rebalances: int
    callbacks: int
    taken: int


class Story:
    """One run of the demo.

    Args:
        bootstrap: a broker of its own.
        screen: where it is shown.
    """

    def __init__(self, bootstrap: str, screen: Screen) -> None:
        self._bootstrap = bootstrap
        self._screen = screen
        self._produced: dict[int, dict[int, float]] = {partition: {} for partition in range(PARTITIONS)}
        self._static = Group(bootstrap, TOPIC, "static", self._produced, static=True)
        self._dynamic = Group(bootstrap, TOPIC, "dynamic", self._produced, static=False)
        self._groups = (self._static, self._dynamic)
        self._loaded = True
        self._doing = ""
        self._message = ""

    async def run(self) -> list[str]:
        """Everything, from the topic's creation to the sums.

        Returns:
            What is not as it should be.

        Raises:
            ExceptionGroup: with a MemberEnded if a member ended by itself, a TimeoutError if a phase takes too long.
        """
        self._began = self._now
        try:
            async with Loader(self._bootstrap) as loader, asyncio.TaskGroup() as tasks:
                await loader.create_topic(TOPIC, PARTITIONS)
                drawing = tasks.create_task(self._draw())
                await self._both("Three members start in each group.", self._start)
                self._screen.say(self._title())
                if not self._screen.live:  # where it is seen anyway
                    self._say_who_owns_what()
                load = tasks.create_task(self._load(loader))
                await self._phase("One member restarts.", self._restart)
                await self._phase("All three restart, one after the other.", self._roll)
                await self._phase("A second process starts as the second member.", self._duplicate)
                self._loaded = False
                await load
                await asyncio.gather(*(group.has_read_all(LAST_READ) for group in self._groups))
                drawing.cancel()
                self._say_who_owns_what()
                amiss = self._told()
                await asyncio.gather(*(member.stop() for group in self._groups for member in group.members))
        finally:
            for group in self._groups:
                for member in group.members:
                    member.kill()
        return amiss

    # ── what happens, to each group at the same time ──

    async def _start(self, group: Group) -> None:
        for member in group.members:
            member.start()
        await group.settled()
        group.begin()

    async def _restart(self, group: Group) -> None:
        await group.restart(group.members[0], DOWN)

    async def _roll(self, group: Group) -> None:
        for member in list(group.members):
            await group.restart(member, DOWN)

    async def _duplicate(self, group: Group) -> None:
        original = await group.duplicate()
        self._message = original.message or self._message

    async def _load(self, loader: Loader) -> None:
        """A record to each partition at every tick."""
        tick = {partition: [(None, b"an order", (), 1_700_000_000_000)] for partition in range(PARTITIONS)}
        following = self._now
        while self._loaded:
            for partition, offset in (await loader.produce_to(TOPIC, tick)).items():
                self._produced[partition][offset] = self._now
            following = max(following + TICK, self._now)
            await asyncio.sleep(following - self._now)

    # ── what is shown ──

    async def _phase(self, title: str, happens: Callable[[Group], Coroutine[Any, Any, None]]) -> None:
        await asyncio.sleep(CALM)
        before = [Mark(self._now, group.rebalances, group.callbacks, group.taken) for group in self._groups]
        await self._both(title, happens)
        await asyncio.sleep(CALM)
        self._screen.say(self._title(), *map(self._since, self._groups, before))

    async def _both(self, title: str, happens: Callable[[Group], Coroutine[Any, Any, None]]) -> None:
        self._doing = title
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            for group in self._groups:
                tasks.create_task(happens(group))

    def _since(self, group: Group, before: Mark) -> str:
        gaps = [gap for gap in group.ledger.gaps(self._now) if gap.end > before.at]
        rebalances = counted(group.rebalances - before.rebalances, "rebalance")
        callbacks = counted(group.callbacks - before.callbacks, "callback")
        taken = counted(group.taken - before.taken, "partition")
        dark = f"dark for {_total(gaps):.1f} s in all, {_longest(gaps):.2f} s at most"
        return f"    {group.name:<9}{rebalances}, {callbacks}, {taken} taken away; {dark}"

    def _say_who_owns_what(self) -> None:
        self._screen.say(*(line.text for line in self._table()))

    async def _draw(self) -> None:
        while self._screen.live:
            self._screen.draw([Line(self._title()), *self._table()])
            await asyncio.sleep(REDRAWN)

    def _table(self) -> list[Line]:
        return table([self._view(group) for group in self._groups], PARTITIONS)

    def _title(self) -> str:
        return f"[{self._now - self._began:4.1f} s] {self._doing}"

    def _view(self, group: Group) -> GroupView:
        members = [MemberView(member.name, member.state, member.partitions) for member in group.members]
        longest = _longest(group.ledger.gaps(self._now))
        return GroupView(group.name, members, group.rebalances, group.callbacks, group.ledger.dark(self._now), longest)

    # ── the sums ──

    def _told(self) -> list[str]:
        static, dynamic = (self._sums(group) for group in self._groups)
        self._screen.say("", *sums_table(static, dynamic), "", "static-1, when it had been started twice:")
        self._screen.say_long(self._message)
        self._screen.say("")
        self._screen.say_long(conclusion(static, dynamic, RESTARTS))
        return amiss(static, dynamic, self._message)

    def _sums(self, group: Group) -> Sums:
        gaps = group.ledger.gaps(self._now)
        total = sum(map(len, self._produced.values()))
        lost = group.ledger.missing()
        return Sums(
            group.rebalances,
            group.callbacks,
            group.taken,
            _longest(gaps),
            _total(gaps),
            _total(group.ledger.imposed(self._now)),
            total - lost,
            group.ledger.twice,
            lost,
        )

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def amiss(static: Sums, dynamic: Sums, message: str) -> list[str]:
    """What is not as it should be."""
    found = [
        f"The {name} group lost {counted(sums.lost, 'record')}."
        for name, sums in (("static", static), ("dynamic", dynamic))
        if sums.lost
    ]
    if static.rebalances:
        found.append(f"The static group saw {counted(static.rebalances, 'rebalance')}.")
    if not message.startswith("FencedInstanceIdError"):
        found.append("The process whose instance id was taken over was not fenced.")
    return found


def _longest(gaps: list[Gap]) -> float:
    return max((gap.length for gap in gaps), default=0.0)


def _total(gaps: list[Gap]) -> float:
    return sum(gap.length for gap in gaps)
