"""confluent-kafka: `consume(10000)` of the Consumer and of the AIOConsumer; `poll` where latency is wanted.

`fetch.queue.backoff.ms=5`: with the default of a second, small records are waited for most of the time.
"""

from __future__ import annotations

import asyncio

from confluent_kafka import Consumer, Message, libversion

from benchmarks.throughput_workers import Job, Meter, Skip, age_ms, job, report_latencies, skipped


def settings(job: Job) -> dict[str, object]:
    tuned = {
        "max.partition.fetch.bytes": 4 << 20,
        "fetch.max.bytes": 50_000_000,
        "queued.min.messages": 1_000_000,
        "queued.max.messages.kbytes": 256 * 1024,
    }
    return {
        "bootstrap.servers": job.bootstrap,
        "group.id": job.group,
        "auto.offset.reset": "earliest",
        "fetch.queue.backoff.ms": 5,
        **(tuned if job.tuned else {}),
    }


def add(messages: list[Message]) -> int:
    size = 0
    for message in messages:
        value = message.value()
        if value is None or message.error():
            raise RuntimeError(str(message.error()))
        size += len(value)
    return size


def by_consume(job: Job) -> None:
    meter = Meter()
    consumer = Consumer(settings(job))
    consumer.subscribe([job.topic])
    records = size = 0
    while records < job.count:
        found = consumer.consume(10_000, 0.2)
        if not records and found:
            meter.first()
        size += add(found)
        records += len(found)
    meter.done(records, size, "confluent-kafka", librdkafka=libversion()[0])
    consumer.close()


async def by_async_consume(job: Job) -> None:
    try:
        from confluent_kafka.aio import AIOConsumer
    except ImportError:
        raise Skip("this confluent-kafka has no AIOConsumer") from None
    meter = Meter()
    consumer = AIOConsumer(settings(job))
    await consumer.subscribe([job.topic])
    records = size = 0
    while records < job.count:
        found = await consumer.consume(10_000, 0.2)
        if not records and found:
            meter.first()
        size += add(found)
        records += len(found)
    meter.done(records, size, "confluent-kafka", librdkafka=libversion()[0])
    await consumer.close()


def latency(job: Job) -> None:
    consumer = Consumer(settings(job))
    consumer.subscribe([job.topic])
    values: list[float] = []
    while len(values) < job.count:
        message = consumer.poll(1.0)
        if message is not None:
            values.append(age_ms(message.value() or b""))
    report_latencies(values)
    consumer.close()


if __name__ == "__main__":
    try:
        if job().mode == "aio":
            asyncio.run(by_async_consume(job()))
        else:
            (latency if job().mode == "latency" else by_consume)(job())
    except Skip as reason:
        skipped(reason)
