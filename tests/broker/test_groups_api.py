"""Groups over the wire: who coordinates what, requests that wait, time that passes; the other side is a raw client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import kafka.protocol.consumer as messages
import pytest
import pytest_asyncio

from kafkastatic.broker import Broker
from tests.support.raw_peer import RawMember, RawPeer
from tests.support.scenes import eventually
from tests.support.virtual_loop import run_virtually


@pytest_asyncio.fixture
async def broker() -> AsyncIterator[Broker]:
    async with Broker(topics={"orders": 6}) as broker:
        yield broker


def members(broker: Broker, group: str = "g") -> int:
    found = broker.group(group)
    return len(found.members) if found else 0


@pytest.mark.asyncio
async def test_a_group_of_three(broker: Broker) -> None:
    """Static and dynamic members share the partitions; a restart is not noticed, the old process is fenced."""
    async with RawPeer.connect(broker.bootstrap) as peer:
        a, b = RawMember(peer, "g", ["orders"], "a"), RawMember(peer, "g", ["orders"], "b")
        c = RawMember(peer, "g", ["orders"])
        await a.settle()
        joining = asyncio.gather(b.settle(), c.settle())
        await eventually(lambda: members(broker) == 3)
        owned = [await a.settle(), *await joining]
        assert sorted(p for part in owned for _, p in part) == [0, 1, 2, 3, 4, 5]
        async with a.beating(0.02) as codes:
            again = RawMember(peer, "g", ["orders"], "b")
            assert await again.settle() == b.assignment
            assert await again.heartbeat() == 0
            assert await b.heartbeat() == 82
        assert set(codes) <= {0}
        found = broker.group("g")
        assert found is not None
        assert {member.instance_id: member.assignment for member in found.members} == {
            "a": a.assignment,
            "b": b.assignment,
            None: c.assignment,
        }


@pytest.mark.asyncio
async def test_a_parked_join_is_answered_from_another_connection(broker: Broker) -> None:
    """Fenced at once, by its successor; the successor goes on in its place."""
    async with RawPeer.connect(broker.bootstrap) as peer:
        a, b = RawMember(peer, "g", ["orders"], "a"), RawMember(peer, "g", ["orders"], "b")
        await a.settle()
        parked = asyncio.create_task(b.join())
        await eventually(lambda: members(broker) == 2)

        successor = asyncio.create_task(RawMember(peer, "g", ["orders"], "b").join())
        assert (await asyncio.wait_for(parked, 20)).error_code == 82
        assert (await a.join()).generation_id == 2
        assert (await asyncio.wait_for(successor, 20)).error_code == 0


def test_a_member_that_disconnects_is_expelled_when_its_session_ends() -> None:
    """Time passes without any request; what was parked on a connection that is gone does no harm."""

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        async with Broker(topics={"orders": 6}) as broker, RawPeer.connect(broker.bootstrap) as peer:
            await RawMember(peer, "g", ["orders"], "a", session_timeout_ms=10_000).settle()
            settled = clock()
            async with RawPeer.connect(broker.bootstrap) as gone:
                parked = asyncio.create_task(RawMember(gone, "g", ["orders"], "b", session_timeout_ms=6_000).join())
                await eventually(lambda: members(broker) == 2)
                parked.cancel()
            await eventually(lambda: broker.connections() == 1)
            for left, at in ((1, 10), (0, 16)):  # b's session begins when its join is over
                await eventually(lambda left=left: members(broker) == left, timeout=60, every=0.1)
                assert clock() - settled == pytest.approx(at, abs=0.2)

    run_virtually(main())


@pytest.mark.asyncio
async def test_only_its_coordinator_knows_a_group() -> None:
    """Every other node refuses it, and is asked about its own groups only."""
    async with Broker(topics={"orders": 1}, brokers=2) as broker:
        mine, other = "mine", "other"
        broker.move_coordinator(mine, to=1)
        broker.move_coordinator(other, to=2)
        async with (
            RawPeer.connect(broker.address(broker.coordinator(mine))) as here,
            RawPeer.connect(broker.address(broker.coordinator(other))) as there,
        ):
            await RawMember(here, mine, ["orders"], "a").settle()
            lost = RawMember(there, mine, ["orders"], "a")
            assert (await lost.join()).error_code == 16
            assert (await lost.sync()).error_code == 16
            assert await lost.heartbeat() == 16
            assert (await there.leave(mine, "a-1")).error_code == 16
            assert await lost.commit({("orders", 0): 1}) == {("orders", 0): 16}
            assert await here.commit(mine, {("orders", 0): 1}, generation=1, member_id="x") == {("orders", 0): 25}
            assert await here.commit(other, {("orders", 0): 1}) == {("orders", 0): 16}
            assert await there.commit(other, {("orders", 0): 1}) == {("orders", 0): 0}

            described = await here.request(
                "DescribeGroups", 5, groups=[other, mine], include_authorized_operations=False
            )
            assert [(g.group_id, g.error_code, g.group_state) for g in described.groups] == [
                (mine, 0, "Stable"),
                (other, 16, ""),
            ]
            listed = [await peer.request("ListGroups", 4, states_filter=[]) for peer in (here, there)]
            assert [[group.group_id for group in found.groups] for found in listed] == [[mine], [other]]
            results = (await here.request("DeleteGroups", 2, groups_names=[other, mine])).results
            assert [(result.group_id, result.error_code) for result in results] == [(mine, 68), (other, 16)]
            fetched = await _fetch(here, [other, mine])
            assert [(group.group_id, group.error_code) for group in fetched.groups] == [(mine, 0), (other, 16)]


@pytest.mark.asyncio
async def test_a_group_moves_with_its_coordinator() -> None:
    """Its parked requests are refused; at the new coordinator it goes on."""
    async with Broker(topics={"orders": 1}, brokers=2) as broker:
        first = broker.coordinator("g")
        second = 3 - first
        async with (
            RawPeer.connect(broker.address(first)) as here,
            RawPeer.connect(broker.address(second)) as there,
        ):
            member = RawMember(here, "g", ["orders"], "a")
            await member.settle()
            parked = asyncio.create_task(RawMember(here, "g", ["orders"], "b").join())
            await eventually(lambda: members(broker) == 2)

            broker.move_coordinator("g", to=second)

            assert (await asyncio.wait_for(parked, 20)).error_code == 16
            assert await member.heartbeat() == 16
            member.peer = there
            assert await member.heartbeat() == 0
            assert member.generation == 1


@pytest.mark.asyncio
async def test_a_deleted_topic_takes_its_offsets_along(broker: Broker) -> None:
    """The group is not told."""
    async with RawPeer.connect(broker.bootstrap) as peer:
        member = RawMember(peer, "g", ["orders"], "a")
        await member.settle()
        assert await member.commit({("orders", 0): 1}) == {("orders", 0): 0}

        broker.delete_topic("orders")

        assert broker.committed("g") == {}
        assert await member.heartbeat() == 0
        assert await member.commit({("orders", 0): 1}) == {("orders", 0): 3}


async def _fetch(peer: RawPeer, groups: list[str]) -> Any:
    group_class = messages.OffsetFetchRequest.OffsetFetchRequestGroup
    asked = [group_class(group_id=group, topics=None) for group in groups]
    return await peer.request("OffsetFetch", 8, groups=asked, require_stable=False)
