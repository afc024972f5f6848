"""A blocked event loop is told about, while it is blocked, with the place that blocks it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kafkastatic import RebalanceListener
from kafkastatic._drivers.watchdog import MOST_FRAMES, Pulse, blame
from kafkastatic.errors import FencedInstanceIdError, UnknownTopicOrPartitionError
from tests.drivers.world import AT_ONCE, consumer_of, eventually, in_the_group, nothing_left
from tests.support.scripted_broker import PATIENCE, ScriptedBroker

# ── when ──


def test_a_loop_is_overdue_once_in_each_stall() -> None:
    """At the limit, not before; when it answers, the whole time is told."""
    pulse = Pulse(1.5)
    pulse.ask(10.0)
    assert (pulse.patience(10.0), pulse.overdue(11.4)) == (1.5, None)
    assert pulse.patience(11.5) == 0.0
    assert pulse.overdue(11.5) == 1.5
    assert pulse.patience(11.5) is None
    assert pulse.overdue(60.0) is None
    assert pulse.answered(61.0) == 51.0

    pulse.ask(61.5)
    assert (pulse.patience(62.0), pulse.overdue(62.0)) == (1.0, None)
    assert pulse.overdue(64.0) == 2.5
    assert pulse.answered(65.0) == 3.5


def test_a_stall_that_was_not_told_has_no_end_to_tell() -> None:
    """However late the answer is seen: the two events come in pairs."""
    pulse = Pulse(1.5)
    pulse.ask(10.0)
    assert pulse.answered(10.001) is None
    pulse.ask(11.0)
    assert pulse.answered(13.0) is None


# ── where ──


def test_the_innermost_frame_is_blamed_and_those_around_it_are_told() -> None:
    """Innermost first."""

    def inner() -> dict[str, Any]:
        return blame(sys._getframe())

    found = inner()
    line = inner.__code__.co_firstlineno + 1
    name = "test_the_innermost_frame_is_blamed_and_those_around_it_are_told"
    assert (found["file"], found["line"], found["function"]) == (__file__, line, f"{name}.<locals>.inner")
    assert found["stack"][0] == f"{__file__}:{line} {name}.<locals>.inner"
    assert found["stack"][1] == f"{__file__}:{line + 2} {name}"
    assert len(found["stack"]) == MOST_FRAMES


@pytest.mark.asyncio
async def test_the_stack_ends_where_the_loop_begins() -> None:
    """What the loop was started by tells nothing."""
    assert [entry.rpartition(" ")[2] for entry in blame(sys._getframe())["stack"]] == [  # type: ignore[union-attr]
        "test_the_stack_ends_where_the_loop_begins"
    ]


def test_a_thread_that_is_gone() -> None:
    assert blame(None) == {"stack": []}


# ── on a loop ──


class Listener(logging.Handler):
    """The watchdog's events, and what is to happen at once, in its thread, when it blames `block_until`."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, str]] = []
        self.at_once: Callable[[], object] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        event, fields = map(str, record.args)  # type: ignore[arg-type]
        if not event.startswith("loop_"):
            return
        self.events.append((event, fields))
        if event == "loop_stalled" and "function='block_until'" in fields:
            self.at_once()

    @property
    def stalls(self) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """The pairs of events that blame `block_until`; a busy machine may have stalled elsewhere too."""
        pairs = itertools.pairwise(self.events)
        return [(one, two) for one, two in pairs if one[0] == "loop_stalled" and "function='block_until'" in one[1]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    logger, handler = logging.getLogger("kafkastatic"), Listener()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def watchdogs() -> int:
    return sum(thread.name == "kafkastatic:watchdog" for thread in threading.enumerate())


def block_until(told: threading.Lock) -> None:
    """In C code, so that this frame is the innermost."""
    assert told.acquire(timeout=PATIENCE)


@pytest.mark.asyncio
async def test_what_blocks_the_loop_is_named_while_it_does(listener: Listener) -> None:
    """The loop is free again only after the watchdog has spoken; then it tells how long that took."""
    told = threading.Lock()
    told.acquire()
    listener.at_once = told.release
    async with ScriptedBroker() as broker, consumer_of(broker, heartbeat_interval_ms=200) as consumer:
        await consumer.assigned()
        await asyncio.sleep(0)  # what stalled before is over
        block_until(told)
        await eventually(lambda: listener.stalls)
        line = block_until.__code__.co_firstlineno + 2
        (stalled, fields), (recovered, in_the_end) = listener.stalls[0]
        assert (stalled, recovered) == ("loop_stalled", "loop_recovered")
        for text in (fields, in_the_end):
            assert "group='billing' group_instance_id='billing-0'" in text
            assert f"file='{__file__}' line={line} function='block_until'" in text
            assert "test_what_blocks_the_loop_is_named_while_it_does" in text
        assert 0.1 <= seconds(fields) <= seconds(in_the_end)


def seconds(fields: str) -> float:
    return float(fields.partition("seconds=")[2].partition(" ")[0])


@pytest.mark.asyncio
async def test_a_callback_that_blocks_is_named(listener: Listener) -> None:
    """On partitions assigned, for instance, which is called by the consumer itself."""
    told = threading.Lock()
    told.acquire()
    listener.at_once = told.release

    class Blocks(RebalanceListener):
        def on_partitions_assigned(self, assigned: frozenset[Any]) -> None:
            block_until(told)

    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=200)
        consumer.subscribe(["orders"], listener=Blocks())
        async with consumer:
            await consumer.assigned()
            await eventually(lambda: listener.stalls)
            assert "Blocks.on_partitions_assigned" in listener.stalls[0][0][1]


@pytest.mark.asyncio
async def test_a_group_member_has_one_thread_until_it_is_closed() -> None:
    """A consumer without a group has none: nobody waits for its heartbeats."""
    async with ScriptedBroker() as broker:
        async with consumer_of(broker):
            assert watchdogs() == 1
            async with consumer_of(broker, group_id=None, group_instance_id=None):
                assert watchdogs() == 1
        assert watchdogs() == 0
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_no_thread_is_left_by_a_consumer_that_fails() -> None:
    """At its start, by a fence, by a cancelled close."""
    async with ScriptedBroker({}) as broker:
        with pytest.raises(UnknownTopicOrPartitionError):
            await consumer_of(broker, default_api_timeout_ms=50).start()
        assert watchdogs() == 0
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=20)
        await in_the_group(consumer, broker)
        broker.fail_next("Heartbeat", 82)
        with pytest.raises(FencedInstanceIdError):
            await consumer.getone()
        await consumer.aclose()
        assert watchdogs() == 0
        consumer = consumer_of(broker)
        await in_the_group(consumer, broker)
        closing = asyncio.create_task(consumer.aclose())
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert watchdogs() == 1 - consumer._client._supervisor.done()
        await consumer.aclose()
        assert watchdogs() == 0
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_log_that_is_stuck_does_not_hold_up_a_close(listener: Listener) -> None:
    """The thread is held up in the application's logging: the close goes on without it."""
    stuck, told = threading.Lock(), threading.Lock()
    stuck.acquire()
    told.acquire()
    listener.at_once = lambda: (told.release(), stuck.acquire(timeout=PATIENCE))
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=200)
        await in_the_group(consumer, broker)
        await asyncio.sleep(0)
        block_until(told)
        async with asyncio.timeout(AT_ONCE):
            await consumer.aclose()
        stuck.release()
        await eventually(lambda: watchdogs() == 0)
        await nothing_left(broker)
