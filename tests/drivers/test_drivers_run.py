"""`Consumer.run`: who is handled when, what counts as done, and what becomes of it when something goes wrong."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from kafkastatic import Consumer, Retry
from kafkastatic.errors import (
    ConfigError,
    ConsumerClosedError,
    CorruptRecordError,
    DeserializationError,
    FencedInstanceIdError,
    HandlerError,
    IllegalStateError,
    KafkaError,
    MaxPollExceededError,
)
from kafkastatic.types import TopicPartition
from tests.drivers.world import AT_ONCE, TP, consumer_of, eventually, nothing_left
from tests.support.scripted_broker import PATIENCE, ScriptedBroker

REBALANCING = 27
TP1 = TopicPartition("orders", 1)


class Desk:
    """A handler whose records the test lets go one by one.

    Attributes:
        begun, done: (partition, offset) of each call, in order.
        cancelled: those that were cancelled.
    """

    def __init__(self, *, parked: Callable[[Any], bool] = lambda record: False) -> None:
        self.begun: list[tuple[int, int]] = []
        self.done: list[tuple[int, int]] = []
        self.cancelled: list[tuple[int, int]] = []
        self._parked = parked
        self._let_go: defaultdict[tuple[int, int], asyncio.Event] = defaultdict(asyncio.Event)

    def let_go(self, partition: int, offset: int) -> None:
        self._let_go[partition, offset].set()

    async def __call__(self, record: Any) -> None:
        where = (record.partition, record.offset)
        self.begun.append(where)
        try:
            if self._parked(record):
                await self._let_go[where].wait()
        except asyncio.CancelledError:
            self.cancelled.append(where)
            raise
        self.done.append(where)


@asynccontextmanager
async def running(
    broker: ScriptedBroker, handler: Any, *topics: str, options: dict[str, Any] | None = None, **run: Any
) -> AsyncIterator[tuple[Consumer[Any, Any], asyncio.Task[None]]]:
    """A consumer whose `run` is a task of its own; it ends with the block, if it has not ended before."""
    async with consumer_of(broker, *topics, **{"enable_auto_commit": True, **(options or {})}) as consumer:
        task = asyncio.create_task(consumer.run(handler, **run))
        try:
            yield consumer, task
            if not task.done():
                consumer.stop()
                await asyncio.wait_for(task, PATIENCE)
        finally:
            task.cancel()
            await asyncio.wait([task])
    await nothing_left(broker)


def committed(broker: ScriptedBroker) -> dict[int, int]:
    return {partition: offset for (_, partition), offset in sorted(broker.committed.items())}


# ── who is handled when ──


@pytest.mark.asyncio
async def test_partitions_are_handled_side_by_side_and_each_in_order() -> None:
    """One that waits does not hold up another; within one, a record begins when the one before is done."""
    desk = Desk(parked=lambda record: record.partition == 0)
    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"0", b"1")
        broker.append("orders", 1, b"0", b"1", b"2")
        async with running(broker, desk):
            await eventually(lambda: (1, 2) in desk.done and (0, 0) in desk.begun)
            assert [where for where in desk.begun if where[0] == 0] == [(0, 0)]
            desk.let_go(0, 0)
            await eventually(lambda: (0, 1) in desk.begun)
            assert desk.done == [(1, 0), (1, 1), (1, 2), (0, 0)]
            desk.let_go(0, 1)
        assert committed(broker) == {0: 2, 1: 3}


@pytest.mark.asyncio
async def test_no_more_than_concurrency_records_are_handled_at_a_time() -> None:
    """Over all partitions."""
    desk = Desk(parked=lambda record: True)
    async with ScriptedBroker({"orders": 4}) as broker:
        for partition in range(4):
            broker.append("orders", partition, b"0")
        async with running(broker, desk, concurrency=2):
            for count in range(2, 5):
                await eventually(lambda count=count: len(desk.begun) == count)
                await broker.received("Fetch", len(broker.of("Fetch")) + 2)
                assert len(desk.begun) == count
                desk.let_go(*desk.begun[count - 2])
            for where in desk.begun:
                desk.let_go(*where)


@pytest.mark.asyncio
async def test_by_key_equal_keys_keep_their_order_and_others_do_not_wait() -> None:
    """What is committed stays before the first record that is not done."""
    desk = Desk(parked=lambda record: record.offset in (0, 3))
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *[b"v"] * 7, keys=[b"a", b"b", b"a", b"c", b"c", None, None])
        async with running(broker, desk, ordering="key", options={"auto_commit_interval_ms": 20}):
            await eventually(lambda: len(desk.done) == 3)
            assert (sorted(desk.begun), sorted(desk.done)) == (
                [(0, o) for o in (0, 1, 3, 5, 6)],
                [(0, 1), (0, 5), (0, 6)],
            )
            desk.let_go(0, 0)
            await eventually(lambda: (0, 2) in desk.done)
            await broker.until(lambda: committed(broker) == {0: 3})
            desk.let_go(0, 3)
            await eventually(lambda: (0, 4) in desk.done)
        assert committed(broker) == {0: 7}
        assert desk.done.index((0, 0)) < desk.done.index((0, 2))


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
async def test_records_begun_and_not_done_by_key_are_bounded(ordering: str) -> None:
    """A key that is stuck does not hold up the others, but no batch follows while `max_poll_records` are not done."""
    desk = Desk(parked=lambda record: record.offset == 0)
    async with ScriptedBroker() as broker:
        for base in range(0, 40, 4):
            broker.append("orders", 0, *[b"v"] * 4, keys=[b"%d" % key for key in range(base, base + 4)])
        async with running(broker, desk, ordering=ordering, options={"max_poll_records": 8}):
            await eventually(lambda: len(desk.begun) == (1 if ordering == "partition" else 40))
            desk.let_go(0, 0)
            await eventually(lambda: len(desk.done) == 40)


@pytest.mark.asyncio
async def test_a_handler_that_never_waits_leaves_others_their_turn() -> None:
    """Another task of the loop runs while thousands of records are handled."""
    seen = 0

    async def handler(record: Any) -> None:
        nonlocal seen
        seen += 1

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *[b"v"] * 20_000)
        async with running(broker, handler):
            turns = 0
            while seen < 20_000:
                await asyncio.sleep(0)
                turns += seen > 0
            assert turns > 3


@pytest.mark.asyncio
async def test_a_plain_function_runs_in_worker_threads() -> None:
    """So the loop goes on meanwhile; at most `concurrency` of them at a time."""
    threads: set[int] = set()
    both = threading.Barrier(2, timeout=PATIENCE)

    def handler(record: Any) -> None:
        threads.add(threading.get_ident())
        both.wait()

    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"0")
        broker.append("orders", 1, b"0")
        async with running(broker, handler, concurrency=2):
            await eventually(lambda: len(threads) == 2)
        assert committed(broker) == {0: 1, 1: 1}
    assert threading.get_ident() not in threads


@pytest.mark.asyncio
async def test_a_plain_function_that_returns_an_awaitable_is_awaited() -> None:
    desk = Desk()
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        async with running(broker, lambda record: desk(record)):
            await eventually(lambda: desk.done == [(0, 0)])


# ── start and end ──


@pytest.mark.asyncio
async def test_a_task_group_starts_it_and_is_told_the_first_assignment() -> None:
    desk = Desk()
    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"0")
        async with consumer_of(broker, enable_auto_commit=True) as consumer, anyio.create_task_group() as tasks:
            assert await tasks.start(consumer.run, desk) == {TP, TP1}
            await eventually(lambda: desk.done == [(0, 0)])
            consumer.stop()
        assert committed(broker) == {0: 1, 1: 0}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_it_ends_before_the_first_assignment_when_stopped() -> None:
    """Also for a task group that waits for its start."""
    async with ScriptedBroker() as broker:
        hold = broker.hold("JoinGroup")
        async with consumer_of(broker) as consumer, anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: _stop_after(consumer, broker))
            assert await tasks.start(consumer.run, Desk()) == frozenset()
            hold.release()
        await nothing_left(broker)


async def _stop_after(consumer: Consumer[Any, Any], broker: ScriptedBroker) -> None:
    await broker.received("JoinGroup")
    consumer.stop()


@pytest.mark.asyncio
async def test_an_asyncio_task_group_runs_it() -> None:
    """A failing handler reaches the group as itself, wrapped once."""

    async def handler(record: Any) -> None:
        raise OSError("disk full")

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        with pytest.raises(ExceptionGroup) as caught:
            async with consumer_of(broker, enable_auto_commit=True) as consumer, asyncio.TaskGroup() as tasks:
                tasks.create_task(consumer.run(handler))
        (error,) = caught.value.exceptions
        assert isinstance(error, HandlerError)
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_stop_lets_the_records_in_hand_be_done() -> None:
    """No record begins after it, and `run` ends normally."""
    desk = Desk(parked=lambda record: True)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        async with running(broker, desk) as (consumer, task):
            await eventually(lambda: desk.begun == [(0, 0)])
            consumer.stop()
            desk.let_go(0, 0)
            await asyncio.wait_for(task, PATIENCE)
        assert (desk.begun, desk.done, committed(broker)) == ([(0, 0)], [(0, 0)], {0: 1})


@pytest.mark.asyncio
async def test_a_close_lets_the_records_in_hand_be_done_and_commits_them() -> None:
    """`run` in another task ends normally then."""
    desk = Desk(parked=lambda record: True)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        async with running(broker, desk) as (consumer, task):
            await eventually(lambda: desk.begun == [(0, 0)])
            closing = asyncio.create_task(consumer.aclose())
            await eventually(lambda: consumer._client.closing)
            desk.let_go(0, 0)
            await asyncio.wait_for(closing, PATIENCE)
            assert task.done() and task.result() is None
        assert (desk.begun, desk.done, committed(broker)) == ([(0, 0)], [(0, 0)], {0: 1})


@pytest.mark.asyncio
async def test_a_close_cancels_what_is_not_done_in_time() -> None:
    """After `drain_timeout_ms`; its record stays uncommitted."""
    desk = Desk(parked=lambda record: record.offset == 1)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        async with running(broker, desk, options={"drain_timeout_ms": 50}) as (consumer, task):
            await eventually(lambda: len(desk.begun) == 2)
            await asyncio.wait_for(consumer.aclose(), AT_ONCE)
            await asyncio.wait_for(task, PATIENCE)
        assert (desk.cancelled, committed(broker)) == ([(0, 1)], {0: 1})


@pytest.mark.asyncio
async def test_without_a_group_a_close_lets_the_records_in_hand_be_done_too() -> None:
    desk = Desk(parked=lambda record: True)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        options = {"group_id": None, "group_instance_id": None, "enable_auto_commit": False}
        async with running(broker, desk, options=options) as (consumer, _):
            await eventually(lambda: desk.begun == [(0, 0)])
            closing = asyncio.create_task(consumer.aclose())
            await eventually(lambda: consumer._client.closing)
            desk.let_go(0, 0)
            await asyncio.wait_for(closing, PATIENCE)
        assert (desk.begun, desk.done) == ([(0, 0)], [(0, 0)])


@pytest.mark.asyncio
async def test_partitions_taken_by_hand_are_committed_on_close() -> None:
    desk = Desk(parked=lambda record: record.offset == 1)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        consumer = consumer_of(broker, enable_auto_commit=True, drain_timeout_ms=50)
        consumer.subscribe([])
        consumer.assign([TP])
        async with consumer:
            task = asyncio.create_task(consumer.run(desk))
            await eventually(lambda: len(desk.begun) == 2)
        await asyncio.wait_for(task, PATIENCE)
        assert (desk.done, desk.cancelled, committed(broker)) == ([(0, 0)], [(0, 1)], {0: 1})


@pytest.mark.asyncio
async def test_partitions_that_are_kept_notice_nothing_of_those_that_go() -> None:
    """Taken and given up by hand, while a handler is at work on each."""
    desk = Desk(parked=lambda record: True)
    async with ScriptedBroker({"orders": 3}) as broker:
        for partition in range(3):
            broker.append("orders", partition, b"0")
        consumer = consumer_of(broker, enable_auto_commit=True)
        consumer.unsubscribe()
        consumer.assign([TP, TP1])
        async with consumer:
            task = asyncio.create_task(consumer.run(desk))
            await eventually(lambda: len(desk.begun) == 2)
            consumer.assign([TP1, TopicPartition("orders", 2)])
            await eventually(lambda: desk.cancelled == [(0, 0)] and (2, 0) in desk.begun)
            assert sorted(desk.begun) == [(0, 0), (1, 0), (2, 0)]
            desk.let_go(1, 0)
            desk.let_go(2, 0)
            await eventually(lambda: len(desk.done) == 2)
            consumer.stop()
            await asyncio.wait_for(task, PATIENCE)
        assert (desk.cancelled, committed(broker)) == ([(0, 0)], {0: 0, 1: 1, 2: 1})
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("scoped", [True, False], ids=["anyio", "native"])
async def test_a_cancelled_run_cancels_its_handlers_and_what_is_not_done_comes_again(scoped: bool) -> None:
    """What is done does not."""
    desk = Desk(parked=lambda record: record.offset == 1)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1", b"2")
        async with consumer_of(broker, enable_auto_commit=True) as consumer:
            if scoped:
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(consumer.run, desk)
                        await eventually(lambda: len(desk.begun) == 2)
                        scope.cancel()
            else:
                task = asyncio.create_task(consumer.run(desk))
                await eventually(lambda: len(desk.begun) == 2)
                task.cancel()
                await asyncio.wait([task])
            assert desk.cancelled == [(0, 1)]
            assert [(await consumer.getone()).offset for _ in range(2)] == [1, 2]
        assert committed(broker) == {0: 3}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_it_can_be_run_again_and_mixed_with_iteration() -> None:
    """Nothing is skipped or repeated where one takes over from the other."""
    desk = Desk()
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1", b"2", b"3", b"4")
        async with consumer_of(broker, enable_auto_commit=True, value_deserializer=int) as consumer:
            assert (await consumer.getone()).value == 0
            async for record in consumer:
                assert record.value == 1
                break
            with anyio.move_on_after(AT_ONCE):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(consumer.run, desk)
                    await eventually(lambda: len(desk.done) == 3)
                    tasks.cancel_scope.cancel()
            broker.append("orders", 0, b"5")
            assert (await consumer.getone()).value == 5
        assert (desk.done, committed(broker)) == ([(0, 2), (0, 3), (0, 4)], {0: 6})


@pytest.mark.asyncio
async def test_only_one_takes_records_at_a_time() -> None:
    async with ScriptedBroker() as broker, running(broker, Desk()) as (consumer, _):
        await consumer.assigned()
        await eventually(lambda: consumer._client.hand_out.busy)
        with pytest.raises(IllegalStateError, match="Another task is asking"):
            await consumer.run(Desk())
        with pytest.raises(IllegalStateError, match="Another task is asking"):
            await consumer.getone()


@pytest.mark.asyncio
async def test_bad_arguments_are_refused_before_anything_happens() -> None:
    async with ScriptedBroker() as broker, consumer_of(broker) as consumer:
        for wrong in ({"ordering": "keys"}, {"concurrency": 0}, {"on_error": "ignore"}):
            with pytest.raises(ConfigError, match=next(iter(wrong))):
                await consumer.run(Desk(), **wrong)
        with pytest.raises(ConfigError, match="attempts"):
            Retry(attempts=0)
        with pytest.raises(ConfigError, match="then"):
            Retry(attempts=1, then="again")  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_it_needs_a_started_consumer() -> None:
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        with pytest.raises(IllegalStateError, match="not started"):
            await consumer.run(Desk())
        async with consumer:
            pass
        with pytest.raises(ConsumerClosedError):
            await consumer.run(Desk())


# ── failures ──


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
async def test_a_handler_that_raises_ends_it_before_that_record(ordering: str) -> None:
    """The error names it, nothing from it on is committed, records in hand elsewhere are done; a seek passes it."""
    desk = Desk(parked=lambda record: record.partition == 1)

    async def handler(record: Any) -> None:
        if (record.partition, record.offset) == (0, 1):
            await eventually(lambda: (1, 0) in desk.begun)
            desk.let_go(1, 0)
            raise OSError("disk full")
        await desk(record)

    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"0", b"1", b"2", keys=[b"a", b"a", b"a"])
        broker.append("orders", 1, b"0", b"1", keys=[b"a", b"a"])
        async with running(broker, handler, ordering=ordering) as (consumer, task):
            with pytest.raises(HandlerError) as caught:
                await asyncio.wait_for(task, PATIENCE)
            error = caught.value
            assert (error.topic, error.partition, error.offset, error.next_offset) == ("orders", 0, 1, 2)
            assert isinstance(error.__cause__, OSError)
            assert str(error) == (
                "orders-0 offset 1: the handler raised OSError: disk full."
                " To pass it: consumer.seek(TopicPartition('orders', 0), 2)"
            )
            assert (await consumer.position(TP), await consumer.position(TP1)) == (1, 1)
            consumer.seek(TP, error.next_offset)
            again = asyncio.create_task(consumer.run(desk))
            await eventually(lambda: (0, 2) in desk.done)
            desk.let_go(1, 1)
            consumer.stop()
            await asyncio.wait_for(again, PATIENCE)
        assert desk.done[:2] == [(0, 0), (1, 0)]
        assert committed(broker)[0] == 3


@pytest.mark.asyncio
async def test_after_a_failure_nothing_past_it_is_committed_by_the_close() -> None:
    async def handler(record: Any) -> None:
        if record.offset == 1:
            raise OSError("disk full")

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1", b"2")
        with pytest.raises(HandlerError):
            async with consumer_of(broker, enable_auto_commit=True) as consumer:
                await consumer.run(handler)
        assert committed(broker) == {0: 1}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_skip_goes_on_behind_the_record() -> None:
    done: list[int] = []

    async def handler(record: Any) -> None:
        if record.offset == 1:
            raise OSError("disk full")
        done.append(record.offset)

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1", b"2")
        async with running(broker, handler, on_error="skip"):
            await eventually(lambda: len(done) == 2)
        assert (done, committed(broker)) == ([0, 2], {0: 3})


@pytest.mark.asyncio
async def test_retry_calls_again_and_the_records_behind_wait() -> None:
    calls: list[int] = []

    async def handler(record: Any) -> None:
        calls.append(record.offset)
        if record.offset == 1 and calls.count(1) < 3:
            raise OSError("not yet")

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1", b"2")
        async with running(broker, handler, on_error=Retry(attempts=2, backoff_ms=1)):
            await eventually(lambda: calls[-1:] == [2])
        assert (calls, committed(broker)) == ([0, 1, 1, 1, 2], {0: 3})


@pytest.mark.asyncio
@pytest.mark.parametrize("then", ["raise", "skip"])
async def test_retry_has_a_limit_and_then_something_else_happens(then: Any) -> None:
    calls: list[int] = []

    async def handler(record: Any) -> None:
        calls.append(record.offset)
        if record.offset == 0:
            raise OSError("never")

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        async with running(broker, handler, on_error=Retry(attempts=2, backoff_ms=0, then=then)) as (_, task):
            if then == "raise":
                with pytest.raises(HandlerError, match="OSError: never"):
                    await asyncio.wait_for(task, PATIENCE)
            else:
                await eventually(lambda: calls[-1:] == [1])
        assert calls[:3] == [0, 0, 0]
        assert committed(broker) == {0: 0 if then == "raise" else 2}


@pytest.mark.asyncio
@pytest.mark.parametrize("on_error", ["raise", "skip"])
async def test_a_deserialiser_that_raises_is_treated_as_the_handler(on_error: Any) -> None:
    """The error is its own; nothing from that record on is committed, unless it is skipped."""
    desk = Desk()
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"one", b"2")
        async with running(broker, desk, options={"value_deserializer": int}, on_error=on_error) as (_, task):
            if on_error == "raise":
                with pytest.raises(DeserializationError, match="orders-0 offset 1: the deserializer raised") as caught:
                    await asyncio.wait_for(task, PATIENCE)
                assert isinstance(caught.value.__cause__, ValueError)
            else:
                await eventually(lambda: desk.done == [(0, 0), (0, 2)])
        assert committed(broker) == {0: 1 if on_error == "raise" else 3}


@pytest.mark.asyncio
async def test_a_corrupt_batch_ends_it_when_what_stands_before_is_done() -> None:
    """Whatever the handler does about errors: there is no record to give it. A seek passes the batch."""
    desk = Desk(parked=lambda record: record.offset == 0)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        broker.append("orders", 0, b"1")
        end, data = broker._log["orders", 0][-1]
        broker._log["orders", 0][-1] = (end, data[:-1] + bytes([data[-1] ^ 1]))
        async with running(broker, desk, ordering="key", on_error="skip") as (consumer, task):
            await eventually(lambda: desk.begun == [(0, 0)])
            await eventually(lambda: consumer._client.positions[TP].error is not None)
            desk.let_go(0, 0)
            with pytest.raises(CorruptRecordError) as caught:
                await asyncio.wait_for(task, PATIENCE)
            assert (caught.value.offset, caught.value.next_offset) == (1, 2)
        assert (desk.done, committed(broker)) == ([(0, 0)], {0: 1})


@pytest.mark.asyncio
async def test_a_handler_that_lets_out_a_cancellation_of_its_own_has_failed() -> None:
    """It does not end its partition without a word."""

    async def handler(record: Any) -> None:
        raise asyncio.CancelledError

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        async with running(broker, handler) as (_, task):
            with pytest.raises(HandlerError, match="cancelled from within"):
                await asyncio.wait_for(task, PATIENCE)


@pytest.mark.asyncio
async def test_what_is_no_exception_comes_through_bare() -> None:
    class Halt(BaseException):
        pass

    async def handler(record: Any) -> None:
        raise Halt

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        async with running(broker, handler) as (_, task):
            await asyncio.wait([task])
            assert type(task.exception()) is Halt
        assert committed(broker) == {0: 0}


# ── the group ──


@pytest.mark.asyncio
async def test_a_revoke_waits_for_the_record_in_hand_and_commits_it() -> None:
    """Nothing more of the partition begins; after the rebalance it goes on behind what is committed."""
    desk = Desk(parked=lambda record: record.offset == 0)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        async with running(broker, desk) as (consumer, _):
            await eventually(lambda: desk.begun == [(0, 0)])
            broker.fail_next("Heartbeat", REBALANCING)
            consumer._client.membership.feed(_nothing())
            await eventually(lambda: consumer._client.assignment._draining is not None)
            assert (len(broker.of("JoinGroup")), desk.begun) == (1, [(0, 0)])
            desk.let_go(0, 0)
            await broker.received("JoinGroup", 2)
            assert committed(broker) == {0: 1}
            await eventually(lambda: desk.done == [(0, 0), (0, 1)])
        assert committed(broker) == {0: 2}


def _nothing() -> Any:
    from kafkastatic._group.member import CommitRejected

    return CommitRejected(25)  # makes it ask by a heartbeat, at once


@pytest.mark.asyncio
async def test_a_revoke_cancels_what_is_not_done_in_time_and_it_comes_again() -> None:
    """It was neither committed nor lost."""
    desk = Desk(parked=lambda record: record.offset == 1)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        async with running(broker, desk, options={"drain_timeout_ms": 20}) as (consumer, _):
            await eventually(lambda: len(desk.begun) == 2)
            broker.fail_next("Heartbeat", REBALANCING)
            consumer._client.membership.feed(_nothing())
            await broker.received("JoinGroup", 2)
            assert (desk.cancelled, committed(broker)) == ([(0, 1)], {0: 1})
            await eventually(lambda: len(desk.begun) == 3)
            desk.let_go(0, 1)
            await eventually(lambda: len(desk.done) == 2)
        assert (desk.begun, committed(broker)) == ([(0, 0), (0, 1), (0, 1)], {0: 2})


@pytest.mark.asyncio
@pytest.mark.scenario(9, where="peer")
async def test_a_fenced_member_cancels_its_handlers_and_raises_the_error_bare() -> None:
    """Nothing that they did is committed any more."""
    desk = Desk(parked=lambda record: record.offset == 1)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        consumer = consumer_of(broker, enable_auto_commit=True)
        await consumer.start()
        task = asyncio.create_task(consumer.run(desk))
        await eventually(lambda: len(desk.begun) == 2)
        broker.fail_next("Heartbeat", 82)
        consumer._client.membership.feed(_nothing())
        with pytest.raises(FencedInstanceIdError):
            await asyncio.wait_for(task, PATIENCE)
        assert desk.cancelled == [(0, 1)]
        await consumer.aclose()
        assert broker.of("OffsetCommit") == []
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_commit_in_a_handler_that_meets_a_fence_lets_the_fence_end_the_run() -> None:
    """And not a failure of the handler."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        consumer = consumer_of(broker)

        async def handler(record: Any) -> None:
            broker.fail_next("OffsetCommit", 82)
            await consumer.commit(record)

        await consumer.start()
        with pytest.raises(FencedInstanceIdError):
            await asyncio.wait_for(consumer.run(handler), PATIENCE)
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.scenario(21, where="peer")
async def test_a_handler_that_takes_longer_than_allowed_ends_it_with_the_record_and_the_excess() -> None:
    """The partitions are given up, the handler is cancelled; another run joins again under the known member id."""
    desk = Desk(parked=lambda record: record.offset == 1)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        async with running(broker, desk, options={"max_poll_interval_ms": 200}) as (consumer, task):
            with pytest.raises(MaxPollExceededError) as caught:
                await asyncio.wait_for(task, PATIENCE)
            assert (caught.value.last, caught.value.interval_ms) == (("orders", 0, 1), 200)
            assert caught.value.excess_ms > 0
            assert desk.cancelled == [(0, 1)]
            desk.let_go(0, 1)
            again = asyncio.create_task(consumer.run(desk))
            await eventually(lambda: desk.done.count((0, 1)) == 1)
            consumer.stop()
            await asyncio.wait_for(again, PATIENCE)
        first, second = (call.request for call in broker.of("JoinGroup"))
        assert (first.member_id, second.member_id) == ("", "billing-0-1")


@pytest.mark.asyncio
async def test_waiting_for_records_or_between_retries_is_no_slowness() -> None:
    """The clock runs for each attempt of the handler alone."""
    calls = 0

    async def handler(record: Any) -> None:
        nonlocal calls
        calls += 1
        if calls < 5:
            raise OSError("not yet")

    async with ScriptedBroker() as broker:
        options = {"max_poll_interval_ms": 100, "drain_timeout_ms": 1000}
        async with running(
            broker, handler, options=options, on_error=Retry(attempts=9, backoff_ms=60, backoff_max_ms=60)
        ) as (consumer, _):
            await consumer.assigned()
            await broker.received("Fetch", 10)
            broker.append("orders", 0, b"0")
            await eventually(lambda: calls == 5)
        assert (len(broker.of("JoinGroup")), committed(broker)) == (1, {0: 1})


# ── what a handler may do with the consumer ──


@pytest.mark.asyncio
async def test_a_handler_may_commit_also_while_the_consumer_is_closing() -> None:
    """`commit(record)` covers its record, `commit()` what is done."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        consumer = consumer_of(broker)
        at_work, go_on = asyncio.Event(), asyncio.Event()

        async def handler(record: Any) -> None:
            if record.offset == 0:
                await consumer.commit()
                assert committed(broker) == {0: 0}
                await consumer.commit(record)
                assert committed(broker) == {0: 1}
                return
            at_work.set()
            await go_on.wait()
            await consumer.commit(record)

        await consumer.start()
        task = asyncio.create_task(consumer.run(handler))
        await asyncio.wait_for(at_work.wait(), PATIENCE)
        closing = asyncio.create_task(consumer.aclose())
        await eventually(lambda: consumer._client.closing)
        go_on.set()
        await asyncio.wait_for(closing, PATIENCE)
        await asyncio.wait_for(task, PATIENCE)
        assert committed(broker) == {0: 2}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_handler_cannot_close_the_consumer() -> None:
    """It would wait for itself; `stop()` is what it wants."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        async with consumer_of(broker, enable_auto_commit=True) as consumer:

            async def handler(record: Any) -> None:
                with pytest.raises(IllegalStateError, match="inside a handler would wait for itself"):
                    await consumer.aclose()
                consumer.stop()

            await asyncio.wait_for(consumer.run(handler), PATIENCE)
        assert committed(broker) == {0: 1}


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
async def test_a_handler_may_pause_its_partition_and_another_task_resume_it(ordering: str) -> None:
    """What is in hand is done, nothing more begins until then."""
    desk = Desk()
    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, *[b"v"] * 4, keys=[b"a"] * 4)
        async with consumer_of(broker, enable_auto_commit=True) as consumer:

            async def handler(record: Any) -> None:
                if record.offset == 1:
                    consumer.pause(TP)
                await desk(record)

            task = asyncio.create_task(consumer.run(handler, ordering=ordering))
            await eventually(lambda: (0, 1) in desk.done)
            broker.append("orders", 1, b"0")
            await eventually(lambda: (1, 0) in desk.done)
            assert desk.done == [(0, 0), (0, 1), (1, 0)]
            consumer.resume(TP)
            await eventually(lambda: (0, 3) in desk.done)
            consumer.stop()
            await asyncio.wait_for(task, PATIENCE)
        assert committed(broker) == {0: 4, 1: 1}


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
async def test_a_seek_lets_what_is_in_hand_end_and_goes_on_there(ordering: str) -> None:
    """What was in hand is of no account any more, and is not overtaken."""
    desk = Desk(parked=lambda record: record.offset == 1)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *[b"v"] * 6, keys=[b"a"] * 6)
        async with running(broker, desk, ordering=ordering) as (consumer, _):
            await eventually(lambda: len(desk.begun) == 2)
            consumer.seek(TP, 4)
            fetches = len(broker.of("Fetch"))
            await broker.received("Fetch", fetches + 3)
            assert desk.begun == [(0, 0), (0, 1)]
            desk.let_go(0, 1)
            await eventually(lambda: (0, 5) in desk.done)
        assert desk.done == [(0, 0), (0, 1), (0, 4), (0, 5)]
        assert committed(broker) == {0: 6}


@pytest.mark.asyncio
async def test_auto_commit_off_leaves_commits_to_the_handler() -> None:
    desk = Desk()
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        async with running(broker, desk, options={"enable_auto_commit": False, "auto_commit_interval_ms": 1}):
            await eventually(lambda: desk.done == [(0, 0)])
        assert broker.of("OffsetCommit") == []


def test_the_errors_say_what_happened() -> None:
    error = MaxPollExceededError(("orders", 3, 17), 200, 45)
    assert isinstance(error, KafkaError)
    assert str(error) == (
        "max_poll_interval_ms=200 was exceeded by at least 45 ms after orders-3 offset 17 was handed out;"
        " the partitions were given up. Handle records faster, fetch fewer at a time, or raise max_poll_interval_ms."
    )
