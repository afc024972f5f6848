"""Acceptance scenarios whose other side is a script: what goes over the wire, and what the application sees."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from kafkastatic._protocol.messages.describe_groups import DescribeGroupsResponse
from kafkastatic.errors import (
    BrokerError,
    CommitFailedError,
    GroupMaxSizeReachedError,
    IllegalGenerationError,
    InconsistentGroupProtocolError,
    UnsupportedVersionError,
)
from kafkastatic.types import TopicPartition
from tests.drivers.test_drivers_interleavings import Told
from tests.drivers.world import GROUP_APIS, TP, consumer_of, eventually, group_requests, in_the_group, nothing_left
from tests.support.raw_peer import assignment
from tests.support.scripted_broker import Call, ScriptedBroker

LOADING, UNKNOWN_MEMBER = 14, 25
QUICK = {"heartbeat_interval_ms": 5}
ONE_TOO_LOW = {"JoinGroup": 4, "SyncGroup": 2, "Heartbeat": 2, "OffsetCommit": 6, "LeaveGroup": 2}


@pytest.mark.scenario(2, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("highest", ["too low", "none"])
@pytest.mark.parametrize("api", ONE_TOO_LOW)
async def test_a_broker_that_cannot_carry_the_instance_id_meets_no_group_request(api: str, highest: str) -> None:
    """An API that is too old, or not there at all, ends the start."""
    async with ScriptedBroker() as broker:
        broker.caps[api] = ONE_TOO_LOW[api] if highest == "too low" else -1
        consumer = consumer_of(broker)
        with pytest.raises(UnsupportedVersionError) as caught:
            await consumer.start()
        assert (caught.value.api, caught.value.code) == (api, 35)
        await consumer.aclose()
        assert not GROUP_APIS & set(broker.apis())
        await nothing_left(broker)


REFUSALS = pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(81, GroupMaxSizeReachedError, marks=pytest.mark.scenario(25, where="peer")),
        pytest.param(23, InconsistentGroupProtocolError, marks=pytest.mark.scenario(26, where="peer")),
    ],
)


@REFUSALS
@pytest.mark.asyncio
async def test_a_restart_that_its_predecessor_blocks_is_refused_at_once(code: int, error: type[BrokerError]) -> None:
    """One JoinGroup, one error, with the option that would wait in its text."""
    async with ScriptedBroker() as broker:
        broker.fail_next("JoinGroup", code)
        with pytest.raises(error, match="instance_id_wait_ms"):
            async with consumer_of(broker) as consumer:
                await consumer.assigned()
        assert group_requests(broker) == ["JoinGroup"]
        await nothing_left(broker)


@REFUSALS
@pytest.mark.asyncio
async def test_a_restart_that_its_predecessor_blocks_may_wait(code: int, error: type[BrokerError]) -> None:
    """It joins as soon as it is let in; calls that need an assignment wait meanwhile."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"first")
        broker.fail_next("JoinGroup", *[code] * 5)
        async with consumer_of(broker, instance_id_wait_ms=10_000) as consumer:
            assert (await consumer.getone()).value == b"first"
        assert group_requests(broker)[:8] == [*["JoinGroup"] * 6, "SyncGroup", "Heartbeat"]
        assert {call.request.member_id for call in broker.of("JoinGroup")} == {""}
        await nothing_left(broker)


@pytest.mark.scenario(27, where="peer")
@pytest.mark.asyncio
async def test_a_coordinator_that_loads_is_waited_for_by_all_but_heartbeats() -> None:
    """Join, sync and commit are repeated under the same identity; only a SyncGroup confirms the membership."""
    async with ScriptedBroker() as broker:
        broker.fail_next("JoinGroup", LOADING)
        broker.fail_next("SyncGroup", LOADING)
        told = Told()
        consumer = consumer_of(broker, **QUICK)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        before = consumer.membership
        broker.fail_next("SyncGroup", LOADING, LOADING)
        broker.fail_next("OffsetCommit", LOADING, 16, LOADING)
        broker.fail_next("Heartbeat", 16)
        await consumer.commit({TP: 0})
        await broker.received("SyncGroup", 5)
        count = len(broker.of("Heartbeat"))
        await broker.received("Heartbeat", count + 2)
        assert len(broker.of("SyncGroup")) == 5  # the third of them was good enough
        assert len(broker.of("JoinGroup")) == 2
        assert len(broker.of("OffsetCommit")) == 4
        stamped = [call.request for call in broker.calls if call.api in ("Heartbeat", "OffsetCommit")]
        assert {request.member_id for request in stamped} == {before.member_id}
        assert consumer.membership == before
        assert told.calls == ["assigned"]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.scenario(28, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("told_by", ["Heartbeat", "SyncGroup"])
async def test_a_coordinator_that_has_forgotten_the_member_is_joined_once(told_by: str) -> None:
    """Lost once, one blind join, and no loop of joins."""
    async with ScriptedBroker() as broker:
        told = Told()
        consumer = consumer_of(broker, **QUICK)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, broker)
        broker.fail_next("Heartbeat", 16)
        broker.fail_next(told_by, UNKNOWN_MEMBER)
        await broker.received("JoinGroup", 2)
        await eventually(lambda: len(told.calls) == 3)
        count = len(broker.of("Heartbeat"))
        await broker.received("Heartbeat", count + 3)
        assert told.calls == ["assigned", "lost", "assigned"]
        assert [call.request.member_id for call in broker.of("JoinGroup")] == ["", ""]
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.scenario(29, where="peer")
@pytest.mark.asyncio
async def test_a_leader_that_restarts_below_version_9_of_joingroup_joins_when_topics_grow() -> None:
    """It is told its old member id and no members, asks whom it leads, and joins with the member id that it has."""
    async with ScriptedBroker({"orders": 1, "refunds": 1}) as broker:
        broker.caps["JoinGroup"] = 8
        old, new = (f"billing-0-{uuid.UUID(int=n)}" for n in (1, 2))

        def restarted(call: Call) -> Any:
            if call.request.member_id:
                return broker._join_group(call)
            broker.member_id, broker.generation = new, 7
            return call.request.RESPONSE(
                generation_id=7, protocol_type="consumer", protocol_name="range", leader=old, member_id=new, members=[]
            )

        def described(call: Call) -> Any:
            made, asked = call.messages, broker.of("JoinGroup")[0].request
            metadata = asked.protocols[0].metadata.replace(b"\0\6orders", b"\0\7refunds")
            members = [
                made.DescribedGroupMember(
                    member_id=new,
                    member_metadata=asked.protocols[0].metadata,
                    member_assignment=assignment([("orders", 0)]),
                ),
                made.DescribedGroupMember(
                    member_id="other", member_metadata=metadata, member_assignment=assignment([("refunds", 0)])
                ),
            ]
            group = made.DescribedGroup(group_id="billing", group_state="Stable", members=members)
            return DescribeGroupsResponse(groups=[group])

        broker.on("JoinGroup", restarted)
        broker.on("DescribeGroups", described)
        consumer = consumer_of(broker, metadata_max_age_ms=5, **QUICK)
        await in_the_group(consumer, broker)
        await broker.until(lambda: any("refunds" in topics_of(call) for call in broker.of("Metadata")[:-2]))
        assert len(broker.of("DescribeGroups")) == 1
        assert len(broker.of("JoinGroup")) == 1
        broker.topics["refunds"] = 2
        assert (await broker.received("JoinGroup", 2)).request.member_id == new
        await consumer.aclose()
        await nothing_left(broker)


def topics_of(call: Call) -> set[str]:
    return {topic.name for topic in call.request.topics or ()}


@pytest.mark.scenario(30, where="peer")
@pytest.mark.asyncio
async def test_a_handler_that_blocks_through_a_rebalance_has_its_commit_refused() -> None:
    """Commit 22: refused with its cause, lost once, joined with the kept member id, the record comes again."""
    async with ScriptedBroker() as broker:
        broker.append("orders", 0, b"first", b"second")
        told = Told()
        consumer = consumer_of(broker)
        consumer.subscribe(["orders"], listener=told)
        async with consumer:
            record = await consumer.getone()
            broker.generation += 1  # the group goes on without the member
            time.sleep(0.01)  # the handler
            with pytest.raises(CommitFailedError) as caught:
                await consumer.commit()
            assert isinstance(caught.value.__cause__, IllegalGenerationError)
            assert caught.value.offsets == {TP: 1}
            assert (await consumer.getone()).offset == record.offset
            await consumer.commit()
            assert told.calls == ["assigned", "lost", "assigned"]
            member_id = consumer.membership.member_id
            assert [call.request.member_id for call in broker.of("JoinGroup")] == ["", member_id]
            assert broker.committed == {TP: 1}
        await nothing_left(broker)


@pytest.mark.scenario(16, where="peer")
@pytest.mark.asyncio
async def test_a_commit_for_a_partition_given_up_in_an_earlier_generation_is_not_sent() -> None:
    """With the eager protocol too: what the member owned before counts for nothing, whoever commits it."""
    other = TopicPartition("orders", 1)
    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"0", b"1")
        broker.append("orders", 1, b"0", b"1")
        consumer = consumer_of(broker, enable_auto_commit=True, auto_commit_interval_ms=5, metadata_max_age_ms=5)
        await in_the_group(consumer, broker)
        assert consumer.assignment() == {TP, other}
        handed = await consumer.getmany(timeout_ms=2000)
        while handed.keys() != {TP, other}:
            handed |= await consumer.getmany(timeout_ms=2000)
        await consumer.getmany(timeout_ms=0)
        await eventually(lambda: broker.committed == {TP: 2, other: 2})
        broker.topics["orders"] = 1  # it leads, and leaves the second out of its next balance
        await broker.received("SyncGroup", 2)
        await eventually(lambda: consumer.assignment() == {TP})
        sent = len(broker.of("OffsetCommit"))
        with pytest.raises(CommitFailedError, match="not assigned to this consumer") as caught:
            await consumer.commit({other: 1})
        assert caught.value.offsets == {other: 1}
        assert len(broker.of("OffsetCommit")) == sent
        assert broker.committed == {TP: 2, other: 2}
        await consumer.aclose()
        await nothing_left(broker)
