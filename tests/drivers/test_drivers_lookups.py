"""Metadata, starting offsets, fetches and hand-outs that do not go well, and calls that make no sense."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import kafkastatic
from kafkastatic import Consumer
from kafkastatic._runtime import Runtime
from kafkastatic.errors import (
    ConfigError,
    ConsumerClosedError,
    CorruptRecordError,
    DeserializationError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    ProtocolError,
    TopicAuthorizationFailedError,
)
from kafkastatic.types import RebalanceListener, TopicPartition
from tests.drivers.world import AT_ONCE, TP, consumer_of, eventually, in_the_group, nothing_left
from tests.support.scripted_broker import Call, ScriptedBroker

LEADER_NOT_AVAILABLE, DENIED = 5, 29
OTHER = TopicPartition("other", 0)
LEADERLESS = TopicPartition("orders", 1)
MISSING = TopicPartition("missing", 0)


def by_hand(broker: ScriptedBroker, *partitions: TopicPartition, **options: Any) -> Consumer[Any, Any]:
    """A consumer of partitions that no group shares out."""
    consumer = consumer_of(broker, **({"group_instance_id": None} | options))
    consumer.unsubscribe()
    consumer.assign(partitions)
    return consumer


def without_leader(broker: ScriptedBroker, *partitions: TopicPartition) -> None:
    """Leave these partitions without a leader in every answer to Metadata."""

    def metadata(call: Call) -> Any:
        answer: Any = broker._metadata(call)
        for topic in answer.topics:
            for entry in topic.partitions:
                if (topic.name, entry.partition_index) in partitions:
                    entry.leader_id, entry.error_code = -1, LEADER_NOT_AVAILABLE
        return answer

    broker.on("Metadata", metadata)


def append_corrupt(broker: ScriptedBroker, tp: TopicPartition, *values: bytes) -> None:
    """Write a batch of which one byte is not what the producer sent."""
    broker.append(*tp, *values)
    end, batch = broker._log[tp].pop()
    broker._log[tp].append((end, batch[:-2] + bytes([batch[-2] ^ 0xFF]) + batch[-1:]))


def unparsable(broker: ScriptedBroker, call: Call) -> bytes:
    """An answer to `call`, of which only the correlation id makes sense; a client counts its requests from 1."""
    number = sum(other.connection == call.connection for other in broker.calls)
    body = number.to_bytes(4, "big") + b"\xff\xff\xff"
    return len(body).to_bytes(4, "big") + body


# ── partitions that have no leader ──


@pytest.mark.asyncio
@pytest.mark.parametrize("group_id", ["billing", None], ids=["group", "no group"])
@pytest.mark.parametrize("bad", [MISSING, LEADERLESS], ids=["missing", "leaderless"])
async def test_a_partition_without_a_leader_holds_up_no_other(bad: TopicPartition, group_id: str | None) -> None:
    """The good one is delivered at once, and so are those that are assigned while the bad one stays bad."""
    async with ScriptedBroker({"orders": 2, "other": 1}) as broker:
        without_leader(broker, LEADERLESS)
        broker.append("orders", 0, b"a")
        broker.append("other", 0, b"b")
        async with by_hand(broker, TP, bad, group_id=group_id) as consumer:
            async with asyncio.timeout(AT_ONCE):
                assert (await consumer.getone()).value == b"a"
                consumer.assign([TP, bad, OTHER])
                assert (await consumer.getone()).value == b"b"
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_partition_that_gets_its_leader_is_delivered() -> None:
    """It was looked for all the time, with the others undisturbed."""
    async with ScriptedBroker({"orders": 2}) as broker:
        without_leader(broker, LEADERLESS)
        broker.append("orders", 0, b"a")
        broker.append("orders", 1, b"b")
        async with by_hand(broker, TP, LEADERLESS) as consumer:
            async with asyncio.timeout(AT_ONCE):
                assert (await consumer.getone()).value == b"a"
                without_leader(broker)
                assert (await consumer.getone()).value == b"b"
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["assigned", "subscribed"])
async def test_a_leader_is_looked_for_with_a_growing_backoff(how: str) -> None:
    """However much happens meanwhile, Metadata is asked for no more often than the retry backoff says."""
    async with ScriptedBroker({"orders": 2}) as broker:
        without_leader(broker, LEADERLESS)
        backoff = {"retry_backoff_ms": 20, "retry_backoff_max_ms": 80, "fetch_max_wait_ms": 1}
        consumer = by_hand(broker, TP, LEADERLESS, **backoff) if how == "assigned" else consumer_of(broker, **backoff)
        asked: list[float] = []
        script, now = broker._handlers["Metadata"], asyncio.get_running_loop().time

        def metadata(call: Call) -> Any:
            asked.append(now())
            return script(call)

        async with consumer:
            async with asyncio.timeout(AT_ONCE):
                await consumer.assigned()
                await consumer.position(TP)
                broker.on("Metadata", metadata)
                while len(asked) < 6:
                    broker.append("orders", 0, b"a")
                    await consumer.getone()
                    consumer.seek(TP, broker.end(*TP))
        gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
        assert min(gaps) > 0.014, gaps  # 20 ms, less 20 % of jitter
        assert max(gaps) > 0.05, gaps
        await nothing_left(broker)


# ── looking without waiting ──


async def _getmany(consumer: Consumer[Any, Any], wanted: int, calls: int = sys.maxsize) -> list[Any]:
    """What a number of `getmany()` that do not wait find, in order."""
    found: list[Any] = []
    while len(found) < wanted:
        assert calls, f"no more than {found}"
        calls -= 1
        for records in (await consumer.getmany()).values():
            found += [record.value for record in records]
        await asyncio.sleep(0)
    return found


@pytest.mark.asyncio
async def test_getmany_that_does_not_wait_meets_a_corrupt_batch() -> None:
    """As any ask does, it raises what stands at the position, again and again."""
    async with ScriptedBroker() as broker:
        append_corrupt(broker, TP, b"a")
        broker.append("orders", 0, b"b")
        consumer = consumer_of(broker)
        await in_the_group(consumer, broker)
        async with asyncio.timeout(AT_ONCE):
            for _ in range(2):
                with pytest.raises(CorruptRecordError) as caught:
                    await _getmany(consumer, 1)
                assert caught.value.next_offset == 1
            consumer.seek(TP, 1)
            assert await _getmany(consumer, 1) == [b"b"]
            await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_getmany_that_does_not_wait_meets_a_missing_offset() -> None:
    """With auto_offset_reset="none" a partition without a committed offset is an error, not an empty answer."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        async with consumer_of(broker, auto_offset_reset="none") as consumer:
            async with asyncio.timeout(AT_ONCE):
                await consumer.assigned()
                for _ in range(2):
                    with pytest.raises(NoOffsetForPartitionError):
                        await _getmany(consumer, 1)
                consumer.seek(TP, 0)
                assert await _getmany(consumer, 1) == [b"a"]
        await nothing_left(broker)


async def _suspending(value: bytes) -> str:
    for _ in range(3):
        await asyncio.sleep(0)
    if value == b"bad":
        raise ValueError(value)
    return value.decode()


@pytest.mark.asyncio
@pytest.mark.parametrize("deserializer", [lambda value: {b"a": "a"}[value], _suspending], ids=["sync", "async"])
async def test_getmany_that_does_not_wait_meets_a_record_that_cannot_be_deserialised(deserializer: Any) -> None:
    """What is before it is delivered first."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"bad", b"c")
        consumer = consumer_of(broker, value_deserializer=deserializer)
        await in_the_group(consumer, broker)
        async with asyncio.timeout(AT_ONCE):
            assert await _getmany(consumer, 1) == ["a"]
            for _ in range(2):
                with pytest.raises(DeserializationError) as caught:
                    await _getmany(consumer, 1)
                assert caught.value.offset == 1
            await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_getmany_that_does_not_wait_gets_what_an_async_deserializer_makes() -> None:
    """A deserialiser that really suspends takes no more than a few calls, and nothing is lost or repeated."""
    async with ScriptedBroker() as broker:
        values = [b"%d" % number for number in range(8)]
        broker.append("orders", 0, *values[:5])
        broker.append("orders", 0, *values[5:])
        consumer = consumer_of(broker, value_deserializer=_suspending)
        await in_the_group(consumer, broker)
        await broker.received("Fetch", 2)  # the first one is answered
        async with asyncio.timeout(AT_ONCE):
            assert await _getmany(consumer, 8, calls=100) == [value.decode() for value in values]
            await consumer.aclose()
        await nothing_left(broker)


# ── brokers that take a connection and say nothing ──


class Silent(NamedTuple):
    """A server that accepts; `taken` counts what it was asked so far, or its connections if it answers nothing."""

    address: str
    port: int
    taken: Callable[[], int]


@asynccontextmanager
async def _silent() -> AsyncGenerator[Silent, None]:
    transports: list[asyncio.Transport] = []

    class Mute(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transports.append(transport)

    server = await asyncio.get_running_loop().create_server(Mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Silent(f"127.0.0.1:{port}", port, lambda: len(transports))
    finally:
        server.close()
        for transport in transports:
            transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def _stuck() -> AsyncGenerator[Silent, None]:
    async with ScriptedBroker() as broker:
        for api in ("Metadata", "FindCoordinator"):
            broker.hold(api)
        yield Silent(broker.address, broker.port, lambda: len(broker.calls))


class Ordered(Runtime):
    """Leaves the candidates in the order of the configuration, or begins with the last."""

    def __init__(self, last: bool) -> None:
        self._random = 0.999 if last else 0.0

    def random(self) -> float:
        return self._random


@pytest.mark.asyncio
@pytest.mark.parametrize("last", [False, True], ids=["silent first", "silent last"])
@pytest.mark.parametrize("silent", [_silent, _stuck], ids=["no answer", "no metadata"])
async def test_a_bootstrap_server_that_never_answers_is_passed_over(silent: Any, last: bool) -> None:
    """The start goes on through the other one, and later refreshes ask the one that answers."""
    async with silent() as mute, ScriptedBroker({"orders": 1, "other": 1}) as broker:
        servers = f"{mute.address},{broker.address}"
        options = {"request_timeout_ms": 100, "runtime": Ordered(last)}
        consumer = consumer_of(broker, bootstrap_servers=servers, **options)
        async with asyncio.timeout(2 * AT_ONCE):
            await in_the_group(consumer, broker)
        taken = mute.taken()
        async with asyncio.timeout(AT_ONCE):
            assert await consumer.end_offsets([OTHER]) == {OTHER: 0}
        assert mute.taken() == taken
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("last", [False, True], ids=["one way", "the other"])
async def test_a_broker_of_the_cluster_that_never_answers_is_passed_over(last: bool) -> None:
    """Metadata names it, but when every connection is lost a refresh still gets through, by the other one."""
    async with _silent() as mute, ScriptedBroker({"orders": 1, "other": 1}) as broker:

        def metadata(call: Call) -> Any:
            answer: Any = broker._metadata(call)
            node = call.messages.MetadataResponseBroker(node_id=2, host="127.0.0.1", port=mute.port)
            answer.brokers.insert(0, node)
            return answer

        broker.on("Metadata", metadata)
        async with by_hand(broker, TP, request_timeout_ms=100, runtime=Ordered(last)) as consumer:
            await consumer.position(TP)
            for tp in (OTHER, TopicPartition("orders", 0)):
                broker.disconnect()
                await eventually(lambda: not broker.peers)
                async with asyncio.timeout(2 * AT_ONCE):
                    assert await consumer.end_offsets([tp]) == {tp: 0}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_metadata_without_brokers_closes_no_connection() -> None:
    """A broker that is just starting answers so; what is connected stays connected."""
    async with ScriptedBroker({"orders": 1, "other": 1}) as broker:
        bootstrap = f"localhost:{broker.port}"  # not what the broker calls itself
        consumer = consumer_of(broker, bootstrap_servers=bootstrap, heartbeat_interval_ms=5)
        await in_the_group(consumer, broker)
        await broker.received("Fetch")
        before, answers = frozenset(broker.peers), len(broker.of("Metadata"))

        def metadata(call: Call) -> Any:
            answer: Any = broker._metadata(call)
            if len(broker.of("Metadata")) == answers + 1:
                answer.brokers.clear()
            return answer

        broker.on("Metadata", metadata)
        async with asyncio.timeout(AT_ONCE):
            assert await consumer.end_offsets([OTHER]) == {OTHER: 0}
            await broker.received("Heartbeat", len(broker.of("Heartbeat")) + 2)
        assert len(broker.of("Metadata")) >= answers + 2
        assert before <= broker.peers.keys()
        assert len(broker.of("JoinGroup")) == 1
        await consumer.aclose()
        await nothing_left(broker)


# ── fetches that fail for good ──


def _denied(broker: ScriptedBroker, call: Call) -> Any:
    answer = broker._read(call)
    for topic in answer.responses:
        for data in topic.partitions:
            data.error_code, data.records, data.high_watermark = DENIED, b"", -1
    return answer


@pytest.mark.asyncio
@pytest.mark.parametrize("group_id", ["billing", None], ids=["group", "no group"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [(_denied, TopicAuthorizationFailedError), (unparsable, ProtocolError)],
    ids=["denied", "unparsable"],
)
async def test_a_fetch_that_fails_for_good_is_raised_once(
    answer: Any, error: type[KafkaError], group_id: str | None
) -> None:
    """It ends nothing: when the broker answers properly again, the records come without a seek."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")

        def fetch(call: Call) -> Any:
            return answer(broker, call) if len(broker.of("Fetch")) == 1 else broker._fetch(call)

        broker.on("Fetch", fetch)
        async with by_hand(broker, TP, group_id=group_id) as consumer:
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises(error) as caught:
                    await consumer.getone()
                assert caught.value.fatal is False
                assert [(await consumer.getone()).value for _ in range(2)] == [b"a", b"b"]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_fetch_that_goes_on_failing_is_raised_by_every_ask() -> None:
    """Once for each answer: an ask never hangs in silence, and the consumer stays open."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        broker.on("Fetch", lambda call: _denied(broker, call))
        async with consumer_of(broker) as consumer:
            for _ in range(3):
                async with asyncio.timeout(AT_ONCE):
                    with pytest.raises(TopicAuthorizationFailedError):
                        await consumer.getone()
            broker.on("Fetch", broker._fetch)
            async with asyncio.timeout(AT_ONCE):
                try:
                    record = await consumer.getone()
                except TopicAuthorizationFailedError:  # of an answer that was on its way
                    record = await consumer.getone()
            assert record.value == b"a"
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_corrupt_batch_is_raised_until_a_seek_passes_it() -> None:
    """Fetching it again would not help, and to pass over it is for the application to say."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        append_corrupt(broker, TP, b"b", b"c")
        broker.append("orders", 0, b"d")
        async with consumer_of(broker) as consumer:
            async with asyncio.timeout(AT_ONCE):
                assert (await consumer.getone()).value == b"a"
                for _ in range(3):
                    with pytest.raises(CorruptRecordError) as caught:
                        await consumer.getone()
                consumer.seek(TP, caught.value.next_offset)
                assert (await consumer.getone()).value == b"d"
        await nothing_left(broker)


# ── batches ──


@pytest.mark.asyncio
async def test_a_batch_is_iterable_and_has_a_length() -> None:
    """Its partition and its records have names too."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        async with consumer_of(broker) as consumer:
            async with asyncio.timeout(AT_ONCE):
                batch = await anext(consumer.batches(2))
        assert batch.tp == TP
        assert [record.value for record in batch] == [b"a", b"b"]
        assert list(batch) == batch.records
        assert len(batch) == 2
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_below_one_is_refused(limit: int) -> None:
    """It would mean to wait for records and never to take one."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        async with consumer_of(broker) as consumer:
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises(ValueError, match="max_records"):
                    async for _ in consumer.batches(limit):
                        raise AssertionError
                with pytest.raises(ValueError, match="max_records"):
                    await consumer.getmany(max_records=limit)
                assert (await consumer.getone()).value == b"a"
        await nothing_left(broker)


# ── calls that make no sense ──


@pytest.mark.asyncio
async def test_a_membership_that_aclose_does_not_know_is_refused() -> None:
    """The consumer is not closed by it."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        async with consumer_of(broker) as consumer:
            with pytest.raises((ValueError, ConfigError), match="laeve"):
                await consumer.aclose(membership="laeve")  # type: ignore[arg-type]
            async with asyncio.timeout(AT_ONCE):
                assert (await consumer.getone()).value == b"a"
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_subscribing_without_a_group_is_refused_after_the_start_and_changes_nothing() -> None:
    """Neither the topics nor the listener."""
    async with ScriptedBroker({"orders": 1, "other": 1}) as broker:
        broker.append("orders", 0, b"a")
        broker.append("other", 0, b"b")
        async with consumer_of(broker, group_id=None, group_instance_id=None) as consumer:
            listener = consumer._client.assignment.listener
            for topics in (["other"], []):
                with pytest.raises(IllegalStateError):
                    consumer.subscribe(topics, listener=RebalanceListener())
            assert consumer.subscription() == {"orders"}
            assert consumer._client.assignment.listener is listener
            async with asyncio.timeout(AT_ONCE):
                assert (await consumer.getone()).value == b"a"
            assert consumer.assignment() == {TP}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_waiting_for_an_assignment_with_nothing_subscribed_is_refused() -> None:
    """It could wait for ever: before the first subscription, and after the last."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        consumer.unsubscribe()
        async with consumer:
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises(IllegalStateError):
                    await consumer.assigned()
                consumer.subscribe(["orders"])
                assert await consumer.assigned() == {TP}
                consumer.unsubscribe()
                with pytest.raises(IllegalStateError):
                    await consumer.assigned()
        await nothing_left(broker)


_PACKAGE = os.fspath(Path(kafkastatic.__file__).parent)


async def _getone_stopped(consumer: Consumer[Any, Any], step: int) -> bool:
    """Get the first record, with a `stop()` at the step of this number; whether there were so many steps."""
    stopped = False

    def profile(frame: Any, event: str, _: object) -> None:
        nonlocal step, stopped
        if not stopped and event in ("call", "return") and frame.f_code.co_filename.startswith(_PACKAGE):
            stopped = not step
            step -= 1
            if stopped:
                consumer.stop()

    sys.setprofile(profile)
    try:
        assert (await consumer.getone()).offset == 0
    except ConsumerClosedError:
        assert stopped
    finally:
        sys.setprofile(None)
    return stopped


@pytest.mark.asyncio
@pytest.mark.parametrize("deserializer", [None, bytes.decode], ids=["bytes", "decoded"])
async def test_a_stop_anywhere_inside_an_ask_is_a_stop(deserializer: Any) -> None:
    """As from a signal handler, which may run between any two steps: a record or the end, never a RuntimeError."""
    options = {"value_deserializer": deserializer} if deserializer else {}
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        for step in range(400):
            consumer = by_hand(broker, TP, group_id=None, **options)
            async with consumer, asyncio.timeout(AT_ONCE):
                await broker.received("Fetch", len(broker.of("Fetch")) + 2)  # the first one is answered
                if not await _getone_stopped(consumer, step):
                    break
        assert 10 < step < 399
        await nothing_left(broker)
