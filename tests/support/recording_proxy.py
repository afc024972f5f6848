"""A TCP proxy in front of a broker that writes down every request on the wire and can disturb the traffic.

    async with RecordingProxy.before(kafka) as proxy:
        ...  # clients use proxy.bootstrap and stay behind the proxy
    assert not proxy.sent("LeaveGroup")

`before(kafka)` uses the broker's listener that advertises the proxy's address, so metadata and coordinator lookups lead
back here; one proxy at a time per broker. Frames are cut and headers read with `struct` alone,
`Request.message` decodes with kafka-python. Disturbances are named by API and are used up oldest first, `times` each
(None: for ever).
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.raw_peer import API_KEYS, MESSAGES
from tools.real_kafka import RealKafka


@dataclass(eq=False)
class Request:
    """One request as it was on the wire; times are the loop's, None until the response has passed."""

    connection: int
    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    raw: bytes
    at: float
    answered_at: float | None = None
    response: bytes | None = None

    @property
    def name(self) -> str:
        return MESSAGES[self.api_key][0] if self.api_key in MESSAGES else str(self.api_key)

    @property
    def message(self) -> Any:
        """The request decoded by kafka-python."""
        return MESSAGES[self.api_key][1].decode(self.raw, version=self.api_version, header=True)

    @property
    def answer(self) -> Any:
        """The response decoded by kafka-python, None as long as there is none."""
        if self.response is None:
            return None
        return MESSAGES[self.api_key][2].decode(self.response, version=self.api_version, header=True)

    def __repr__(self) -> str:
        return f"<{self.name} v{self.api_version} #{self.correlation_id} connection {self.connection}>"


@dataclass(eq=False)
class Hold:
    """Traffic held back: `await reached.wait()`, then `release()`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        self.released.set()


@dataclass(eq=False)
class _Rule:
    api_key: int
    when: str
    times: int | None
    delay: float = 0.0
    hold: Hold | None = None
    drop: bool = False
    cut: bool = False
    rewrite: Callable[[Any], object] | None = None


class _Cut(Exception):
    pass


class RecordingProxy:
    """Forwards `listen` to `target` ("host:port" both)."""

    def __init__(self, listen: str, target: str) -> None:
        self.bootstrap = listen
        self.requests: list[Request] = []
        self.connections = 0
        self.accepted = 0
        self._swallowed = 0  # the connections up to this number lead nowhere
        self._target = target
        self._rules: list[_Rule] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._news = asyncio.Event()
        self._failures: list[Exception] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def before(cls, kafka: RealKafka) -> AsyncIterator[RecordingProxy]:
        """A running proxy in front of a broker."""
        proxy = cls(f"127.0.0.1:{kafka.proxy_port}", kafka.behind_proxy)
        await proxy.accept()
        try:
            yield proxy
        finally:
            await proxy.close()
        if proxy._failures:  # of the proxy itself: a frame it could not read or rewrite
            raise proxy._failures[0]

    # What was seen

    def sent(self, name: str) -> list[Request]:
        """The requests of one API, in order."""
        return [request for request in self.requests if request.api_key == API_KEYS[name]]

    def names(self, *, without: tuple[str, ...] = ()) -> list[str]:
        """The APIs called, in order."""
        return [request.name for request in self.requests if request.name not in without]

    def clear(self) -> None:
        """Forget the requests so far; the list itself stays the same object."""
        self.requests.clear()

    async def wait_for(self, name: str, count: int = 1, *, answered: bool = False, timeout: float = 30.0) -> Request:
        """The count-th request of an API since the last `clear`, as soon as it (or its response) has passed."""
        async with asyncio.timeout(timeout):
            while True:
                seen = [r for r in self.sent(name) if r.answered_at is not None or not answered]
                if len(seen) >= count:
                    return seen[count - 1]
                self._news.clear()
                await self._news.wait()

    # Disturbances

    def delay(self, name: str, seconds: float, *, when: str = "response", times: int | None = 1) -> None:
        """Pass it on later; what follows on the same connection waits behind it."""
        self._add(name, when, times, delay=seconds)

    def hold(self, name: str, *, when: str = "response", times: int | None = 1) -> Hold:
        """Keep it until `release()` is called on the result."""
        hold = Hold()
        self._add(name, when, times, hold=hold)
        return hold

    def drop(self, name: str, *, when: str = "response", times: int | None = 1) -> None:
        """Swallow it; the connection stays."""
        self._add(name, when, times, drop=True)

    def cut(self, name: str, *, when: str = "response", times: int | None = 1) -> None:
        """Close the connection instead: with "response" the broker has acted, with "request" it never heard of it."""
        self._add(name, when, times, cut=True)

    def rewrite(self, name: str, change: Callable[[Any], object], *, times: int | None = 1) -> None:
        """Let `change` alter the decoded response (kafka-python's class) in place."""
        self._add(name, "response", times, rewrite=change)

    def cap_versions(self, caps: Mapping[str, int]) -> None:
        """Let the broker seem older: at most these versions in every ApiVersions response; below 0 removes the API."""

        def change(response: Any) -> None:
            limits = {API_KEYS[name]: version for name, version in caps.items()}
            for api in response.api_keys:
                api.max_version = min(api.max_version, limits.get(api.api_key, api.max_version))
            response.api_keys = [api for api in response.api_keys if api.max_version >= api.min_version]

        self.rewrite("ApiVersions", change, times=None)

    def undisturbed(self) -> None:
        """Remove every disturbance not yet used up and release what is held."""
        for rule in self._rules:
            if rule.hold:
                rule.hold.release()
        self._rules.clear()

    def swallow(self) -> None:
        """Half-open: what is sent from now on through the connections there are, either way, arrives nowhere."""
        self._swallowed = self.accepted

    def cut_all(self) -> None:
        """Close every open connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def refuse(self) -> None:
        """Accept no new connections: connecting is refused, open connections stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def accept(self) -> None:
        """Accept connections (again)."""
        host, port = self.bootstrap.rsplit(":", 1)
        self._server = await asyncio.start_server(self._serve, host, int(port))

    async def close(self) -> None:
        """Close everything; what was recorded stays."""
        await self.refuse()
        self.undisturbed()
        self.cut_all()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _add(self, name: str, when: str, times: int | None, **what: Any) -> None:
        if when not in ("request", "response"):
            raise ValueError(f"when is 'request' or 'response', not {when!r}")
        self._rules.append(_Rule(API_KEYS[name], when, times, **what))

    def _rule_for(self, request: Request, when: str) -> _Rule | None:
        for rule in self._rules:
            if rule.api_key == request.api_key and rule.when == when:
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times == 0:
                        self._rules.remove(rule)
                return rule
        return None

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        number = self.accepted = self.accepted + 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(to_client)
        self.connections += 1
        to_broker: asyncio.StreamWriter | None = None
        pumps: list[asyncio.Task[None]] = []
        # A cancelled callback of a stream server is logged as an error by Python 3.11: end normally instead.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                host, port = self._target.rsplit(":", 1)
                broker, to_broker = await asyncio.open_connection(host, int(port))
                pending: dict[int, Request] = {}
                pumps = [
                    asyncio.create_task(self._pump_requests(number, client, to_broker, pending)),
                    asyncio.create_task(self._pump_responses(number, broker, to_client, pending)),
                ]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                for writer in (to_client, to_broker):
                    if writer is not None:
                        writer.transport.abort()
                self._writers.discard(to_client)
                self._tasks.discard(task)
                self.connections -= 1
                self._news.set()
        with contextlib.suppress(asyncio.CancelledError):
            for result in await asyncio.gather(*pumps, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, OSError | EOFError | _Cut):
                    self._failures.append(result)

    async def _pump_requests(
        self,
        number: int,
        client: asyncio.StreamReader,
        to_broker: asyncio.StreamWriter,
        pending: dict[int, Request],
    ) -> None:
        while True:
            frame = await _read_frame(client)
            request = _parse(number, frame)
            self.requests.append(request)
            pending[request.correlation_id] = request
            self._news.set()
            if number <= self._swallowed:
                continue
            if await self._pass_on(self._rule_for(request, "request")):
                _write_frame(to_broker, frame)
                await to_broker.drain()

    async def _pump_responses(
        self,
        number: int,
        broker: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        pending: dict[int, Request],
    ) -> None:
        while True:
            frame = await _read_frame(broker)
            if number <= self._swallowed:
                continue
            request = pending.pop(struct.unpack_from(">i", frame)[0])
            rule = self._rule_for(request, "response")
            if not await self._pass_on(rule):
                continue
            if rule is not None and rule.rewrite is not None:
                frame = _rewritten(request, frame, rule.rewrite)
            _write_frame(to_client, frame)
            await to_client.drain()
            request.response, request.answered_at = frame, time_of_loop()
            self._news.set()

    async def _pass_on(self, rule: _Rule | None) -> bool:
        if rule is None:
            return True
        if rule.cut:
            raise _Cut
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if rule.hold:
            rule.hold.reached.set()
            await rule.hold.released.wait()
        return not rule.drop


def time_of_loop() -> float:
    return asyncio.get_running_loop().time()


def _parse(connection: int, frame: bytes) -> Request:
    api_key, api_version, correlation_id, length = struct.unpack_from(">hhih", frame)
    client_id = None if length < 0 else frame[10 : 10 + length].decode()
    return Request(connection, api_key, api_version, correlation_id, client_id, frame, time_of_loop())


def _rewritten(request: Request, frame: bytes, change: Callable[[Any], object]) -> bytes:
    response_class, version = MESSAGES[request.api_key][2], request.api_version
    if request.name == "ApiVersions":  # version 5 has changed the request only
        version = min(version, response_class.max_version)
    response = response_class.decode(frame, version=version, header=True)
    change(response)
    return bytes(response.encode(header=True))


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


def _write_frame(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
