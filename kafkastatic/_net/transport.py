"""Kafka frames over a byte stream: the one file that knows the event loop's transports.

Bytes are received straight into the buffer of the response they belong to, so that the records of a fetch
response are never copied on their way to the decoder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kafkastatic._net.buffers import Buffers
from kafkastatic._protocol.framing import frame_length
from kafkastatic.errors import ProtocolError

PREFIX_BYTES = 4


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
        self._prefix = bytearray(PREFIX_BYTES)
        self._body: memoryview | None = None
        self._buffers = Buffers()
        self._room = memoryview(self._prefix)
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
        if self._filled < len(self._room):
            return
        self._filled = 0
        body, self._body = self._body, None
        if body is not None:
            self._room = memoryview(self._prefix)
            self._on_frame(body)  # and forget it: its buffer is used again when nobody has it
            return
        try:
            length = frame_length(self._prefix)
        except ProtocolError as error:
            self._give_up(error)
            return
        if length == 0:  # there is no buffer to read nothing into
            self._on_frame(memoryview(b""))
            return
        self._body = self._room = self._buffers.take(length)

    def eof_received(self) -> bool:
        return False  # close

    def connection_lost(self, exc: Exception | None) -> None:
        self._body, self._room = None, memoryview(self._prefix)
        self.closed.set()
        self._on_lost(self._error or exc)

    def _give_up(self, error: Exception) -> None:
        self._error = error
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()
