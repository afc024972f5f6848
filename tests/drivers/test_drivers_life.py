"""Start, stop, close: in every order, from every side."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable

import pytest

from kafkastatic import Consumer
from kafkastatic.errors import (
    BrokerError,
    BrokerUnreachableError,
    ConfigError,
    ConsumerClosedError,
    FencedInstanceIdError,
    IllegalStateError,
    KafkaTimeoutError,
    ProtocolError,
    UnknownTopicOrPartitionError,
    UnsupportedVersionError,
)
from kafkastatic.identity import IdentityRegistry
from tests.drivers.world import (
    AT_ONCE,
    TP,
    consumer_of,
    eventually,
    first_of_loop,
    group_requests,
    in_the_group,
    nothing_left,
    tasks_left,
)
from tests.support.scripted_broker import ScriptedBroker

# ── the order of things ──


def test_a_consumer_is_made_without_an_event_loop() -> None:
    Consumer("orders", bootstrap_servers="localhost:9092", group_id="billing", group_instance_id="billing-0")


@pytest.mark.asyncio
async def test_the_requests_of_a_whole_life_are_these() -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        async with consumer_of(broker) as consumer:
            await consumer.getone()
            await consumer.commit()
        assert group_requests(broker) == ["JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit"]
        assert broker.committed == {TP: 1}
        stamped = [call.request for call in broker.calls if call.api in ("SyncGroup", "Heartbeat", "OffsetCommit")]
        assert {request.group_instance_id for request in stamped} == {"billing-0"}
        assert {request.member_id for request in stamped} == {"billing-0-1"}
        await nothing_left(broker)


@pytest.mark.scenario(4, 24, where="peer")
@pytest.mark.asyncio
async def test_a_restart_keeps_the_generation_and_a_leave_does_not() -> None:
    async with ScriptedBroker() as broker:
        for generation, membership in [(1, "default"), (1, "remain"), (1, "leave"), (2, "default")]:
            consumer = consumer_of(broker)
            await in_the_group(consumer, broker)
            assert consumer.membership.epoch == generation
            await consumer.aclose(membership=membership)  # type: ignore[arg-type]
        assert broker.apis().count("LeaveGroup") == 1
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_dynamic_member_leaves() -> None:
    async with ScriptedBroker() as broker:
        async with consumer_of(broker, group_instance_id=None) as consumer:
            await consumer.assigned()
        assert group_requests(broker)[-1] == "LeaveGroup"
        assert [call.request.member_id for call in broker.of("JoinGroup")] == ["", "dynamic-1"]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_started_twice() -> None:
    """The second start is refused and does no harm, not even to the identity."""
    async with ScriptedBroker() as broker:
        registry = IdentityRegistry()
        async with consumer_of(broker, registry=registry) as consumer:
            with pytest.raises(IllegalStateError, match="started already"):
                await consumer.start()
            with pytest.raises(ConfigError, match="already uses"):
                await consumer_of(broker, registry=registry).start()
            await consumer.assigned()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_closed_before_it_was_started() -> None:
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        await consumer.aclose()
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(ConsumerClosedError):
                await consumer.start()
            with pytest.raises(ConsumerClosedError):
                await consumer.getone()
            await consumer.aclose()
        assert broker.calls == []
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_closed_twice_and_used_afterwards() -> None:
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        await in_the_group(consumer, broker)
        await asyncio.gather(consumer.aclose(), consumer.aclose())
        await consumer.aclose()
        for call in (consumer.getone, consumer.commit, consumer.assigned, consumer.start):
            with pytest.raises(ConsumerClosedError):
                await call()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_not_started() -> None:
    consumer = Consumer("orders", bootstrap_servers="localhost:1", group_id="g")
    for call in (consumer.getone(), consumer.commit(), consumer.assigned()):
        with pytest.raises(IllegalStateError, match="was not started"):
            await call


@pytest.mark.asyncio
async def test_start_and_close_in_different_tasks() -> None:
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        await asyncio.create_task(consumer.start())
        waiting = asyncio.create_task(consumer.getone())
        await broker.received("Heartbeat")
        await asyncio.create_task(consumer.aclose())
        with pytest.raises(ConsumerClosedError):
            await waiting
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_closed_while_it_starts() -> None:
    async with ScriptedBroker() as broker:
        metadata = broker.hold("Metadata")
        consumer = consumer_of(broker)
        starting = asyncio.create_task(consumer.start())
        await broker.received("Metadata")
        async with asyncio.timeout(AT_ONCE):
            await consumer.aclose()
            with pytest.raises(ConsumerClosedError):
                await starting
        metadata.release()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_pending_call_ends_when_the_consumer_is_closed() -> None:
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        await in_the_group(consumer, broker)
        lookups = len(broker.of("OffsetFetch"))
        broker.hold("OffsetFetch")
        calls = [asyncio.create_task(consumer.committed(TP)), asyncio.create_task(first_of_loop(consumer))]
        await broker.received("OffsetFetch", lookups + 1)
        async with asyncio.timeout(AT_ONCE):
            await consumer.aclose()
            with pytest.raises(ConsumerClosedError, match=r"committed\(\) was under way"):
                await calls[0]
            with pytest.raises(ConsumerClosedError):
                await calls[1]
        await nothing_left(broker)


# ── a start that fails ──

SOON, LONG = 150, 60_000
"""Milliseconds for a start that retries until its time is over, and for one that ends by what it is told."""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("script", "error", "limit_ms"),
    [
        (lambda b: b.topics.clear(), UnknownTopicOrPartitionError, SOON),
        (lambda b: b.fail_next("Metadata", *[29] * 9), BrokerError, LONG),
        (lambda b: b.fail_next("FindCoordinator", *[30] * 99), BrokerError, LONG),
        (lambda b: b.fail_next("FindCoordinator", *[15] * 9999), BrokerError, SOON),
        (lambda b: b.caps.update(JoinGroup=4), UnsupportedVersionError, LONG),
        (lambda b: b.caps.update(OffsetCommit=6), UnsupportedVersionError, LONG),
        (lambda b: b.on("ApiVersions", lambda _: b"HTTP/1.1 400 Bad Request"), ProtocolError, LONG),
        (lambda b: b.drop_connection("Metadata", 9999), BrokerUnreachableError, SOON),
        (lambda b: b.hold("Metadata") and None, (KafkaTimeoutError, BrokerUnreachableError), SOON),
        (lambda b: setattr(b, "advertised", ("127.0.0.1", 1)), BrokerUnreachableError, SOON),
    ],
    ids=[
        *("no topic", "topic refused", "group refused", "no coordinator", "old JoinGroup", "old OffsetCommit"),
        *("HTTP", "connections dropped", "silence", "advertised address"),
    ],
)
async def test_a_failed_start_leaves_nothing_behind_and_the_identity_free(
    script: Callable[[ScriptedBroker], object], error: type[Exception] | tuple[type[Exception], ...], limit_ms: int
) -> None:
    registry = IdentityRegistry()
    async with ScriptedBroker() as broker:
        script(broker)
        consumer = consumer_of(broker, registry=registry, default_api_timeout_ms=limit_ms)
        async with asyncio.timeout(10):
            with pytest.raises(error):
                await consumer.start()
        assert tasks_left() == []
        await consumer.aclose()
        assert "JoinGroup" not in broker.apis()
        await nothing_left(broker)
    async with ScriptedBroker() as broker:
        good = consumer_of(broker, registry=registry)
        async with good:
            assert await good.assigned() == {TP}
        await nothing_left(broker)


@pytest.mark.scenario(40, where="peer")
@pytest.mark.asyncio
async def test_two_consumers_of_one_identity_in_one_process() -> None:
    """The second is refused before it sends anything; the first does not notice."""
    async with ScriptedBroker() as broker:
        registry = IdentityRegistry()
        first, second = consumer_of(broker, registry=registry), consumer_of(broker, registry=registry)
        await in_the_group(first, broker)
        before = len(broker.of("JoinGroup"))
        with pytest.raises(ConfigError, match="already uses group_instance_id 'billing-0'"):
            await second.start()
        await second.aclose()
        assert len(broker.of("JoinGroup")) == before
        await first.aclose()
        await nothing_left(broker)
        third = consumer_of(broker, registry=registry)
        async with third:
            await third.assigned()


# ── dropped ──


@pytest.mark.asyncio
async def test_a_dropped_consumer_warns_and_ends() -> None:
    async with ScriptedBroker() as broker:
        registry = IdentityRegistry()
        consumer = consumer_of(broker, registry=registry)
        await in_the_group(consumer, broker)
        with pytest.warns(ResourceWarning, match="was dropped without aclose"):
            del consumer
            gc.collect()
        await eventually(lambda: not tasks_left())
        assert "LeaveGroup" not in broker.apis()
        await nothing_left(broker)
        async with consumer_of(broker, registry=registry):
            pass


@pytest.mark.asyncio
async def test_a_closed_consumer_is_dropped_in_silence() -> None:
    async with ScriptedBroker() as broker:
        async with consumer_of(broker):
            pass
        consumer = consumer_of(broker)
        del consumer
        gc.collect()
        await nothing_left(broker)


# ── stop ──


@pytest.mark.asyncio
@pytest.mark.parametrize("where", ["body", "task", "thread", "signal", "waiting"])
async def test_stop_ends_the_loop_after_the_record_in_hand(where: str) -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        seen: list[bytes] = []
        async with consumer_of(broker, enable_auto_commit=True) as consumer:
            if where == "signal":
                asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, consumer.stop)
            try:
                async for record in consumer:
                    seen.append(record.value)
                    match where:
                        case "body":
                            consumer.stop()
                        case "task":
                            asyncio.get_running_loop().call_soon(consumer.stop)
                            await asyncio.sleep(0)
                            await asyncio.sleep(0)
                        case "thread":
                            thread = threading.Thread(target=consumer.stop)
                            thread.start()
                            thread.join()
                            await eventually(lambda: consumer._client.consumption.stopped)
                        case "signal":
                            os.kill(os.getpid(), signal.SIGUSR1)
                            await eventually(lambda: consumer._client.consumption.stopped)
                        case "waiting" if len(seen) == 3:
                            asyncio.get_running_loop().call_later(0.005, consumer.stop)
            finally:
                if where == "signal":
                    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
            with pytest.raises(ConsumerClosedError, match="was stopped"):
                await consumer.getone()
            assert await consumer.getmany(timeout_ms=5000) == {}
        assert seen == ([b"a", b"b", b"c"] if where == "waiting" else [b"a"])
        assert broker.committed == {TP: len(seen)}
        await nothing_left(broker)


def test_a_python_signal_handler_may_stop_at_any_moment() -> None:
    """Not through the event loop: in the middle of a loop that never waits."""

    async def main() -> int:
        async with ScriptedBroker() as broker:
            broker.append("orders", 0, *[b"x"] * 1000)
            count = 0
            async with consumer_of(broker) as consumer:
                before = signal.signal(signal.SIGUSR1, lambda *_: consumer.stop())
                try:
                    async for _ in consumer:
                        count += 1
                        if count == 10:
                            signal.raise_signal(signal.SIGUSR1)
                finally:
                    signal.signal(signal.SIGUSR1, before)
            await nothing_left(broker)
            return count

    assert asyncio.run(main()) == 10


def test_sigint_closes_in_order() -> None:
    """asyncio's own handler cancels the main task; `async with` closes; what is consumed is committed."""
    committed: list[dict[tuple[str, int], int]] = []

    async def main() -> None:
        async with ScriptedBroker() as broker:
            broker.append("orders", 0, b"a", b"b")
            try:
                async with consumer_of(broker, enable_auto_commit=True) as consumer:
                    async for record in consumer:
                        if record.value == b"b":
                            signal.raise_signal(signal.SIGINT)
            finally:
                await nothing_left(broker)
                committed.append(broker.committed)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    # Both were handed out, and the next one was asked for.
    assert committed == [{TP: 2}]


def test_stop_after_the_loop_is_closed_does_nothing() -> None:
    consumers: list[Consumer[bytes, bytes]] = []

    async def main() -> None:
        async with ScriptedBroker() as broker, consumer_of(broker) as consumer:
            consumers.append(consumer)

    asyncio.run(main())
    consumers[0].stop()


# ── a coordinator that is not well ──


@pytest.mark.asyncio
async def test_a_coordinator_that_cannot_be_found_for_a_while_does_not_end_a_commit() -> None:
    """Nor the consumer, when it is the timer that commits."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        consumer = consumer_of(broker, enable_auto_commit=True, auto_commit_interval_ms=5)
        await in_the_group(consumer, broker)
        broker.fail_next("OffsetCommit", 16, 16)
        broker.fail_next("FindCoordinator", 15, 15, 15)
        await consumer.getone()
        await consumer.getone()
        await broker.until(lambda: broker.committed == {TP: 1})
        broker.fail_next("OffsetFetch", 16)
        broker.fail_next("FindCoordinator", 15)
        assert await consumer.committed(TP) == 1
        await consumer.commit()
        assert broker.committed == {TP: 2}
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [29, 35])
async def test_a_lookup_that_is_refused_is_a_bare_error_and_not_the_end(code: int) -> None:
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        await in_the_group(consumer, broker)
        broker.fail_next("ListOffsets", code)
        with pytest.raises(BrokerError) as caught:
            await consumer.end_offsets([TP])
        assert (caught.value.code, caught.value.api) == (code, "ListOffsets")
        broker.append("orders", 0, b"a")
        assert (await consumer.getone()).value == b"a"
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_start_that_may_not_look_up_offsets_stands_at_the_error() -> None:
    async with ScriptedBroker() as broker:
        broker.fail_next("ListOffsets", 29)
        async with consumer_of(broker) as consumer:
            with pytest.raises(BrokerError, match="TOPIC_AUTHORIZATION_FAILED") as caught:
                await consumer.getone()
            assert not isinstance(caught.value, FencedInstanceIdError)
            consumer.seek(TP, 0)
            broker.append("orders", 0, b"a")
            assert (await consumer.getone()).value == b"a"
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_every_connection_is_lost_and_the_consumer_goes_on() -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        async with consumer_of(broker, heartbeat_interval_ms=10) as consumer:
            assert (await consumer.getone()).value == b"a"
            broker.disconnect()
            broker.append("orders", 0, b"b")
            assert (await consumer.getone()).value == b"b"
            await consumer.commit()
        assert broker.committed == {TP: 2}
        assert len(broker.of("JoinGroup")) == 1
        await nothing_left(broker)
