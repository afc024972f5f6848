"""Static members that restart into an assignment that does not fit any more, but is what the coordinator gives back.

They look at it once, behind their first heartbeat, and join again if it leaves partitions without an owner.
"""

from __future__ import annotations

import asyncio

import pytest

from kafkastatic import TopicPartition
from tests.support.raw_peer import RawMember, RawPeer, partitions_of, subscription
from tests.support.scenes import Recorder, eventually, reading, recorded, running, write

pytestmark = pytest.mark.releases("4.4", "3.9")


@pytest.mark.scenario(6, where="real")
@pytest.mark.asyncio
async def test_partitions_that_were_added_while_the_leader_was_down_are_read(kafka, topic, group_id) -> None:
    """The leader comes back to its old assignment, notices what nobody has, and shares it out."""
    name, group = await topic(partitions=2), group_id()
    options = {"group_id": group, "group_instance_id": "a"}
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        follower = RawMember(peer, group, [name], instance_id="b")
        async with running(proxy.bootstrap, name, **options) as ours:
            await ours.assigned()
            await asyncio.wait_for(follower.settle(), 10)
            await eventually(lambda: ours.membership.epoch == follower.generation and len(ours.assignment()) == 1)
            epoch = ours.membership.epoch
        assert not follower.is_leader
        await peer.create_partitions(name, 4)
        proxy.clear()
        async with (
            follower.beating(0.05, follow=True),
            running(proxy.bootstrap, name, **options) as ours,
            reading(ours) as reader,
        ):
            first, again = await proxy.wait_for("JoinGroup"), await proxy.wait_for("JoinGroup", 2, answered=True)
            assert (first.answer.skip_assignment, first.answer.generation_id) == (True, epoch)
            assert again.message.member_id == first.answer.member_id
            assert again.answer.generation_id == epoch + 1
            everything = {(name, p) for p in range(4)}
            await eventually(lambda: ours.assignment() | (follower.assignment or set()) == everything)
            for partition in ours.assignment():
                await write(peer, *partition, [b"x"])
            await eventually(lambda: {r.partition for r in reader.records} == {p for _, p in ours.assignment()})
            assert len(proxy.sent("JoinGroup")) == 2
            assert len(proxy.sent("DescribeGroups")) == 1


@pytest.mark.scenario(7, where="real")
@pytest.mark.asyncio
@pytest.mark.parametrize("leads", [False, True], ids=["follower", "leader"])
@pytest.mark.parametrize("keeps", [True, False], ids=["t to t,u", "t to u"])
async def test_a_restart_with_another_subscription_reads_it(kafka, topic, group_id, leads, keeps) -> None:
    """The broker stores the new subscription and says nothing: the member joins twice, and no more."""
    t, u, group, heard = await topic(), await topic(), group_id(), Recorder()
    ours_of, theirs_of = {"group_instance_id": "a"}, {"group_instance_id": "b"}
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        await write(peer, u, 0, [b"of u"])
        async with running(kafka.bootstrap, t, group_id=group, **theirs_of) as other, reading(other):
            await other.assigned()
            if leads:
                await other.aclose(membership="leave")
            async with running(kafka.bootstrap, t, group_id=group, **ours_of) as before, reading(before):
                await before.assigned()
                await eventually(lambda: leads or other.membership.epoch == before.membership.epoch)
                epoch = before.membership.epoch
            topics = [t, u] if keeps else [u]
            async with (
                running(proxy.bootstrap, *topics, listener=heard, group_id=group, **ours_of) as ours,
                reading(ours) as reader,
            ):
                await eventually(lambda: [record.value for record in reader.records] == [b"of u"])
                first, again = proxy.sent("JoinGroup")
                assert (first.message.member_id, first.answer.generation_id) == ("", epoch)
                assert (again.message.member_id, again.answer.generation_id) == (first.answer.member_id, epoch + 1)
                assert TopicPartition(u, 0) in ours.assignment()
                assert {tp.topic for _, partitions in heard.calls for tp in partitions} <= set(topics)
                await proxy.wait_for("Heartbeat", 4, answered=True)
                assert len(proxy.sent("JoinGroup")) == 2


@pytest.mark.scenario(8, where="real")
@pytest.mark.asyncio
@pytest.mark.parametrize("leads", [False, True], ids=["follower", "leader"])
async def test_what_a_dead_member_had_given_up_gets_an_owner_when_it_restarts(kafka, topic, group_id, leads) -> None:
    """It died between the two generations of a cooperative rebalance: partition 1 was taken from it, and is free."""
    name, group = await topic(partitions=3), group_id()
    protocols = [("cooperative-sticky", subscription([name]))]
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        dead = RawMember(peer, group, [name], instance_id="a", protocols=protocols)
        other = RawMember(peer, group, [name], instance_id="b", protocols=protocols)
        first, second = (dead, other) if leads else (other, dead)
        await first.settle()
        joins = [asyncio.create_task(second.join())]
        await eventually(first.heartbeat)  # until it is told
        joins.append(asyncio.create_task(first.join()))
        await asyncio.wait_for(asyncio.gather(*joins), 10)
        leader, follower = (first, second) if first.is_leader else (second, first)
        share = {dead.member_id: [(name, 0)], other.member_id: [(name, 2)]}
        waiting = asyncio.create_task(follower.sync())
        await leader.sync(share)
        await asyncio.wait_for(waiting, 10)
        assert (dead.assignment, other.assignment) == ({(name, 0)}, {(name, 2)})
        await write(peer, name, 1, [b"orphan"])

        async with (
            other.beating(0.05, follow=True),
            running(
                proxy.bootstrap,
                name,
                group_id=group,
                group_instance_id="a",
                partition_assignment_strategy="cooperative-sticky",
            ) as ours,
            reading(ours),
        ):
            await ours.assigned()

            async def shared() -> bool:
                members = (await peer.describe(group)).members
                assigned = sorted(tp for member in members for tp in partitions_of(member.member_assignment))
                return assigned == [(name, p) for p in range(3)]

            await eventually(shared)
            join, again = proxy.sent("JoinGroup")[:2]
            assert join.message.member_id == ""
            assert again.message.member_id == join.answer.member_id
            assert again.message.reason == f"the assignment does not fit {name}"
