"""The leak check: what a test left behind, by name.

It looks when everything that depends on the fixture is gone, while the event loop still lives, at

- connections to the broker that are still open: a consumer that was not closed, and which member of which group it is.
  A static member that was closed stays in its group, as it should, and has no connection;
- tasks that the test has started, itself or through what it called: tasks inherit a context variable that tells;
- other sockets in the event loop of the test, if that ends with the test. Whatever else opens sockets may be a pool,
  which has a right to keep them.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import anyio
import pytest

from kafkastatic.broker import ClientSnapshot

_GRACE = 1.0  # seconds in which what was closed just now may come to its end
_STEP = 0.005
_REMEDY = (
    "Close what the test opens (`async with Consumer(...)`, `await consumer.aclose()`, or what another client has for "
    "it) and await the tasks that it starts; @pytest.mark.embedded_kafka(leak_check=False) leaves this check out."
)
_CONSUMER = "consumer "
_OURS = "kafkastatic:"  # how the tasks of a consumer are named
_test: contextvars.ContextVar[Watch | None] = contextvars.ContextVar("kafkastatic_test", default=None)


class Watched(Protocol):
    """What the check wants to know of a cluster."""

    @property
    def bootstrap(self) -> str: ...

    def clients(self) -> list[ClientSnapshot]: ...


class Watch:
    """Remembers what there was before a test, and tells what is there afterwards.

    Args:
        let_go: forgets the values of the test's fixtures.
        own_loop: whether the running event loop ends with the test.
    """

    def __init__(self, kafka: Watched, let_go: Callable[[], None], *, own_loop: bool = False) -> None:
        self._let_go: Callable[[], None] | None = let_go
        self._kafka = kafka
        self._loop = _asyncio_loop()
        self._own_loop = own_loop
        self._tasks: set[asyncio.Task[Any]] = asyncio.all_tasks(self._loop) if self._loop else set()
        self._clients = {client.address for client in kafka.clients()}
        self._sockets = set(open_sockets())
        self._ports = {int(node.rpartition(":")[2]) for node in kafka.bootstrap.split(",")}
        _test.set(self)

    def check(self) -> None:
        """Fail the test if something is left, and does not end within a moment."""
        for pause in self._looks():
            time.sleep(pause)

    async def acheck(self) -> None:
        """The same, in the event loop of the test."""
        for pause in self._looks():
            await anyio.sleep(pause)

    def _looks(self) -> Iterator[float]:
        """How long to wait before each further look, until nothing is left."""
        deadline = time.monotonic() + _GRACE
        while left := self._left():
            if time.monotonic() > deadline:
                deadline = self._second_look(left)
            yield _STEP

    def _second_look(self, left: list[str]) -> float:
        """Until when to look once more: what only pytest still holds, a client without `close()`, say, may go first."""
        if self._let_go is None or any(line.startswith(_CONSUMER) for line in left):
            pytest.fail("\n".join(["The test left behind:", *(f"  {line}" for line in left), _REMEDY]), pytrace=False)
        self._let_go()
        self._let_go = None
        gc.collect()
        return time.monotonic() + _GRACE

    def _left(self) -> list[str]:
        return [*self._clients_left(), *self._tasks_left(), *self._sockets_left()]

    def _clients_left(self) -> Iterator[str]:
        """A line for each client, with all of its connections and members."""
        left: dict[str, list[ClientSnapshot]] = {}
        known = set(self._clients)
        for client in sorted(self._kafka.clients(), key=lambda client: (client.client_id, client.address)):
            if client.address not in known:
                left.setdefault(client.client_id, []).append(client)
            known.add(client.address)
        for client_id, connections in left.items():
            members = dict.fromkeys(_member(client) for client in connections if client.group_id)
            addresses = ", ".join(client.address for client in connections)
            yield "; ".join([f"client {client_id!r} is connected from {addresses}", *members])
        for opened, (here, there) in open_sockets().items():
            # Those that the broker has not accepted yet.
            if opened not in self._sockets and _port(there) in self._ports and here not in known:
                yield f"socket {here} is open, to the broker"

    def _tasks_left(self) -> Iterator[str]:
        if self._loop is not None:
            found = asyncio.all_tasks(self._loop) - self._tasks - {asyncio.current_task(self._loop)}
            left = [task for task in found if _context(task).get(_test) is self]
            for task in sorted(left, key=lambda task: task.get_name()):
                yield from _told(task)

    def _sockets_left(self) -> Iterator[str]:
        if self._loop is not None and self._own_loop:
            for opened, (here, there) in open_sockets().items():
                to_kafka = {_port(here), _port(there)} & self._ports
                if opened not in self._sockets and not to_kafka and _is_in(self._loop, opened[0]):
                    yield f"socket {here} is open" + (f", to {there}" if there else "")


def _is_in(loop: asyncio.AbstractEventLoop, descriptor: int) -> bool:
    """Whether the loop waits for a socket. asyncio's own loops tell, and are not changed by that; others do not."""
    selector = getattr(loop, "_selector", None)
    return selector is not None and descriptor in (selector.get_map() or ())


def _asyncio_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # a plain test, or trio, which leaves no tasks
        return None


def _member(client: ClientSnapshot) -> str:
    instance = f" (instance {client.instance_id!r})" if client.instance_id else ""
    return f"member {client.member_id!r}{instance} of group {client.group_id!r}"


# ── tasks ──


def _context(task: asyncio.Task[Any]) -> contextvars.Context:
    """The context that a task runs in; before Python 3.12 the garbage collector is the one that knows it."""
    if ask := getattr(task, "get_context", None):
        return ask()
    found = (one for one in gc.get_referents(task) if isinstance(one, contextvars.Context))
    return next(found, contextvars.Context())


def _told(task: asyncio.Task[Any]) -> Iterator[str]:
    """A task by its name, and where it waits; of a consumer's own tasks the one that is the parent of all."""
    name, code = task.get_name(), task.get_coro()
    what = getattr(code, "__qualname__", repr(code))
    if name.startswith(_OURS):
        if what.endswith("._supervise"):
            yield f"{_CONSUMER}{name.removeprefix(_OURS)!r} is not closed"
        return
    stack = task.get_stack(limit=1)
    yield f"task {name!r} runs {what}" + (f", at {stack[0].f_code.co_filename}:{stack[0].f_lineno}" if stack else "")


# ── sockets ──


def open_sockets() -> dict[tuple[int, int], tuple[str, str]]:
    """This process's internet sockets by descriptor and inode, and the addresses of both ends ("" for none).

    Empty where there is no /dev/fd, as on Windows.
    """
    found: dict[tuple[int, int], tuple[str, str]] = {}
    with contextlib.suppress(OSError):
        for entry in os.listdir("/dev/fd"):
            with contextlib.suppress(OSError):  # the one of this list is closed by now
                status = os.fstat(int(entry))
                if stat.S_ISSOCK(status.st_mode) and (ends := _ends(int(entry))):
                    found[int(entry), status.st_ino] = ends
    return found


def _ends(descriptor: int) -> tuple[str, str] | None:
    with socket.socket(fileno=os.dup(descriptor)) as opened:
        if opened.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        here = "{}:{}".format(*opened.getsockname())
        try:
            return here, "{}:{}".format(*opened.getpeername())
        except OSError:
            return here, ""


def _port(address: str) -> int:
    return int(address.rpartition(":")[2] or -1)
