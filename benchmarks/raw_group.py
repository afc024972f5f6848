"""A group member in raw bytes: the floor that a client's rebalance is measured against.

It sends what the group protocol cannot do without, over one socket in one task: no ApiVersions, no Metadata, no second
connection, no checks that a client owes its user. Of the classic protocol the oldest versions that carry an instance
id, of KIP-848 the first one with member ids that the client makes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from collections.abc import Sequence

FIND_COORDINATOR = (10, 1)
JOIN_GROUP = (11, 5)
HEARTBEAT = (12, 3)
LEAVE_GROUP = (13, 3)
SYNC_GROUP = (14, 3)
CONSUMER_GROUP_HEARTBEAT = (68, 1)

LEAVE, PAUSE = -1, -2
"""The member epochs of one who leaves, and of a static member who means to come back."""

REBALANCE_IN_PROGRESS = 27
MEMBER_ID_REQUIRED = 79

Api = tuple[int, int]


class RawError(Exception):
    """The broker answered with an error code."""


class Reader:
    """Takes fields off a response, in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from(f">{kind}", self._data, self._at)
        self._at += struct.calcsize(kind)
        return int(value)

    def data(self, length_kind: str) -> bytes:
        return self.take(max(self.number(length_kind), 0))  # -1 is null

    def text(self) -> str:
        return self.data("h").decode()

    def short(self) -> int:
        """The number before a compact field or array, one less than it says; of fields below 127 bytes."""
        return self.number("B") - 1

    def take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def skip(self, size: int) -> None:
        self._at += max(size, 0)


class Wire:
    """One connection to a broker; one request at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = ("", 0)

    async def connect(self, host: str, port: int) -> None:
        await asyncio.get_running_loop().sock_connect(self._socket, (host, port))
        self.address = (host, port)

    async def ask(self, api: Api, body: bytes, *, flexible: bool = False) -> Reader:
        loop = asyncio.get_running_loop()
        request = struct.pack(">hhi", *api, 1) + text("raw") + (NO_TAGS if flexible else b"") + body
        await loop.sock_sendall(self._socket, struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", await self._receive(4))
        reader = Reader(await self._receive(size))
        reader.number("i")  # correlation id
        if flexible:
            reader.skip(1)  # no tags
        reader.number("i")  # throttle time
        return reader

    async def _receive(self, size: int) -> bytes:
        loop, data = asyncio.get_running_loop(), b""
        while len(data) < size:
            chunk = await loop.sock_recv(self._socket, size - len(data))
            if not chunk:
                raise ConnectionResetError("the broker closed the connection")
            data += chunk
        return data

    def close(self) -> None:
        self._socket.close()


class RawMember:
    """A member of a classic group that shares one topic out evenly.

    Attributes:
        led: whether the last JoinGroup answer named this member as leader, or the one in whose place it came: in
            version 5 a leader that comes back is told its old member id, and so does not balance.
    """

    def __init__(
        self, group: str, instance_id: str | None, topic: str, partitions: int, *, session_ms: int, rebalance_ms: int
    ) -> None:
        self.generation = -1
        self.led = False
        self.member_id = ""
        self._group = group
        self._instance_id = instance_id
        self._topic = topic
        self._count = partitions
        self._session_ms = session_ms
        self._rebalance_ms = rebalance_ms
        self._wire = Wire()

    async def connect(self, host: str, port: int) -> None:
        await self._wire.connect(host, port)

    async def find(self) -> None:
        """Ask for the coordinator, and connect to it where that is another broker."""
        answer = await self._wire.ask(FIND_COORDINATOR, text(self._group) + b"\0")
        self._check(answer.number("h"), "FindCoordinator")
        answer.text()
        answer.number("i")
        address = (answer.text(), answer.number("i"))
        if address != self._wire.address:
            self._wire.close()
            self._wire = Wire()
            await self._wire.connect(*address)

    async def join(self, predecessor: str = "") -> frozenset[int]:
        """JoinGroup and SyncGroup, balancing where this member leads; JoinGroup twice where an id is required.

        Args:
            predecessor: the member id that this member's instance id had before.
        """
        members = await self._join(predecessor)
        shares = self._shares(members) if members else {}
        body = text(self._group) + struct.pack(">i", self.generation) + text(self.member_id) + text(self._instance_id)
        body += struct.pack(">i", len(shares)) + b"".join(text(m) + data(a, "i") for m, a in shares.items())
        answer = await self._wire.ask(SYNC_GROUP, body)
        code = answer.number("h")
        if code == REBALANCE_IN_PROGRESS:
            return await self.join()
        self._check(code, "SyncGroup")
        return self._assignment(Reader(answer.data("i")))

    async def _join(self, predecessor: str) -> list[str]:
        """The members to balance, where this one leads."""
        while True:
            subscription = struct.pack(">hi", 0, 1) + text(self._topic) + data(b"", "i")
            body = text(self._group) + struct.pack(">ii", self._session_ms, self._rebalance_ms)
            body += text(self.member_id) + text(self._instance_id) + text("consumer")
            body += struct.pack(">i", 1) + text("range") + data(subscription, "i")
            answer = await self._wire.ask(JOIN_GROUP, body)
            code = answer.number("h")
            self.generation = answer.number("i")
            answer.text()
            leader, self.member_id = answer.text(), answer.text()
            if code != MEMBER_ID_REQUIRED:
                break
        self._check(code, "JoinGroup")
        self.led = leader in (self.member_id, predecessor)
        members: list[str] = []
        for _ in range(answer.number("i")):
            members.append(answer.text())
            answer.text()
            answer.data("i")
        return members if leader == self.member_id else []

    async def rejoin(self) -> frozenset[int]:
        """What a member does whose heartbeat said that the group is not as it was."""
        return await self.join()

    async def heartbeat(self) -> bool:
        """Whether the group is as it was; else it rebalances."""
        body = text(self._group) + struct.pack(">i", self.generation) + text(self.member_id) + text(self._instance_id)
        code = (await self._wire.ask(HEARTBEAT, body)).number("h")
        if code == REBALANCE_IN_PROGRESS:
            return False
        self._check(code, "Heartbeat")
        return True

    async def close(self) -> None:
        """Say what a member says that closes: a static one nothing."""
        if self._instance_id is None:
            await self.leave()

    async def leave(self) -> None:
        body = text(self._group) + struct.pack(">i", 1) + text(self.member_id) + text(self._instance_id)
        self._check((await self._wire.ask(LEAVE_GROUP, body)).number("h"), "LeaveGroup")

    def hang_up(self) -> None:
        self._wire.close()

    def _shares(self, members: Sequence[str]) -> dict[str, bytes]:
        each, extra = divmod(self._count, len(members))
        shares: dict[str, bytes] = {}
        start = 0
        for index, member in enumerate(sorted(members)):
            size = each + (index < extra)
            part = struct.pack(f">i{size}i", size, *range(start, start + size))
            shares[member] = struct.pack(">hi", 0, 1) + text(self._topic) + part + data(b"", "i")
            start += size
        return shares

    def _assignment(self, answer: Reader) -> frozenset[int]:
        answer.number("h")
        found: set[int] = set()
        for _ in range(answer.number("i")):
            answer.text()
            found.update(answer.number("i") for _ in range(answer.number("i")))
        return frozenset(found)

    def _check(self, code: int, api: str) -> None:
        if code:
            raise RawError(f"{api} answered {code}")


class RawConsumer(RawMember):
    """A member of a consumer group (KIP-848), whose partitions the broker shares out.

    Attributes:
        member_id: made here, a new one for each.
    """

    def __init__(
        self, group: str, instance_id: str | None, topic: str, partitions: int, *, session_ms: int, rebalance_ms: int
    ) -> None:
        super().__init__(group, instance_id, topic, partitions, session_ms=session_ms, rebalance_ms=rebalance_ms)
        self.member_id = str(uuid.uuid4())
        self._topic_id = bytes(16)
        self._owned: frozenset[int] = frozenset()

    async def join(self, predecessor: str = "") -> frozenset[int]:
        """Heartbeats until there are partitions: one, where this member's instance id owned some before."""
        await self._beat(0)
        while not self._owned:
            await asyncio.sleep(0.01)
            await self._beat(self.generation)
        return self._owned

    async def rejoin(self) -> frozenset[int]:
        """Own what the last heartbeat said, and say so."""
        await self._beat(self.generation)
        return self._owned

    async def heartbeat(self) -> bool:
        before = self._owned
        await self._beat(self.generation)
        return self._owned == before

    async def close(self) -> None:
        await self._beat(LEAVE if self._instance_id is None else PAUSE)

    async def _beat(self, epoch: int) -> None:
        body = compact(self._group) + compact(self.member_id) + struct.pack(">i", epoch)
        body += compact(self._instance_id) + compact(None) + struct.pack(">i", self._rebalance_ms)
        body += b"\2" + compact(self._topic) + compact(None) + compact(None)  # one topic, no pattern, any assignor
        body += self._partitions() + NO_TAGS
        answer = await self._wire.ask(CONSUMER_GROUP_HEARTBEAT, body, flexible=True)
        self._check(answer.number("h"), "ConsumerGroupHeartbeat")
        answer.skip(answer.short())  # no error message
        answer.skip(answer.short())
        self.generation = answer.number("i")
        answer.number("i")
        if answer.number("b") < 0:  # as before
            return
        self._owned = frozenset()
        for _ in range(answer.short()):
            self._topic_id = answer.take(16)
            self._owned |= {answer.number("i") for _ in range(answer.short())}
            answer.skip(1)

    def _partitions(self) -> bytes:
        if not self._owned:
            return b"\1"
        owned = sorted(self._owned)
        return b"\2" + self._topic_id + struct.pack(f">b{len(owned)}i", len(owned) + 1, *owned) + NO_TAGS


NO_TAGS = b"\0"


def compact(value: str | None) -> bytes:
    return b"\0" if value is None else struct.pack(">B", len(value.encode()) + 1) + value.encode()


def text(value: str | None) -> bytes:
    return struct.pack(">h", -1) if value is None else data(value.encode(), "h")


def data(value: bytes, length_kind: str) -> bytes:
    return struct.pack(f">{length_kind}", len(value)) + value
