"""Groups on the way to cooperative rebalances (KIP-429), and between the two, while records flow."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import pytest

from kafkastatic import Consumer, RebalanceListener, TopicPartition
from kafkastatic.errors import ConsumerClosedError
from tests.support.raw_peer import RawPeer, partitions_of
from tests.support.scenes import eventually, in_group, reading, running, write

PARTITIONS = 6


class Owners:
    """Who owns each partition, by what the members' callbacks are told; nothing may ever be owned twice."""

    def __init__(self) -> None:
        self.now: dict[TopicPartition, str] = {}
        self.offences: list[str] = []
        self.lost: list[str] = []

    def listener(self, name: str) -> RebalanceListener:
        return _Told(self, name)


class _Told(RebalanceListener):
    def __init__(self, owners: Owners, name: str) -> None:
        self._owners, self._name = owners, name

    def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        for tp in assigned:
            before = self._owners.now.get(tp)
            if before is not None:
                self._owners.offences.append(f"{tp.partition} is assigned to {self._name}, owned by {before}")
            self._owners.now[tp] = self._name

    def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        self._gone(revoked)

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        self._owners.lost.append(self._name)
        self._gone(lost)

    def _gone(self, gone: frozenset[TopicPartition]) -> None:
        for tp in gone:
            assert self._owners.now.pop(tp) == self._name


class Group:
    """Static members of one group, each closed and started again on its own."""

    def __init__(self, bootstrap: str, peer: RawPeer, topic: str, group: str) -> None:
        self.owners = Owners()
        self.members: dict[str, Consumer[bytes, bytes]] = {}
        self.read: Counter[tuple[int, int]] = Counter()
        self._bootstrap, self._peer, self._topic, self._group = bootstrap, peer, topic, group
        self._stacks: dict[str, contextlib.AsyncExitStack] = {}

    async def start(self, name: str, *strategies: str) -> None:
        """Start a member, or start it again; its predecessor has closed in order, and keeps its place in the group."""
        await self.close(name)
        stack = self._stacks[name] = contextlib.AsyncExitStack()
        options = {"group_id": self._group, "group_instance_id": name, "session_timeout_ms": 30_000}
        self.members[name] = await stack.enter_async_context(
            running(
                self._bootstrap,
                self._topic,
                listener=self.owners.listener(name),
                partition_assignment_strategy=strategies,
                auto_commit_interval_ms=50,
                **options,
            )
        )
        stack.callback(self.members.pop, name)
        reader = await stack.enter_async_context(reading(self.members[name]))

        def count() -> None:
            assert reader.error is None or isinstance(reader.error, ConsumerClosedError)
            self.read.update((record.partition, record.offset) for record in reader.records)

        stack.callback(count)

    async def close(self, name: str) -> None:
        if name in self._stacks:
            await self._stacks.pop(name).aclose()

    async def leave(self, name: str) -> None:
        """Close for good."""
        await self.members[name].aclose(membership="leave")
        await self.close(name)

    async def settled(self, protocol: str) -> Mapping[str, int]:
        """The group is stable by this assignor, and all partitions have an owner; the share of each."""
        shares: dict[str, int] = {}

        async def found() -> bool:
            described = await in_group(self._peer, self._group, "Stable", len(self.members))
            assert described.protocol_data == protocol
            told = {one.group_instance_id: set(partitions_of(one.member_assignment)) for one in described.members}
            assert told == {name: set(member.assignment()) for name, member in self.members.items()}
            assert sorted(p for share in told.values() for _, p in share) == list(range(PARTITIONS))
            shares.update((name, len(share)) for name, share in told.items())
            return True

        await eventually(found, timeout=60)
        return shares


@contextlib.asynccontextmanager
async def group_of(bootstrap: str, topic: str, group: str) -> AsyncIterator[Group]:
    """A group whose topic is written to all the time; at its end all of that has been read, and nothing owned twice."""
    async with RawPeer.connect(bootstrap) as peer, RawPeer.connect(bootstrap) as writer:
        ours = Group(bootstrap, peer, topic, group)
        for partition in range(PARTITIONS):
            await write(writer, topic, partition, [b"first"])
        written = Counter({(partition, 0): 1 for partition in range(PARTITIONS)})
        enough = asyncio.Event()

        async def keep_writing() -> None:
            for partition in itertools.cycle(range(PARTITIONS)):
                if enough.is_set():
                    return
                written[partition, await writer.produce(topic, partition, [b"x"])] += 1
                await asyncio.sleep(0.005)

        writing = asyncio.create_task(keep_writing())
        try:
            yield ours
            enough.set()
            await writing
            ends = {TopicPartition(topic, p): max(o for q, o in written if q == p) + 1 for p in range(PARTITIONS)}

            async def committed() -> bool:
                return await peer.committed(group, list(ends)) == ends

            await eventually(committed, timeout=60)
        finally:
            writing.cancel()
            for name in list(ours.members):
                await ours.close(name)
        assert ours.owners.offences == []
        assert ours.owners.lost == []
        assert written.keys() - ours.read.keys() == set()


@pytest.mark.asyncio
async def test_a_rolling_upgrade_from_range_to_cooperative_sticky(kafka, topic, group_id) -> None:
    """By way of members that know both, one static member after another, twice, as KIP-429 says; no record is lost."""
    name, group = await topic(partitions=PARTITIONS), group_id()
    rolls = [
        ("range", ("range", "cooperative-sticky")),
        ("cooperative-sticky", ("cooperative-sticky",)),
    ]
    async with group_of(kafka.bootstrap, name, group) as ours:
        for member in "abc":
            await ours.start(member, "range")
        await ours.settled("range")
        for protocol, strategies in rolls:
            for member in "abc":
                await ours.start(member, *strategies)
                shares = await ours.settled(protocol)
                assert sorted(shares.values()) == [2, 2, 2]
        before = {member: one.assignment() for member, one in ours.members.items()}
        await ours.start("d", "cooperative-sticky")
        shares = await ours.settled("cooperative-sticky")
        assert sorted(shares.values()) == [1, 1, 2, 2]
        for member, partitions in before.items():
            assert ours.members[member].assignment() <= partitions  # from now on they keep what they can


@pytest.mark.asyncio
@pytest.mark.parametrize("eager", ["range", "sticky"])
async def test_an_eager_member_among_cooperative_ones(kafka, topic, group_id, eager) -> None:
    """It gives all up in each rebalance, they keep theirs; whoever leads, nothing is owned twice."""
    name, group = await topic(partitions=PARTITIONS), group_id()
    async with group_of(kafka.bootstrap, name, group) as ours:
        await ours.start("a", eager, "cooperative-sticky")
        assert await ours.settled(eager) == {"a": PARTITIONS}
        await ours.start("b", "cooperative-sticky")
        assert await ours.settled("cooperative-sticky") == {"a": 3, "b": 3}
        await ours.start("c", "cooperative-sticky")
        assert await ours.settled("cooperative-sticky") == {"a": 2, "b": 2, "c": 2}
        await ours.leave("b")
        assert await ours.settled("cooperative-sticky") == {"a": 3, "c": 3}
        await ours.leave("a")
        assert await ours.settled("cooperative-sticky") == {"c": PARTITIONS}
