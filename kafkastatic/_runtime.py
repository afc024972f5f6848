"""The one seam to the outside world: clock, randomness, ids, name lookup, connections, worker threads.

A leaf module. Everything above the pure layers gets a `Runtime` handed in, so that a simulation can run the same
client on another event loop, with another clock and without a network, by passing one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from ssl import SSLContext

T = TypeVar("T")
P = TypeVar("P", bound=asyncio.BaseProtocol)


class Runtime:
    """The real world. Subclass it to replace any part."""

    def now(self) -> float:
        """Seconds on a clock that never goes back: the event loop's own, so a simulation is another loop."""
        return asyncio.get_running_loop().time()

    def clock(self) -> Callable[[], float]:
        """What `now` asks, for those who ask it for every record: of the running loop."""
        return asyncio.get_running_loop().time

    def wall(self) -> float:
        """Seconds since the epoch, as the rest of the world counts them; may jump."""
        return time.time()

    def random(self) -> float:
        """A number in [0, 1), for jitter."""
        return random.random()  # noqa: S311  (jitter is no secret)

    def new_id(self) -> str:
        """A fresh id, unique everywhere."""
        import uuid

        return str(uuid.uuid4())

    def new_nonce(self) -> str:
        """A fresh text that nobody can guess: ASCII letters, digits, `-` and `_`."""
        import secrets

        return secrets.token_urlsafe(24)

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host, in the order to try them.

        Raises:
            OSError: if the name is not known.
        """
        if _is_address(host.strip("[]")):
            return [host.strip("[]")]
        found = await self.run_in_thread(_look_up, host, port)
        return list(dict.fromkeys(found))

    async def connect(
        self, protocol: Callable[[], P], address: str, port: int, *, ssl: SSLContext | None, server_hostname: str | None
    ) -> tuple[asyncio.Transport, P]:
        """Open a TCP connection, with TLS when `ssl` is given.

        Raises:
            OSError: if it cannot be made (`ssl.SSLError` is one).
        """
        loop = asyncio.get_running_loop()
        return await loop.create_connection(
            protocol, address, port, ssl=ssl, server_hostname=server_hostname if ssl else None
        )

    async def run_in_thread(
        self, function: Callable[..., T], *args: object, limiter: anyio.CapacityLimiter | None = None
    ) -> T:
        """Run a blocking function in a worker thread; a cancelled caller does not wait for it.

        Args:
            limiter: how many there may be at a time; if not given, they share anyio's own limit with everybody.
        """
        return await anyio.to_thread.run_sync(function, *args, abandon_on_cancel=True, limiter=limiter)

    def start_thread(self, function: Callable[[], None], name: str) -> Callable[[float], None]:
        """Run a function in a thread of its own, which does not keep the process alive.

        Returns:
            What waits for its end, for so many seconds at most.
        """
        thread = threading.Thread(target=function, name=name, daemon=True)
        thread.start()
        return thread.join

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back, for threads: the loop's own may stand still while it is blocked."""
        return time.monotonic()


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return True
    return False


def _look_up(host: str, port: int) -> list[str]:
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
