"""Cooperative rebalances on the wire: what is kept is read and committed all the time, what is taken goes in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from kafka.protocol.consumer import ConsumerProtocolSubscription

from kafkastatic.errors import CommitFailedError
from kafkastatic.types import RebalanceListener, TopicPartition
from tests.drivers.world import consumer_of, eventually, in_the_group, nothing_left
from tests.support.raw_peer import assignment
from tests.support.scripted_broker import Call, ScriptedBroker

OTHER_GENERATION, REBALANCING = 22, 27
O0, O1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
COOPERATIVE = {"partition_assignment_strategy": "cooperative-sticky"}


class Told(RebalanceListener):
    """Every callback in order, and what a test wants to be done in it."""

    def __init__(self, **then: Any) -> None:
        self.calls: list[tuple[str, frozenset[TopicPartition]]] = []
        self._then = then

    def _note(self, what: str, partitions: frozenset[TopicPartition]) -> None:
        self.calls.append((what, partitions))
        if what in self._then:
            self._then[what]()

    def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        self._note("assigned", assigned)

    def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        self._note("revoked", revoked)

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        self._note("lost", lost)


def assigns(broker: ScriptedBroker, shares: Mapping[int, Sequence[TopicPartition]]) -> None:
    """What SyncGroup answers in each generation, whatever the leader says."""

    def answer(call: Call) -> Any:
        return call.request.RESPONSE(assignment=assignment(shares[call.request.generation_id]))

    broker.on("SyncGroup", answer)


def owned(call: Call) -> set[tuple[str, int]]:
    """What a JoinGroup says that the member owns, as a foreign client reads it."""
    said = ConsumerProtocolSubscription.decode(bytes(call.request.protocols[0].metadata))
    return {(topic.topic, partition) for topic in said.owned_partitions for partition in topic.partitions}


@pytest.mark.asyncio
async def test_kept_partitions_are_read_and_committed_during_a_whole_rebalance() -> None:
    """While JoinGroup is parked, and while SyncGroup is; then only what is new or gone is told."""
    async with ScriptedBroker({"orders": 2}) as broker:
        assigns(broker, {1: [O0], 2: [O0, O1]})
        broker.append("orders", 0, b"before")
        told = Told()
        consumer = consumer_of(broker, **COOPERATIVE)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        assert (await consumer.getone()).value == b"before"

        join = broker.hold("JoinGroup")
        broker.fail_next("Heartbeat", REBALANCING)
        await broker.received("JoinGroup", 2)
        broker.append("orders", 0, b"parked in JoinGroup")
        assert (await consumer.getone()).value == b"parked in JoinGroup"
        await consumer.commit()
        sync = broker.hold("SyncGroup")
        join.release()
        await broker.received("SyncGroup", 2)
        broker.append("orders", 0, b"parked in SyncGroup")
        assert (await consumer.getone()).value == b"parked in SyncGroup"
        assert told.calls == [("assigned", {O0})]
        sync.release()
        await eventually(lambda: told.calls == [("assigned", {O0}), ("assigned", {O1})])
        assert consumer.assignment() == {O0, O1}
        assert owned(broker.of("JoinGroup")[1]) == {("orders", 0)}
        await consumer.aclose()
        assert told.calls[2:] == [("revoked", {O0, O1})]
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_partition_that_goes_is_committed_and_the_member_joins_again_at_once() -> None:
    """Its last offset is in before the next JoinGroup, which tells what is left; the other one is read all the time."""
    async with ScriptedBroker({"orders": 2}) as broker:
        assigns(broker, {1: [O0, O1], 2: [O0], 3: [O0]})
        broker.append("orders", 1, b"of 1")
        told = Told()
        consumer = consumer_of(broker, enable_auto_commit=True, auto_commit_interval_ms=60_000, **COOPERATIVE)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        assert (await consumer.getone()).value == b"of 1"
        waiting = asyncio.create_task(consumer.getone())  # asking for the next one: the first is consumed

        broker.fail_next("Heartbeat", REBALANCING)
        await broker.received("JoinGroup", 3)
        assert broker.committed == {("orders", 1): 1}
        apis = broker.apis()
        assert apis.index("OffsetCommit") < [n for n, api in enumerate(apis) if api == "JoinGroup"][2]
        broker.append("orders", 0, b"of 0")
        assert (await waiting).value == b"of 0"
        await eventually(lambda: len(told.calls) == 4)
        assert told.calls == [
            ("assigned", {O0, O1}),
            ("revoked", {O1}),
            ("assigned", frozenset()),
            ("assigned", frozenset()),
        ]
        assert [owned(call) for call in broker.of("JoinGroup")] == [
            set(),
            {("orders", 0), ("orders", 1)},
            {("orders", 0)},
        ]
        assert consumer.assignment() == {O0}
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [OTHER_GENERATION, REBALANCING])
async def test_a_commit_that_meets_the_group_between_two_generations_is_made_in_the_next(code: int) -> None:
    """What is committed is kept: the application does not hear of it."""
    async with ScriptedBroker({"orders": 1}) as broker:
        assigns(broker, {1: [O0], 2: [O0]})
        consumer = consumer_of(broker, **COOPERATIVE)
        await in_the_group(consumer, broker)
        join = broker.hold("JoinGroup")
        broker.fail_next("Heartbeat", REBALANCING)
        await broker.received("JoinGroup", 2)

        broker.fail_next("OffsetCommit", code)
        commit = asyncio.create_task(consumer.commit({O0: 7}))
        await broker.received("OffsetCommit")
        join.release()
        await commit

        assert broker.committed == {("orders", 0): 7}
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.scenario(16, where="peer")
@pytest.mark.asyncio
async def test_a_commit_of_a_partition_that_went_is_refused_here() -> None:
    """The broker would take it."""
    async with ScriptedBroker({"orders": 2}) as broker:
        assigns(broker, {1: [O0, O1], 2: [O0], 3: [O0]})
        consumer = consumer_of(broker, **COOPERATIVE)
        await in_the_group(consumer, broker)
        broker.fail_next("Heartbeat", REBALANCING)
        await eventually(lambda: consumer.assignment() == {O0} and len(broker.of("SyncGroup")) == 3)

        with pytest.raises(CommitFailedError, match="orders-1 not assigned"):
            await consumer.commit({O1: 3})
        await consumer.commit({O0: 2})
        assert broker.committed == {("orders", 0): 2}
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("when", ["revoked", "assigned"])
async def test_a_callback_that_raises_in_a_cooperative_rebalance_ends_the_consumer(when: str) -> None:
    """With that very exception; what was kept is lost with it, and nothing is left behind."""
    async with ScriptedBroker({"orders": 2}) as broker:
        assigns(broker, {1: [O0, O1], 2: [O0], 3: [O0]})
        armed: list[BaseException] = []

        def then() -> None:
            if armed:
                raise armed[0]

        told = Told(**{when: then})
        consumer = consumer_of(broker, **COOPERATIVE)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        armed.append(ZeroDivisionError(when))
        broker.fail_next("Heartbeat", REBALANCING)

        with pytest.raises(ZeroDivisionError) as caught:
            await consumer.getone()
        assert caught.value is armed[0]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.scenario(23, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("api", ["JoinGroup", "SyncGroup"])
async def test_a_membership_lost_in_the_middle_of_a_rebalance_is_told_once(api: str) -> None:
    """on_lost with all that was kept, then a blind join and a new assignment."""
    async with ScriptedBroker({"orders": 2}) as broker:
        assigns(broker, {generation: [O0, O1] for generation in range(1, 5)})
        told = Told()
        consumer = consumer_of(broker, **COOPERATIVE)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        hold = broker.hold(api)
        broker.fail_next("Heartbeat", REBALANCING)
        await broker.received(api, 2)
        hold.release(25)
        await eventually(lambda: len(told.calls) == 3)
        assert told.calls == [("assigned", {O0, O1}), ("lost", {O0, O1}), ("assigned", {O0, O1})]
        assert broker.of("JoinGroup")[-1].request.member_id == ""
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_closing_in_the_middle_of_a_join_commits_what_was_kept() -> None:
    """The parked JoinGroup does not hold it up."""
    async with ScriptedBroker({"orders": 1}) as broker:
        assigns(broker, {1: [O0], 2: [O0]})
        broker.append("orders", 0, b"a", b"b")
        told = Told()
        consumer = consumer_of(broker, enable_auto_commit=True, auto_commit_interval_ms=60_000, **COOPERATIVE)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        assert [(await consumer.getone()).value for _ in range(2)] == [b"a", b"b"]  # asking again consumed the first
        broker.hold("JoinGroup")
        broker.fail_next("Heartbeat", REBALANCING)
        await broker.received("JoinGroup", 2)

        await asyncio.wait_for(consumer.aclose(), 10)

        assert told.calls == [("assigned", {O0}), ("revoked", {O0})]
        assert broker.committed == {("orders", 0): 1}
        assert "LeaveGroup" not in broker.apis()
        await nothing_left(broker)
