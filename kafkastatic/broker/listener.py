"""The sockets of one broker: frames in, one request of a connection at a time, answers out."""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import cast

from kafkastatic._value import Value
from kafkastatic.broker.call import Call
from kafkastatic.broker.serving import Answer, Service
from kafkastatic.errors import KafkaError

_PREFIX = 4
_AHEAD = 1 << 20  # bytes that are read of later requests while one is served
_BACKLOG = 1024
_OF_MEMBERS = ("JoinGroup", "SyncGroup", "Heartbeat")
_numbers = itertools.count(1)


class ClientSnapshot(Value):
    """A connection of a client.

    Attributes:
        client_id: as it calls itself; "" before its first request.
        address: where it comes from: `127.0.0.1:50123`.
        node: the broker that it is connected to.
        group_id, member_id, instance_id: the member of a group that has spoken here last, if one has.
    """

    client_id: str
    address: str
    node: int
    group_id: str | None = None
    member_id: str | None = None
    instance_id: str | None = None


class Peer(asyncio.Protocol):
    """One connection. While a request of it is served, later ones wait, as in Kafka."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.number = next(_numbers)
        self.client_id = ""
        self._member: tuple[str, str, str | None] | tuple[()] = ()
        self._received = bytearray()
        self._busy = False
        self._silent = False
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.transport: asyncio.Transport
        self.host = ""
        self.port = 0
        self.task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.host, self.port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self._listener.peers.add(self)
        self.task = asyncio.get_running_loop().create_task(self._serve(), name=f"kafkastatic-broker:{self.number}")
        if not self._listener.is_open:  # it was closed after this one had been accepted
            self._listener.cut(self)

    def data_received(self, data: bytes) -> None:
        if self._silent:
            return
        self._received += data
        if self._busy and len(self._received) > _AHEAD:
            self.transport.pause_reading()
        self._arrived.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.task.cancel()
        self._writable.set()
        self._listener.peers.discard(self)

    async def _serve(self) -> None:
        try:
            while await self._serve_one():
                pass
        except KafkaError:
            pass  # what cannot be understood ends the connection, as in Kafka
        except Exception as mistake:
            self._listener.service.mistakes.append(mistake)
        finally:
            if not self.transport.is_closing():
                self.transport.abort()

    async def _serve_one(self) -> bool:
        """Whether the connection goes on afterwards. Nothing of a request or its answer outlives this."""
        frame = await self._frame()
        if frame is None:
            return False
        service, listener = self._listener.service, self._listener
        answer = await service.answer(listener, self.number, f"/{self.host}", frame, self._heard)
        if answer.silent:
            self._silent = True
            self._received.clear()
            self.transport.resume_reading()  # so that its end is seen
            await asyncio.get_running_loop().create_future()
        return answer.cut != "before" and await self._write(answer)

    def snapshot(self) -> ClientSnapshot:
        return ClientSnapshot(self.client_id, f"{self.host}:{self.port}", self._listener.node_id, *self._member)

    def _heard(self, call: Call) -> None:
        self.client_id = call.client_id
        if call.request.NAME in _OF_MEMBERS:
            request = call.request
            self._member = (request.group_id, request.member_id, request.group_instance_id)

    async def _frame(self) -> bytes | None:
        """The next request, its length left out; `None` if its length is none that is served."""
        await asyncio.sleep(0)  # who sends many requests at once leaves time to others
        while True:
            length = self._length()
            if length is not None and not 0 <= length <= self._listener.longest:
                return None
            if length is not None and len(self._received) >= _PREFIX + length:
                with memoryview(self._received) as view:
                    frame = bytes(view[_PREFIX : _PREFIX + length])
                del self._received[: _PREFIX + length]
                self._busy = True
                return frame
            self._busy = False
            self._arrived.clear()
            self.transport.resume_reading()
            await self._arrived.wait()

    def _length(self) -> int | None:
        if len(self._received) < _PREFIX:
            return None
        return int.from_bytes(self._received[:_PREFIX], "big", signed=True)

    async def _write(self, answer: Answer) -> bool:
        """Whether the connection goes on afterwards."""
        frame = answer.frame
        if frame is None:
            return True
        if answer.cut == "mid-frame":
            self.transport.write(frame[: len(frame) // 2])
            self.transport.close()  # unlike abort, it sends what was written
            return False
        step = answer.chunk or len(frame)
        for start in range(0, len(frame), step):
            if self.transport.is_closing():
                return False
            self.transport.write(frame[start : start + step] if step < len(frame) else frame)
            if step < len(frame):
                await asyncio.sleep(0.001)  # so that every piece is a packet
            await self._writable.wait()
        return True


class Listener:
    """A socket of one broker, on loopback or wherever it was told to be.

    Attributes:
        number: of the broker's listeners; its first is 0.
        peers: the open connections.
        longest: the longest request that is read.
    """

    def __init__(self, node_id: int, service: Service, host: str, longest: int, number: int = 0) -> None:
        self.node_id = node_id
        self.number = number
        self.service = service
        self.host = host
        self.port = 0
        self.longest = longest
        self.peers: set[Peer] = set()
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ended: list[asyncio.Task[None]] = []

    def open(self, port: int) -> int:
        """Listen at once, on the port that was asked for, or on one that the system chooses for 0.

        Raises:
            OSError: if the port is taken.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.host, port))
            listening.listen(_BACKLOG)
            listening.setblocking(False)
        except BaseException:
            listening.close()
            raise
        self._socket = listening
        self.port = listening.getsockname()[1]
        self._serving = asyncio.get_running_loop().create_task(
            self._accept(listening), name=f"kafkastatic-broker:{self.port}"
        )
        return self.port

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._serving is not None

    async def _accept(self, listening: socket.socket) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Peer(self), sock=listening, start_serving=False, backlog=_BACKLOG
        )
        await self._server.start_serving()

    def close(self) -> None:
        """Stop listening and cut every connection, at once. `closed` waits until all is gone."""
        if self._serving is None or self._socket is None:
            return
        self._serving.cancel()
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()
        self._ended = [task for task in self._ended if not task.done()]
        self._ended.append(self._serving)
        self._serving = self._socket = self._server = None
        for peer in list(self.peers):
            self.cut(peer)

    def cut(self, peer: Peer) -> None:
        """End one connection at once."""
        peer.transport.abort()
        peer.task.cancel()
        self._ended.append(peer.task)

    async def closed(self) -> None:
        """Wait for what `close` has ended."""
        while self._ended:
            await asyncio.wait([self._ended[-1]])
            self._ended.pop()
