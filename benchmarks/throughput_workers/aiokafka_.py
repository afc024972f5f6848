"""aiokafka: `getmany(max_records=500)`, which costs it less than whole fetches, and `async for`."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer

from benchmarks.throughput_workers import Job, Meter, job, measure_latencies


def open_consumer(job: Job) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        job.topic,
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        auto_offset_reset="earliest",
    )


async def by_getmany(consumer: AIOKafkaConsumer, job: Job, meter: Meter) -> tuple[int, int]:
    records = size = 0
    while records < job.count:
        found = await consumer.getmany(timeout_ms=1000, max_records=500)
        if not records and found:
            meter.first()
        for part in found.values():
            for record in part:
                size += len(record.value)
            records += len(part)
    return records, size


async def by_record(consumer: AIOKafkaConsumer, job: Job, meter: Meter) -> tuple[int, int]:
    size = len((await consumer.getone()).value)
    meter.first()
    records, count = 1, job.count
    async for record in consumer:
        size += len(record.value)
        records += 1
        if records >= count:
            break
    return records, size


async def throughput(job: Job) -> None:
    meter = Meter()
    async with open_consumer(job) as consumer:
        records, size = await (by_record if job.mode == "iter" else by_getmany)(consumer, job, meter)
        meter.done(records, size, "aiokafka")


async def latency(job: Job) -> None:
    async with open_consumer(job) as consumer:
        await measure_latencies(consumer, job.count)


if __name__ == "__main__":
    asyncio.run((latency if job().mode == "latency" else throughput)(job()))
