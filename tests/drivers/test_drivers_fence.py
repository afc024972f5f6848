"""A member that is fenced (error 82), while each operation is pending, by the answer to each group request.

The error comes bare from the pending operation and from every later one, a fresh copy each time; the fenced member
is silent from then on, but for one DescribeGroups that finds out who took over.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kafkastatic import Consumer, FencedInstanceIdError
from kafkastatic.errors import CommitFailedError, ConsumerClosedError
from kafkastatic.identity import IdentityRegistry
from kafkastatic.types import RebalanceListener, TopicPartition
from tests.drivers.world import (
    AT_ONCE,
    TP,
    Operation,
    consumer_of,
    eventually,
    first_of_batches,
    first_of_loop,
    group_requests,
    happens,
    in_the_group,
    nothing_left,
)
from tests.support.scripted_broker import Call, ScriptedBroker, refusal

FENCED, LOADING, NOT_LEADER, REBALANCING, UNKNOWN_MEMBER = 82, 14, 6, 27, 25

PENDING: dict[str, Operation] = {
    "getone": lambda c: c.getone(),
    "getmany": lambda c: c.getmany(timeout_ms=5000),
    "async for": first_of_loop,
    "batches": first_of_batches,
    "commit": lambda c: c.commit({TP: 0}),
    "committed": lambda c: c.committed(TP),
    "seek_to_committed": lambda c: c.seek_to_committed(TP),
    "position": lambda c: c.position(TP),
    "end_offsets": lambda c: c.end_offsets([TP]),
    "offsets_for_times": lambda c: c.offsets_for_times({TP: 0}),
}
WITHOUT_ASSIGNMENT = frozenset({"getone", "getmany", "async for", "batches", "committed", "end_offsets"})


async def _met(call: Any) -> FencedInstanceIdError:
    async with asyncio.timeout(AT_ONCE):
        with pytest.raises(FencedInstanceIdError) as caught:
            await call
    assert type(caught.value) is FencedInstanceIdError
    return caught.value


async def _assert_over(consumer: Consumer[Any, Any], broker: ScriptedBroker, first: FencedInstanceIdError) -> None:
    """Every later call meets a copy; closing is silent and quick; nothing is left."""
    known = [first]
    for operation in PENDING.values():
        error = await _met(operation(consumer))
        assert all(error is not other and str(error) == str(other) for other in known)
        known.append(error)
    await _met(consumer.assigned())
    with pytest.raises(FencedInstanceIdError):
        consumer.seek(TP, 0)
    async with asyncio.timeout(AT_ONCE):
        await consumer.aclose()
        await consumer.aclose()
    assert "LeaveGroup" not in broker.apis()
    assert broker.apis().count("DescribeGroups") == 1
    assert group_requests(broker)[-1] == "DescribeGroups"
    await nothing_left(broker)


def _never_ready(broker: ScriptedBroker) -> None:
    """Passing errors for ever, so that lookups and commits stay pending without blocking a connection."""
    broker.fail_next("OffsetFetch", *[LOADING] * 9999)
    broker.fail_next("ListOffsets", *[NOT_LEADER] * 9999)


@pytest.mark.scenario(9, 12, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("name", PENDING)
async def test_fenced_by_a_heartbeat_while_an_operation_is_pending(name: str) -> None:
    async with ScriptedBroker() as broker:
        _never_ready(broker)
        heartbeat = broker.hold("Heartbeat")
        consumer = consumer_of(broker)
        await consumer.start()
        await consumer.assigned()
        await broker.received("Heartbeat")
        broker.fail_next("OffsetCommit", *[LOADING] * 9999)
        pending = asyncio.create_task(PENDING[name](consumer))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        heartbeat.release(FENCED)
        await _assert_over(consumer, broker, await _met(pending))


@pytest.mark.scenario(15, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("name", PENDING)
async def test_fenced_by_a_commit_while_an_operation_is_pending(name: str) -> None:
    async with ScriptedBroker() as broker:
        _never_ready(broker)
        consumer = consumer_of(broker)
        await consumer.start()
        await consumer.assigned()
        broker.fail_next("OffsetCommit", FENCED)
        pending = asyncio.create_task(PENDING[name](consumer))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        commit = asyncio.create_task(consumer.commit({TP: 0}))
        errors = [await _met(pending), await _met(commit)]
        assert errors[0] is not errors[1]
        await _assert_over(consumer, broker, errors[0])


@pytest.mark.scenario(10, 11, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("name", [*sorted(WITHOUT_ASSIGNMENT), "assigned"])
@pytest.mark.parametrize("api", ["JoinGroup", "SyncGroup"])
async def test_fenced_while_joining(api: str, name: str) -> None:
    async with ScriptedBroker() as broker:
        _never_ready(broker)
        join = broker.hold(api)
        consumer = consumer_of(broker)
        await consumer.start()
        await broker.received(api)
        operation = PENDING.get(name, lambda c: c.assigned())
        pending = asyncio.create_task(operation(consumer))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        join.release(FENCED)
        error = await _met(pending)
        assert (error.api, error.group, error.instance_id) == (api, "billing", "billing-0")
        await _assert_over(consumer, broker, error)


@pytest.mark.scenario(12, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("api", ["JoinGroup", "SyncGroup", "Heartbeat"])
async def test_fenced_while_closing(api: str) -> None:
    """aclose never raises a fatal error; a clean end of `async with` does, if nobody has met it."""
    async with ScriptedBroker() as broker:
        hold = broker.hold(api)
        consumer = consumer_of(broker)
        await consumer.start()
        await broker.received(api)
        closing = asyncio.create_task(consumer.aclose())
        hold.release(FENCED)
        async with asyncio.timeout(AT_ONCE):
            await closing
        assert "LeaveGroup" not in broker.apis()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_clean_exit_raises_what_nobody_has_met() -> None:
    async with ScriptedBroker() as broker:
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(FencedInstanceIdError):
                async with consumer_of(broker) as consumer:
                    broker.fail_next("Heartbeat", FENCED)
                    await consumer.assigned()
                    await broker.received("DescribeGroups")
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_clean_exit_is_silent_about_what_was_met() -> None:
    async with ScriptedBroker() as broker:
        async with consumer_of(broker) as consumer:
            broker.fail_next("Heartbeat", FENCED)
            await _met(consumer.getone())
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_another_exception_of_the_body_wins() -> None:
    async with ScriptedBroker() as broker:
        with pytest.raises(ZeroDivisionError):
            async with consumer_of(broker) as consumer:
                broker.fail_next("Heartbeat", FENCED)
                await consumer.assigned()
                await broker.received("DescribeGroups")
                raise ZeroDivisionError
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_task_group_of_the_user_wraps_it_exactly_once() -> None:
    async with ScriptedBroker() as broker:
        async with consumer_of(broker) as consumer:
            broker.fail_next("Heartbeat", FENCED)
            with pytest.raises(ExceptionGroup) as caught:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(first_of_loop(consumer))
            assert [type(error) for error in caught.value.exceptions] == [FencedInstanceIdError]
        await nothing_left(broker)


@pytest.mark.scenario(9, 13, where="peer")
@pytest.mark.asyncio
async def test_the_second_of_two_processes_wins_and_the_first_learns_who_it_is() -> None:
    """Two consumers, one identity: the loser's error names the member id of the winner, which notices nothing."""
    async with ScriptedBroker() as broker:
        first = consumer_of(broker, heartbeat_interval_ms=10)
        await in_the_group(first, broker)
        second = consumer_of(broker)
        await second.start()
        error = await _met(first.getone())
        assert error.owner is not None
        assert error.owner.startswith("member billing-0-2")
        assert error.member_id == "billing-0-1"
        await first.aclose()
        assert await second.assigned() == {TP}
        assert second.membership.member_id == "billing-0-2"
        await second.aclose()
        assert len(broker.of("JoinGroup")) == 2
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("broken", ["error", "drop", "silence"])
async def test_the_owner_is_asked_for_once_and_not_waited_for(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafkastatic._drivers.owner.TIMEOUT", 0.02)
    async with ScriptedBroker() as broker:
        if broken == "error":
            broker.fail_next("DescribeGroups", 15)
        elif broken == "drop":
            broker.drop_connection("DescribeGroups")
        else:
            broker.hold("DescribeGroups")
        async with consumer_of(broker) as consumer:
            broker.fail_next("Heartbeat", FENCED)
            error = await _met(consumer.getone())
            assert error.owner is None
        assert broker.apis().count("DescribeGroups") == 1
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_the_search_for_a_coordinator_to_ask_is_not_waited_for_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafkastatic._drivers.owner.TIMEOUT", 0.02)
    async with ScriptedBroker() as broker:
        join = broker.hold("JoinGroup")
        consumer = consumer_of(broker)
        await consumer.start()
        await broker.received("JoinGroup")
        broker.fail_next("OffsetFetch", 16)
        broker.hold("FindCoordinator")
        pending = asyncio.create_task(consumer.committed(TP))
        await broker.received("FindCoordinator", 2)
        join.release(FENCED)
        assert (await _met(pending)).owner is None
        await consumer.aclose()
        await nothing_left(broker)


# ── callbacks of a fenced member ──


class Told(RebalanceListener):
    def __init__(self) -> None:
        self.calls: list[tuple[str, frozenset[TopicPartition]]] = []

    def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        self.calls.append(("assigned", assigned))

    async def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        self.calls.append(("revoked", revoked))

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        self.calls.append(("lost", lost))


@pytest.mark.asyncio
async def test_a_fenced_member_loses_its_partitions_and_revokes_none() -> None:
    async with ScriptedBroker() as broker:
        told, consumer = Told(), consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        async with consumer:
            heartbeat = broker.hold("Heartbeat")
            await consumer.assigned()
            await broker.received("Heartbeat")
            heartbeat.release(FENCED)
            await _met(consumer.getone())
        assert told.calls == [("assigned", {TP}), ("lost", {TP})]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_calls_during_on_lost_wait_for_the_error() -> None:
    """A commit in that moment is neither sent nor passed over in silence."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Slow(RebalanceListener):
        async def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
            entered.set()
            await go_on.wait()

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=Slow())
        async with consumer:
            heartbeat = broker.hold("Heartbeat")
            await consumer.assigned()
            await broker.received("Heartbeat")
            heartbeat.release(FENCED)
            await happens(entered)
            calls = [asyncio.create_task(consumer.commit(offsets)) for offsets in (None, {TP: 1})]
            calls.append(asyncio.create_task(consumer.getone()))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            go_on.set()
            for call in calls:
                await _met(call)
        assert "OffsetCommit" not in broker.apis()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_fence_that_meets_a_commit_inside_on_revoked() -> None:
    """The callback gets the error at once; nothing waits for anything."""
    met: list[BaseException] = []

    class Committing(Told):
        async def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
            self.calls.append(("revoked", revoked))
            try:
                await consumer.commit({TP: 0})
            except Exception as error:
                met.append(error)
                raise

    async with ScriptedBroker() as broker:
        told, consumer = Committing(), consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        broker.fail_next("OffsetCommit", FENCED)
        broker.fail_next("Heartbeat", REBALANCING)
        await consumer.start()
        error = await _met(consumer.getone())
        assert [type(error) for error in met] == [FencedInstanceIdError]
        assert error.api == "OffsetCommit"
        assert told.calls == [("assigned", {TP}), ("revoked", {TP})]
        await _assert_over(consumer, broker, error)


@pytest.mark.asyncio
async def test_a_lose_during_the_drain_of_a_revoke_calls_on_lost_only() -> None:
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        told, consumer = Told(), consumer_of(broker, heartbeat_interval_ms=10, enable_auto_commit=True)
        consumer.subscribe(["orders"], listener=told)
        async with consumer:
            await consumer.assigned()
            assert (await consumer.getone()).value == b"a"  # in hand: the revoke waits for it
            broker.fail_next("Heartbeat", REBALANCING, FENCED)
            await broker.received("DescribeGroups")
            await _met(consumer.getone())
        assert told.calls == [("assigned", {TP}), ("lost", {TP})]
        assert "OffsetCommit" not in broker.apis()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_lose_during_on_revoked_does_not_call_on_lost_and_commits_nothing() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Told):
        async def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
            await super().on_partitions_revoked(revoked)
            entered.set()
            await go_on.wait()

    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        told, consumer = Slow(), consumer_of(broker, heartbeat_interval_ms=10, enable_auto_commit=True)
        consumer.subscribe(["orders"], listener=told)
        async with consumer:
            await consumer.assigned()
            await consumer.getmany(timeout_ms=1000)
            await consumer.getmany()  # consumed, not committed
            broker.fail_next("Heartbeat", REBALANCING)
            await happens(entered)
            broker.fail_next("Heartbeat", FENCED)
            await eventually(lambda: not consumer.assignment())
            go_on.set()
            await _met(consumer.getone())
        assert told.calls == [("assigned", {TP}), ("revoked", {TP})]
        assert "OffsetCommit" not in broker.apis()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_partitions_that_came_back_after_a_revoke_can_be_lost() -> None:
    async with ScriptedBroker() as broker:
        told, consumer = Told(), consumer_of(broker, heartbeat_interval_ms=10)
        consumer.subscribe(["orders"], listener=told)
        broker.fail_next("Heartbeat", REBALANCING, UNKNOWN_MEMBER)
        async with consumer:
            await broker.received("SyncGroup", 3)
            await broker.received("Heartbeat", 3)
            await consumer.assigned()
        expected = ["assigned", "revoked", "assigned", "lost", "assigned", "revoked"]
        assert told.calls == [(what, {TP}) for what in expected]
        await nothing_left(broker)


# ── what is no fence ──


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [29, 30, 12])
async def test_a_commit_that_is_refused_for_good_says_so_at_once_and_the_consumer_goes_on(code: int) -> None:
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        await in_the_group(consumer, broker)
        broker.fail_next("OffsetCommit", code)
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(CommitFailedError) as caught:
                await consumer.commit({TP: 0})
            assert getattr(caught.value.__cause__, "code", None) == code
            await consumer.commit({TP: 0})
            await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_the_answer_to_a_commit_of_an_earlier_generation_judges_that_one_only() -> None:
    async with ScriptedBroker() as broker:
        broker.topics["other"] = 1
        told, answered = Told(), asyncio.Event()
        consumer = consumer_of(broker, "orders", "other")
        await in_the_group(consumer, broker)

        async def late(call: Call) -> Any:
            await answered.wait()
            return refusal(call, 22)

        broker.on("OffsetCommit", late)
        commit = asyncio.create_task(consumer.commit({TP: 0}))
        await broker.received("OffsetCommit")
        consumer.subscribe(["orders"], listener=told)
        await broker.received("SyncGroup", 2)
        await eventually(lambda: consumer.assignment() == {TP})
        answered.set()
        with pytest.raises(CommitFailedError, match="ILLEGAL_GENERATION"):
            await commit
        await consumer.position(TP)
        assert [what for what, _ in told.calls] == ["revoked", "assigned"]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_the_identity_is_free_after_a_fence() -> None:
    async with ScriptedBroker() as broker:
        registry = IdentityRegistry()
        broker.fail_next("Heartbeat", FENCED)
        consumer = consumer_of(broker, registry=registry)
        await consumer.start()
        await _met(consumer.getone())
        await consumer.aclose()
        async with consumer_of(broker, registry=registry) as again:
            assert await again.assigned() == {TP}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_fenced_consumer_cannot_be_started_again() -> None:
    async with ScriptedBroker() as broker:
        broker.fail_next("Heartbeat", FENCED)
        consumer = consumer_of(broker)
        await consumer.start()
        await _met(consumer.getone())
        await consumer.aclose()
        with pytest.raises(ConsumerClosedError):
            await consumer.start()
        await nothing_left(broker)
