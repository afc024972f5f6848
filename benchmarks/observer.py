"""Who leads what, and what is committed, as the brokers themselves tell it: the witness of `benchmarks.failover`.

Shares no code with any client that is measured: sockets and `struct` for the leaders.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

EVERY = 0.02
"""Seconds between two looks at a broker's metadata."""

SILENCE = 1.0
"""Seconds after which a broker that does not answer is connected to again."""

COMMITS_EVERY = 0.5
OFFSETS = "__consumer_offsets"


class Change(NamedTuple):
    """The first time that any broker named this leader of a partition."""

    at: float
    topic: str
    partition: int
    leader: int
    epoch: int


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def text(self) -> str:
        length = max(self.take(">h"), 0)
        self._at += length
        return self._data[self._at - length : self._at].decode()

    def ints(self) -> list[int]:
        return [self.take(">i") for _ in range(self.take(">i"))]


def _request(topics: list[str]) -> bytes:
    """Metadata, version 7: the first that has leader epochs."""
    body = struct.pack(">hhih", 3, 7, 1, -1) + struct.pack(">i", len(topics))
    for topic in topics:
        body += struct.pack(">h", len(topic)) + topic.encode()
    body += b"\0"  # create nothing
    return struct.pack(">i", len(body)) + body


class Leaders:
    """Looks at every broker's metadata, each from a thread of its own.

    Attributes:
        changes: every change of a leader, in the order in which they were seen.
        answers: how long a broker took to answer, in seconds.
    """

    def __init__(self, brokers: Mapping[int, str], topic: str) -> None:
        self.changes: list[Change] = []
        self.answers: list[float] = []
        self._topics = [topic, OFFSETS]
        self._known: dict[tuple[str, int], Change] = {}
        self._in_sync: dict[str, dict[tuple[str, int], int]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(address,)) for address in brokers.values()]

    def __enter__(self) -> Leaders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def leader(self, topic: str, partition: int) -> int:
        change = self._known.get((topic, partition))
        return change.leader if change else -1

    def led_by(self, topic: str) -> dict[int, int]:
        """How many partitions each broker leads."""
        counts: dict[int, int] = {}
        for (name, _), change in list(self._known.items()):
            if name == topic:
                counts[change.leader] = counts.get(change.leader, 0) + 1
        return counts

    def in_sync(self, replicas: int) -> bool:
        """Whether every broker says that every partition has that many replicas in sync."""
        with self._lock:
            views = [dict(view) for view in self._in_sync.values()]
        return len(views) == len(self._threads) and all(
            view and min(view.values()) >= replicas and view.keys() >= self._known.keys() for view in views
        )

    def _watch(self, address: str) -> None:
        host, port = address.rsplit(":", 1)
        request = _request(self._topics)
        while not self._over.is_set():
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), SILENCE) as connection:
                connection.settimeout(SILENCE)
                before = b""
                while not self._over.wait(EVERY):
                    asked = time.monotonic()
                    connection.sendall(request)
                    answer = _frame(connection)
                    now = time.monotonic()
                    self.answers.append(now - asked)
                    if answer != before:
                        before = answer
                        self._take(address, answer, now)
            with self._lock:
                self._in_sync.pop(address, None)
            self._over.wait(EVERY)

    def _take(self, address: str, frame: bytes, now: float) -> None:
        reader = _Reader(frame)
        reader.take(">i"), reader.take(">i")  # correlation id, throttle time
        for _ in range(reader.take(">i")):
            reader.take(">i"), reader.text(), reader.take(">i"), reader.text()  # a broker
        reader.text(), reader.take(">i")  # cluster id, controller
        in_sync: dict[tuple[str, int], int] = {}
        with self._lock:
            for _ in range(reader.take(">i")):
                reader.take(">h")
                topic = reader.text()
                reader.take(">b")
                for _ in range(reader.take(">i")):
                    reader.take(">h")
                    partition, leader, epoch = reader.take(">i"), reader.take(">i"), reader.take(">i")
                    reader.ints()
                    in_sync[topic, partition] = len(reader.ints())
                    reader.ints()
                    known = self._known.get((topic, partition))
                    if leader >= 0 and (known is None or epoch > known.epoch):
                        change = Change(now, topic, partition, leader, epoch)
                        self._known[topic, partition] = change
                        self.changes.append(change)
            self._in_sync[address] = in_sync


def _frame(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return bytes(data)


class Commits:
    """Looks at what each group has committed, where the coordinator is at the time.

    Attributes:
        seen: for each group, when it was seen, and the committed offset of each partition.
    """

    def __init__(self, coordinator: Callable[[], str | None], groups: list[str], topic: str) -> None:
        self.seen: dict[str, list[tuple[float, dict[int, int]]]] = {group: [] for group in groups}
        self._coordinator = coordinator
        self._topic = topic
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Commits:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(COMMITS_EVERY):
            address = self._coordinator()
            if address is None:
                continue
            host, port = address.rsplit(":", 1)
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), SILENCE) as connection:
                connection.settimeout(SILENCE)
                for group, seen in self.seen.items():
                    connection.sendall(_offset_fetch(group))
                    answer = _frame(connection)
                    offsets = self._offsets(answer)
                    if offsets is not None:
                        seen.append((time.monotonic(), offsets))

    def _offsets(self, frame: bytes) -> dict[int, int] | None:
        reader = _Reader(frame)
        reader.take(">i"), reader.take(">i")  # correlation id, throttle time
        found: dict[int, int] = {}
        for _ in range(reader.take(">i")):
            topic = reader.text()
            for _ in range(reader.take(">i")):
                partition, offset = reader.take(">i"), reader.take(">q")
                reader.take(">i"), reader.text(), reader.take(">h")
                if topic == self._topic and offset >= 0:
                    found[partition] = offset
        return found if reader.take(">h") == 0 else None


def _offset_fetch(group: str) -> bytes:
    """OffsetFetch, version 5, for whatever the group has committed."""
    body = struct.pack(">hhih", 9, 5, 1, -1) + struct.pack(">h", len(group)) + group.encode() + struct.pack(">i", -1)
    return struct.pack(">i", len(body)) + body
