"""The events and the health of a member, while raw-protocol peers join, restart, take over and remove."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from kafkastatic import Consumer, FencedInstanceIdError, TopicPartition
from kafkastatic.events import Assigned, Event, Fenced, Joined, Joining, Lost, Rebalanced, Revoked
from tests.support.raw_peer import RawMember, RawPeer
from tests.support.scenes import eventually, in_group, recorded, running


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
    """By an administrator who knows the instance id only."""
    name, group = await topic(), group_id()
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        running(kafka.bootstrap, name, group_id=group, group_instance_id="a") as ours,
    ):
        owned, epoch = await ours.assigned(), ours.membership.epoch
        async with listening(ours) as heard:
            await peer.leave(group, instance_id="a", reason="drained")
            await eventually(lambda: Rebalanced in heard.kinds)
            assert heard.kinds == [Lost, Joining, Joined, Assigned, Rebalanced]
            lost, *_, assigned, rebalanced = heard.told
            assert isinstance(lost, Lost)
            assert isinstance(assigned, Assigned)
            assert isinstance(rebalanced, Rebalanced)
            assert (lost.epoch, lost.partitions) == (epoch, owned)
            assert (assigned.partitions, assigned.added) == (owned, owned)
            assert rebalanced.cause == f"lost membership: {lost.cause}"
            await in_group(peer, group, "Stable", members=1)
