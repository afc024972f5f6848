"""Kafka frames over a byte stream: the one file that knows the event loop's transports.

A frame's first bytes tell how long it is, and most frames are short. So what begins one is received into a small buffer
that holds such a frame as a whole: one wake-up of the loop, not two. Of a longer one only that beginning is copied; the
rest is received straight into the response's own buffer, where the decoder finds the records of a fetch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kafkastatic._net.buffers import Buffers
from kafkastatic._protocol.framing import frame_length
from kafkastatic.errors import ProtocolError

PREFIX_BYTES = 4

HEAD_BYTES = 2048
"""What is received at a time where a frame begins: an answer without records, or with a few, fits."""


class FrameProtocol(asyncio.BufferedProtocol):
    """Cuts the stream into frames.

    Args:
        on_frame: called with each whole frame, without its length prefix.
        on_lost: called once, when the stream has ended, with the reason where there is one.

    Attributes:
        received: how many bytes have come in.
    """

    def __init__(self, on_frame: Callable[[memoryview], None], on_lost: Callable[[Exception | None], None]) -> None:
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._head = bytearray(HEAD_BYTES)
        self._body: memoryview | None = None  # of a frame that the head does not hold
        self._buffers = Buffers()
        self._room = memoryview(self._head)
        self._filled = 0
        self._transport: asyncio.BaseTransport | None = None
        self._error: Exception | None = None
        self.closed: asyncio.Event = asyncio.Event()
        self.received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self.received += nbytes
        self._filled += nbytes
        if self._body is None:
            self._cut()
        elif self._filled == len(self._body):
            body, self._body = self._body, None
            self._room, self._filled = memoryview(self._head), 0
            self._on_frame(body)  # and forget it: its buffer is used again when nobody has it

    def _cut(self) -> None:
        """Cut the head into frames; one that is not whole yet goes on in a buffer of its own."""
        start, end = 0, self._filled
        while end - start >= PREFIX_BYTES:
            try:
                length = frame_length(self._head[start : start + PREFIX_BYTES])
            except ProtocolError as error:
                self._filled = 0
                self._give_up(error)
                return
            start += PREFIX_BYTES
            body = self._buffers.take(length)
            there = min(length, end - start)
            body[:there] = self._head[start : start + there]
            if there < length:
                self._body, self._room, self._filled = body, body, there
                return
            start += length
            self._on_frame(body)
        self._filled = end - start
        self._head[: self._filled] = self._head[start:end]

    def eof_received(self) -> bool:
        return False  # close

    def connection_lost(self, exc: Exception | None) -> None:
        self._body, self._room, self._filled = None, memoryview(self._head), 0
        self.closed.set()
        self._on_lost(self._error or exc)

    def _give_up(self, error: Exception) -> None:
        self._error = error
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()
