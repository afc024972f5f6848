"""Fetches in the life of a consumer: throttled, and of a cluster that is somewhere else by now."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from time import sleep
from typing import Any

import pytest

from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.throttling import ThrottleReport
from kafkastatic._net.pool import Role
from kafkastatic._records import encode_batch
from kafkastatic._runtime import Runtime
from kafkastatic.types import TopicPartition
from tests.support.scripted_broker import Call, ScriptedBroker, refusal

from .world import consumer_of

ALONE: dict[str, Any] = {"group_id": None, "group_instance_id": None}


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith(name)]


@pytest.mark.asyncio
async def test_throttled_fetches_wait_and_heartbeats_do_not(caplog: pytest.LogCaptureFixture) -> None:
    """The event is told once, however often the broker throttles within a minute."""
    caplog.set_level(logging.WARNING, "kafkastatic")
    times: list[float] = []
    async with ScriptedBroker() as broker:

        async def fetch(call: Call) -> Any:
            times.append(asyncio.get_running_loop().time())
            answer: Any = await broker._fetch(call)
            answer.throttle_time_ms = 150
            return answer

        broker.on("Fetch", fetch)
        broker.append("orders", 0, b"a")
        async with consumer_of(broker, heartbeat_interval_ms=20, session_timeout_ms=10_000) as consumer:
            assert (await consumer.getone()).value == b"a"
            await broker.until(lambda: len(times) == 1)
            beats = len(broker.of("Heartbeat"))
            await broker.until(lambda: len(times) == 4)
            assert len(broker.of("Heartbeat")) - beats >= 3
    assert all(later - earlier >= 0.15 for earlier, later in itertools.pairwise(times))
    (told,) = events(caplog, "throttled")
    assert "connection='fetch' times=1 throttle_time_ms=150" in told


@pytest.mark.asyncio
async def test_brokers_that_came_back_elsewhere_are_found_by_the_bootstrap_servers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is lost or repeated: the position is the consumer's own (KIP-899)."""
    caplog.set_level(logging.WARNING, "kafkastatic")
    async with ScriptedBroker() as front, ScriptedBroker() as after, ScriptedBroker() as before:
        front.advertised = (before.host, before.port)
        before.append("orders", 0, b"a")
        after.append("orders", 0, b"a")
        after.append("orders", 0, b"b")
        consumer = consumer_of(front, **ALONE)
        await consumer.start()
        assert (await consumer.getone()).value == b"a"
        before._server.close()  # nobody listens any more; then the connections go
        front.advertised = (after.host, after.port)
        before.disconnect()
        async with asyncio.timeout(20):
            assert (await consumer.getone()).value == b"b"
        assert events(caplog, "rebootstrapped") == [f"rebootstrapped address='{front.address}' cluster_id='scripted'"]
        await consumer.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("why", ["demanded", "no metadata for too long"])
async def test_a_cluster_that_answers_may_still_be_the_wrong_one(why: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its broker demands it (KIP-1102), or has had no metadata for as long as is bearable."""
    caplog.set_level(logging.WARNING, "kafkastatic")
    code, trigger = (129, 300_000) if why == "demanded" else (0, 0)

    def useless(call: Call) -> Any:
        answer = call.request.RESPONSE(error_code=code)
        return answer

    async with ScriptedBroker() as front, ScriptedBroker() as before, ScriptedBroker() as after:
        front.advertised = (before.host, before.port)
        before.advertised = (before.host, before.port)
        before.append("orders", 0, b"a")
        after.append("orders", 0, b"a", b"b")
        options = {"metadata_max_age_ms": 20, "metadata_recovery_rebootstrap_trigger_ms": trigger}
        async with consumer_of(front, **ALONE, **options) as consumer:
            assert (await consumer.getone()).value == b"a"
            front.advertised = (after.host, after.port)
            before.on("Metadata", useless)
            async with asyncio.timeout(20):
                assert (await consumer.getone()).value == b"b"
            await before.until(lambda: not before.peers)
        reasons = events(caplog, "rebootstrapping")
    assert len(reasons) == 1
    assert ("demands it" if code else "no metadata for") in reasons[0]


@pytest.mark.asyncio
async def test_without_recovery_a_consumer_waits_for_the_brokers_it_knows() -> None:
    async with ScriptedBroker() as front, ScriptedBroker() as before:
        front.advertised = (before.host, before.port)
        async with consumer_of(front, **ALONE, metadata_recovery_strategy="none", metadata_max_age_ms=20) as consumer:
            await before.received("Fetch")
            before.on("Metadata", lambda call: refusal(call, 129))
            asked = len(front.of("Metadata"))
            seen = len(before.of("Metadata"))
            await before.received("Metadata", seen + 3)
            assert len(front.of("Metadata")) == asked
            before.on("Metadata", before._metadata)
            before.append("orders", 0, b"a")
            async with asyncio.timeout(20):
                assert (await consumer.getone()).value == b"a"


@pytest.mark.asyncio
@pytest.mark.parametrize(("version", "epoch"), [(8, -1), (9, 3)])
async def test_a_fetch_names_no_leader_epoch_that_is_not_reliable(version: int, epoch: int) -> None:
    """As those of Metadata are not below version 9 (KAFKA-9212): the broker would refuse it as fenced."""
    async with ScriptedBroker() as broker:
        broker.caps["Metadata"], broker.leader_epoch = version, 3
        async with consumer_of(broker, **ALONE):
            call = await broker.received("Fetch")
        assert {call.version for call in broker.of("Metadata")} == {version}
        assert call.request.topics[0].partitions[0].current_leader_epoch == epoch


def test_throttling_is_told_once_a_minute_with_what_was_between(caplog: pytest.LogCaptureFixture) -> None:
    """Of each connection by itself."""

    class Clock(Runtime):
        time = 100.0

        def now(self) -> float:
            return self.time

    caplog.set_level(logging.WARNING, "kafkastatic")
    clock = Clock()
    report = ThrottleReport(clock, EventLog())
    for time, role, seconds in [
        (100.0, Role.FETCH, 0.5),
        (101.0, Role.FETCH, 1.0),
        (102.0, Role.QUICK, 0.1),
        (159.9, Role.FETCH, 2.0),
        (160.0, Role.FETCH, 4.0),
        (161.0, Role.FETCH, 8.0),
    ]:
        clock.time = time
        report("b1:9092", role, seconds)

    assert events(caplog, "throttled") == [
        "throttled broker='b1:9092' connection='fetch' times=1 throttle_time_ms=500",
        "throttled broker='b1:9092' connection='quick' times=1 throttle_time_ms=100",
        "throttled broker='b1:9092' connection='fetch' times=3 throttle_time_ms=7000",
    ]


@pytest.mark.asyncio
async def test_seeks_meet_fetches_at_any_moment() -> None:
    """An application that works for 20 ms at a time has timers and its own seeks fall due in one turn of the loop."""
    chance = random.Random(1)

    async def work() -> None:
        while True:
            await asyncio.sleep(0.005)
            sleep(0.02)  # what the application does

    async with ScriptedBroker({"orders": 2}) as broker:
        for number in range(40):  # so much that the buffer is full
            data = encode_batch([(None, b"x" * 1000, (), 0)] * 100, base_offset=100 * number)
            broker.append_bytes("orders", 0, data, 100 * (number + 1))
        broker.append("orders", 1, b"x")
        async with consumer_of(broker, **ALONE) as consumer:
            await consumer.getone()
            working = asyncio.create_task(work())
            for _ in range(25):
                await asyncio.sleep(chance.random() * 0.1)
                await consumer.seek_to_beginning(TopicPartition("orders", 1))
                async with asyncio.timeout(20):
                    await consumer.position(TopicPartition("orders", 1))
            working.cancel()


@pytest.mark.asyncio
async def test_a_refusal_for_a_partition_that_was_given_up_is_not_raised() -> None:
    async with ScriptedBroker({"orders": 1, "other": 1}) as broker:
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def fetch(call: Call) -> Any:
            if go_on.is_set():
                return await broker._fetch(call)
            asked.set()
            await go_on.wait()
            return refusal(call, 87)  # INVALID_RECORD: for good

        broker.on("Fetch", fetch)
        broker.append("other", 0, b"a")
        consumer = consumer_of(broker, **ALONE)
        consumer.unsubscribe()
        consumer.assign([TopicPartition("orders", 0)])
        async with consumer:
            ask = asyncio.create_task(consumer.getone())
            await asked.wait()
            consumer.assign([TopicPartition("other", 0)])
            go_on.set()
            async with asyncio.timeout(20):
                assert (await ask).value == b"a"
