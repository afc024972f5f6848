"""Brokers of a real cluster die, freeze and come back under load; a foreign idempotent producer numbers its records."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from kafkastatic import Consumer
from kafkastatic.types import TopicPartition
from tests.support.raw_peer import API_KEYS, MESSAGES, RawError, RawPeer
from tests.support.scenes import Reader, Recorder, eventually, reading, running
from tools.real_cluster import RealCluster
from tools.real_kafka import RealKafka

PARTITIONS = 6
NOT_COORDINATOR = 16
MOVED = 30.0
"""Seconds in which leaders have moved: the controller's patience with a broker and what a busy machine adds."""


class Steady:
    """Writes to all partitions in turn, from a thread, and gives nothing up."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.acknowledged = dict.fromkeys(range(PARTITIONS), 0)
        self.errors: list[str] = []
        self._client = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 120_000,
                "socket.timeout.ms": 3_000,
                "request.timeout.ms": 3_000,
                "topic.metadata.refresh.fast.interval.ms": 50,
                "retry.backoff.max.ms": 200,
                "log_level": 0,
            }
        )
        self._topic = topic
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        for number in itertools.count():
            for partition in range(PARTITIONS):
                value = str(number).encode()
                self._client.produce(self._topic, value, partition=partition, on_delivery=self._delivered)
            self._client.poll(0)
            if self._over.wait(0.02):
                break
        self._client.flush(60)

    def _delivered(self, error: Any, message: Any) -> None:
        if error is None:
            self.acknowledged[message.partition()] += 1
        else:
            self.errors.append(str(error))

    async def end(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)


class Group:
    """Two static members that read the topic, each with its reader and its listener."""

    def __init__(self, members: list[Consumer[bytes, bytes]], readers: list[Reader], heard: list[Recorder]) -> None:
        self.members, self.readers, self.heard = members, readers, heard

    def delivered(self) -> dict[int, list[int]]:
        """The numbers of each partition's records, in the order of delivery."""
        found: dict[int, list[int]] = defaultdict(list)
        for reader in self.readers:
            for record in reader.records:
                found[record.partition].append(int(record.value))
        return found

    def counts(self) -> dict[int, int]:
        return {partition: len(found) for partition, found in self.delivered().items()}

    def mine(self, member: int) -> list[int]:
        return [partition for _, partition in self.members[member].assignment()]

    def both(self) -> list[tuple[Consumer[bytes, bytes], Recorder]]:
        return list(zip(self.members, self.heard, strict=True))

    async def catch_up(self, steady: Steady, partitions: Any = range(PARTITIONS), timeout: float = MOVED) -> None:
        """Everything that is acknowledged from now on, by one record at least, is delivered."""
        goal = {partition: steady.acknowledged[partition] + 1 for partition in partitions}
        await eventually(lambda: all(self.counts().get(p, 0) >= count for p, count in goal.items()), timeout)


@contextlib.asynccontextmanager
async def group_of_two(cluster: RealCluster, topic: str, group: str) -> AsyncIterator[Group]:
    async with contextlib.AsyncExitStack() as stack:
        heard = [Recorder(), Recorder()]
        options = {"group_id": group, "session_timeout_ms": 20_000, "auto_commit_interval_ms": 300}
        members = [
            await stack.enter_async_context(
                running(cluster.bootstrap, topic, listener=listener, group_instance_id=f"member-{n}", **options)
            )
            for n, listener in enumerate(heard)
        ]
        readers = [await stack.enter_async_context(reading(member)) for member in members]
        await eventually(lambda: all(len(member.assignment()) == PARTITIONS // 2 for member in members))
        yield Group(members, readers, heard)


@contextlib.contextmanager
def frozen(broker: RealKafka) -> Iterator[None]:
    broker.pause()
    try:
        yield
    finally:
        broker.resume()


async def new_topic(cluster: RealCluster, placed: list[list[int]] | None = None) -> str:
    """Replicated to all brokers and led by all, if it is not said which brokers hold each partition."""
    name = f"failover-{time.monotonic_ns()}"
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    placed = placed or [[(partition + n) % 3 + 1 for n in range(3)] for partition in range(PARTITIONS)]
    await asyncio.to_thread(admin.create_topics([NewTopic(name, PARTITIONS, replica_assignment=placed)])[name].result)
    return name


# ── the brokers' own word ──


def other_than(cluster: RealCluster, node: int) -> RealKafka:
    return cluster.brokers[node % len(cluster.brokers)]


async def described(broker: RealKafka, topic: str) -> dict[int, Any]:
    """The topic's partitions as this broker's metadata has them."""
    async with RawPeer.connect(broker.bootstrap) as peer:
        wanted = MESSAGES[API_KEYS["Metadata"]][1].MetadataRequestTopic
        answer = await peer.request("Metadata", 7, topics=[wanted(name=topic)], allow_auto_topic_creation=False)
    return {entry.partition_index: entry for entry in answer.topics[0].partitions}


async def coordinator(broker: RealKafka, group: str) -> int:
    """The node id; 0 while there is none."""
    async with RawPeer.connect(broker.bootstrap) as peer:
        found = await peer.find_coordinator(group)
    return 0 if found.error_code else found.node_id


async def leads_nothing(node: int, broker: RealKafka, topic: str) -> bool:
    return all(entry.leader_id not in (node, -1) for entry in (await described(broker, topic)).values())


async def in_sync(cluster: RealCluster, topic: str) -> bool:
    found = [entry for broker in cluster.brokers for entry in (await described(broker, topic)).values()]
    return all(len(entry.isr_nodes) == len(cluster.brokers) for entry in found)


async def watch_commits(
    cluster: RealCluster, zombies: set[RealKafka], group: str, topic: str, seen: list[dict[TopicPartition, int]]
) -> None:
    """What the group has committed, as whoever coordinates it says, again and again.

    Args:
        zombies: not to be asked: they may still believe to be the coordinator, and tell what they last knew.
    """
    for broker in itertools.cycle(cluster.brokers):
        await asyncio.sleep(0.1)
        if broker in zombies:
            continue
        with contextlib.suppress(OSError, EOFError, RawError):
            async with asyncio.timeout(0.5), RawPeer.connect(broker.bootstrap) as peer:
                found = await peer.committed(group, [(topic, p) for p in range(PARTITIONS)])
                seen.append({TopicPartition(*tp): offset for tp, offset in found.items()})


async def knows_its_place(broker: RealKafka, group: str, topic: str) -> bool:
    """A broker that was frozen does not take itself for the group's coordinator any more."""
    try:
        async with RawPeer.connect(broker.bootstrap) as peer:
            await peer.committed(group, [(topic, 0)])
    except RawError as error:
        return error.code == NOT_COORDINATOR
    return False


# ── the test ──


@pytest.mark.real_only("brokers that freeze")
@pytest.mark.asyncio
async def test_brokers_die_and_freeze_and_a_group_of_two_goes_on(kafka_cluster: RealCluster, group_id) -> None:
    """The coordinator, which leads a third of the partitions, is frozen; its successor is killed and started.

    Nothing is lost, delivered twice or out of order, nobody is fenced, no callback is called, no commit moves back.
    While one is dead a consumer starts that finds it among its bootstrap servers.
    """
    cluster, group = kafka_cluster, group_id()
    topic, seen, zombies = await new_topic(cluster), list[dict[TopicPartition, int]](), set[RealKafka]()
    steady = Steady(cluster.bootstrap, topic)
    async with group_of_two(cluster, topic, group) as ours, contextlib.AsyncExitStack() as stack:
        stack.callback(asyncio.create_task(watch_commits(cluster, zombies, group, topic, seen)).cancel)
        stack.push_async_callback(steady.end)
        steady.start()
        await ours.catch_up(steady)
        before = [(member.membership, listener.calls.copy()) for member, listener in ours.both()]

        node = await coordinator(cluster.brokers[0], group)
        witness = other_than(cluster, node)
        zombies.add(cluster.brokers[node - 1])
        with frozen(cluster.brokers[node - 1]):
            await eventually(lambda: leads_nothing(node, witness, topic), MOVED)
            await ours.catch_up(steady)
        await eventually(lambda: in_sync(cluster, topic), MOVED)
        await eventually(lambda: knows_its_place(cluster.brokers[node - 1], group, topic), MOVED)
        zombies.clear()

        dead = await coordinator(witness, group)
        witness = other_than(cluster, dead)
        cluster.brokers[dead - 1].kill()
        try:
            await a_consumer_starts(cluster.brokers[dead - 1], witness, topic)
            await eventually(lambda: leads_nothing(dead, witness, topic), MOVED)
            await ours.catch_up(steady)
        finally:
            await asyncio.to_thread(cluster.brokers[dead - 1].start)
        await ours.catch_up(steady)

        await steady.end()
        await eventually(lambda: ours.counts() == steady.acknowledged, MOVED)
        assert steady.errors == []
        assert ours.delivered() == {p: list(range(count)) for p, count in steady.acknowledged.items()}
        assert [(member.membership, listener.calls) for member, listener in ours.both()] == before
        assert [reader.error for reader in ours.readers] == [None, None]
    assert len(seen) > 10
    for earlier, later in itertools.pairwise(seen):
        assert {tp: later[tp] for tp, offset in earlier.items() if later[tp] < offset} == {}


async def a_consumer_starts(dead: RealKafka, alive: RealKafka, topic: str) -> None:
    """It is served by the brokers that are left, whichever server it tries first."""
    for servers in (f"{dead.bootstrap},{alive.bootstrap}", f"{alive.bootstrap},{dead.bootstrap}"):
        async with running(servers, topic, group_id=None) as another:
            assert (await asyncio.wait_for(another.getone(), 20)).value == b"0"


@pytest.mark.real_only("brokers that freeze")
@pytest.mark.asyncio
async def test_a_member_whose_coordinator_is_frozen_reads_on_and_closes_in_its_time(
    kafka_cluster: RealCluster, group_id
) -> None:
    """What it has consumed cannot be committed; the other member hears of nothing, and goes on when all is well."""
    cluster, group = kafka_cluster, group_id()
    node = await eventually(lambda: coordinator(cluster.brokers[0], group), MOVED)
    topic = await new_topic(cluster, [[node % 3 + 1]] * PARTITIONS)  # the frozen one holds up no replication
    steady = Steady(cluster.bootstrap, topic)
    async with group_of_two(cluster, topic, group) as ours, contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(steady.end)
        steady.start()
        await ours.catch_up(steady)
        before = [(member.membership, listener.calls.copy()) for member, listener in ours.both()]
        with frozen(cluster.brokers[node - 1]):
            for _ in range(20):
                await ours.catch_up(steady, timeout=5)
            assert [(member.membership, listener.calls) for member, listener in ours.both()] == before
            began = time.monotonic()
            await ours.readers[0].end()
            await ours.members[0].aclose(timeout=1)
            assert time.monotonic() - began < 10  # it was given one; the frozen broker has not answered since
        await ours.catch_up(steady, ours.mine(1))
        assert [(ours.members[1].membership, ours.heard[1].calls)] == before[1:]
