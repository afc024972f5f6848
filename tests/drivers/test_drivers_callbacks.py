"""The application's rebalance callbacks, what a revoke waits for, and the clocks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kafkastatic.errors import CommitFailedError, ConsumerClosedError, IllegalStateError
from kafkastatic.types import RebalanceListener, TopicPartition
from tests.drivers.world import (
    AT_ONCE,
    TP,
    consumer_of,
    eventually,
    group_requests,
    happens,
    in_the_group,
    nothing_left,
)
from tests.support.scripted_broker import ScriptedBroker

REBALANCING = 27
Partitions = frozenset[TopicPartition]


class Told(RebalanceListener):
    """Notes what it is told, and does what a test wants meanwhile."""

    def __init__(self, **then: Any) -> None:
        self.calls: list[str] = []
        self._then = then

    def _note(self, what: str, partitions: Partitions) -> object:
        assert partitions == {TP}
        self.calls.append(what)
        then = self._then.get(what)
        return then() if then is not None else None

    def on_partitions_assigned(self, assigned: Partitions) -> object:
        return self._note("assigned", assigned)

    def on_partitions_revoked(self, revoked: Partitions) -> object:
        return self._note("revoked", revoked)

    def on_partitions_lost(self, lost: Partitions) -> object:
        return self._note("lost", lost)


def _raise(error: BaseException) -> Any:
    raise error


async def _raise_later(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


# ── callbacks ──


@pytest.mark.asyncio
@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "sync"])
async def test_callbacks_may_be_sync_or_async(asynchronous: bool) -> None:
    def then() -> object:
        return asyncio.sleep(0) if asynchronous else None

    async with ScriptedBroker() as broker:
        told = Told(assigned=then, revoked=then)
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        async with consumer:
            broker.fail_next("Heartbeat", REBALANCING)
            await broker.received("SyncGroup", 2)
            await consumer.assigned()
        assert told.calls == ["assigned", "revoked", "assigned", "revoked"]
        assert [call.request.member_id for call in broker.of("JoinGroup")] == ["", "billing-0-1"]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_nothing_is_fetched_before_on_assigned_is_done_so_that_it_may_seek() -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        consumer = consumer_of(broker)

        async def seek() -> None:
            assert "Fetch" not in broker.apis()
            consumer.seek(TP, 2)

        consumer.subscribe(["orders"], listener=Told(assigned=seek))
        async with consumer:
            assert (await consumer.getone()).value == b"c"
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("raises", [_raise, _raise_later], ids=["sync", "async"])
@pytest.mark.parametrize("when", ["assigned", "revoked", "lost"])
async def test_a_callback_that_raises_ends_the_consumer_with_that_very_exception(when: str, raises: Any) -> None:
    error = ZeroDivisionError(when)
    async with ScriptedBroker() as broker:
        told = Told(**{when: lambda: raises(error)})
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        broker.fail_next("Heartbeat", {"assigned": 0, "revoked": REBALANCING, "lost": 25}[when])
        await consumer.start()
        for _ in range(2):
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises(ZeroDivisionError) as caught:
                    await consumer.getone()
            assert caught.value is error
        await consumer.aclose()
        assert "LeaveGroup" not in broker.apis()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_callback_that_raises_while_closing_is_told_by_the_exit_and_not_by_aclose() -> None:
    error = ZeroDivisionError("while closing")
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=Told(revoked=lambda: _raise(error)))
        await in_the_group(consumer, broker)
        await consumer.aclose()

        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=Told(revoked=lambda: _raise(error)))
        with pytest.raises(ZeroDivisionError) as caught:
            async with consumer:
                await consumer.assigned()
        assert caught.value is error
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("wrapped", [True, False], ids=["in a task of its own", "directly"])
async def test_aclose_inside_a_callback_is_refused_and_stop_is_not(wrapped: bool) -> None:
    met: list[BaseException] = []

    async def close() -> None:
        try:
            await (asyncio.create_task(consumer.aclose()) if wrapped else consumer.aclose())
        except IllegalStateError as error:
            met.append(error)
        consumer.stop()

    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=Told(assigned=close))
        async with asyncio.timeout(AT_ONCE), consumer:
            async for _ in consumer:
                raise AssertionError
        assert "would wait for itself" in str(met[0])
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("wrapped", [True, False], ids=["wait_for", "directly"])
@pytest.mark.parametrize("closing", [True, False], ids=["closing", "rebalancing"])
async def test_a_commit_inside_on_revoked_works(closing: bool, wrapped: bool) -> None:
    async def commit() -> None:
        await (asyncio.wait_for(consumer.commit({TP: 1}), AT_ONCE) if wrapped else consumer.commit({TP: 1}))
        broker.committed[TP] *= 10

    async with ScriptedBroker() as broker:
        told = Told(revoked=commit)
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        if not closing:
            broker.fail_next("Heartbeat", REBALANCING)
        await consumer.start()
        await consumer.assigned()
        if not closing:
            await broker.received("SyncGroup", 2)
            assert broker.committed == {TP: 10}
            await consumer.assigned()
        await consumer.aclose()
        assert broker.committed == {TP: 10}
        assert told.calls[-1] == "revoked"
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_commit_that_a_callback_has_under_way_survives_the_start_of_the_close() -> None:
    done: list[str] = []

    async def commit() -> None:
        await consumer.commit({TP: 1})
        done.append("committed")

    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=Told(revoked=commit))
        await in_the_group(consumer, broker)
        hold = broker.hold("OffsetCommit")
        consumer.unsubscribe()
        await broker.received("OffsetCommit")
        closing = asyncio.create_task(consumer.aclose())
        await asyncio.sleep(0)
        hold.release()
        async with asyncio.timeout(AT_ONCE):
            await closing
        assert done == ["committed"]
        assert broker.committed == {TP: 1}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_callbacks_run_one_at_a_time() -> None:
    running = 0

    async def alone() -> None:
        nonlocal running
        running += 1
        assert running == 1
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1

    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=5)
        told = Told(assigned=alone, revoked=alone, lost=alone)
        consumer.subscribe(["orders"], listener=told)
        broker.fail_next("Heartbeat", REBALANCING, 25, 22, REBALANCING, 25)
        async with consumer:
            await broker.received("Heartbeat", 8)
            await consumer.assigned()
        assert {"assigned", "revoked"} <= set(told.calls)
        await nothing_left(broker)


# ── the record in hand ──


@pytest.mark.asyncio
async def test_a_revoke_waits_for_the_record_in_hand_until_the_next_ask() -> None:
    """Then the record counts as consumed, and is committed before the partition goes."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        told, consumer = Told(), consumer_of(broker, enable_auto_commit=True, heartbeat_interval_ms=10)
        consumer.subscribe(["orders"], listener=told)
        async with consumer:
            assert (await consumer.getone()).value == b"a"
            broker.fail_next("Heartbeat", REBALANCING)
            await eventually(lambda: consumer._client.positions[TP].barred)
            assert told.calls == ["assigned"]
            assert (await consumer.getone()).value == b"b"  # of the next generation
        assert told.calls == ["assigned", "revoked", "assigned", "revoked"]
        assert [_committed(call) for call in broker.of("OffsetCommit")] == [1, 2]
        revoke_commit = broker.calls.index(broker.of("OffsetCommit")[0])
        assert revoke_commit < broker.calls.index(broker.of("JoinGroup")[1])
        await nothing_left(broker)


def _committed(call: Any) -> int:
    return call.request.topics[0].partitions[0].committed_offset


@pytest.mark.asyncio
async def test_a_revoke_waits_no_longer_than_the_drain_timeout() -> None:
    """The record in hand is not consumed then: whoever gets the partition gets it again."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        consumer = consumer_of(broker, enable_auto_commit=True, drain_timeout_ms=10, heartbeat_interval_ms=10)
        async with consumer:
            assert (await consumer.getone()).value == b"a"
            broker.fail_next("Heartbeat", REBALANCING)
            await broker.received("SyncGroup", 2)
            with pytest.raises(CommitFailedError, match="orders-1 not assigned"):
                await consumer.commit({TopicPartition("orders", 1): 1})
            assert (await consumer.getone()).value == b"a"
        assert 1 not in [_committed(call) for call in broker.of("OffsetCommit")[:-1]]
        assert broker.committed == {TP: 1}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_commit_of_the_record_in_hand_ends_the_wait() -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        async with consumer_of(broker, heartbeat_interval_ms=10) as consumer:
            record = await consumer.getone()
            broker.fail_next("Heartbeat", REBALANCING)
            await eventually(lambda: consumer._client.positions[TP].barred)
            await consumer.commit(record)
            await broker.received("SyncGroup", 2)
            assert (await consumer.getone()).value == b"b"
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize(("clean", "expected"), [(True, {TP: 1}), (False, {TP: 0})])
async def test_leaving_counts_the_record_in_hand_unless_by_an_exception(clean: bool, expected: object) -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        try:
            async with consumer_of(broker, enable_auto_commit=True) as consumer:
                async for _ in consumer:
                    if clean:
                        break
                    raise ZeroDivisionError
        except ZeroDivisionError:
            assert not clean
        assert broker.committed == expected
        await nothing_left(broker)


# ── clocks ──


@pytest.mark.asyncio
async def test_the_auto_commit_timer_commits_what_is_consumed_only() -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        async with consumer_of(broker, enable_auto_commit=True, auto_commit_interval_ms=5) as consumer:
            await consumer.getone()
            await broker.until(lambda: broker.committed == {TP: 0})
            await consumer.getone()
            await broker.until(lambda: broker.committed == {TP: 1})
            seen = len(broker.of("OffsetCommit"))
            await consumer.getone()
            await broker.until(lambda: broker.committed == {TP: 2})
            assert len(broker.of("OffsetCommit")) == seen + 1  # what did not change is not committed again
        assert broker.committed == {TP: 3}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_refused_auto_commit_is_tried_again_by_the_next_timer() -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        async with consumer_of(broker, enable_auto_commit=True, auto_commit_interval_ms=5) as consumer:
            broker.fail_next("OffsetCommit", 29, 28, 12)
            await consumer.getone()
            await consumer.getone()
            await broker.until(lambda: broker.committed == {TP: 1})
        await nothing_left(broker)


@pytest.mark.scenario(21, where="peer")
@pytest.mark.asyncio
async def test_the_poll_interval_is_exceeded() -> None:
    """The partitions are given up; a commit says why; the next ask rejoins as the same member."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        told = Told()
        consumer = consumer_of(broker, max_poll_interval_ms=30, heartbeat_interval_ms=10)
        consumer.subscribe(["orders"], listener=told)
        async with consumer:
            assert (await consumer.getone()).value == b"a"
            await eventually(lambda: not consumer.assignment())
            with pytest.raises(CommitFailedError) as caught:
                await consumer.commit({TP: 1})
            for part in ("max_poll_interval_ms=30", "exceeded by at least", "orders-0 offset 0", "Handle records"):
                assert part in str(caught.value)
            assert "OffsetCommit" not in broker.apis()
            assert "LeaveGroup" not in broker.apis()

            assert (await consumer.getone()).value == b"a"  # not committed: again
            assert [call.request.member_id for call in broker.of("JoinGroup")] == ["", "billing-0-1"]
            await consumer.commit()
        assert broker.committed == {TP: 1}
        assert told.calls == ["assigned", "lost", "assigned", "revoked"]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_waiting_for_records_never_exceeds_the_poll_interval() -> None:
    async with ScriptedBroker() as broker:
        async with consumer_of(broker, max_poll_interval_ms=20, heartbeat_interval_ms=5) as consumer:
            waiting = asyncio.create_task(consumer.getone())
            await broker.received("Heartbeat", 12)  # 60 ms
            broker.append("orders", 0, b"a")
            assert (await waiting).value == b"a"
            assert len(broker.of("JoinGroup")) == 1
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_subscription_may_change_and_be_given_up() -> None:
    async with ScriptedBroker({"orders": 1, "other": 2}) as broker:
        consumer = consumer_of(broker)
        await in_the_group(consumer, broker)
        consumer.subscribe(["orders", "other"])
        await eventually(lambda: len(consumer.assignment()) == 3)
        consumer.unsubscribe()
        await eventually(lambda: not consumer.assignment())
        with pytest.raises(IllegalStateError, match="nothing to read"):
            await consumer.getone()
        assert group_requests(broker)[-1] != "LeaveGroup"
        consumer.subscribe(["orders"])
        await eventually(lambda: consumer.assignment() == {TP})
        await consumer.aclose()
        with pytest.raises(ConsumerClosedError):
            consumer.subscribe(["other"])
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_close_waits_for_a_callback_that_runs() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        entered.set()
        await go_on.wait()

    async with ScriptedBroker() as broker:
        told = Told(assigned=slow)
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        await consumer.start()
        await happens(entered)
        closing = asyncio.create_task(consumer.aclose())
        await asyncio.sleep(0)
        assert not closing.done()
        go_on.set()
        async with asyncio.timeout(AT_ONCE):
            await closing
        assert told.calls == ["assigned", "revoked"]
        await nothing_left(broker)
