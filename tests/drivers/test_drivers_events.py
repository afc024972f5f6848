"""What the application is told of the membership, by whom, until when, and what it costs those who do not listen."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kafkastatic import Consumer, RebalanceListener
from kafkastatic._drivers.events import KEPT
from kafkastatic.errors import BrokerUnreachableError, FencedInstanceIdError, UnreleasedInstanceIdError
from kafkastatic.events import Assigned, Event, Fenced, Joined, Joining, Lost, Missed, Rebalanced, Revoked, Waiting
from kafkastatic.types import TopicPartition
from tests.drivers.world import TP, consumer_of, eventually, in_the_group, nothing_left
from tests.support.scripted_broker import ScriptedBroker
from tests.support.scripted_group import ScriptedGroup

FENCED, LOADING, REBALANCING, ILLEGAL_GENERATION, GROUP_FULL = 82, 14, 27, 22, 81
SOON = 20.0
"""Seconds after which a test that waits has failed."""

OURS = frozenset({TP})
SCRIPTED = "scripted at 127.0.0.1"
NONE: frozenset[TopicPartition] = frozenset()


async def take(events: AsyncIterator[Event], count: int) -> list[Event]:
    async with asyncio.timeout(SOON):
        return [await anext(events) for _ in range(count)]


async def everything(events: AsyncIterator[Event]) -> list[Event]:
    async with asyncio.timeout(SOON):
        return [event async for event in events]


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


WAY_IN = [Joining, Joined, Assigned]


@pytest.mark.asyncio
async def test_a_whole_life_is_told_to_who_listened_before_the_start() -> None:
    """From the first join to the end of the close, when it ends without an error."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        reading = asyncio.create_task(everything(consumer.events()))
        await asyncio.sleep(0)
        await in_the_group(consumer, broker)
        member_id = consumer.membership.member_id
        await consumer.aclose()
        joining, joined, assigned, revoked = await reading
        times = [event.at for event in (joining, joined, assigned, revoked)]
        assert times == sorted(times)
        assert [joining, joined, assigned, revoked] == [
            Joining(times[0], "", "first join"),
            Joined(times[1], member_id, 1, leader=True),
            Assigned(times[2], 1, OURS, OURS),
            Revoked(times[3], 1, OURS),
        ]
        assert await everything(consumer.events()) == []
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_several_listen_each_from_when_it_asked() -> None:
    """The call counts, not the first event that is asked for; who is not in a hurry loses nothing."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=20)
        early, lazy = consumer.events(), consumer.events()
        await in_the_group(consumer, broker)
        late = consumer.events()
        broker.fail_next("Heartbeat", REBALANCING)
        again = [Revoked, Joining, Joined, Assigned, Rebalanced]
        assert kinds(await take(early, 8)) == [*WAY_IN, *again]
        told = await take(late, 5)
        assert kinds(told) == again
        assert (await take(lazy, 8))[3:] == told
        await consumer.aclose()


@pytest.mark.asyncio
async def test_a_rebalance_is_told_with_its_phases() -> None:
    """They come to the total, and the callback's own time is in the one it belongs to."""
    assigning = asyncio.Event()

    class Slow(RebalanceListener):
        async def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
            await assigning.wait()

    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=20)
        consumer.subscribe(["orders"], listener=Slow())
        assigning.set()
        await in_the_group(consumer, broker)
        events = consumer.events()
        assigning.clear()
        broker.fail_next("Heartbeat", REBALANCING)
        await broker.received("SyncGroup", 2)
        await broker.received("Heartbeat", len(broker.of("Heartbeat")) + 2)  # while the callback runs
        assert consumer.health().reason == "rebalancing: group is rebalancing"
        assigning.set()
        rebalanced = (await take(events, 5))[-1]
        assert isinstance(rebalanced, Rebalanced)
        assert (rebalanced.cause, rebalanced.epoch_before, rebalanced.epoch_after) == ("group is rebalancing", 1, 2)
        assert (rebalanced.kept, rebalanced.added, rebalanced.revoked) == (OURS, NONE, NONE)
        phases = (rebalanced.revoke, rebalanced.join, rebalanced.sync, rebalanced.assign)
        assert sum(phases) == pytest.approx(rebalanced.total)
        assert min(phases) >= 0
        assert rebalanced.assign >= 0.019  # of a heartbeat interval, which passed meanwhile
        await consumer.aclose()


@pytest.mark.scenario(18, where="peer")
@pytest.mark.asyncio
async def test_a_loss_and_the_way_back() -> None:
    """The cause is that of the rebalance, too."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=20)
        await in_the_group(consumer, broker)
        events = consumer.events()
        broker.fail_next("Heartbeat", ILLEGAL_GENERATION)
        told = await take(events, 5)
        assert kinds(told) == [Lost, *WAY_IN, Rebalanced]
        assert told[0] == Lost(told[0].at, 1, OURS, "illegal_generation", inferred=False)
        assert isinstance(told[4], Rebalanced)
        assert told[4].cause == "lost membership: illegal_generation"
        await consumer.aclose()


# ── the end ──


@pytest.mark.scenario(9, where="peer")
@pytest.mark.asyncio
async def test_who_is_fenced_is_told_by_whom_and_then_the_error_is_raised() -> None:
    """By the loop over events as by any other call; a listener that comes late meets it at once."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=20)
        await in_the_group(consumer, broker)
        told: list[Event] = []
        broker.fail_next("Heartbeat", FENCED)
        with pytest.raises(FencedInstanceIdError) as caught:
            async with asyncio.timeout(SOON):
                async for event in consumer.events():
                    told.append(event)
        lost, fenced = told
        assert lost == Lost(lost.at, 1, OURS, "fenced_instance_id", inferred=False)
        assert isinstance(fenced, Fenced)
        assert (
            fenced.owner == caught.value.owner == f"member {broker.member_id} (the id was first joined by {SCRIPTED})"
        )
        assert str(fenced.error) == str(caught.value)
        assert fenced.error is not caught.value
        with pytest.raises(FencedInstanceIdError):
            await anext(consumer.events())
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_the_error_was_met_by_who_listened() -> None:
    """The end of `async with` does not raise it once more."""
    async with ScriptedBroker() as broker:
        async with consumer_of(broker, heartbeat_interval_ms=20) as consumer:
            broker.fail_next("Heartbeat", FENCED)
            with pytest.raises(FencedInstanceIdError):
                await everything(consumer.events())
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_listener_in_a_task_group_ends_it_with_the_error() -> None:
    """Which the group wraps once."""
    async with ScriptedBroker() as broker, consumer_of(broker, heartbeat_interval_ms=20) as consumer:
        await consumer.assigned()
        broker.fail_next("Heartbeat", FENCED)
        with pytest.RaisesGroup(FencedInstanceIdError):
            async with asyncio.timeout(SOON), asyncio.TaskGroup() as tasks:
                tasks.create_task(everything(consumer.events()))


@pytest.mark.asyncio
async def test_stop_ends_the_listening_too() -> None:
    """Else a task group inside `async with` would wait for the close, and the close for the task group."""
    async with ScriptedBroker() as broker:
        async with consumer_of(broker) as consumer, asyncio.timeout(SOON), asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(everything(consumer.events()))
            await consumer.assigned()
            consumer.stop()
        assert kinds(reading.result())[-1] is Assigned
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_start_that_fails_ends_the_listening_with_its_error() -> None:
    """A consumer that was never started ends it when it is closed."""
    consumer = Consumer("orders", bootstrap_servers="127.0.0.1:1", group_id="billing", default_api_timeout_ms=50)
    reading = asyncio.create_task(everything(consumer.events()))
    with pytest.raises(BrokerUnreachableError):
        await consumer.start()
    with pytest.raises(BrokerUnreachableError):
        await reading

    consumer = Consumer("orders", bootstrap_servers="127.0.0.1:1", group_id="billing")
    reading = asyncio.create_task(everything(consumer.events()))
    await asyncio.sleep(0)
    assert not reading.done()
    await consumer.aclose()
    assert await reading == []


@pytest.mark.asyncio
async def test_nothing_is_told_without_a_group() -> None:
    """It ends with the consumer all the same."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, group_id=None, group_instance_id=None)
        await consumer.start()
        reading = asyncio.create_task(everything(consumer.events()))
        await consumer.assigned()
        await consumer.aclose()
        assert await reading == []


# ── readers as they are ──


@pytest.mark.asyncio
async def test_a_slow_reader_misses_the_oldest_and_is_told_how_many() -> None:
    """A coordinator that loads for long makes many events; the consumer waits for no reader."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        events = consumer.events()
        broker.fail_next("JoinGroup", *[LOADING] * KEPT)
        await in_the_group(consumer, broker)
        tries = len(broker.of("JoinGroup"))
        assert tries == KEPT + 1
        missed, *rest = await take(events, 1 + KEPT)
        assert missed == Missed(rest[0].at, tries + 2 - KEPT)
        assert kinds(rest) == [*[Joining] * (KEPT - 2), Joined, Assigned]
        await consumer.aclose()
        assert kinds(await everything(events)) == [Revoked]


@pytest.mark.asyncio
async def test_an_ask_that_is_cancelled_loses_nothing() -> None:
    """Whether before an event or with it."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        events = consumer.events()
        asking = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        await in_the_group(consumer, broker)
        assert kinds(await take(events, 3)) == WAY_IN
        asking = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await consumer.aclose()
        asking.cancel()
        await asyncio.wait([asking])
        left = [] if asking.cancelled() else [asking.result()]
        assert kinds([*left, *await everything(events)]) == [Revoked]


@pytest.mark.asyncio
async def test_a_reader_that_is_dropped_half_read_leaves_nothing() -> None:
    """No task, no buffer that fills, and nothing to close."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        events = consumer.events()
        await in_the_group(consumer, broker)
        async for event in events:
            assert isinstance(event, Joining)
            break
        dropped = weakref.ref(events)
        del events
        gc.collect()
        assert dropped() is None
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_two_tasks_share_one_reader() -> None:
    """Each event goes to one of them, and both end."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        events = consumer.events()
        both = [asyncio.create_task(everything(events)) for _ in range(2)]
        await in_the_group(consumer, broker)
        await consumer.aclose()
        told = [event for part in await asyncio.gather(*both) for event in part]
        assert kinds(sorted(told, key=lambda event: event.at)) == [*WAY_IN, Revoked]


@pytest.mark.asyncio
async def test_a_listener_sees_the_membership_that_an_event_tells_of() -> None:
    """`assigned()` is through when `Assigned` is told, and the membership has what it says."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        events = consumer.events()
        await consumer.start()
        *_, assigned = await take(events, 3)
        assert isinstance(assigned, Assigned)
        assert consumer.membership.assignment == assigned.partitions == await consumer.assigned()
        assert consumer.membership.epoch == assigned.epoch
        await eventually(lambda: consumer.health().ready)
        await consumer.aclose()


@pytest.mark.asyncio
async def test_the_example_of_the_readme_observes_and_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints a loss and the rebalance that follows, and says whether the consumer is ready."""
    readme = (Path(__file__).resolve().parent.parent.parent / "README.md").read_text()
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "def readyz" in block]
    example: dict[str, Any] = {}
    exec(code, example)
    async with ScriptedBroker() as broker, consumer_of(broker, heartbeat_interval_ms=20) as consumer:
        observing = asyncio.create_task(example["observe"](consumer))
        await consumer.assigned()
        broker.fail_next("Heartbeat", ILLEGAL_GENERATION)
        printed = ""
        async with asyncio.timeout(SOON):
            while printed.count("\n") < 2:
                await asyncio.sleep(0)
                printed += capsys.readouterr().out
        assert printed.startswith(
            "illegal_generation  [TopicPartition(topic='orders', partition=0)]\nlost membership: "
        )
        await eventually(lambda: example["readyz"](consumer) == (200, "in the group"))
        await consumer.aclose()
        await observing
        assert example["readyz"](consumer) == (503, "closed")


# ── the instance id is not free ──


@pytest.mark.scenario(25, where="peer")
@pytest.mark.asyncio
async def test_who_waits_for_a_full_group_says_so_until_it_is_let_in() -> None:
    """The session of its predecessor takes its place."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, instance_id_wait_ms=60_000)
        events = consumer.events()
        broker.fail_next("JoinGroup", GROUP_FULL)
        await in_the_group(consumer, broker)
        told = await take(events, 5)
        assert kinds(told) == [Joining, Waiting, *WAY_IN]
        waiting = told[1]
        assert isinstance(waiting, Waiting)
        assert (waiting.error, waiting.since) == ("GROUP_MAX_SIZE_REACHED", waiting.at)
        assert waiting.until == pytest.approx(waiting.at + 60)
        await consumer.aclose()


@pytest.mark.protocol("consumer")
@pytest.mark.scenario(33, where="peer")
@pytest.mark.asyncio
async def test_who_waits_for_another_to_let_go_of_the_id_is_neither_dead_nor_ready() -> None:
    """As long as the session of a crashed predecessor lasts; then it is let in."""
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker, "its predecessor")
        group.away = False
        consumer = consumer_of(broker, group_protocol="consumer", instance_id_wait_ms=60_000)
        events = consumer.events()
        await consumer.start()
        joining, waiting = await take(events, 2)
        assert isinstance(joining, Joining)
        assert isinstance(waiting, Waiting)
        assert waiting.error == "UNRELEASED_INSTANCE_ID"
        await broker.received("ConsumerGroupHeartbeat", len(group.beats()) + 2)
        health = consumer.health()
        assert (health.live, health.ready) == (True, False)
        assert health.reason == "waiting for the instance id: UNRELEASED_INSTANCE_ID"
        group.away = True
        assert await consumer.assigned() == OURS
        await eventually(lambda: consumer.health().reason == "in the group")
        await consumer.aclose()
        assert kinds([event for event in await everything(events) if not isinstance(event, Joining)]) == [
            Joined,
            Assigned,
            Revoked,
        ]


@pytest.mark.protocol("consumer")
@pytest.mark.scenario(35, where="peer")
@pytest.mark.asyncio
async def test_an_id_that_is_in_use_ends_it_with_who_uses_it() -> None:
    """Told as the last event, before the error."""
    async with ScriptedBroker() as broker:
        group = ScriptedGroup(broker, "the one in use")
        group.away = False
        consumer = consumer_of(broker, group_protocol="consumer", instance_id_wait_ms=50)
        events, told = consumer.events(), list[Event]()
        await consumer.start()
        with pytest.raises(UnreleasedInstanceIdError) as caught:
            async with asyncio.timeout(SOON):
                async for event in events:
                    told.append(event)
        fenced = told[-1]
        assert isinstance(fenced, Fenced)
        assert fenced.owner == caught.value.owner
        assert fenced.owner is not None
        assert "the one in use" in fenced.owner
        assert consumer.health().reason == "ended: UnreleasedInstanceIdError"
        await consumer.aclose()
        await nothing_left(broker)
