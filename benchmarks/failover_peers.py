"""The processes of `benchmarks.failover`: one producer, and one member of a group for each client that is compared.

    python -m benchmarks.failover_peers ROLE JOB

JOB is a `Job` as JSON. The process runs until its standard input ends. What it saw goes into two files: `NAME.log`,
one `RECORD` for each record delivered (or, by the producer, acknowledged), and `NAME.events`, one JSON object a line.
Times are those of CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import logging
import struct
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import attrs
from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka import KafkaError as ConfluentError
from confluent_kafka import Producer

from kafkastatic import Consumer, RebalanceListener

RECORD = struct.Struct("<diqq")
"""Time, partition, offset, sequence number."""

VALUE = struct.Struct(">q")
TICK = 0.01
BURST = 10
"""Records that go to one partition before the next one has its turn: batches cost the brokers more than records."""


@attrs.frozen(kw_only=True)
class Job:
    """What a process has to do. Times are milliseconds; all clients are given the same ones."""

    name: str
    folder: str
    bootstrap: str
    topic: str
    partitions: int
    rate: int
    group: str = ""
    session_ms: int = 15_000
    heartbeat_ms: int = 2_000
    request_ms: int = 30_000
    commit_ms: int = 1_000
    retry_ms: int = 100
    retry_max_ms: int = 1_000

    def file(self, kind: str) -> Path:
        return Path(self.folder) / f"{self.name}.{kind}"


class Entry(NamedTuple):
    """One line of a log."""

    at: float
    partition: int
    offset: int
    sequence: int


class Diary(RebalanceListener, ConsumerRebalanceListener):
    """What a process saw, written down. The listener of all clients."""

    def __init__(self, job: Job) -> None:
        self._log = job.file("log").open("wb", buffering=1 << 16)
        self._events = job.file("events").open("wb", buffering=0)

    def record(self, at: float, partition: int, offset: int, value: bytes) -> None:
        self._log.write(RECORD.pack(at, partition, offset, VALUE.unpack(value)[0]))

    def event(self, kind: str, **fields: object) -> None:
        self._events.write(json.dumps({"at": time.monotonic(), "event": kind, **fields}).encode() + b"\n")

    def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        self.event("assigned", partitions=len(assigned))

    def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        self.event("revoked", partitions=len(revoked))

    def on_partitions_lost(self, lost: Collection[Any]) -> None:
        self.event("lost", partitions=len(lost))

    def flush(self) -> None:
        self._log.flush()

    def close(self) -> None:
        self.event("cpu", seconds=time.process_time())
        self._log.close()
        self._events.close()


def when_told(stop: Callable[[], object]) -> None:
    """Call `stop`, in a thread, when the standard input ends."""

    def wait() -> None:
        sys.stdin.buffer.read()
        stop()

    threading.Thread(target=wait, daemon=True).start()


async def ours(job: Job, diary: Diary) -> None:
    consumer: Consumer[bytes, bytes] = Consumer(
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        group_instance_id=job.name,
        session_timeout_ms=job.session_ms,
        heartbeat_interval_ms=job.heartbeat_ms,
        request_timeout_ms=job.request_ms,
        auto_commit_interval_ms=job.commit_ms,
        retry_backoff_ms=job.retry_ms,
        retry_backoff_max_ms=job.retry_max_ms,
        auto_offset_reset="earliest",
    )
    consumer.subscribe([job.topic], listener=diary)
    async with consumer:
        when_told(consumer.stop)
        async for batch in consumer.batches():
            now = time.monotonic()
            for record in batch.records:
                diary.record(now, record.partition, record.offset, record.value)


async def aiokafka(job: Job, diary: Diary) -> None:
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True

    consumer = AIOKafkaConsumer(
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        session_timeout_ms=job.session_ms,
        heartbeat_interval_ms=job.heartbeat_ms,
        request_timeout_ms=job.request_ms,
        auto_commit_interval_ms=job.commit_ms,
        retry_backoff_ms=job.retry_ms,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(RangePartitionAssignor,),
    )
    consumer.subscribe([job.topic], listener=diary)
    await consumer.start()
    when_told(stop)
    while not stopped:
        found = await consumer.getmany(timeout_ms=200)
        now = time.monotonic()
        for tp, records in found.items():
            for record in records:
                diary.record(now, tp.partition, record.offset, record.value)
    await consumer.stop()


def confluent(job: Job, diary: Diary) -> None:
    stopped = threading.Event()
    settings: dict[str, Any] = {
        "bootstrap.servers": job.bootstrap,
        "group.id": job.group,
        "group.instance.id": job.name,
        "session.timeout.ms": job.session_ms,
        "heartbeat.interval.ms": job.heartbeat_ms,
        "socket.timeout.ms": job.request_ms,
        "auto.commit.interval.ms": job.commit_ms,
        "retry.backoff.ms": job.retry_ms,
        "retry.backoff.max.ms": job.retry_max_ms,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "range",
        "error_cb": lambda error: diary.event("error", error=str(error)),
        "logger": logging.getLogger("confluent"),
    }
    consumer = ConfluentConsumer(settings)
    consumer.subscribe(
        [job.topic],
        on_assign=lambda _, found: diary.on_partitions_assigned(found),
        on_revoke=lambda _, found: diary.on_partitions_revoked(found),
        on_lost=lambda _, found: diary.on_partitions_lost(found),
    )
    when_told(stopped.set)
    while not stopped.is_set():
        found = consumer.consume(500, timeout=0.05)
        now = time.monotonic()
        for message in found:
            error = message.error()
            if error is None:
                diary.record(now, message.partition(), message.offset(), message.value())
            elif error.code() != ConfluentError._PARTITION_EOF:
                diary.event("error", error=str(error))
    consumer.close()


def producer(job: Job, diary: Diary) -> None:
    """A steady producer that gives nothing up and finds new leaders at once, so that it is not what is measured."""
    stopped = threading.Event()
    client = Producer(
        {
            "bootstrap.servers": job.bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "message.timeout.ms": 300_000,
            "socket.timeout.ms": 3_000,
            "request.timeout.ms": 3_000,
            "retry.backoff.ms": 10,
            "retry.backoff.max.ms": 50,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 100,
            "topic.metadata.refresh.fast.interval.ms": 20,
            "logger": logging.getLogger("confluent"),
        }
    )

    def acknowledged(error: Any, message: Any) -> None:
        if error is not None:
            diary.event("error", error=str(error))
            return
        diary.record(time.monotonic(), message.partition(), message.offset(), message.value())

    when_told(stopped.set)
    began, sent = time.monotonic(), 0
    while not stopped.is_set():
        due = round((time.monotonic() - began) * job.rate)
        for number in range(sent, due):
            burst, place = divmod(number, BURST)
            turn, partition = divmod(burst, job.partitions)
            sequence = turn * BURST + place
            client.produce(job.topic, VALUE.pack(sequence), partition=partition, on_delivery=acknowledged)
        sent = max(sent, due)
        client.poll(0)
        time.sleep(TICK)
    client.flush(60)
    diary.event("sent", records=sent, unacknowledged=len(client))


def read_log(job: Job) -> list[Entry]:
    data = job.file("log").read_bytes()
    return [Entry(*fields) for fields in RECORD.iter_unpack(data[: len(data) // RECORD.size * RECORD.size])]


def read_events(job: Job) -> list[dict[str, Any]]:
    whole, _, _ = job.file("events").read_text().rpartition("\n")  # the last line may be half written
    return [json.loads(line) for line in whole.splitlines()]


MEMBERS: dict[str, Callable[[Job, Diary], Any]] = {
    "kafkastatic": ours,
    "confluent-kafka": confluent,
    "aiokafka": aiokafka,
}


def main(arguments: Iterable[str]) -> None:
    role, text = arguments
    job = Job(**json.loads(text))
    diary = Diary(job)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("confluent").setLevel(logging.CRITICAL)
    work = producer if role == "producer" else MEMBERS[role]
    try:
        result = work(job, diary)
        if result is not None:
            asyncio.run(result)
    except BaseException as error:
        diary.event("ended", error=repr(error))
        raise
    finally:
        diary.close()


if __name__ == "__main__":
    main(sys.argv[1:])
