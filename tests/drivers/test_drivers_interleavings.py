"""What happens at once: callbacks, commits, rebalances and the application, in the orders that once went wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from kafkastatic import Consumer
from kafkastatic.errors import CommitFailedError, ConsumerClosedError, IllegalStateError, KafkaError
from kafkastatic.types import RebalanceListener, TopicPartition
from tests.drivers.world import (
    AT_ONCE,
    TP,
    consumer_of,
    eventually,
    happens,
    in_the_group,
    nothing_left,
)
from tests.support.scripted_broker import PATIENCE, Call, Hold, ScriptedBroker, refusal

LOADING, NOT_COORDINATOR, OTHER_GENERATION, UNKNOWN_MEMBER, REBALANCING, DENIED, FENCED = 14, 16, 22, 25, 27, 30, 82
LOSSES = {"unknown member": UNKNOWN_MEMBER, "another generation": OTHER_GENERATION, "a rebalance": REBALANCING}
OTHER = TopicPartition("orders", 1)
Partitions = frozenset[TopicPartition]


class Told(RebalanceListener):
    """Notes what it is told, and does what a test wants meanwhile."""

    def __init__(self, **then: Callable[[], object]) -> None:
        self.calls: list[str] = []
        self._then = then

    def _note(self, what: str) -> object:
        self.calls.append(what)
        return self._then[what]() if what in self._then else None

    def on_partitions_assigned(self, assigned: Partitions) -> object:
        return self._note("assigned")

    def on_partitions_revoked(self, revoked: Partitions) -> object:
        return self._note("revoked")

    def on_partitions_lost(self, lost: Partitions) -> object:
        return self._note("lost")


def by_hand(broker: ScriptedBroker, *partitions: TopicPartition, **options: Any) -> Consumer[Any, Any]:
    """A consumer of partitions that no group shares out."""
    consumer = consumer_of(broker, **({"group_instance_id": None} | options))
    consumer.unsubscribe()
    consumer.assign(partitions)
    return consumer


def sent(broker: ScriptedBroker, tp: TopicPartition = TP) -> list[int]:
    """The offsets of a partition in the order in which they were committed on the wire."""
    return [
        entry.committed_offset
        for call in broker.of("OffsetCommit")
        for topic in call.request.topics
        for entry in topic.partitions
        if (topic.name, entry.partition_index) == tp
    ]


def committers(broker: ScriptedBroker) -> set[tuple[str, int]]:
    """The identities under which anything was committed."""
    requests = [call.request for call in broker.of("OffsetCommit")]
    return {(request.member_id, request.generation_id_or_member_epoch) for request in requests}


def unparsable(broker: ScriptedBroker, call: Call) -> bytes:
    """An answer to `call`, of which only the correlation id makes sense; a client counts its requests from 1."""
    number = sum(other.connection == call.connection for other in broker.calls)
    body = number.to_bytes(4, "big") + b"\xff\xff\xff"
    return len(body).to_bytes(4, "big") + body


async def fetches(broker: ScriptedBroker, count: int) -> None:
    """Let time pass: each of these fetches finds nothing and takes `fetch_max_wait_ms`."""
    await broker.received("Fetch", len(broker.of("Fetch")) + count)


async def next_heartbeat(broker: ScriptedBroker) -> tuple[Hold, Call]:
    """Park the next heartbeat."""
    before = len(broker.of("Heartbeat"))
    return broker.hold("Heartbeat"), await broker.received("Heartbeat", before + 1)


async def behind(broker: ScriptedBroker, parked: Call) -> None:
    """Wait until another request has arrived on the connection of one that is parked."""
    await eventually(lambda: not broker.peers[parked.connection]._frames.empty())


async def commit_across_a_rebalance(
    broker: ScriptedBroker, consumer: Consumer[Any, Any], loss: int, *offsets: int
) -> tuple[Hold, list[asyncio.Task[None]]]:
    """Send a commit, lose the membership to a heartbeat and regain it with the commit still unanswered.

    Returns:
        What answers the first commit, and the tasks of all: those behind the first wait for it.
    """
    await in_the_group(consumer, broker)
    heartbeat, parked = await next_heartbeat(broker)
    answer = broker.hold("OffsetCommit")
    tasks = [asyncio.create_task(consumer.commit({TP: offset})) for offset in offsets]
    await behind(broker, parked)
    heartbeat.release(loss)
    await broker.received("SyncGroup", 2)
    await eventually(lambda: consumer.assignment() == consumer.membership.assignment == {TP})
    await broker.received("OffsetCommit")
    return answer, tasks


# ── callbacks that are cancelled, or cancel ──


async def _cancel_and_await() -> None:
    task = asyncio.create_task(asyncio.sleep(PATIENCE))
    task.cancel()
    await task


def _raise_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.asyncio
@pytest.mark.parametrize("cancel", [_cancel_and_await, _raise_cancelled], ids=["async", "sync"])
@pytest.mark.parametrize("when", ["assigned", "revoked", "lost"])
async def test_a_cancellation_of_a_callbacks_own_making_ends_the_consumer_with_an_error(when: str, cancel: Any) -> None:
    """It is an exception like any other, not a reason to stop heartbeating in silence."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=Told(**{when: cancel}))
        broker.fail_next("Heartbeat", {"assigned": 0, "revoked": REBALANCING, "lost": UNKNOWN_MEMBER}[when])
        await consumer.start()
        for _ in range(2):
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises((RuntimeError, KafkaError)) as caught:
                    await consumer.getone()
            assert not isinstance(caught.value, ConsumerClosedError)
            assert isinstance(caught.value.__cause__, asyncio.CancelledError)
        await consumer.aclose()
        assert "LeaveGroup" not in broker.apis()
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("wrapped", [True, False], ids=["awaiting a task", "directly"])
@pytest.mark.parametrize("end", ["aclose", "cancelled aclose", "all tasks cancelled"])
async def test_a_genuine_cancellation_of_a_callback_is_no_error_of_the_callback(end: str, wrapped: bool) -> None:
    """Who ends the consumer while a callback hangs gets its end at once, and nothing is left."""
    entered = asyncio.Event()

    async def hang() -> None:
        entered.set()
        await (asyncio.create_task(asyncio.sleep(PATIENCE)) if wrapped else asyncio.sleep(PATIENCE))

    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=Told(assigned=hang))
        await consumer.start()
        await happens(entered)
        async with asyncio.timeout(AT_ONCE):
            if end == "aclose":
                await consumer.aclose(timeout=0.01)
            elif end == "cancelled aclose":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(consumer.aclose(), 0.01)
            else:
                for task in asyncio.all_tasks():
                    if task.get_name().startswith("kafkastatic"):
                        task.cancel()
            with pytest.raises(ConsumerClosedError):
                await consumer.getone()
            await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_callback_that_never_returns_does_not_hold_the_group(caplog: pytest.LogCaptureFixture) -> None:
    """on_partitions_revoked gets max_poll_interval_ms; then the member goes on, and the log says why."""
    hanging: list[bool] = [True]

    async def hang() -> None:
        if hanging.pop():
            await asyncio.sleep(PATIENCE)

    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, max_poll_interval_ms=100, heartbeat_interval_ms=10)
        consumer.subscribe(["orders"], listener=Told(revoked=hang))
        with caplog.at_level(logging.WARNING, "kafkastatic"):
            await in_the_group(consumer, broker)
            asking = asyncio.create_task(consumer.getone())
            broker.fail_next("Heartbeat", REBALANCING)
            async with asyncio.timeout(AT_ONCE):
                await broker.received("JoinGroup", 2)
                broker.append("orders", 0, b"a")
                assert (await asking).value == b"a"
        assert any("revoke" in record.getMessage() for record in caplog.records)
        hanging.append(False)
        await consumer.aclose()
        await nothing_left(broker)


# ── losing and revoking at once ──


async def _lose_at_once(broker: ScriptedBroker, consumer: Consumer[Any, Any], api: str) -> Callable[[], None]:
    """Tell a member to rebalance, and have the next answer of `api` ready, which says that it is none any more."""
    heartbeat, parked = await next_heartbeat(broker)
    if api == "OffsetCommit":
        loss, code = broker.hold(api), OTHER_GENERATION
        commit = asyncio.create_task(consumer.commit({TP: 0}))
        commit.add_done_callback(lambda task: task.exception())
        await behind(broker, parked)
        heartbeat.release(REBALANCING)
        await broker.received(api)
    else:
        heartbeat.release(REBALANCING)
        (loss, _), code = await next_heartbeat(broker), UNKNOWN_MEMBER
    return lambda: loss.release(code)


def _assert_told_in_order(told: Told, owned: list[bool]) -> None:
    """Each assignment was revoked while it was owned, or else lost, and nothing was told twice."""
    assert told.calls[::2] == ["assigned"] * 2
    assert told.calls[1::2] in (["revoked"] * 2, ["lost", "revoked"])
    assert all(owned), "revoked after it was dropped"


@pytest.mark.asyncio
@pytest.mark.parametrize("steps", range(16))
@pytest.mark.parametrize("api", ["OffsetCommit", "Heartbeat"])
async def test_a_loss_while_the_application_ends_the_drain_of_a_revoke(api: str, steps: int) -> None:
    """Whichever comes first, and however closely: what is lost is never told as about to be revoked."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        owned: list[bool] = []
        told = Told(revoked=lambda: owned.append(TP in consumer.assignment()))
        consumer = consumer_of(broker, heartbeat_interval_ms=5)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        await consumer.getone()
        lose = await _lose_at_once(broker, consumer, api)
        await eventually(lambda: consumer._client.positions[TP].barred)
        lose()
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(AT_ONCE):
            await consumer.getone()
            await consumer.aclose()
        _assert_told_in_order(told, owned)
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("steps", range(16))
async def test_a_loss_while_on_partitions_assigned_ends_and_a_revoke_follows(steps: int) -> None:
    """The revoke that was put off until the callback was done finds nothing to revoke if the loss came before it."""
    go_on = asyncio.Event()
    async with ScriptedBroker() as broker:
        owned: list[bool] = []
        told = Told(assigned=go_on.wait, revoked=lambda: owned.append(TP in consumer.assignment()))
        consumer = consumer_of(broker, heartbeat_interval_ms=5)
        consumer.subscribe(["orders"], listener=told)
        await consumer.start()
        await broker.received("Heartbeat")
        lose = await _lose_at_once(broker, consumer, "OffsetCommit")
        lose()
        for _ in range(steps):
            await asyncio.sleep(0)
        go_on.set()
        async with asyncio.timeout(AT_ONCE):
            await broker.received("SyncGroup", 2)
            assert await consumer.assigned() == {TP}
            await consumer.aclose()
        _assert_told_in_order(told, owned)
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_rebalance_and_a_loss_that_arrive_together() -> None:
    """Partitions that the answer to a commit has dropped are not told as about to be revoked."""
    async with ScriptedBroker() as broker:
        owned: list[bool] = []
        told = Told(revoked=lambda: owned.append(TP in consumer.assignment()))
        consumer = consumer_of(broker, heartbeat_interval_ms=10)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        heartbeat, parked = await next_heartbeat(broker)
        broker.fail_next("OffsetCommit", OTHER_GENERATION)
        commit = asyncio.create_task(consumer.commit({TP: 0}))
        await behind(broker, parked)
        heartbeat.release(REBALANCING)
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(CommitFailedError):
                await commit
            await broker.received("SyncGroup", 2)
            assert await consumer.assigned() == {TP}
            await consumer.aclose()
        _assert_told_in_order(told, owned)
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_loss_while_a_revoke_waits_for_the_record_in_hand_is_a_loss() -> None:
    """Heartbeats go on while a revoke drains, and the one that says that the member is gone ends the drain."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        told, consumer = Told(), consumer_of(broker, heartbeat_interval_ms=5)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        await consumer.getone()
        broker.fail_next("Heartbeat", REBALANCING, UNKNOWN_MEMBER)
        async with asyncio.timeout(AT_ONCE):
            await broker.received("SyncGroup", 2)
            assert await consumer.assigned() == {TP}
            assert (await consumer.getone()).value == b"a"
        assert told.calls == ["assigned", "lost", "assigned"]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_assigned_does_not_return_what_was_lost_meanwhile() -> None:
    """After a loss during on_partitions_assigned it waits for the next assignment, on_partitions_lost included."""
    entered, go_on, losing, lost = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def assigning() -> None:
        entered.set()
        await go_on.wait()

    async def told_of_loss() -> None:
        losing.set()
        await lost.wait()

    async with ScriptedBroker() as broker:
        told = Told(assigned=assigning, lost=told_of_loss)
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        heartbeat = broker.hold("Heartbeat")
        await consumer.start()
        waiting = asyncio.create_task(consumer.assigned())
        await happens(entered)
        await broker.received("Heartbeat")
        heartbeat.release(UNKNOWN_MEMBER)
        await eventually(lambda: not consumer.assignment())
        go_on.set()
        await happens(losing)
        late = asyncio.create_task(consumer.assigned())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert not late.done()
        lost.set()
        async with asyncio.timeout(AT_ONCE):
            assert await waiting == await late == {TP}
        assert told.calls == ["assigned", "lost", "assigned"]
        await consumer.aclose()
        await nothing_left(broker)


# ── unsubscribing with a record in hand ──


@pytest.mark.asyncio
async def test_an_unsubscribe_does_not_wait_for_the_drain_timeout() -> None:
    """Who has unsubscribed will hardly ask again: the partitions go soon, though a record is in hand."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        told, consumer = Told(), consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        await consumer.getone()
        consumer.unsubscribe()
        async with asyncio.timeout(2 * AT_ONCE):
            await eventually(lambda: not consumer.assignment())
        assert told.calls == ["assigned", "revoked"]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_asking_after_an_unsubscribe_is_refused_and_ends_the_drain() -> None:
    """The refused ask gives up the record in hand all the same."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        told, consumer = Told(), consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        await consumer.getone()
        consumer.unsubscribe()
        with pytest.raises(IllegalStateError, match="nothing to read"):
            await consumer.getone()
        async with asyncio.timeout(AT_ONCE / 2):
            await eventually(lambda: not consumer.assignment())
        assert told.calls == ["assigned", "revoked"]
        await consumer.aclose()
        await nothing_left(broker)


# ── commits in each other's way ──


@pytest.mark.asyncio
@pytest.mark.parametrize("first", ["explicit", "timer"])
async def test_a_timer_commit_never_undoes_an_explicit_one(first: str) -> None:
    """What the timer finds due while another commit is in flight is decided when it is its turn."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        options = {"enable_auto_commit": True, "auto_commit_interval_ms": 40, "fetch_max_wait_ms": 5}
        async with consumer_of(broker, **options) as consumer:
            for _ in range(3):
                await consumer.getone()
            held = broker.hold("OffsetCommit")
            if first == "timer":
                await broker.received("OffsetCommit")
            commit = asyncio.create_task(consumer.commit())
            await broker.received("OffsetCommit")
            await fetches(broker, 16)  # two timers
            held.release()
            async with asyncio.timeout(AT_ONCE):
                await commit
            await fetches(broker, 16)
            assert broker.committed == {TP: 3}
        assert sent(broker) == sorted(sent(broker))
        assert broker.committed == {TP: 3}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_commit_that_returns_after_a_seek_back_does_not_hide_it() -> None:
    """The timer's next commit is the one of the seek, though a later offset was accepted meanwhile."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        options = {"enable_auto_commit": True, "auto_commit_interval_ms": 5, "fetch_max_wait_ms": 5}
        async with consumer_of(broker, **options) as consumer:
            held = broker.hold("OffsetCommit")
            for _ in range(3):
                await consumer.getone()
            await broker.received("OffsetCommit")
            consumer.seek(TP, 1)
            held.release()
            await broker.until(lambda: broker.committed == {TP: 1})
            consumer.pause(TP)
        assert sent(broker)[-1] == 1
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_the_timer_does_not_take_back_what_is_committed_while_the_start_is_looked_up() -> None:
    """No offset was committed, and the end of the log is asked for: an explicit commit meanwhile stands."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        options = {"enable_auto_commit": True, "auto_commit_interval_ms": 5, "fetch_max_wait_ms": 5}
        async with consumer_of(broker, **options) as consumer:
            looking = broker.hold("ListOffsets")
            await broker.received("ListOffsets")
            commit = asyncio.create_task(consumer.commit({TP: 2}))
            await eventually(lambda: not broker.peers[broker.of("ListOffsets")[0].connection]._frames.empty())
            looking.release()
            await commit
            assert (await consumer.getone()).value == b"a"
            await fetches(broker, 6)  # some timers
            assert broker.committed == {TP: 2}
        assert sent(broker) == [2]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_the_timer_does_not_take_back_an_explicit_commit_that_is_ahead() -> None:
    """It goes on where it has come as far."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        options = {"enable_auto_commit": True, "auto_commit_interval_ms": 5, "fetch_max_wait_ms": 5}
        async with consumer_of(broker, **options) as consumer:
            await consumer.getone()
            await consumer.commit({TP: 2})
            await fetches(broker, 6)  # some timers
            assert broker.committed == {TP: 2}
            for _ in range(2):
                await consumer.getone()
            await fetches(broker, 6)
            assert broker.committed == {TP: 2}
        assert broker.committed == {TP: 3}
        assert sent(broker) == sorted(sent(broker))
        await nothing_left(broker)


@pytest.mark.scenario(16, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("failure", [LOADING, NOT_COORDINATOR, None], ids=["loading", "moved", "disconnected"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
async def test_a_commit_that_is_retried_is_not_carried_over_a_rebalance(loss: int, failure: int | None) -> None:
    """The same partitions are back under another identity, which must not commit the offsets of the one before."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=10)
        answer, (commit,) = await commit_across_a_rebalance(broker, consumer, loss, 1)
        if failure is None:
            broker.drop_connection("OffsetCommit")
        answer.release(failure or 0)
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(CommitFailedError):
                await commit
        assert committers(broker) == {("billing-0-1", 1)}
        assert broker.committed == {}
        async with asyncio.timeout(AT_ONCE):
            await consumer.commit({TP: 0})
        assert broker.committed == {TP: 0}
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.scenario(16, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "rejected"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
async def test_a_commit_that_waits_for_another_is_not_carried_over_a_rebalance(loss: int, accepted: bool) -> None:
    """Its offsets are those of the identity under which it was asked for, however the one before it ends."""
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=10)
        if accepted:
            broker.on("OffsetCommit", lambda call: refusal(call, 0))
        answer, tasks = await commit_across_a_rebalance(broker, consumer, loss, 1, 2)
        answer.release()
        async with asyncio.timeout(AT_ONCE):
            errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(errors[1], CommitFailedError)
        assert errors[0] is None if accepted else isinstance(errors[0], CommitFailedError)
        assert sent(broker) == [1]
        assert committers(broker) == {("billing-0-1", 1)}
        async with asyncio.timeout(AT_ONCE):
            await consumer.commit({TP: 0})
            await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_fence_of_an_earlier_identity_refuses_that_commit_at_once() -> None:
    """It does not end the member of today, so the commit must not wait for that end."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        consumer = consumer_of(broker, heartbeat_interval_ms=10)
        answer, (commit,) = await commit_across_a_rebalance(broker, consumer, UNKNOWN_MEMBER, 1)
        assert consumer.membership.member_id == "billing-0-2"
        answer.release(FENCED)
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(CommitFailedError) as caught:
                await commit
            assert getattr(caught.value.__cause__, "code", None) == FENCED
            assert (await consumer.getone()).value == b"a"
            await consumer.commit()
        assert broker.committed == {TP: 1}
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_by_hand_a_slow_application_may_commit() -> None:
    """max_poll_interval_ms is about a group, which assigned partitions have none of."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a")
        async with by_hand(broker, TP, max_poll_interval_ms=20, fetch_max_wait_ms=5) as consumer:
            await consumer.getone()
            await fetches(broker, 12)  # 60 ms
            async with asyncio.timeout(AT_ONCE):
                await consumer.commit()
            assert broker.committed == {TP: 1}
            broker.append("orders", 0, b"b")
            async with asyncio.timeout(AT_ONCE):
                assert (await consumer.getone()).value == b"b"
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("closing", [True, False], ids=["closing at once", "going on"])
async def test_partitions_that_assign_drops_are_committed(closing: bool) -> None:
    """With auto-commit, what is consumed of them is not given up with them; the record in hand is not consumed."""
    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        consumer = by_hand(broker, TP, OTHER, enable_auto_commit=True)
        await consumer.start()
        assert [(await consumer.getone()).value for _ in range(2)] == [b"a", b"b"]
        consumer.assign([OTHER])
        assert consumer.assignment() == {OTHER}
        async with asyncio.timeout(AT_ONCE):
            if not closing:
                await broker.until(lambda: TP in broker.committed)
                broker.append("orders", 1, b"d")
                assert (await consumer.getone()).value == b"d"
            await consumer.aclose()
        assert broker.committed[TP] == 1
        assert sent(broker) == [1]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_partition_that_assign_takes_straight_back_goes_on_where_it_stood() -> None:
    """The commit of its first spell may still be under way; nothing consumed is delivered again."""
    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        consumer = by_hand(broker, TP, OTHER, enable_auto_commit=True)
        await consumer.start()
        assert [(await consumer.getone()).value for _ in range(2)] == [b"a", b"b"]
        commit = broker.hold("OffsetCommit")
        consumer.assign([OTHER])
        consumer.assign([OTHER, TP])
        async with asyncio.timeout(AT_ONCE):
            await broker.received("OffsetCommit")
            commit.release()
            assert (await consumer.getone()).value == b"b"
            await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_lost_callback_that_never_returns_does_not_hold_the_member(caplog: pytest.LogCaptureFixture) -> None:
    """It ends with max_poll_interval_ms, and the member joins again."""
    async with ScriptedBroker() as broker:
        told = Told(lost=asyncio.Event().wait)
        consumer = consumer_of(broker, heartbeat_interval_ms=10, max_poll_interval_ms=100)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        asking = asyncio.create_task(consumer.getone())
        broker.fail_next("Heartbeat", UNKNOWN_MEMBER)
        async with asyncio.timeout(AT_ONCE):
            await broker.received("JoinGroup", 2)
            broker.append("orders", 0, b"a")
            assert (await asking).value == b"a"
            await consumer.aclose()
        assert any("callback_timeout" in record.getMessage() for record in caplog.records)
        await nothing_left(broker)


# ── auto-commits that fail for good ──


def _denied(broker: ScriptedBroker, call: Call) -> Any:
    return refusal(call, DENIED)


def _first_commit(broker: ScriptedBroker, answer: Callable[[ScriptedBroker, Call], Any]) -> None:
    """Answer the first commit so, and later ones as usual."""

    def commit(call: Call) -> Any:
        return answer(broker, call) if len(broker.of("OffsetCommit")) == 1 else broker._offset_commit(call)

    broker.on("OffsetCommit", commit)


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [_denied, unparsable], ids=["denied", "unparsable"])
async def test_a_timer_commit_that_fails_for_good_is_an_event(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The log has it, the consumer goes on, and the next timer tries again."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b")
        _first_commit(broker, answer)
        with caplog.at_level(logging.WARNING, "kafkastatic"):
            async with consumer_of(broker, enable_auto_commit=True, auto_commit_interval_ms=5) as consumer:
                await consumer.getone()
                await consumer.getone()
                await broker.until(lambda: broker.committed == {TP: 1})
        assert any("auto_commit_failed" in record.getMessage() for record in caplog.records)
        assert broker.committed == {TP: 2}
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_an_unparsable_answer_does_not_end_the_member_whose_heartbeat_waits_behind_it() -> None:
    """The heartbeat is asked again, on the next connection."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        _first_commit(broker, unparsable)
        commit = broker.hold("OffsetCommit")
        async with consumer_of(
            broker, enable_auto_commit=True, auto_commit_interval_ms=20, heartbeat_interval_ms=5
        ) as consumer:
            assert [(await consumer.getone()).value for _ in range(2)] == [b"a", b"b"]
            await behind(broker, await broker.received("OffsetCommit"))
            before = len(broker.of("Heartbeat"))
            commit.release()
            await broker.received("Heartbeat", before + 2)
            assert (await consumer.getone()).value == b"c"
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [_denied, unparsable], ids=["denied", "unparsable"])
async def test_a_commit_on_revoke_that_fails_for_good_is_an_event(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has it, the member rejoins, and what was not committed is delivered again."""
    async with ScriptedBroker({"orders": 1, "other": 1}) as broker:
        broker.append("orders", 0, b"a", b"b")
        _first_commit(broker, answer)
        with caplog.at_level(logging.WARNING, "kafkastatic"):
            async with consumer_of(broker, enable_auto_commit=True) as consumer:
                await consumer.getone()
                consumer.subscribe(["orders", "other"])
                async with asyncio.timeout(AT_ONCE):
                    await eventually(lambda: consumer._client.positions[TP].barred)
                    assert (await consumer.getone()).value == b"a"
                    assert len(broker.of("SyncGroup")) == 2
        assert any("auto_commit_failed" in record.getMessage() for record in caplog.records)
        assert broker.committed[TP] == 1
        await nothing_left(broker)
