"""Groups that share assignors: with foreign clients, each leading once; custom ones; a change on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from kafkastatic import Consumer, MemberSubscription, TopicPartition
from kafkastatic.errors import InvalidAssignmentError
from tests.support.members import HEARTBEAT_MS, SESSION_MS, AioMember, ConfluentMember, ForeignMember, JavaMember
from tests.support.raw_peer import RawPeer, partitions_of
from tests.support.scenes import Recorder, consumer, eventually, in_group, reading, running, write

PARTITIONS = 8


class OurMember(ForeignMember):
    """A static member, so that the group is one of both kinds."""

    client_id = "kafkastatic"

    async def start(self) -> None:
        self.consumer = consumer(
            self.bootstrap,
            self.topic,
            group_id=self.group,
            group_instance_id="ours",
            heartbeat_interval_ms=HEARTBEAT_MS,
            session_timeout_ms=SESSION_MS,
            auto_commit_interval_ms=50,
            partition_assignment_strategy=self.assignor,
        )
        self.heard = Recorder()
        self.consumer.subscribe([self.topic], listener=self.heard)
        await self.consumer.start()

    async def read(self) -> None:
        async for record in self.consumer:
            self.records.append((record.partition, record.offset))

    @property
    def owned(self) -> set[int]:
        return {tp.partition for tp in self.consumer.assignment()}

    async def stop(self) -> None:
        await self.end_reading()
        await self.consumer.aclose(membership="leave")


KINDS: Mapping[str, type[ForeignMember]] = {
    kind.client_id: kind for kind in (OurMember, AioMember, ConfluentMember, JavaMember)
}


class Log:
    """What was written so far, all of which must have been read by the members together."""

    def __init__(self, peer: RawPeer, topic: str) -> None:
        self._peer = peer
        self._topic = topic
        self._written: set[tuple[int, int]] = set()

    async def grow(self, each: int = 5) -> None:
        for partition in range(PARTITIONS):
            first = await write(self._peer, self._topic, partition, [b"x"] * each)
            self._written |= {(partition, first + n) for n in range(each)}

    async def read_by(self, members: Sequence[ForeignMember]) -> None:
        await eventually(lambda: self._written <= {place for member in members for place in member.records})


def leads(caplog: pytest.LogCaptureFixture) -> bool:
    """Whether our member leads, by what it said when it joined last."""
    said = [record.args[1] for record in caplog.records if record.args and record.args[0] == "joined"]
    return "leader=True" in said[-1]


async def shared(peer: RawPeer, group: str, members: Sequence[ForeignMember], all_: int = PARTITIONS) -> None:
    """The group is stable, and each partition has one owner: by the members' word and by the coordinator's."""

    async def settled() -> bool:
        found = await peer.describe(group)
        assert (found.group_state, len(found.members)) == ("Stable", len(members))
        assigned = [tp for one in found.members for tp in partitions_of(one.member_assignment)]
        assert sorted(p for _, p in assigned) == list(range(all_))
        assert sorted(p for member in members for p in member.owned) == list(range(all_))
        return True

    await eventually(settled, timeout=120)  # four clients, one of them in a machine of its own, on a busy one


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("first", "assignor"),
    [("kafkastatic", "range"), ("aiokafka", "roundrobin"), ("confluent", "range"), ("java", "roundrobin")],
)
async def test_a_group_of_four_clients_led_by_each(kafka, jvm, topic, group_id, caplog, first, assignor) -> None:
    """Every partition has one owner under whoever leads, also when the leader leaves, and every record is read."""
    caplog.set_level(logging.INFO, "kafkastatic")
    name, group = await topic(partitions=PARTITIONS), group_id()
    members = {kind: cls(kafka.bootstrap, name, group, assignor) for kind, cls in KINDS.items()}
    everybody = list(members.values())
    async with RawPeer.connect(kafka.bootstrap) as peer, AsyncExitStack() as stack:
        leader = members.pop(first)
        async with leader:
            await shared(peer, group, [leader])
            for member in members.values():
                await stack.enter_async_context(member)
            log = Log(peer, name)
            await shared(peer, group, everybody)
            assert {one.client_id for one in (await peer.describe(group)).members} == set(KINDS)
            assert leads(caplog) == (first == "kafkastatic")
            await log.grow()
            await log.read_by(everybody)
        await shared(peer, group, list(members.values()))
        await log.grow()
        await log.read_by(everybody)


@pytest.mark.asyncio
@pytest.mark.parametrize("first", ["kafkastatic", "confluent", "java"])
async def test_a_cooperative_group_of_three_clients_led_by_each(kafka, jvm, topic, group_id, first) -> None:
    """What our member keeps is never taken from it while others come; all records are read, whoever leads or leaves."""
    name, group, assignor = await topic(partitions=PARTITIONS), group_id(), "cooperative-sticky"
    members = {
        kind: KINDS[kind](kafka.bootstrap, name, group, assignor) for kind in ("kafkastatic", "confluent", "java")
    }
    everybody, ours = list(members.values()), members["kafkastatic"]
    assert isinstance(ours, OurMember)
    async with RawPeer.connect(kafka.bootstrap) as peer, AsyncExitStack() as stack:
        leader = members.pop(first)
        async with leader:
            await shared(peer, group, [leader])
            for member in members.values():
                await stack.enter_async_context(member)
            log = Log(peer, name)
            await shared(peer, group, everybody)
            taken = {tp.partition for kind, partitions in ours.heard.calls for tp in partitions if kind != "assigned"}
            assert "lost" not in ours.heard.kinds
            if leader is ours:
                assert not taken & ours.owned
            await log.grow()
            await log.read_by(everybody)
        await shared(peer, group, list(members.values()))
        await log.grow()
        await log.read_by(everybody)


# ── assignors of the application's own ──


class EvenOdd:
    """Even partitions to the first member by instance id, odd ones to the last."""

    name = "even-odd"

    def assign(self, partitions: Mapping[str, int], members: Sequence[MemberSubscription]) -> dict[str, list[Any]]:
        order = [member.member_id for member in sorted(members, key=lambda member: member.instance_id or "")]
        shares: dict[str, list[Any]] = {member_id: [] for member_id in order}
        for topic, count in partitions.items():
            for partition in range(count):
                shares[order[-(partition % 2)]].append(TopicPartition(topic, partition))
        return shares


class Greedy(EvenOdd):
    """Gives everything to everybody."""

    name = "greedy"

    def assign(self, partitions: Mapping[str, int], members: Sequence[MemberSubscription]) -> dict[str, list[Any]]:
        return {one.member_id: [(topic, 0) for topic in partitions] * 2 for one in members}


@pytest.mark.asyncio
async def test_a_group_of_two_by_an_assignor_of_its_own(kafka, topic, group_id) -> None:
    """Whoever leads runs it, and both live by it."""
    name, group = await topic(partitions=5), group_id()
    options = {"group_id": group, "partition_assignment_strategy": EvenOdd()}
    async with (
        running(kafka.bootstrap, name, group_instance_id="a", **options) as first,
        running(kafka.bootstrap, name, group_instance_id="b", **options) as second,
        reading(first),
        reading(second),
    ):
        await eventually(lambda: first.assignment() == {(name, 0), (name, 2), (name, 4)})
        await eventually(lambda: second.assignment() == {(name, 1), (name, 3)})


@pytest.mark.asyncio
async def test_an_assignment_that_cannot_be_ends_the_leader_and_names_the_offence(kafka, topic, group_id) -> None:
    """Nothing of it was sent to the group."""
    name, group = await topic(), group_id()
    async with running(kafka.bootstrap, name, group_id=group, partition_assignment_strategy=Greedy()) as ours:
        with pytest.raises(InvalidAssignmentError, match=f"'greedy' is invalid: it assigns {name}-0 to") as caught:
            await ours.assigned()
        assert (caught.value.assignor, caught.value.topic, caught.value.partition) == ("greedy", name, 0)


BOTH = ("range", "cooperative-sticky")
CHANGES = {
    "roundrobin": [
        ("a", ("range", "roundrobin"), "range"),
        ("b", ("roundrobin", "range"), "range"),
        ("a", ("roundrobin", "range"), "roundrobin"),
        ("b", ("roundrobin",), "roundrobin"),
        ("a", ("roundrobin",), "roundrobin"),
    ],
    "cooperative-sticky": [
        ("a", BOTH, "range"),
        ("b", BOTH, "range"),
        ("a", ("cooperative-sticky",), "cooperative-sticky"),  # while the other still rebalances eagerly
        ("b", ("cooperative-sticky",), "cooperative-sticky"),
    ],
}
"""From `range` to another: who restarts, with which assignors, and which one the group uses then."""


@pytest.mark.parametrize("to", CHANGES)
@pytest.mark.asyncio
async def test_a_group_changes_its_assignor_one_restart_after_another(kafka, topic, group_id, to) -> None:
    """By way of members that know both: at no time is a partition without an owner or with two, or a member refused."""
    name, group = await topic(partitions=4), group_id()

    @asynccontextmanager
    async def member(instance_id: str, *strategies: str) -> AsyncIterator[Consumer[bytes, bytes]]:
        options = {"group_id": group, "group_instance_id": instance_id, "partition_assignment_strategy": strategies}
        async with running(kafka.bootstrap, name, **options) as ours, reading(ours):
            yield ours

    async def settled(peer: RawPeer, protocol: str, *members: Consumer[bytes, bytes]) -> bool:
        found = await in_group(peer, group, "Stable", 2)
        owned = sorted(tp.partition for one in members for tp in one.assignment())
        return found.protocol_data == protocol and owned == [0, 1, 2, 3]

    async with RawPeer.connect(kafka.bootstrap) as peer:
        running_ = {instance_id: AsyncExitStack() for instance_id in "ab"}
        members = {i: await stack.enter_async_context(member(i, "range")) for i, stack in running_.items()}
        try:
            await eventually(lambda: settled(peer, "range", *members.values()))
            for instance_id, strategies, protocol in CHANGES[to]:
                await running_[instance_id].aclose()
                members[instance_id] = await running_[instance_id].enter_async_context(member(instance_id, *strategies))
                await asyncio.wait_for(members[instance_id].assigned(), 10)
                await eventually(lambda p=protocol: settled(peer, p, *members.values()))
        finally:
            for stack in running_.values():
                await stack.aclose()
