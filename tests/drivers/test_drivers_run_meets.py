"""`Consumer.run` where two things meet: seeks, losses, cut logs and closes while records wait, are in hand, or end."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from kafkastatic import Consumer
from kafkastatic._group.member import CommitRejected, MetadataChanged
from kafkastatic._records.encoder import encode_batch
from kafkastatic.errors import HandlerError, IllegalStateError, LogTruncationError
from kafkastatic.types import TopicPartition
from tests.drivers.test_drivers_run import Desk, committed, running
from tests.drivers.world import AT_ONCE, TP, consumer_of, eventually, nothing_left
from tests.support.scripted_broker import PATIENCE, ScriptedBroker

UNKNOWN_MEMBER, REBALANCING = 25, 27
TP1 = TopicPartition("orders", 1)


async def a_while(broker: ScriptedBroker, fetches: int = 4) -> None:
    """Let time pass: each of these fetches finds nothing and takes `fetch_max_wait_ms`."""
    await broker.received("Fetch", len(broker.of("Fetch")) + fetches)


def rebalance(broker: ScriptedBroker, consumer: Consumer[Any, Any], code: int = REBALANCING) -> None:
    """The next heartbeat, which goes out at once, is answered so."""
    broker.fail_next("Heartbeat", code)
    assert consumer._client.membership is not None
    consumer._client.membership.feed(CommitRejected(UNKNOWN_MEMBER))


def truncated(broker: ScriptedBroker, at: int) -> None:
    """From now on a new leader says that the log of the epoch before ends at `at`."""

    def ends(call: Any) -> Any:
        made, answer = call.messages, call.request.RESPONSE()
        for asked in call.request.topics:
            topic = made.OffsetForLeaderTopicResult(topic=asked.topic)
            for wanted in asked.partitions:
                topic.partitions.append(made.EpochEndOffset(partition=wanted.partition, leader_epoch=0, end_offset=at))
            answer.topics.append(topic)
        return answer

    broker.on("OffsetForLeaderEpoch", ends)
    broker.leader_epoch = 1


def offsets(records: list[tuple[int, int]]) -> list[int]:
    return [offset for _, offset in records]


# ── by key: what is lined up and not begun ──


@pytest.mark.asyncio
async def test_a_seek_past_records_that_wait_for_a_resume_does_not_stall() -> None:
    """The window is full of records of one key, which wait while their partition is paused."""
    desk = Desk()
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *[b"v"] * 8, keys=[b"a"] * 8)
        async with consumer_of(broker, enable_auto_commit=True, max_poll_records=2) as consumer:

            async def handler(record: Any) -> None:
                if record.offset == 0:
                    consumer.pause(TP)
                await desk(record)

            task = asyncio.create_task(consumer.run(handler, ordering="key"))
            await eventually(lambda: desk.done == [(0, 0)])
            consumer.seek(TP, 4)
            consumer.resume(TP)
            await eventually(lambda: (0, 7) in desk.done)
            consumer.stop()
            await asyncio.wait_for(task, PATIENCE)
        assert (offsets(desk.done), committed(broker)) == ([0, 4, 5, 6, 7], {0: 8})


@pytest.mark.asyncio
async def test_a_seek_past_records_that_wait_for_a_slot_does_not_stall() -> None:
    desk = Desk(parked=lambda record: True)
    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, *[b"v"] * 8, keys=[b"a"] * 8)
        options = {"max_poll_records": 2}
        async with running(broker, desk, ordering="key", concurrency=1, options=options) as (consumer, _):
            await eventually(lambda: desk.begun == [(0, 0)])
            broker.append("orders", 1, b"p", keys=[b"q"])
            await a_while(broker, 2)
            desk.let_go(0, 0)  # the slot goes to the other partition
            await eventually(lambda: (1, 0) in desk.begun)
            consumer.seek(TP, 6)
            desk.let_go(1, 0)
            for offset in (6, 7):
                await eventually(lambda offset=offset: (0, offset) in desk.begun)
                desk.let_go(0, offset)
            await eventually(lambda: (0, 7) in desk.done)


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
async def test_a_log_cut_behind_the_record_in_hand_skips_nothing(ordering: Any) -> None:
    """What was lined up behind it, and is still in the log, is handled before anything later is committed."""
    desk = Desk(parked=lambda record: record.offset == 3)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *[b"v"] * 10, keys=[b"a"] * 10)
        options = {"auto_commit_interval_ms": 10}
        async with running(broker, desk, ordering=ordering, options=options) as (consumer, _):
            await eventually(lambda: (0, 3) in desk.begun)
            records = [(b"a", b"v", (), 1_700_000_000_000)]
            broker._log["orders", 0] = []
            broker.append_bytes("orders", 0, encode_batch(records * 6, base_offset=0, leader_epoch=0), 6)
            truncated(broker, 6)
            broker.append_bytes("orders", 0, encode_batch(records * 4, base_offset=6, leader_epoch=1), 10)
            consumer._client.metadata.refresh_soon()
            if ordering == "partition":  # the rest of a batch is not taken back, so it asks again
                await broker.received("OffsetForLeaderEpoch", 2)
            else:
                await eventually(lambda: consumer._client.positions[TP].handed == 3)
            desk.let_go(0, 3)
            await broker.until(lambda: committed(broker) == {0: 10})
        assert set(offsets(desk.done)) == set(range(10))
        assert sorted(set(offsets(desk.begun))) == list(range(10))


@pytest.mark.asyncio
async def test_beyond_a_cut_nothing_is_handled_or_committed_where_it_is_an_error() -> None:
    """`auto_offset_reset="none"`: the record in hand is the last of the dead log."""
    desk = Desk(parked=lambda record: record.offset == 5)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *[b"v"] * 10)
        broker.committed["orders", 0] = 0
        options = {"auto_commit_interval_ms": 10, "auto_offset_reset": "none"}
        async with running(broker, desk, options=options) as (consumer, task):
            await eventually(lambda: (0, 5) in desk.begun)
            truncated(broker, 3)
            consumer._client.metadata.refresh_soon()
            await eventually(lambda: consumer._client.positions[TP].error is not None)
            desk.let_go(0, 5)
            with pytest.raises(LogTruncationError):
                await asyncio.wait_for(task, PATIENCE)
        assert offsets(desk.done) == [0, 1, 2, 3, 4, 5]
        assert committed(broker)[0] <= 5


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
@pytest.mark.parametrize("grouped", [True, False], ids=["follower", "no group"])
async def test_a_topic_that_one_answer_leaves_out_loses_no_record(ordering: Any, grouped: bool) -> None:
    """It is there again, under the same id: whatever was not done comes (again)."""
    desk = Desk(parked=lambda record: record.offset == 2 and desk.begun.count((0, 2)) == 1)
    options = {"auto_commit_interval_ms": 10} if grouped else {"group_id": None, "group_instance_id": None}
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, *[b"v"] * 6, keys=[b"a"] * 6)
        async with running(broker, desk, ordering=ordering, options=options) as (consumer, _):
            await eventually(lambda: (0, 2) in desk.begun)
            if consumer._client.membership is not None:  # a follower leaves the rebalance to its leader
                feed = consumer._client.membership.feed
                consumer._client.membership.feed = (  # type: ignore[method-assign]
                    lambda event: None if isinstance(event, MetadataChanged) else feed(event)
                )
            there = broker.topics.pop("orders")
            consumer._client.metadata.refresh_soon()
            await eventually(lambda: all(state.gone for state in consumer._client.positions))
            broker.topics["orders"] = there
            consumer._client.metadata.refresh_soon()
            positions = consumer._client.positions
            await eventually(lambda: len(positions) and not any(state.gone for state in positions))
            desk.let_go(0, 2)
            await eventually(lambda: (0, 5) in desk.done)
        assert set(offsets(desk.done)) == set(range(6))
        if grouped:
            assert committed(broker) == {0: 6}


@pytest.mark.asyncio
async def test_a_revoke_that_meets_records_just_begun_waits_for_them() -> None:
    """By key each is a task of its own, which may not have run yet: none is handled twice."""
    for begun in range(20, 400, 40):
        async with ScriptedBroker() as broker:
            for base in range(0, 400, 200):
                broker.append("orders", 0, *[b"v"] * 200, keys=[b"%d" % (base + n) for n in range(200)])
            done: Counter[int] = Counter()

            async def handler(record: Any, done: Counter[int] = done) -> None:
                await asyncio.sleep(0)
                done[record.offset] += 1

            async with running(broker, handler, ordering="key", options={"drain_timeout_ms": 5000}) as (consumer, _):
                await eventually(lambda done=done, begun=begun: len(done) > begun)
                rebalance(broker, consumer)
                await eventually(lambda done=done: len(done) == 400)
            assert set(done.values()) == {1}
            assert committed(broker) == {0: 400}


@pytest.mark.asyncio
async def test_a_topic_created_again_waits_for_what_is_in_hand_by_key_too() -> None:
    desk = Desk(parked=lambda record: record.value == b"0")
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1", keys=[b"a", b"b"])
        async with running(broker, desk, ordering="key") as (consumer, _):
            await eventually(lambda: len(desk.begun) == 2)
            broker.recreate("orders", b"new 0", b"new 1")
            consumer._client.metadata.refresh_soon()
            await a_while(broker, 3)
            assert (desk.begun, desk.cancelled) == ([(0, 0), (0, 1)], [])
            desk.let_go(0, 0)
            await eventually(lambda: len(desk.done) == 4)
        assert desk.cancelled == []


@pytest.mark.asyncio
async def test_by_key_a_record_cannot_be_committed_before_those_in_hand() -> None:
    """`commit(record)` would cover them: it is refused; `commit()` covers what is done."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1", keys=[b"a", b"b"])
        tried: list[str] = []
        async with consumer_of(broker) as consumer:

            async def handler(record: Any) -> None:
                with pytest.raises(IllegalStateError, match="covers records before it"):
                    await consumer.commit(record)
                await consumer.commit()
                tried.append("refused")

            task = asyncio.create_task(consumer.run(handler, ordering="key"))
            await eventually(lambda: len(tried) == 2)
            consumer.stop()
            await asyncio.wait_for(task, PATIENCE)
            await consumer.commit()
        assert committed(broker) == {0: 2}


@pytest.mark.asyncio
async def test_a_record_committed_in_its_handler_comes_again_if_that_does_not_end() -> None:
    """In this process: an explicit commit does not say that the handler is done."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        async with consumer_of(broker) as consumer:
            parked = asyncio.Event()

            async def handler(record: Any) -> None:
                await consumer.commit(record)
                parked.set()
                await asyncio.sleep(PATIENCE)

            task = asyncio.create_task(consumer.run(handler))
            await asyncio.wait_for(parked.wait(), PATIENCE)
            task.cancel()
            await asyncio.wait([task])
            assert (await asyncio.wait_for(consumer.getone(), PATIENCE)).offset == 0
        assert committed(broker) == {0: 1}


# ── losses ──


@pytest.mark.asyncio
async def test_no_record_begins_in_the_very_moment_of_a_loss() -> None:
    """A slot is handed over in the same turn of the loop in which the partition goes."""
    owned: list[tuple[int, bool]] = []
    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"0")
        async with consumer_of(broker) as consumer:
            go_on = asyncio.Event()

            async def handler(record: Any) -> None:
                owned.append((record.partition, record.tp in consumer.assignment()))
                if record.partition == 0:
                    await go_on.wait()
                    loop = asyncio.get_running_loop()
                    loop.call_soon(consumer._client.assignment.drop, frozenset({TP1}))

            task = asyncio.create_task(consumer.run(handler, concurrency=1))
            await eventually(lambda: owned)
            broker.append("orders", 1, b"0")
            await a_while(broker, 2)
            go_on.set()
            await a_while(broker, 2)
            consumer.stop()
            await asyncio.wait_for(task, PATIENCE)
        assert owned == [(0, True)]


@pytest.mark.asyncio
@pytest.mark.parametrize("on_error", ["skip", "raise"])
async def test_what_a_handler_makes_of_its_cancellation_is_no_failure(on_error: Any) -> None:
    """A drain that has run out cancels it, and it answers with an exception: the record comes again."""
    begun: list[int] = []

    async def handler(record: Any) -> None:
        begun.append(record.offset)
        try:
            await asyncio.sleep(PATIENCE if len(begun) == 1 else 0)
        except asyncio.CancelledError:
            raise ConnectionError("lost while cleaning up") from None

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        async with running(broker, handler, options={"drain_timeout_ms": 20}, on_error=on_error) as (consumer, _):
            await eventually(lambda: begun == [0])
            rebalance(broker, consumer)
            await eventually(lambda: begun == [0, 0, 1])
        assert committed(broker) == {0: 2}


# ── the end ──


@pytest.mark.asyncio
async def test_nobody_else_takes_records_while_a_run_that_failed_drains() -> None:
    """What is in hand there would be consumed by the ask of another."""
    desk = Desk(parked=lambda record: record.partition == 1)

    async def handler(record: Any) -> None:
        if record.partition == 0:
            await eventually(lambda: desk.begun)
            raise OSError("disk full")
        await desk(record)

    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"0")
        broker.append("orders", 1, b"0", b"1")
        async with consumer_of(broker, enable_auto_commit=True, auto_commit_interval_ms=5) as consumer:
            task = asyncio.create_task(consumer.run(handler))
            await eventually(lambda: consumer._client.worker is not None and not consumer._client.hand_out.busy)
            await eventually(lambda: desk.begun == [(1, 0)])
            with pytest.raises(IllegalStateError, match="Another task is asking"):
                await consumer.getone()
            desk.let_go(1, 0)
            with pytest.raises(HandlerError):
                await asyncio.wait_for(task, PATIENCE)
            found = {(record.partition, record.offset) for record in [await consumer.getone() for _ in range(2)]}
        assert found == {(0, 0), (1, 1)}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_close_that_ran_out_of_time_ends_the_handlers_too() -> None:
    """They could commit nothing any more."""
    desk = Desk(parked=lambda record: True)
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        consumer = consumer_of(broker, enable_auto_commit=True, drain_timeout_ms=60_000)
        await consumer.start()
        task = asyncio.create_task(consumer.run(desk))
        await eventually(lambda: desk.begun)
        async with asyncio.timeout(AT_ONCE):
            await consumer.aclose(timeout=0.05)
            await task
        assert desk.cancelled == [(0, 0)]
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("ordering", ["partition", "key"])
async def test_a_handler_that_cancels_its_own_task_does_not_end_the_run_in_silence(ordering: Any) -> None:
    async def handler(record: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(PATIENCE)

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0", b"1")
        async with running(broker, handler, ordering=ordering) as (_, task):
            with pytest.raises(RuntimeError, match="cancelled from within"):
                await asyncio.wait_for(task, PATIENCE)
        assert committed(broker) == {0: 0}


@pytest.mark.asyncio
async def test_the_cause_of_what_is_no_exception_is_kept() -> None:
    class Halt(BaseException):
        pass

    async def handler(record: Any) -> None:
        raise Halt from OSError("why")

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"0")
        async with running(broker, handler) as (_, task):
            await asyncio.wait([task])
            error = task.exception()
            assert isinstance(error, Halt) and isinstance(error.__cause__, OSError)
