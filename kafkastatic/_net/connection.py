"""One connection to a broker: requests go out pipelined, answers find their caller by correlation id.

Death is a state: the first cause wakes every waiter and meets every later caller. A caller that gives up, cancelled
or out of time, only forgets its answer, which is still read and dropped: the stream stays whole, and others share it.
An answer that is overdue is another matter: see `exchange`.
"""

from __future__ import annotations

import asyncio
import copy
import math
from typing import Any, NamedTuple

from kafkastatic._net.transport import FrameProtocol
from kafkastatic._protocol.framing import decode_response, encode_request, response_correlation_id
from kafkastatic._protocol.primitives import R, Request
from kafkastatic.errors import BrokerUnreachableError, KafkaError, KafkaTimeoutError, ProtocolError

OVERDUE = 1.0
"""Seconds after which a broker that owes an answer may be taken to hang; to wait for less proves nothing."""


class _Waiter(NamedTuple):
    """A request on its way: whoever waits for its answer, when it was sent, and what had come in until then."""

    answer: asyncio.Future[memoryview | None]
    sent: float
    heard: int


class Connection:
    """A connected stream and the requests in flight on it. Made by `pool.py`.

    Args:
        address: `"host:port"`, for messages.
        client_id: sent with every request.

    Attributes:
        throttled_until: the broker reads nothing from it before (KIP-219); kept here for whoever sends.
        worn_at: when to stop using it, since the broker will close it soon after (KIP-368).
        hung_up: the other side has closed it.
    """

    def __init__(self, address: str, client_id: str) -> None:
        self.address = address
        self.worn_at = math.inf
        self.hung_up = False
        self._client_id = client_id
        self._protocol = FrameProtocol(self._take_frame, self._lost)
        self._transport: asyncio.Transport | None = None
        self._waiters: dict[int, _Waiter] = {}
        self._last_id = 0
        self._dead: KafkaError | None = None
        self.throttled_until = 0.0

    def factory(self) -> FrameProtocol:
        return self._protocol

    def attach(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    @property
    def alive(self) -> bool:
        return self._dead is None

    @property
    def received(self) -> int:
        """How many bytes have come in."""
        return self._protocol.received

    @property
    def in_flight(self) -> int:
        """How many requests wait for an answer."""
        return sum(not waiter.answer.done() for waiter in self._waiters.values())

    async def request(self, request: Request[R], version: int, timeout: float) -> R:
        """Send a request and wait for its answer.

        A broker serves one request per connection at a time, so an answer that does not come within `timeout`
        seconds blocks all behind it: the connection is closed then, unless too little time was given to tell.

        Raises:
            BrokerUnreachableError: if the connection is or goes dead.
            KafkaTimeoutError: if no answer came in time.
            UnsupportedVersionError: if the request cannot be said in this version.
            ProtocolError: if the answer does not parse; the connection is closed.
        """
        frame = await self.exchange(request, version, timeout)
        try:
            return decode_response(request, frame, version)
        except ProtocolError as error:
            what = f"{self.address} answered {request.NAME} v{version} with bytes that do not parse"
            # The others on this connection may well be understood on the next one.
            self.close(BrokerUnreachableError(f"{what}; the connection was closed.", address=self.address))
            raise ProtocolError(f"{what}: {error}") from None

    async def exchange(self, request: Request[Any], version: int, timeout: float) -> memoryview:
        """As `request`, but return the answer's whole frame undecoded.

        Out of time, it closes the connection if it has waited for `OVERDUE` seconds itself, or if someone else gave up
        on a request that is as old and nothing has come in since: one that hangs does not outlive many short calls.
        """
        answer, loop = self._write(request, version), asyncio.get_running_loop()
        timer = loop.call_later(timeout, _give_up, answer)  # a cancel scope costs seven times as much
        try:
            frame = await answer
        finally:
            timer.cancel()
        if frame is not None:
            return frame
        late = KafkaTimeoutError(f"{self.address} did not answer {request.NAME} within {timeout:.3g} s.")
        if timeout >= OVERDUE or self._overdue(loop.time()):
            self.close(late)
        raise late

    def tell(self, request: Request[Any], version: int) -> None:
        """Send a request whose answer is dropped, whatever it is. Raises as `request` does when it cannot be sent."""
        self._write(request, version).cancel()

    def _write(self, request: Request[Any], version: int) -> asyncio.Future[memoryview | None]:
        if self._dead is not None:
            raise copy.copy(self._dead)
        assert self._transport is not None
        correlation_id = self._last_id = (self._last_id + 1) & 0x7FFFFFFF
        data = encode_request(request, version, correlation_id, self._client_id)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[memoryview | None] = loop.create_future()
        self._waiters[correlation_id] = _Waiter(answer, loop.time(), self.received)
        self._transport.write(data)
        del data  # a login's holds the password, and some loggers print the variables of a traceback
        return answer

    def _overdue(self, now: float) -> bool:
        """Whether an answer that nobody waits for any more should have come long ago, and nothing else did."""
        return any(
            waiter.answer.done() and now - waiter.sent >= OVERDUE and waiter.heard == self.received
            for waiter in self._waiters.values()
        )

    def close(self, cause: KafkaError | None = None) -> None:
        """Close at once; every waiter is told `cause`."""
        self._die(
            cause or BrokerUnreachableError(f"The connection to {self.address} was closed.", address=self.address)
        )
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Return when the socket is gone."""
        if self._transport is not None:
            await self._protocol.closed.wait()

    def _take_frame(self, frame: memoryview) -> None:
        try:
            correlation_id = response_correlation_id(frame)
        except ProtocolError as error:
            self.close(error)
            return
        waiter = self._waiters.pop(correlation_id, None)
        if waiter is None:
            self.close(ProtocolError(f"{self.address} answered a request that was not sent ({correlation_id})."))
        elif not waiter.answer.done():
            waiter.answer.set_result(frame)

    def _lost(self, exc: Exception | None) -> None:
        self.hung_up = self._dead is None
        if isinstance(exc, KafkaError):
            self._die(exc)
            return
        reason = f": {exc}" if exc else ""
        self._die(BrokerUnreachableError(f"{self.address} closed the connection{reason}.", address=self.address))

    def _die(self, cause: KafkaError) -> None:
        if self._dead is not None:
            return
        self._dead = cause
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            if not waiter.answer.done():
                waiter.answer.set_exception(copy.copy(cause))


def _give_up(answer: asyncio.Future[memoryview | None]) -> None:
    """The time for an answer is over: `None` stands for it, and what still comes is dropped."""
    if not answer.done():
        answer.set_result(None)
