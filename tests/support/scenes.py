"""What the integration tests share: waiting for an outside event, a recording listener, a consumer that is reading."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterable
from importlib import import_module
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as ForeignTopicPartition
from kio.serial import entity_reader

from kafkastatic import Consumer, RebalanceListener, TopicPartition
from kafkastatic._protocol.messages.describe_groups import DescribeGroupsRequest
from kafkastatic.identity import IdentityRegistry
from kafkastatic.testing.wire import exchange
from tests.support.raw_peer import RawError, RawMember, RawPeer
from tests.support.recording_proxy import RecordingProxy, Request
from tools.real_kafka import RealKafka

HEARTBEAT = 0.2
"""Seconds between the heartbeats of the consumers under test."""


async def eventually(probe: Callable[[], Any], timeout: float = 30.0, every: float = 0.02) -> Any:
    """The first true result of `probe`, sync or async; for what only polling can tell: the state of a broker.

    An assertion of the probe that fails is tried again, and shown when the time has run out.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    while True:
        try:
            found = probe()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            failure: object = found
        except AssertionError as error:
            failure = error
        if clock() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {inspect.getsource(probe).strip()}") from (
                failure if isinstance(failure, AssertionError) else None
            )
        await asyncio.sleep(every)


class Recorder(RebalanceListener):
    """Every callback, in order: `("assigned" | "revoked" | "lost", partitions)`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, frozenset[TopicPartition]]] = []

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.calls]

    async def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        self.calls.append(("assigned", assigned))

    async def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        self.calls.append(("revoked", revoked))

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        self.calls.append(("lost", lost))


def consumer(bootstrap: str, *topics: str, **options: Any) -> Consumer[bytes, bytes]:
    """A consumer of a process of its own, with quick timers."""
    quick: dict[str, Any] = {
        "bootstrap_servers": bootstrap,
        "auto_offset_reset": "earliest",
        "default_api_timeout_ms": 10_000,
    }
    if options.get("group_protocol") != "consumer":  # else the broker says so
        quick |= {"session_timeout_ms": 10_000, "heartbeat_interval_ms": round(HEARTBEAT * 1000)}
    registry = options.pop("registry", None) or IdentityRegistry()
    return Consumer(*topics, registry=registry, **(quick | options))


@contextlib.asynccontextmanager
async def running(
    bootstrap: str, *topics: str, listener: RebalanceListener | None = None, **options: Any
) -> AsyncIterator[Consumer[bytes, bytes]]:
    """A started consumer, closed at the end, whatever became of it."""
    ours = consumer(bootstrap, *topics, **options)
    if listener is not None:
        ours.subscribe(topics, listener=listener)
    await ours.start()
    try:
        yield ours
    finally:
        await ours.aclose(timeout=5)


@contextlib.asynccontextmanager
async def recorded(kafka: RealKafka) -> AsyncIterator[RecordingProxy]:
    """A recording proxy before the broker; what went through it must have closed its connections at the end."""
    async with RecordingProxy.before(kafka) as proxy:
        yield proxy
        proxy.undisturbed()
        await eventually(lambda: proxy.connections == 0, timeout=5)


class Reader:
    """A task that iterates a consumer: the records, and what ended it."""

    def __init__(self, source: Consumer[Any, Any]) -> None:
        self.records: list[Any] = []
        self.error: BaseException | None = None
        self._source = source
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for record in self._source:
                self.records.append(record)
        except Exception as error:
            self.error = error

    async def ended(self, timeout: float = 10.0) -> BaseException | None:
        await asyncio.wait_for(asyncio.shield(self.task), timeout)
        return self.error

    async def end(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@contextlib.asynccontextmanager
async def reading(source: Consumer[Any, Any]) -> AsyncIterator[Reader]:
    """The consumer is read by a task of its own while the block runs."""
    reader = Reader(source)
    try:
        yield reader
    finally:
        await reader.end()


async def in_group(peer: RawPeer, group: str, state: str, members: int | None = None) -> Any:
    """The group's description as soon as it is in this state, with that many members."""

    async def described() -> Any:
        found = await peer.describe(group)
        assert found.group_state == state
        assert members is None or len(found.members) == members
        return found

    return await eventually(described)


def stall_until_empty(kafka: Any, group: str, timeout: float = 30.0) -> None:
    """Nothing on this event loop runs until the sessions of all members have expired."""
    host, port = kafka.bootstrap.rsplit(":", 1)
    deadline = time.monotonic() + timeout
    while exchange((host, int(port)), DescribeGroupsRequest(groups=[group]), 5).groups[0].group_state != "Empty":
        assert time.monotonic() < deadline, f"{group} is not empty within {timeout:g} s"
        time.sleep(0.05)


async def full_group(peer: RawPeer, group: str, topic: str, size: int, session_timeout_ms: int) -> list[RawMember]:
    """A group of this size: the first of its members is `a`, with this session timeout."""
    members = [RawMember(peer, group, [topic], instance_id="a", session_timeout_ms=session_timeout_ms)]
    await members[0].settle()
    for instance_id in "bcdefgh"[: size - 1]:
        new = RawMember(peer, group, [topic], instance_id=instance_id)
        joining = asyncio.create_task(new.settle())
        await in_group(peer, group, "PreparingRebalance", members=len(members) + 1)
        await asyncio.gather(joining, *(member.settle() for member in members))
        members.append(new)
    return members


async def write(
    peer: RawPeer, topic: str, partition: int, values: Iterable[bytes | tuple[Any, Any, Any] | None], **options: Any
) -> int:
    """Produce as soon as the broker has opened the log of a partition that was created just now (error 6 before)."""
    values = list(values)

    async def produced() -> list[int]:
        try:
            return [await peer.produce(topic, partition, values, **options)]
        except RawError as error:
            assert error.code != 6
            raise

    (offset,) = await eventually(produced)
    return offset


async def foreign_read(bootstrap: str, topic: str, partitions: int = 1) -> list[Any]:
    """All records of a topic, by a foreign client."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", client_id="foreign")
    await reader.start()
    try:
        places = [ForeignTopicPartition(topic, index) for index in range(partitions)]
        reader.assign(places)
        ends = await reader.end_offsets(places)
        found: list[Any] = []
        async with asyncio.timeout(20):
            while sum([await reader.position(place) for place in places]) < sum(ends.values()):
                for records in (await reader.getmany(timeout_ms=200)).values():
                    found += records
        return found
    finally:
        await reader.stop()


def parsed_by_kio(request: Request) -> Any:
    """A recorded request, decoded by a third implementation: kio's generated classes."""
    module = "".join(f"_{char.lower()}" if char.isupper() else char for char in request.name).lstrip("_")
    schema = import_module(f"kio.schema.{module}.v{request.api_version}.request")
    message = getattr(schema, f"{request.name}Request")
    _, start = entity_reader(message.__header_schema__)(request.raw, 0)
    parsed, size = entity_reader(message)(request.raw, start)
    assert start + size == len(request.raw)
    return parsed
