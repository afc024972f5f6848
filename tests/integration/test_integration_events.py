"""The events and the health of a member, while raw-protocol peers join, restart, take over and remove."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from kafkastatic import Consumer, FencedInstanceIdError, TopicPartition
from kafkastatic.events import Assigned, Event, Fenced, Joined, Joining, Lost, Rebalanced, Revoked, Waiting
from tests.support.raw_consumer import LEAVE, RawConsumer, described
from tests.support.raw_peer import RawMember, RawPeer
from tests.support.scenes import consumer, eventually, in_group, recorded, running


class Listener:
    """All events so far, and what ended them."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.error: BaseException | None = None

    @property
    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.told]

    async def listen(self, ours: Consumer[bytes, bytes]) -> None:
        try:
            async for event in ours.events():
                self.told.append(event)
        except FencedInstanceIdError as error:
            self.error = error


@contextlib.asynccontextmanager
async def listening(ours: Consumer[bytes, bytes]) -> AsyncIterator[Listener]:
    listener = Listener()
    task = asyncio.create_task(listener.listen(ours))
    await asyncio.sleep(0)
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.scenario(4, where="real")
@pytest.mark.asyncio
async def test_a_join_is_one_rebalance_and_a_static_restart_is_nothing(kafka, topic, group_id) -> None:
    """The other member joins: its share goes, told with what it took; it restarts three times: not a word."""
    name, group = await topic(partitions=2), group_id()
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, group_id=group, group_instance_id="a") as ours,
    ):
        both, epoch = await ours.assigned(), ours.membership.epoch
        async with listening(ours) as heard:
            other = RawMember(peer, group, [name], instance_id="b")
            theirs = {TopicPartition(*tp) for tp in await other.settle()}
            await eventually(lambda: Rebalanced in heard.kinds)
            assert heard.kinds == [Revoked, Joining, Joined, Assigned, Rebalanced]
            rebalanced = heard.told[-1]
            assert isinstance(rebalanced, Rebalanced)
            assert (rebalanced.epoch_before, rebalanced.epoch_after) == (epoch, other.generation)
            assert (rebalanced.kept, rebalanced.added, rebalanced.revoked) == (both - theirs, frozenset(), theirs)
            phases = (rebalanced.revoke, rebalanced.join, rebalanced.sync, rebalanced.assign)
            assert sum(phases) == pytest.approx(rebalanced.total)
            assert min(phases) >= 0
            assert ours.health().ready
            proxy.clear()
            for _ in range(3):
                await RawMember(peer, group, [name], instance_id="b").settle()
            await proxy.wait_for("Heartbeat", 3, answered=True)
            assert [request.answer.error_code for request in proxy.sent("Heartbeat")][:3] == [0, 0, 0]
            assert len(heard.told) == 5
            assert (ours.health().ready, ours.health().reason) == (True, "in the group")


@pytest.mark.scenario(9, where="real")
@pytest.mark.asyncio
async def test_a_takeover_is_told_with_the_new_owner(kafka, topic, group_id) -> None:
    """Lost, fenced, then the error; dead from then on, by its health too."""
    name, group = await topic(), group_id()
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        running(kafka.bootstrap, name, group_id=group, group_instance_id="a") as ours,
    ):
        owned = await ours.assigned()
        async with listening(ours) as heard:
            twin = RawMember(peer, group, [name], instance_id="a")
            await twin.settle()
            error = await eventually(lambda: heard.error)
            assert heard.kinds == [Lost, Fenced]
            lost, fenced = heard.told
            assert isinstance(lost, Lost)
            assert isinstance(fenced, Fenced)
            assert (lost.partitions, lost.cause, lost.inferred) == (owned, "fenced_instance_id", False)
            assert fenced.owner == error.owner
            assert twin.member_id in error.owner
            health = ours.health()
            assert (health.live, health.ready, health.reason) == (False, False, "ended: FencedInstanceIdError")
            assert await twin.heartbeat() == 0


@pytest.mark.scenario(23, where="real")
@pytest.mark.asyncio
async def test_a_removal_is_a_loss_and_a_way_back(kafka, topic, group_id) -> None:
    """By an administrator who knows the instance id only; that it was one is inferred."""
    name, group, patient = await topic(), group_id(), {"session_timeout_ms": 60_000}
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, group_id=group, group_instance_id="a", **patient) as ours,
    ):
        owned, epoch = await ours.assigned(), ours.membership.epoch
        async with listening(ours) as heard:
            await proxy.wait_for("Heartbeat", 2, answered=True)  # before the first answer nothing can be inferred
            await peer.leave(group, instance_id="a", reason="drained")
            await eventually(lambda: Rebalanced in heard.kinds)
            assert heard.kinds == [Lost, Joining, Joined, Assigned, Rebalanced]
            lost, *_, assigned, rebalanced = heard.told
            assert isinstance(lost, Lost)
            assert isinstance(assigned, Assigned)
            assert isinstance(rebalanced, Rebalanced)
            assert (lost.epoch, lost.partitions, lost.cause, lost.inferred) == (epoch, owned, "removed", True)
            assert (assigned.partitions, assigned.added) == (owned, owned)
            assert rebalanced.cause == "lost membership: removed"
            await in_group(peer, group, "Stable", members=1)


# ── where the coordinator assigns (KIP-848) ──


@pytest.mark.protocol("consumer")
@pytest.mark.asyncio
async def test_a_join_is_one_rebalance_where_the_coordinator_assigns(kafka, topic, group_id) -> None:
    """A part goes to the newcomer: given up, then all of it is one rebalance, and nobody joins again for it."""
    name, group = await topic(partitions=2), group_id()
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        running(kafka.bootstrap, name, group_protocol="consumer", group_id=group, group_instance_id="a") as ours,
    ):
        both, epoch = await ours.assigned(), ours.membership.epoch
        await eventually(lambda: ours.health().ready)
        async with listening(ours) as heard:
            other = RawConsumer(peer, group, name, "b")
            (theirs,) = await other.settle(1)
            async with other.beating():
                rebalanced = await eventually(lambda: [e for e in heard.told if isinstance(e, Rebalanced)])
                await eventually(lambda: ours.membership.epoch == other.epoch)
                await eventually(lambda: stable(peer, group))
            assert [kind for kind in heard.kinds if kind is not Assigned] == [Revoked, Rebalanced]
            (told,) = rebalanced
            assert (told.kept, told.added, told.revoked) == (both - {theirs}, frozenset(), {theirs})
            assert told.epoch_before == epoch
            assert told.revoke + told.join + told.sync + told.assign == pytest.approx(told.total)
            assert (ours.health().live, ours.health().ready, ours.health().reason) == (True, True, "in the group")


async def stable(peer: RawPeer, group: str) -> bool:
    return (await described(peer, group)).group_state == "Stable"


@pytest.mark.protocol("consumer")
@pytest.mark.asyncio
async def test_waiting_for_the_instance_id_is_told_and_is_neither_dead_nor_ready(kafka, topic, group_id) -> None:
    """Once, however often it is refused; when the owner is gone it is let in, and ready."""
    name, group = await topic(), group_id()
    ours = consumer(kafka.bootstrap, name, group_protocol="consumer", group_id=group, group_instance_id="a")
    async with RawPeer.connect(kafka.bootstrap) as peer:
        owner = RawConsumer(peer, group, name, "a")
        owned = await owner.settle(1)
        async with listening(ours) as heard, ours:
            async with owner.beating() as beats:
                await eventually(lambda: heard.kinds.count(Joining) >= 3)
                health = ours.health()
                assert (health.live, health.ready, health.error) == (True, False, None)
                assert health.reason == "waiting for the instance id: UNRELEASED_INSTANCE_ID"
                assert ours.assignment() == frozenset()
            assert set(beats) == {0}
            assert await owner.say(LEAVE) == 0
            assert await asyncio.wait_for(ours.assigned(), 20) == owned
            await eventually(lambda: ours.health().ready)
            assert [kind for kind in heard.kinds if kind is not Joining][:3] == [Waiting, Joined, Assigned]
            assert heard.kinds.count(Waiting) == 1
            (waiting,) = [event for event in heard.told if isinstance(event, Waiting)]
            assert waiting.error == "UNRELEASED_INSTANCE_ID"
            assert waiting.until - waiting.since == pytest.approx(60)
            assert ours.health().reason == "in the group"
