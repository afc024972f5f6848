"""A group and its members, each of them a process."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from examples.demo import member
from examples.demo.ledger import Ledger, Produced

_processes = multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Start the process from which the members are forked: it imports what they need, once."""
    _processes.set_forkserver_preload([member.__name__, "anyio._backends._asyncio"])  # anyio imports that when it runs
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for us, who then end the members
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


class MemberEnded(Exception):
    """A member's process ended that should not have."""


class Member:
    """A replica, which may be started again after it has ended.

    Attributes:
        state: "starting", "reads", "waits" (for partitions), "stopping", "down", or "fenced".
        read: whether its process has received a record.
        message: what its process said when it was fenced.
    """

    def __init__(self, group: Group, name: str) -> None:
        self.name = name
        self.state = "down"
        self.partitions: list[int] = []
        self.generation = -1
        self.read = False
        self.message = ""
        self._group = group
        self._process: BaseProcess | None = None
        self._reports: Connection[Any, Any] | None = None
        self._new = True  # its process has been assigned nothing yet

    def start(self) -> None:
        ours, theirs = _processes.Pipe(duplex=False)
        group = self._group
        instance_id = self.name if group.static else None
        self._process = _processes.Process(
            target=member.run,
            args=(theirs, group.bootstrap, group.topic, group.name, self.name, instance_id),
            daemon=True,  # Python does not end without having ended it
        )
        self._process.start()
        theirs.close()
        self._reports, self._new = ours, True
        self.state, self.read, self.message = "starting", False, ""
        asyncio.get_running_loop().add_reader(ours.fileno(), self._read)

    async def stop(self) -> None:
        """SIGTERM, as an orchestrator does: it commits and closes."""
        if self._process is not None and self.state not in ("down", "fenced"):
            self.state = "stopping"
            self._process.terminate()
            await self._group.until(lambda: self.state == "down")

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self.state = "stopping"
            self._process.kill()
            self._ended()

    def _read(self) -> None:
        assert self._reports is not None
        try:
            while self._reports.poll():
                self._told(*self._reports.recv())
        except EOFError:
            self._ended()
        self._group.changed()

    def _told(self, what: str, *details: Any) -> None:
        if what == "records":
            self.read = True
            self._group.ledger.received(*details, self.name)
        elif what == "fenced":
            self.state, self.message = "fenced", details[0]
        else:
            if not self._new and self.state != "stopping":  # a start and an end of its own are no news to it
                self._group.callbacks += 1
                self._group.taken += len(self.partitions) if what != "assigned" else 0
            self._new = False
            self.generation, self.partitions = details if what == "assigned" else (-1, [])
            if self.state != "stopping":
                self.state = "reads" if self.partitions else "waits"

    def _ended(self) -> None:
        assert self._process is not None
        if self._reports is not None:
            asyncio.get_running_loop().remove_reader(self._reports.fileno())
            self._reports.close()
            self._reports = None
        self._process.join(5)
        self._process = None
        self.partitions, self.generation = [], -1
        if self.state == "stopping":
            self.state = "down"
        elif self.state != "fenced":
            self.state = "down"
            self._group.broken = f"{self.name} ended unexpectedly"


class Group:
    """A group of three, static or dynamic.

    Attributes:
        callbacks: how many rebalance callbacks its members ran, but for those of their own start and end.
        taken: how many times in these a partition was taken from its member.
        broken: why it cannot go on.
    """

    def __init__(self, bootstrap: str, topic: str, name: str, produced: Produced, *, static: bool) -> None:
        self.bootstrap = bootstrap
        self.topic = topic
        self.name = name
        self.static = static
        self.ledger = Ledger(produced)
        self._all = sorted(produced)
        self.members = [Member(self, f"{name}-{number}") for number in range(3)]
        self.callbacks = 0
        self.taken = 0
        self.broken = ""
        self._first_generation = 0
        self._generation = 0
        self._changed = asyncio.Event()

    @property
    def rebalances(self) -> int:
        """How many there were since `begin()`: every one makes a new generation."""
        return self._generation - self._first_generation

    def begin(self) -> None:
        """What was until now is not what is shown."""
        self._first_generation = self._generation
        self.callbacks = self.taken = 0

    def changed(self) -> None:
        self._generation = max(self._generation, *(member.generation for member in self.members))
        self._changed.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for something that members tell.

        Raises:
            MemberEnded: if one has ended by itself, and was not fenced.
        """
        while not reached():
            if self.broken:
                raise MemberEnded(self.broken)
            self._changed.clear()
            await self._changed.wait()

    async def settled(self) -> None:
        """Wait until the members at work have all partitions between them, in one generation."""

        def reached() -> bool:
            working = [member for member in self.members if member.state != "fenced"]
            owned = sorted(partition for member in working for partition in member.partitions)
            return len({m.generation for m in working}) == 1 and owned == self._all

        await self.until(reached)

    async def has_read_all(self, patience: float) -> None:
        """Wait until its members have received all that was produced, but for so many seconds only."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.until(lambda: not self.ledger.missing())

    async def restart(self, member: Member, down: float) -> None:
        """Stop a member, start it again after so many seconds, and wait until it has read something."""
        clock = asyncio.get_running_loop().time
        since = clock()
        await member.stop()
        await asyncio.sleep(down)
        member.start()
        await self.settled()
        await self.until(lambda: member.read)
        self.ledger.was_away(member.name, since, clock())

    async def duplicate(self) -> Member:
        """Start a second process of the second member: the same program with the same options."""
        original = self.members[1]
        twin = Member(self, original.name)
        self.members.insert(2, twin)
        twin.start()
        if self.static:
            await self.until(lambda: original.state == "fenced")
        await self.settled()
        return original
