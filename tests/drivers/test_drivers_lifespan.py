"""A consumer belongs to no task: lifespans and fixtures start it in one and close it in another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import pytest_asyncio

from kafkastatic import Consumer
from kafkastatic.errors import ConsumerClosedError, FencedInstanceIdError
from tests.drivers.world import AT_ONCE, TP, consumer_of, eventually, in_the_group, nothing_left, tasks_left
from tests.support.scripted_broker import ScriptedBroker

# ── fixtures of pytest-asyncio, whose halves run in tasks of their own ──


@pytest_asyncio.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    async with ScriptedBroker() as scripted:
        scripted.append("orders", 0, b"a", b"b")
        yield scripted
        await nothing_left(scripted)


@pytest_asyncio.fixture
async def entered(broker: ScriptedBroker) -> AsyncIterator[Consumer[Any, Any]]:
    async with consumer_of(broker, enable_auto_commit=True) as consumer:
        yield consumer


@pytest_asyncio.fixture
async def started(broker: ScriptedBroker) -> AsyncIterator[Consumer[Any, Any]]:
    consumer = consumer_of(broker, enable_auto_commit=True)
    await consumer.start()
    yield consumer
    await consumer.aclose()
    assert broker.committed == {TP: 1}  # the record in hand does not count


@pytest.mark.asyncio
async def test_a_fixture_that_yields_inside_async_with(entered: Consumer[Any, Any]) -> None:
    """Started, used and closed in three tasks."""
    assert [(await entered.getone()).value for _ in range(2)] == [b"a", b"b"]


@pytest.mark.asyncio
async def test_a_fixture_that_starts_and_closes(started: Consumer[Any, Any]) -> None:
    """Here too."""
    assert [(await started.getone()).value for _ in range(2)] == [b"a", b"b"]


# ── fixtures of anyio's own plugin, on either loop ──


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def anyio_consumer(anyio_backend: object) -> AsyncIterator[tuple[Consumer[Any, Any], ScriptedBroker]]:
    async with ScriptedBroker() as scripted:
        scripted.append("orders", 0, b"a", b"b")
        async with consumer_of(scripted) as consumer, anyio.create_task_group() as tasks:
            tasks.start_soon(consumer.assigned)
            yield consumer, scripted
            tasks.cancel_scope.cancel()
        await scripted.until(lambda: not scripted.peers)


@pytest.mark.anyio
async def test_a_fixture_of_anyio(anyio_consumer: tuple[Consumer[Any, Any], ScriptedBroker]) -> None:
    """With a task group around the yield; connections that are lost are opened again on either loop."""
    consumer, broker = anyio_consumer
    with anyio.fail_after(AT_ONCE):
        assert (await consumer.getone()).value == b"a"
        broker.disconnect()
        assert (await consumer.getone()).value == b"b"
        await consumer.commit()
        broker.append("orders", 0, b"c")
        assert (await consumer.getone()).value == b"c"
        assert await consumer.committed(TP) == 2


# ── tasks and scopes ──


@pytest.mark.asyncio
async def test_the_task_that_started_it_may_end_or_be_cancelled(broker: ScriptedBroker) -> None:
    """Its group, its scope and its deadline are gone; the consumer goes on."""
    consumer = consumer_of(broker)

    async def starts_and_stays() -> None:
        with anyio.fail_after(AT_ONCE):
            await consumer.start()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(starts_and_stays)
        await broker.received("Heartbeat")
        tasks.cancel_scope.cancel()
    assert (await consumer.getone()).value == b"a"
    async with asyncio.TaskGroup() as closing:
        closing.create_task(consumer.aclose())


@pytest.mark.asyncio
async def test_started_in_a_task_group_of_asyncio_and_closed_in_one_of_anyio(broker: ScriptedBroker) -> None:
    consumer = consumer_of(broker)
    async with asyncio.TaskGroup() as starting:
        starting.create_task(consumer.start())
    await consumer.assigned()
    async with anyio.create_task_group() as closing:
        closing.start_soon(consumer.aclose)


@pytest.mark.parametrize("where", ["start", "aclose"])
@pytest.mark.parametrize("how", ["task.cancel", "scope", "deadline"])
@pytest.mark.asyncio
async def test_a_start_or_close_cancelled_in_a_task_of_its_own(broker: ScriptedBroker, where: str, how: str) -> None:
    """The consumer is closed the hard way, everything is gone, and a later close in another task does nothing."""
    consumer = consumer_of(broker)
    held = "FindCoordinator" if where == "start" else "OffsetCommit"
    if where == "aclose":
        await in_the_group(consumer, broker)
        await consumer.getone()
        await consumer.getone()
    hold = broker.hold(held)
    scope = anyio.CancelScope()

    async def call() -> None:
        with scope:
            await (consumer.start() if where == "start" else commit_and_close(consumer))

    task = asyncio.create_task(call())
    await broker.received(held)
    if how == "task.cancel":
        task.cancel()
    elif how == "scope":
        scope.cancel()
    else:
        scope.deadline = anyio.current_time()
    await asyncio.wait([task], timeout=AT_ONCE)
    assert task.cancelled() if how == "task.cancel" else scope.cancelled_caught and task.exception() is None
    hold.release()
    async with asyncio.timeout(AT_ONCE):
        await consumer.aclose()
        with pytest.raises(ConsumerClosedError):
            await consumer.getone()
    assert tasks_left() == []


async def commit_and_close(consumer: Consumer[Any, Any]) -> None:
    await consumer.commit()
    await consumer.aclose()


@pytest.mark.asyncio
async def test_a_close_behind_a_cancelled_group_is_in_order_when_shielded(broker: ScriptedBroker) -> None:
    """As a lifespan ends: its tasks are cancelled, then what is consumed is committed."""
    consumer = consumer_of(broker, enable_auto_commit=True)
    seen: list[bytes] = []

    async def read() -> None:
        async for record in consumer:
            seen.append(record.value)

    with anyio.CancelScope() as outer:
        await consumer.start()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await eventually(lambda: len(seen) == 2)
                outer.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await consumer.aclose()
    assert outer.cancelled_caught
    assert broker.committed == {TP: 2}  # the next one was asked for


@pytest.mark.asyncio
async def test_a_consumer_that_dies_cancels_nobody(broker: ScriptedBroker) -> None:
    """Not the group in which it was started, nor the one that waits for something else; who asks is told."""
    consumer = consumer_of(broker, heartbeat_interval_ms=20)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consumer.start)
        await broker.received("Heartbeat")
        broker.fail_next("Heartbeat", 82)
        await eventually(lambda: consumer._client.fatal is not None)
        await anyio.sleep(0)
    with pytest.raises(FencedInstanceIdError):
        await asyncio.create_task(consumer.getone())
    await asyncio.create_task(consumer.aclose())


@pytest.mark.asyncio
async def test_an_exit_stack_that_is_closed_in_another_task(broker: ScriptedBroker) -> None:
    """`async with` holds no scope of the task that entered it."""
    stack = contextlib.AsyncExitStack()
    consumer = await asyncio.create_task(stack.enter_async_context(consumer_of(broker)))
    with anyio.move_on_after(AT_ONCE):
        assert (await consumer.getone()).value == b"a"
    await asyncio.create_task(stack.aclose())
    assert not consumer._client.running
