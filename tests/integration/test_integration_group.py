"""Groups of several members, foreign clients among them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from kafkastatic import Consumer
from tests.support.raw_peer import RawPeer
from tests.support.scenes import Reader, Recorder, eventually, in_group, reading, running, write

PARTITIONS = 6


class Foreign:
    """An aiokafka consumer, read by a task of its own."""

    def __init__(self, bootstrap: str, topic: str, group: str) -> None:
        self.records: list[Any] = []
        self.consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=200,
            session_timeout_ms=10_000,
            auto_commit_interval_ms=50,
            partition_assignment_strategy=(RangePartitionAssignor,),
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def reading(cls, bootstrap: str, topic: str, group: str) -> AsyncIterator[Foreign]:
        foreign = cls(bootstrap, topic, group)
        await foreign.consumer.start()
        task = asyncio.create_task(foreign._read())
        try:
            yield foreign
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await foreign.consumer.stop()

    async def _read(self) -> None:
        async for record in self.consumer:
            self.records.append(record)

    def assignment(self) -> set[tuple[str, int]]:
        return {(tp.topic, tp.partition) for tp in self.consumer.assignment()}


class Log:
    """What was written so far, and by whom it must have been read: everybody together, each record once."""

    def __init__(self, peer: RawPeer, topic: str) -> None:
        self._peer = peer
        self._topic = topic
        self._count = 0

    async def grow(self, each: int = 20) -> None:
        for partition in range(PARTITIONS):
            await write(self._peer, self._topic, partition, [b"x"] * each)
        self._count += each

    async def read_once_by(self, *readers: Reader | Foreign) -> None:
        everything = Counter((p, o) for p in range(PARTITIONS) for o in range(self._count))
        await eventually(lambda: sum(len(reader.records) for reader in readers) >= everything.total())
        assert Counter(place for reader in readers for place in offsets(reader.records)) == everything


def shared(*assignments: frozenset[tuple[str, int]] | set[tuple[str, int]]) -> bool:
    """Everybody has some, nobody has what another has, and together they have all."""
    union = frozenset().union(*assignments)
    return len(union) == PARTITIONS == sum(map(len, assignments)) and all(assignments)


def offsets(records: list[Any]) -> list[tuple[int, int]]:
    return [(record.partition, record.offset) for record in records]


def member(bootstrap: str, name: str, group: str, instance_id: str | None, heard: Recorder | None = None):
    return running(
        bootstrap,
        name,
        listener=heard,
        group_id=group,
        group_instance_id=instance_id,
        auto_commit_interval_ms=50,
    )


async def stable(peer: RawPeer, group: str, *members: Consumer[bytes, bytes]) -> None:
    found = await in_group(peer, group, "Stable")
    known = {one.member_id for one in found.members}
    assert known >= {one.membership.member_id for one in members}


@pytest.mark.asyncio
async def test_a_group_shared_with_a_foreign_client_converges(kafka, topic, group_id) -> None:
    """Ours leads, then aiokafka does: the range assignment of one is understood by the other."""
    name, group = await topic(partitions=PARTITIONS), group_id()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        log = Log(peer, name)
        await log.grow()
        async with member(kafka.bootstrap, name, group, "a") as ours, reading(ours) as reader:
            await eventually(lambda: len(reader.records) == 20 * PARTITIONS)
            async with Foreign.reading(kafka.bootstrap, name, group) as foreign:
                await eventually(lambda: shared(ours.assignment(), foreign.assignment()))
                await log.grow()
                await log.read_once_by(reader, foreign)
                leader = (await peer.describe(group)).members
                assert {one.group_instance_id for one in leader} == {"a", None}
                await ours.aclose(membership="leave")
                await eventually(lambda: len(foreign.assignment()) == PARTITIONS)
                await log.grow()
                await log.read_once_by(reader, foreign)
                async with member(kafka.bootstrap, name, group, "b") as second, reading(second) as more:
                    await eventually(lambda: shared(second.assignment(), foreign.assignment()))
                    await log.grow()
                    await log.read_once_by(reader, more, foreign)
                    # What range deals out: members with an instance id first, in contiguous runs.
                    assert second.assignment() == {(name, 0), (name, 1), (name, 2)} or foreign.assignment() == {
                        (name, 0),
                        (name, 1),
                        (name, 2),
                    }


@pytest.mark.asyncio
async def test_a_dynamic_member_joins_and_leaves_a_group_of_two(kafka, topic, group_id) -> None:
    """Two rebalances, after each of which the members share everything; every record is read once."""
    name, group, heard = await topic(partitions=PARTITIONS), group_id(), Recorder()
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        member(kafka.bootstrap, name, group, "a", heard) as static,
        reading(static) as first,
        Foreign.reading(kafka.bootstrap, name, group) as foreign,
    ):
        log = Log(peer, name)
        await eventually(lambda: shared(static.assignment(), foreign.assignment()))
        await log.grow()
        await log.read_once_by(first, foreign)
        epoch, calls = static.membership.epoch, len(heard.calls)
        async with member(kafka.bootstrap, name, group, None) as dynamic, reading(dynamic) as second:
            await eventually(lambda: shared(static.assignment(), foreign.assignment(), dynamic.assignment()))
            assert static.membership.epoch == dynamic.membership.epoch > epoch
            await stable(peer, group, static, dynamic)
            assert dynamic.membership.member_id.startswith("kafkastatic-")
            await log.grow()
            await log.read_once_by(first, second, foreign)
        await eventually(lambda: shared(static.assignment(), foreign.assignment()))
        await log.grow()
        await log.read_once_by(first, second, foreign)
        assert heard.kinds[calls:] == ["revoked", "assigned"] * 2
        assert [one.group_instance_id for one in (await peer.describe(group)).members].count("a") == 1


@pytest.mark.asyncio
async def test_a_member_with_nothing_assigned_waits_and_takes_over(kafka, topic, group_id) -> None:
    """More members than partitions: the idle one is a member like any other."""
    name, group = await topic(partitions=1), group_id()
    async with (
        RawPeer.connect(kafka.bootstrap) as peer,
        member(kafka.bootstrap, name, group, "a") as first,
        reading(first),
    ):
        await first.assigned()
        async with member(kafka.bootstrap, name, group, "b") as idle, reading(idle) as reader:
            assert await idle.assigned() == frozenset()
            await first.aclose(membership="leave")
            await eventually(lambda: len(idle.assignment()) == 1)
            await write(peer, name, 0, [b"x"])
            await eventually(lambda: offsets(reader.records) == [(0, 0)])
            assert set(await peer.member_ids(group)) == {"b"}
