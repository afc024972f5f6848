"""Fetches as the broker sees them: sessions, nearest replicas, leaders that move, quotas."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable
from typing import Any

import pytest

from kafkastatic import TopicPartition
from kafkastatic._protocol.messages.api_versions import ApiVersionsRequest
from tests.support.raw_peer import RawPeer
from tests.support.recording_proxy import RecordingProxy, Request
from tests.support.replicas import leaders_seen, move_leader, recorded_cluster, set_consumer_quota, topic_on
from tests.support.scenes import eventually, reading, recorded, running, write


def said(request: Request) -> tuple[int, list[int], list[int]]:
    """Of a Fetch on the wire: its epoch, the partitions it names, and those it forgets."""
    message = request.message
    return (
        message.session_epoch,
        sorted(p.partition for topic in message.topics for p in topic.partitions),
        sorted(index for topic in message.forgotten_topics_data for index in topic.partitions),
    )


def carried(proxy: RecordingProxy) -> int:
    """Bytes of records that a broker has sent."""
    answers = (request.answer for request in proxy.sent("Fetch") if request.response is not None)
    return sum(
        len(partition.records or b"")
        for answer in answers
        for topic in answer.responses
        for partition in topic.partitions
    )


async def opened(peer: RawPeer, topic: str, partitions: int) -> None:
    """A record in each partition, so that none of them is still being set up by the broker."""
    for partition in range(partitions):
        await write(peer, topic, partition, [b"-1"])


# ── sessions ──


@pytest.mark.asyncio
async def test_a_session_says_only_what_changed(kafka, topic) -> None:
    """All partitions once; then nothing, one that moved on, one that is paused, and one that comes back (KIP-227)."""
    name = await topic(partitions=20)
    options = {"fetch_max_wait_ms": 100, "auto_offset_reset": "latest"}
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        await opened(peer, name, 20)
        async with running(proxy.bootstrap, name, **options) as consumer, reading(consumer) as reader:
            await proxy.wait_for("Fetch", 3, answered=True)
            fetched = proxy.sent("Fetch")
            assert [said(request) for request in fetched[:3]] == [
                (0, list(range(20)), []),
                (1, [], []),
                (2, [], []),
            ]
            assert fetched[1].message.session_id == fetched[0].answer.session_id > 0
            assert fetched[1].answer.responses == []

            proxy.clear()
            assert await write(peer, name, 7, [b"one"]) == 1
            await eventually(lambda: len(reader.records) == 1)

            def changes() -> list[tuple[list[int], list[int]]]:
                return [said(r)[1:] for r in proxy.sent("Fetch") if said(r)[1:] != ([], [])]

            await eventually(changes)
            await proxy.wait_for("Fetch", len(proxy.sent("Fetch")) + 1, answered=True)
            assert changes() == [([7], [])]

            proxy.clear()
            consumer.pause(TopicPartition(name, 3))
            await proxy.wait_for("Fetch", 2, answered=True)
            consumer.resume(TopicPartition(name, 3))
            await proxy.wait_for("Fetch", 4, answered=True)
            assert changes() == [([], [3]), ([3], [])]


@pytest.mark.asyncio
async def test_a_lost_session_is_begun_anew(kafka, topic) -> None:
    """An answer that is cut off, and a broker that has forgotten the session: nothing lost, nothing twice."""
    name = await topic(partitions=5)
    async with (
        recorded(kafka) as proxy,
        RawPeer.connect(kafka.bootstrap) as peer,
        running(proxy.bootstrap, name, fetch_max_wait_ms=100) as consumer,
        reading(consumer) as reader,
    ):
        await opened(peer, name, 5)
        await eventually(lambda: len(reader.records) == 5)
        proxy.clear()
        proxy.cut("Fetch")
        for count in range(20):
            await write(peer, name, count % 5, [b"%d" % count])
        await eventually(lambda: len(reader.records) == 25)
        assert [said(request)[0] for request in proxy.sent("Fetch")].count(0) == 1

        def forgotten(answer: Any) -> None:
            answer.error_code, answer.session_id, answer.responses = 70, 0, []

        proxy.clear()
        proxy.rewrite("Fetch", forgotten)
        for count in range(20, 40):
            await write(peer, name, count % 5, [b"%d" % count])
        await eventually(lambda: len(reader.records) == 45)
        assert [said(r)[0] for r in proxy.sent("Fetch")].count(0) == 1
        assert sorted(int(record.value) for record in reader.records) == [-1] * 5 + list(range(40))


@pytest.mark.asyncio
@pytest.mark.parametrize("highest", [6, 12, 13])
async def test_older_brokers_are_asked_as_they_understand(kafka, topic, highest, monkeypatch) -> None:
    """Below version 7 everything is said every time; up to 12 by names."""
    monkeypatch.setattr(ApiVersionsRequest, "MAX_VERSION", 4)  # the highest that the proxy can rewrite
    name = await topic(partitions=3)
    async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
        proxy.cap_versions({"Fetch": highest})
        async with running(proxy.bootstrap, name, fetch_max_wait_ms=50) as consumer, reading(consumer) as reader:
            await opened(peer, name, 3)
            await eventually(lambda: len(reader.records) == 3)
            # The first of these two may still say where it goes on behind the last of the three.
            await proxy.wait_for("Fetch", len(proxy.sent("Fetch")) + 2, answered=True)
            proxy.clear()
            await write(peer, name, 1, [b"x"])
            await eventually(lambda: len(reader.records) == 4)
            await proxy.wait_for("Fetch", 4, answered=True)
        fetched = proxy.sent("Fetch")
        assert {request.api_version for request in fetched} == {highest}
        named = {tuple(said(request)[1]) for request in fetched}
        assert named == ({(0, 1, 2)} if highest < 7 else {(), (1,)})


# ── the nearest replica ──


async def fill(cluster, topic: str, leader: int, values: Iterable[bytes]) -> None:
    async with RawPeer.connect(cluster.brokers[leader - 1].bootstrap) as peer:
        await write(peer, topic, 0, values)


@pytest.mark.real_only("the nearest replica")
@pytest.mark.asyncio
async def test_records_come_from_the_replica_in_our_rack(kafka_cluster) -> None:
    """The leader sends us there (KIP-392); when that broker is killed the leader itself goes on at once."""
    name = await topic_on(kafka_cluster, [1, 2, 3])
    follower = kafka_cluster.brokers[1]
    async with recorded_cluster(kafka_cluster) as proxies:
        options = {"client_rack": "rack-2", "fetch_max_wait_ms": 100, "metadata_max_age_ms": 60_000}
        async with running(proxies[0].bootstrap, name, **options) as consumer, reading(consumer) as reader:
            await fill(kafka_cluster, name, 1, [b"x" * 1000] * 100)
            await eventually(lambda: len(reader.records) == 100)
            assert [carried(proxy) > 0 for proxy in proxies] == [False, True, False]

            consumer.pause(TopicPartition(name, 0))
            await proxies[1].wait_for("Fetch", len(proxies[1].sent("Fetch")), answered=True)
            await fill(kafka_cluster, name, 1, [b"y" * 1000] * 100)
            follower.kill()
            try:
                await proxies[1].close()  # as the dead broker's own sockets do
                consumer.resume(TopicPartition(name, 0))
                # The follower is still alive to the leader, which needs seconds to notice, and would send us there.
                await eventually(lambda: len(reader.records) == 200, timeout=4.5)
                assert carried(proxies[0]) > 0
            finally:
                follower.start()
    assert [record.offset for record in reader.records] == list(range(200))


# ── leaders that move ──


@pytest.mark.asyncio
async def test_the_old_leader_tells_who_leads_now(kafka_cluster) -> None:
    """Its answer is enough (KIP-951): the new leader is asked without Metadata in between."""
    name = await topic_on(kafka_cluster, [1, 2, 3])
    async with (
        recorded_cluster(kafka_cluster) as proxies,
        running(proxies[0].bootstrap, name, fetch_max_wait_ms=100) as consumer,
        reading(consumer) as reader,
    ):
        await fill(kafka_cluster, name, 1, [b"first"])
        await eventually(lambda: len(reader.records) == 1)
        for proxy in proxies:
            proxy.clear()
        await move_leader(kafka_cluster, name, 0, [2, 1, 3])
        moved = await proxies[1].wait_for("Fetch")
        assert [r.at for proxy in proxies for r in proxy.sent("Metadata") if r.at < moved.at] == []
        await leaders_seen(kafka_cluster.brokers[1].bootstrap, name, [2])
        await fill(kafka_cluster, name, 2, [b"second"])
        await eventually(lambda: len(reader.records) == 2)
    assert [record.value for record in reader.records] == [b"first", b"second"]


# ── quotas ──


@pytest.mark.real_only("quotas")
@pytest.mark.asyncio
async def test_a_throttled_client_is_silent_and_stays_in_its_group(kafka, topic, group_id) -> None:
    """No fetch is sent before the broker's time has passed (KIP-219); heartbeats go on meanwhile."""
    name, client_id = await topic(), f"slow-{uuid.uuid4().hex[:8]}"

    def throttled(proxy: RecordingProxy) -> list[tuple[Request, Request]]:
        """The fetches whose answer wanted silence, each with the next one."""
        fetched = [request for request in proxy.sent("Fetch") if request.response is not None]
        return [(one, later) for one, later in itertools.pairwise(fetched) if one.answer.throttle_time_ms > 0]

    await set_consumer_quota(kafka.bootstrap, client_id, 20_000)
    try:
        async with recorded(kafka) as proxy, RawPeer.connect(kafka.bootstrap) as peer:
            for _ in range(22):  # ten seconds' worth are free
                await write(peer, name, 0, [b"x" * 1000] * 10)
            options = {"group_id": group_id(), "group_instance_id": "slow-0", "client_id": client_id}
            small = {"max_partition_fetch_bytes": 10_000, "fetch_max_wait_ms": 100}
            async with running(proxy.bootstrap, name, **options, **small) as consumer, reading(consumer) as reader:
                await eventually(lambda: len(throttled(proxy)) >= 3, timeout=30, every=0.2)
                found, beats = throttled(proxy), [request.at for request in proxy.sent("Heartbeat")]
            assert [record.offset for record in reader.records] == list(range(len(reader.records)))
            for request, later in found:
                assert request.answered_at is not None
                # What the proxy sees may be late by a turn of the loop, which all of this shares.
                assert later.at - request.answered_at >= request.answer.throttle_time_ms / 1000 - 0.02
            silence = max(found, key=lambda pair: pair[1].at - pair[0].at)
            assert [at for at in beats if silence[0].at < at < silence[1].at]
    finally:
        await set_consumer_quota(kafka.bootstrap, client_id, None)
