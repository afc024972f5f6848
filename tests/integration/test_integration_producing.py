"""The producer of dead letters on real brokers; foreign clients read what it wrote."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from kafkastatic._dead_letter import dead_letter
from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._drivers.producing import Producer
from kafkastatic._net.pool import Pool
from kafkastatic._protocol.messages.api_versions import ApiVersionsRequest
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import BrokerError, UnknownTopicOrPartitionError
from kafkastatic.types import TopicPartition
from tests.support.raw_peer import RawPeer
from tests.support.recording_proxy import RecordingProxy
from tests.support.scenes import consumer, eventually, foreign_read, recorded, write

SOON = 20
NOW = round(time.time() * 1000)
"""A topic refuses what is far ahead, and deletes what is long past."""


@contextlib.asynccontextmanager
async def producing(bootstrap: str, **options: Any) -> AsyncIterator[Producer]:
    """A producer as a consumer has one, without the consumer."""
    known: dict[str, Any] = {"default_api_timeout_ms": 10_000, "allow_auto_create_topics": False}
    config = ConsumerConfig(bootstrap_servers=bootstrap, **(known | options))
    runtime = Runtime()
    pool = Pool(config, runtime)
    metadata = MetadataDriver(config, pool, runtime, EventLog())
    await metadata.refresh()
    try:
        yield Producer(config, pool, metadata, runtime)
    finally:
        await pool.aclose()


def ids_given(proxy: RecordingProxy) -> int:
    """A broker that has just started gives none at first (14)."""
    return [request.answer.error_code for request in proxy.sent("InitProducerId")].count(0)


@pytest.mark.parametrize("version", [None, 12, 3], ids=["newest", "named topics", "oldest"])
@pytest.mark.asyncio
async def test_a_foreign_client_reads_what_was_written(kafka, topic, version, monkeypatch) -> None:
    """Bytes, nulls, headers and timestamps, by topic id and by name, in the order of sending."""
    name = await topic()
    records: list[Any] = [
        (b"k", b"v", [("a", b"1"), ("a", None), ("é", b"")], NOW - 2),
        (None, b"", [], NOW - 1),
        (b"", None, [], NOW),
    ]
    monkeypatch.setattr(ApiVersionsRequest, "MAX_VERSION", 4)  # the highest that the proxy can rewrite
    async with recorded(kafka) as proxy:
        if version is not None:
            proxy.cap_versions({"Produce": version, "InitProducerId": 1 if version == 3 else 5})
        async with producing(proxy.bootstrap) as producer:
            for index, (key, value, headers, timestamp) in enumerate(records):
                place = await producer.send(name, key, value, headers, timestamp)
                assert place == (TopicPartition(name, 0), index)
        assert {request.api_version for request in proxy.sent("Produce")} == {version or 13}
        assert ids_given(proxy) == 1
    found = await foreign_read(kafka.bootstrap, name)
    assert [(r.key, r.value, list(r.headers), r.timestamp) for r in found] == records


@pytest.mark.parametrize("when", ["response", "request"])
@pytest.mark.asyncio
async def test_a_record_whose_answer_is_lost_is_there_once(kafka, topic, when) -> None:
    """The connection is cut before the request reached the broker, or when it had written the batch."""
    name = await topic()
    async with recorded(kafka) as proxy, producing(proxy.bootstrap) as producer:
        await producer.send(name, None, b"0", [], NOW)
        for number in range(1, 4):
            proxy.cut("Produce", when=when)
            assert await producer.send(name, None, b"%d" % number, [], NOW) == ((name, 0), number)
        await producer.send(name, None, b"4", [], NOW)
        assert len(proxy.sent("Produce")) == 8  # each of the three once more
        assert ids_given(proxy) == 1
    assert [record.value for record in await foreign_read(kafka.bootstrap, name)] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.asyncio
async def test_a_call_that_was_cancelled_costs_the_next_record_nothing(kafka, topic) -> None:
    """The broker would take the next record for the cancelled one, had it the same numbers."""
    name = await topic()
    async with recorded(kafka) as proxy, producing(proxy.bootstrap) as producer:
        await producer.send(name, None, b"first", [], NOW)
        held = proxy.hold("Produce")
        cancelled = asyncio.create_task(producer.send(name, None, b"cancelled", [], NOW))
        await asyncio.wait_for(held.reached.wait(), SOON)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        held.release()
        assert await producer.send(name, None, b"next", [], NOW) == ((name, 0), 2)
        assert await producer.send(name, None, b"last", [], NOW) == ((name, 0), 3)
    found = [record.value for record in await foreign_read(kafka.bootstrap, name)]
    assert found == [b"first", b"cancelled", b"next", b"last"]


@pytest.mark.asyncio
async def test_a_broker_that_forgot_the_numbers_is_told_new_ones(kafka, topic) -> None:
    """It lost acknowledged batches, so it says: the record goes out in the next epoch, and is there once."""
    name = await topic()
    async with recorded(kafka) as proxy, producing(proxy.bootstrap) as producer:
        for number in range(3):
            await producer.send(name, None, b"%d" % number, [], NOW)
        lane = producer._lanes[TopicPartition(name, 0)]
        lane.numbering.sequence += 10  # as if the broker had lost ten batches
        assert await producer.send(name, None, b"3", [], NOW) == ((name, 0), 3)
        assert [r.answer.responses[0].partition_responses[0].error_code for r in proxy.sent("Produce")] == [
            0,
            0,
            0,
            45,
            0,
        ]
        assert await producer.send(name, None, b"4", [], NOW) == ((name, 0), 4)
    assert [record.value for record in await foreign_read(kafka.bootstrap, name)] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.asyncio
async def test_many_at_once_are_each_there_once(kafka, topic) -> None:
    """Without keys they take turns; records of one key stay in the order of their calls."""
    name = await topic(partitions=3)
    async with producing(kafka.bootstrap) as producer, asyncio.TaskGroup() as tasks:
        for number in range(60):
            key = None if number % 2 else b"key"
            tasks.create_task(producer.send(name, key, b"%d" % number, [], NOW))
    found = await foreign_read(kafka.bootstrap, name, 3)
    assert sorted(int(record.value) for record in found) == list(range(60))
    assert [int(record.value) for record in found if record.key] == list(range(0, 60, 2))
    assert Counter(record.partition for record in found if not record.key) == {0: 10, 1: 10, 2: 10}


@pytest.mark.asyncio
async def test_what_cannot_be_written_is_said(kafka, topic) -> None:
    """A record that the topic does not take, and a topic or partition that is not there."""
    name = await topic(max_message_bytes="1000")
    async with producing(kafka.bootstrap, default_api_timeout_ms=400) as producer:
        with pytest.raises(BrokerError, match=r"MESSAGE_TOO_LARGE.*max\.message\.bytes") as caught:
            await producer.send(name, None, b"x" * 2000, [], NOW)
        assert (caught.value.code, caught.value.topic, caught.value.retriable) == (10, name, False)
        assert await producer.send(name, None, b"fits", [], NOW) == ((name, 0), 0)
        for where in [{"topic": f"{name}-missing"}, {"topic": name, "partition": 7}]:
            with pytest.raises(UnknownTopicOrPartitionError) as missing:
                await producer.send(**{"key": None, "value": b"", "headers": [], "timestamp": NOW, **where})
            assert missing.value.topic == where["topic"]


@pytest.mark.asyncio
async def test_a_dead_letter_of_a_record_that_was_read(kafka, topic, group_id) -> None:
    """A foreign client finds the record's own bytes, and where it stood and why it is there."""
    source, target, group = await topic(), await topic(), group_id()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        await write(peer, source, 0, [b"fine", (b"k", b"\xff", [("trace", b"1")])])
    async with consumer(kafka.bootstrap, source, group_id=group) as ours, producing(kafka.bootstrap) as producer:
        for _ in range(2):
            record = await asyncio.wait_for(ours.getone(), SOON)
        letter = dead_letter(record, UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), group=group, now_ms=NOW)
        await producer.send(target, *letter)
    (found,) = await foreign_read(kafka.bootstrap, target)
    assert (found.key, found.value, found.timestamp) == (b"k", b"\xff", NOW)
    assert dict(found.headers) == {
        "trace": b"1",
        "kafkastatic.topic": source.encode(),
        "kafkastatic.partition": b"0",
        "kafkastatic.offset": b"1",
        "kafkastatic.timestamp": str(record.timestamp).encode(),
        "kafkastatic.group": group.encode(),
        "kafkastatic.error.class": b"UnicodeDecodeError",
        "kafkastatic.error.message": b"'utf-8' codec can't decode byte 0xff in position 0: bad",
    }


@pytest.mark.asyncio
async def test_a_leader_that_dies_loses_and_doubles_nothing(kafka_cluster) -> None:
    """Records are sent all the while; each is there once, and one task's records in their order."""
    name = "dead-letters-and-a-dead-leader"
    admin = AdminClient({"bootstrap.servers": kafka_cluster.bootstrap})
    await asyncio.to_thread(admin.create_topics([NewTopic(name, 1, 3)])[name].result, SOON)
    sent: list[int] = []
    stop = asyncio.Event()

    async def send_all(producer: Producer) -> None:
        while not stop.is_set():
            await producer.send(name, None, b"%d" % len(sent), [], NOW)
            sent.append(len(sent))

    async with producing(kafka_cluster.bootstrap, default_api_timeout_ms=60_000) as producer:
        sending = asyncio.create_task(send_all(producer))
        await eventually(lambda: len(sent) > 20, timeout=SOON)
        async with RawPeer.connect(kafka_cluster.brokers[0].bootstrap) as peer:
            leader = (await peer.partitions(name))[0]
        broker = kafka_cluster.brokers[leader - 1]
        await asyncio.to_thread(broker.kill)
        try:
            killed = len(sent)
            await eventually(lambda: len(sent) > killed + 20 or sending.done(), timeout=60)
        finally:
            await asyncio.to_thread(broker.start)
        stop.set()
        await asyncio.wait_for(sending, SOON)
    found = [int(record.value) for record in await foreign_read(kafka_cluster.bootstrap, name)]
    assert found == sent
