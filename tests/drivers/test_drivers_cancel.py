"""A caller that is cancelled, at every step of every public operation.

The cancellation wins at once; the consumer goes on, losing nothing, or closes; nothing is left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import anyio
import pytest

from kafkastatic import Consumer
from kafkastatic.identity import IdentityRegistry
from tests.drivers.world import (
    AT_ONCE,
    TP,
    Operation,
    consumer_of,
    first_of_batches,
    first_of_loop,
    group_requests,
    in_the_group,
    nothing_left,
    tasks_left,
)
from tests.support.scripted_broker import ScriptedBroker

VALUES = [b"0", b"1", b"2", b"3"]
ENOUGH = 400
"""More steps than any operation takes."""


async def whole_life(consumer: Consumer[Any, Any]) -> None:
    async with consumer:
        await consumer.assigned()
        await consumer.getone()
        await consumer.commit()


OPERATIONS: dict[str, Operation] = {
    "getone": lambda c: c.getone(),
    "getmany": lambda c: c.getmany(timeout_ms=5000, max_records=1),
    "async for": first_of_loop,
    "batches": first_of_batches,
    "commit": lambda c: c.commit({TP: 0}),
    "committed": lambda c: c.committed(TP),
    "position": lambda c: c.position(TP),
    "seek_to_committed": lambda c: c.seek_to_committed(),
    "end_offsets": lambda c: c.end_offsets([TP]),
    "beginning_offsets": lambda c: c.beginning_offsets([TP]),
    "offsets_for_times": lambda c: c.offsets_for_times({TP: 1}),
}
ASKS = frozenset({"getone", "getmany", "async for", "batches"})
LIFE: dict[str, Operation] = {
    "start": lambda c: c.start(),
    "assigned": lambda c: c.assigned(),
    "aclose": lambda c: c.aclose(),
    "async with": whole_life,
}


async def _cancelled_after(steps: int, operation: Awaitable[object], native: bool) -> bool | None:
    """Run an operation and cancel it after so many steps of the event loop.

    Returns:
        Whether the cancellation won; `None` if the operation was done before.
    """
    scope = anyio.CancelScope()
    finished = False

    async def call() -> None:
        nonlocal finished
        with scope:
            await operation
            finished = True

    task = asyncio.create_task(call())
    for _ in range(steps):
        await asyncio.sleep(0)
    if task.done():
        await task
        return None
    _ = task.cancel() if native else scope.cancel()
    done, _ = await asyncio.wait([task], timeout=AT_ONCE)
    assert done, f"not cancelled at once after {steps} steps"
    if native:
        assert task.cancelled(), f"the cancellation was swallowed after {steps} steps"
    else:
        await task
        assert scope.cancelled_caught is not finished  # a scope gives way to an answer that is there
    return not finished


def _assert_polite(broker: ScriptedBroker, joins: int = 1) -> None:
    """A static member never leaves, and never joins blindly a second time."""
    assert "LeaveGroup" not in broker.apis()
    assert [call.request.member_id for call in broker.of("JoinGroup")] == [""] * min(joins, len(broker.of("JoinGroup")))
    assert {call.request.group_instance_id for call in broker.of("JoinGroup")} <= {"billing-0"}


@pytest.mark.asyncio
@pytest.mark.parametrize("native", [True, False], ids=["task.cancel", "scope"])
@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_call_that_is_cancelled_anywhere_costs_nothing(name: str, native: bool) -> None:
    for steps in range(1, ENOUGH):
        async with ScriptedBroker() as broker:
            broker.topics["orders"] = 1
            consumer = consumer_of(broker)
            await in_the_group(consumer, broker)
            if name in ASKS:
                asyncio.get_running_loop().call_later(0.001, broker.append, "orders", 0, *VALUES)
            else:
                broker.append("orders", 0, *VALUES)
            if name == "position":
                await consumer.seek_to_end(TP)
            cancelled = await _cancelled_after(steps, OPERATIONS[name](consumer), native)
            if cancelled is not None:
                if name == "position":
                    assert await consumer.position(TP) in (0, 4)
                    consumer.seek(TP, 0)
                async with asyncio.timeout(AT_ONCE):
                    expected = VALUES if cancelled or name not in ASKS else VALUES[1:]
                    assert [(await consumer.getone()).value for _ in expected] == expected, f"after {steps} steps"
                    await consumer.commit()
                    assert await consumer.committed(TP) == 4
            async with asyncio.timeout(AT_ONCE):
                await consumer.aclose()
            await nothing_left(broker)
            _assert_polite(broker)
            if cancelled is None:
                return
    raise AssertionError(f"{name} did not end within {ENOUGH} steps")


@pytest.mark.asyncio
@pytest.mark.parametrize("native", [True, False], ids=["task.cancel", "scope"])
@pytest.mark.parametrize("name", LIFE)
async def test_a_life_that_is_cancelled_anywhere_leaves_nothing_behind(name: str, native: bool) -> None:
    for steps in range(1, ENOUGH):
        async with ScriptedBroker() as broker:
            broker.append("orders", 0, *VALUES)
            registry = IdentityRegistry()
            consumer = consumer_of(broker, registry=registry)
            if name == "assigned":
                await consumer.start()
            elif name == "aclose":
                await in_the_group(consumer, broker)
                await consumer.getone()
            cancelled = await _cancelled_after(steps, LIFE[name](consumer), native)
            if name in ("start", "aclose", "async with") and cancelled:
                async with asyncio.timeout(AT_ONCE):
                    await consumer.aclose()
                assert tasks_left() == [], f"after {steps} steps"
            async with asyncio.timeout(AT_ONCE):
                await consumer.aclose()
            await nothing_left(broker)
            _assert_polite(broker)
            consumer = consumer_of(broker, registry=registry)  # the identity is free again
            async with asyncio.timeout(AT_ONCE), consumer:
                await consumer.assigned()
            _assert_polite(broker, joins=2)
            if cancelled is None:
                return
    raise AssertionError(f"{name} did not end within {ENOUGH} steps")


@pytest.mark.asyncio
@pytest.mark.parametrize("api", ["JoinGroup", "SyncGroup"])
async def test_a_close_does_not_wait_for_a_parked_join(api: str) -> None:
    async with ScriptedBroker() as broker:
        broker.hold(api)
        consumer = consumer_of(broker)
        await consumer.start()
        await broker.received(api)
        async with asyncio.timeout(AT_ONCE):
            await consumer.aclose()
        await nothing_left(broker)
        _assert_polite(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("native", [True, False], ids=["task.cancel", "scope"])
async def test_a_cancelled_close_does_not_wait_for_the_broker(native: bool) -> None:
    """Closing commits; the broker does not answer; the cancellation makes an abort of it."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *VALUES)
        consumer = consumer_of(broker, enable_auto_commit=True)
        await in_the_group(consumer, broker)
        await consumer.getmany(timeout_ms=1000)
        await consumer.getmany()  # consumes
        broker.hold("OffsetCommit")
        scope = anyio.CancelScope()

        async def close() -> None:
            with scope:
                await consumer.aclose()

        closing = asyncio.create_task(close())
        await broker.received("OffsetCommit")
        _ = closing.cancel() if native else scope.cancel()
        async with asyncio.timeout(AT_ONCE):
            await asyncio.wait([closing])
        assert closing.cancelled() is native
        await nothing_left(broker)
        _assert_polite(broker)


@pytest.mark.asyncio
async def test_a_close_that_runs_out_of_time_ends_the_hard_way() -> None:
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, group_instance_id=None)
        await consumer.start()
        await consumer.assigned()
        broker.hold("LeaveGroup")
        async with asyncio.timeout(AT_ONCE):
            await consumer.aclose(timeout=0.02)
        assert group_requests(broker)[-1] == "LeaveGroup"
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_wait_for_getone_loses_nothing() -> None:
    async with ScriptedBroker() as broker:
        async with consumer_of(broker) as consumer:
            await consumer.assigned()
            for value in VALUES:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(consumer.getone(), 0.002)
                broker.append("orders", 0, value)
                assert (await asyncio.wait_for(consumer.getone(), AT_ONCE)).value == value
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_whoever_cancels_all_tasks_of_the_loop_ends_the_consumer_and_nothing_hangs() -> None:
    async with ScriptedBroker() as broker:
        registry = IdentityRegistry()
        consumer = consumer_of(broker, registry=registry)
        await in_the_group(consumer, broker)
        for task in asyncio.all_tasks():
            if task.get_name().startswith("kafkastatic:"):
                task.cancel()
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(Exception, match="own task was cancelled"):
                await consumer.getone()
            await consumer.aclose()
        await nothing_left(broker)
        async with consumer_of(broker, registry=registry):
            pass


@pytest.mark.asyncio
@pytest.mark.parametrize("native", [True, False], ids=["task.cancel", "scope"])
async def test_a_call_that_is_cancelled_inside_a_deserializer_gets_the_same_record_again(native: bool) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def deserialize(data: bytes) -> str:
        started.set()
        await go_on.wait()
        return data.decode()

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *VALUES)
        async with consumer_of(broker, value_deserializer=deserialize) as consumer:
            scope = anyio.CancelScope()

            async def ask() -> None:
                with scope:
                    await consumer.getone()

            asking = asyncio.create_task(ask())
            async with asyncio.timeout(AT_ONCE):
                await started.wait()
            _ = asking.cancel() if native else scope.cancel()
            await asyncio.wait([asking], timeout=AT_ONCE)
            assert asking.cancelled() is native
            go_on.set()
            assert [(await consumer.getone()).value for _ in VALUES] == ["0", "1", "2", "3"]
        await nothing_left(broker)
