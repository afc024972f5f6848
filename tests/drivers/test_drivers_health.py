"""Whether a consumer is alive and ready, asked from wherever, in every state of its life."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import pytest

from kafkastatic import Consumer, RebalanceListener
from kafkastatic.errors import BrokerUnreachableError, ConsumerClosedError, FencedInstanceIdError
from kafkastatic.events import Health
from kafkastatic.types import TopicPartition
from tests.drivers.world import TP, consumer_of, eventually, in_the_group, nothing_left
from tests.support.scripted_broker import ScriptedBroker

SOON = 20.0
"""Seconds after which a test that waits has failed."""


def health(consumer: Consumer[Any, Any]) -> tuple[bool, bool, str]:
    now = consumer.health()
    return now.live, now.ready, now.reason


async def health_elsewhere(consumer: Consumer[Any, Any]) -> tuple[bool, bool, str]:
    """As another thread is told."""
    return await asyncio.to_thread(health, consumer)


@pytest.mark.asyncio
async def test_a_whole_life() -> None:
    """From another thread it is the same."""
    async with ScriptedBroker() as broker:
        join, consumer = broker.hold("JoinGroup"), consumer_of(broker)
        assert health(consumer) == await health_elsewhere(consumer) == (True, False, "not started")
        await consumer.start()
        await broker.received("JoinGroup")
        assert health(consumer) == await health_elsewhere(consumer) == (True, False, "joining the group: first join")
        join.release()
        await consumer.assigned()
        await eventually(lambda: consumer.health().ready)
        assert health(consumer) == await health_elsewhere(consumer) == (True, True, "in the group")
        consumer.stop()
        assert health(consumer) == (True, False, "stopped")
        closing = asyncio.create_task(consumer.aclose())
        await asyncio.sleep(0)
        assert health(consumer) == (True, False, "closing")
        await closing
        assert health(consumer) == await health_elsewhere(consumer) == (True, False, "closed")
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_start_that_takes_its_time_and_fails() -> None:
    consumer = Consumer("orders", bootstrap_servers="127.0.0.1:1", group_id="billing", default_api_timeout_ms=50)
    starting = asyncio.create_task(consumer.start())
    await asyncio.sleep(0)
    assert health(consumer) == (True, False, "starting")
    with pytest.raises(BrokerUnreachableError):
        await starting
    assert health(consumer) == (False, False, "ended: BrokerUnreachableError")


@pytest.mark.asyncio
async def test_who_was_never_started_can_be_closed() -> None:
    consumer = Consumer("orders", bootstrap_servers="127.0.0.1:1", group_id="billing")
    await consumer.aclose()
    assert health(consumer) == (True, False, "closed")


@pytest.mark.scenario(9, where="peer")
@pytest.mark.asyncio
async def test_who_was_fenced_is_dead_and_stays_so() -> None:
    """Only a new consumer can go on, whether this one is closed or not."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=20)
        await in_the_group(consumer, broker)
        broker.fail_next("Heartbeat", 82)
        with pytest.raises(FencedInstanceIdError):
            await consumer.getone()
        dead = (False, False, "ended: FencedInstanceIdError")
        assert health(consumer) == dead
        consumer.stop()
        await consumer.aclose()
        assert health(consumer) == await health_elsewhere(consumer) == dead


@pytest.mark.asyncio
async def test_without_a_group_it_is_ready_when_it_has_started() -> None:
    """With partitions assigned by hand, before the start or after it, as well."""
    async with ScriptedBroker() as broker:
        alone = (True, True, "reads without a group")
        async with consumer_of(broker, group_id=None, group_instance_id=None) as consumer:
            assert health(consumer) == alone
        consumer = Consumer(bootstrap_servers=broker.address, group_id="billing")
        consumer.assign([TP])
        assert health(consumer) == (True, False, "not started")
        async with consumer:
            assert health(consumer) == alone
        async with Consumer(bootstrap_servers=broker.address, group_id="billing") as consumer:
            assert health(consumer) == (True, False, "not in the group: nothing is subscribed to")
            consumer.assign([TP])
            assert health(consumer) == alone
        assert health(consumer) == (True, False, "closed")


@pytest.mark.scenario(27, where="peer")
@pytest.mark.asyncio
async def test_a_coordinator_that_moves_leaves_it_ready_and_says_so() -> None:
    """Until SyncGroup has confirmed the membership."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=20)
        await in_the_group(consumer, broker)
        proof = broker.hold("SyncGroup")
        broker.fail_next("Heartbeat", 16)
        await broker.received("SyncGroup", 2)
        await broker.received("Heartbeat", len(broker.of("Heartbeat")) + 2)  # good ones, which prove nothing
        assert health(consumer) == (True, True, "unconfirmed: the coordinator was lost")
        proof.release()
        await eventually(lambda: health(consumer) == (True, True, "in the group"))
        await consumer.aclose()


@pytest.mark.asyncio
async def test_a_slow_handler_makes_it_unready_but_not_dead() -> None:
    """Asking again brings it back."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        consumer = consumer_of(broker, max_poll_interval_ms=200, heartbeat_interval_ms=50, session_timeout_ms=190)
        await consumer.start()
        await consumer.getone()
        await eventually(lambda: health(consumer) == (True, False, "not in the group: max_poll_interval_ms exceeded"))
        reading = asyncio.create_task(read(consumer))
        await eventually(lambda: consumer.health().ready)
        await consumer.aclose()
        await reading


async def read(consumer: Consumer[Any, Any]) -> None:
    """Ask, and ask again: who waits for records is never slow."""
    with contextlib.suppress(ConsumerClosedError):
        async for _ in consumer:
            pass


@pytest.mark.asyncio
async def test_an_event_loop_that_is_blocked_for_a_session_is_dead_until_it_goes_on() -> None:
    """Asked by another thread: on the loop itself nobody could ask."""
    told, seen = threading.Event(), list[Health]()

    class Blocks(RebalanceListener):
        def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
            assert told.wait(SOON)

    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=50, session_timeout_ms=300)
        consumer.subscribe(["orders"], listener=Blocks())

        def probe() -> None:
            while not seen:
                now = consumer.health()
                if not now.live:
                    seen.append(now)
            told.set()

        thread = threading.Thread(target=probe)
        await consumer.start()
        thread.start()
        await consumer.assigned()
        await asyncio.to_thread(thread.join)
        assert seen[0].reason.startswith("blocked: the event loop, for ")
        assert (seen[0].live, seen[0].ready) == (False, False)
        assert consumer.health().live
        async with asyncio.timeout(SOON):
            while not (await health_elsewhere(consumer))[0]:
                await asyncio.sleep(0)
        await consumer.aclose()
        assert (await health_elsewhere(consumer))[0]
        await nothing_left(broker)
