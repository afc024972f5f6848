"""A broker hangs while the rest of its cluster gives its partitions and groups to others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kafkastatic import RebalanceListener
from kafkastatic.types import TopicPartition
from tests.drivers.world import AT_ONCE, TP, consumer_of, in_the_group, tasks_left
from tests.support.scripted_broker import APIS, NODE, Call, ScriptedBroker

pytestmark = pytest.mark.once


NOTICED = 1.5 + AT_ONCE
"""Seconds: the longest poll and the patience with a broker, and what a busy machine may add."""

OTHER = NODE + 1
PARTITIONS = {"orders": 2}


class Cluster:
    """Two scripted brokers with one view of who is there, who leads and who coordinates: NODE first, at first."""

    def __init__(self, first: ScriptedBroker, second: ScriptedBroker) -> None:
        self._first = first
        self.brokers = {NODE: first, OTHER: second}
        self.leaders = {0: NODE, 1: NODE}
        self.epoch = 1
        self.coordinator = NODE
        for broker in self.brokers.values():
            broker.on("Metadata", self._metadata)
            broker.on("FindCoordinator", self._find_coordinator)

    def _metadata(self, call: Call) -> Any:
        found: Any = self._first._metadata(call)
        made = call.messages
        found.brokers = [
            made.MetadataResponseBroker(node_id=node, host=broker.host, port=broker.port)
            for node, broker in self.brokers.items()
        ]
        for topic in found.topics:
            for entry in topic.partitions:
                entry.leader_id, entry.leader_epoch = self.leaders[entry.partition_index], self.epoch
        return found

    def _find_coordinator(self, call: Call) -> Any:
        broker = self.brokers[self.coordinator]
        return call.request.RESPONSE(node_id=self.coordinator, host=broker.host, port=broker.port)

    def freeze(self, node: int) -> None:
        """It takes connections and requests, and answers nothing more."""
        for api in APIS:
            self.brokers[node].hold(api)

    def expel(self, node: int, successor: int) -> None:
        """The controller takes a broker for dead; the other one knows its groups."""
        gone, new = self.brokers.pop(node), self.brokers[successor]
        self.leaders = dict.fromkeys(self.leaders, successor)
        self.epoch += 1
        self.coordinator = successor
        new.member_id, new.generation, new._assignment = gone.member_id, gone.generation, gone._assignment
        new.committed.update(gone.committed)


@asynccontextmanager
async def cluster() -> AsyncGenerator[tuple[Cluster, ScriptedBroker, ScriptedBroker]]:
    async with ScriptedBroker(PARTITIONS) as first, ScriptedBroker(PARTITIONS) as second:
        yield Cluster(first, second), first, second
        for broker in (first, second):
            await broker.until(lambda broker=broker: not broker.peers)
        assert tasks_left() == []


class Told(RebalanceListener):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_partitions_assigned(self, assigned: object) -> None:
        self.calls.append("assigned")

    def on_partitions_revoked(self, revoked: object) -> None:
        self.calls.append("revoked")

    def on_partitions_lost(self, lost: object) -> None:
        self.calls.append("lost")


@pytest.mark.asyncio
async def test_a_partition_goes_on_at_its_new_leader_while_the_old_one_hangs() -> None:
    """Long before the fetch at the old one has timed out; each record once."""
    async with cluster() as (scene, first, second):
        first.append("orders", 0, b"a")
        second.append("orders", 0, b"a", b"b")
        consumer = consumer_of(first, request_timeout_ms=60_000, session_timeout_ms=90_000)
        await in_the_group(consumer, first)
        assert (await consumer.getone()).value == b"a"
        scene.freeze(NODE)
        scene.expel(NODE, OTHER)
        async with asyncio.timeout(NOTICED):
            assert (await consumer.getone()).value == b"b"
            second.append("orders", 1, b"c")
            assert (await consumer.getone()).value == b"c"
            await consumer.aclose()


@pytest.mark.asyncio
async def test_a_member_goes_on_at_its_new_coordinator_while_the_old_one_hangs() -> None:
    """Heartbeats and commits, under the same identity, with no callback; what is led elsewhere never stops."""
    async with cluster() as (scene, first, second):
        scene.leaders = dict.fromkeys(scene.leaders, OTHER)
        told = Told()
        consumer = consumer_of(first, request_timeout_ms=60_000, session_timeout_ms=90_000, heartbeat_interval_ms=50)
        consumer.subscribe(["orders"], listener=told)
        await in_the_group(consumer, first)
        who = consumer.membership
        scene.freeze(NODE)
        await first.received("Heartbeat", len(first.of("Heartbeat")) + 1)
        async with asyncio.timeout(AT_ONCE):
            second.append("orders", 0, b"a")
            assert (await consumer.getone()).value == b"a"
        commit = asyncio.create_task(consumer.commit())  # behind the heartbeat
        await asyncio.sleep(0)
        scene.expel(NODE, OTHER)
        async with asyncio.timeout(NOTICED):
            await second.received("Heartbeat", 2)
            await commit
        assert second.committed["orders", 0] == 1
        assert consumer.membership == who
        assert told.calls == ["assigned"]
        assert "JoinGroup" not in second.apis()
        async with asyncio.timeout(AT_ONCE):
            await consumer.aclose()


@pytest.mark.asyncio
async def test_a_member_that_starts_does_not_wait_for_a_coordinator_that_left() -> None:
    """It hangs while it is connected to; the lookup that named it is done again."""
    async with cluster() as (scene, first, second):
        scene.leaders = dict.fromkeys(scene.leaders, OTHER)
        scene.freeze(NODE)
        consumer = consumer_of(second, request_timeout_ms=60_000, session_timeout_ms=90_000)
        starting = asyncio.create_task(consumer.start())
        await first.received("ApiVersions")
        scene.expel(NODE, OTHER)
        async with asyncio.timeout(NOTICED):
            await starting
            assert await consumer.assigned() == {TopicPartition("orders", 0), TopicPartition("orders", 1)}
            await consumer.aclose()


@pytest.mark.asyncio
async def test_a_coordinator_that_leaves_a_request_unanswered_is_looked_up_again() -> None:
    """It is still of the cluster, though the group is another one's by now."""
    async with cluster() as (scene, first, second):
        consumer = consumer_of(first, request_timeout_ms=300)
        await in_the_group(consumer, first)
        first.hold("OffsetFetch")
        second.committed["orders", 0] = 7
        scene.coordinator = OTHER
        async with asyncio.timeout(NOTICED):
            assert await consumer.committed(TP) == 7
        await consumer.aclose(timeout=0.3)


@pytest.mark.asyncio
async def test_a_cluster_that_is_slow_is_not_left_for_another_one(caplog: pytest.LogCaptureFixture) -> None:
    """The bootstrap server leads elsewhere by now; no connection is lost, and the member stays what it is."""
    caplog.set_level(logging.WARNING, "kafkastatic")

    def another(call: Call) -> Any:
        answer: Any = front._metadata(call)
        answer.cluster_id = "another"
        return answer

    async with cluster() as (scene, first, second), ScriptedBroker(PARTITIONS) as front:
        front.advertised = (first.host, first.port)
        front.on("Metadata", scene._metadata)
        consumer = consumer_of(front)
        await in_the_group(consumer, first)
        who, connections = consumer.membership, len(front.of("ApiVersions"))
        front.advertised = None
        front.on("Metadata", another)
        for broker in (first, second):
            broker.delay("Metadata", 1.4)
        first.topics["new"] = 1
        async with asyncio.timeout(2 * NOTICED):
            assert await consumer.end_offsets([TopicPartition("new", 0)])  # which takes new metadata
        first.append("orders", 0, b"a")
        assert (await consumer.getone()).value == b"a"
        assert consumer.membership == who
        assert len(front.of("ApiVersions")) == connections
        assert "rebootstrap" not in caplog.text
        await consumer.aclose()


@pytest.mark.asyncio
async def test_a_close_while_the_coordinator_hangs_ends_in_its_time() -> None:
    async with cluster() as (scene, first, _):
        consumer = consumer_of(first, enable_auto_commit=True)
        first.append("orders", 0, b"a", b"b")
        await in_the_group(consumer, first)
        await consumer.getone()
        await consumer.getone()
        scene.freeze(NODE)
        async with asyncio.timeout(AT_ONCE):
            await consumer.aclose(timeout=0.3)


@pytest.mark.asyncio
async def test_metadata_is_looked_at_once_a_second_while_a_broker_hangs() -> None:
    """Not more often, for all groups wait for that broker; and not by asking the one that hangs."""
    async with cluster() as (scene, first, second):
        scene.leaders = {0: NODE, 1: OTHER}
        consumer = consumer_of(first, request_timeout_ms=60_000, session_timeout_ms=90_000)
        await in_the_group(consumer, first)
        await second.received("Fetch", 2)
        scene.freeze(NODE)
        asked, before, loop = len(first.calls), len(second.of("Metadata")), asyncio.get_running_loop()
        await second.received("Metadata", before + 1)
        began = loop.time()
        await second.received("Metadata", before + 3)
        assert loop.time() - began > 1.9
        assert "Metadata" not in [call.api for call in first.calls[asked:]]
        await consumer.aclose(timeout=0.3)
