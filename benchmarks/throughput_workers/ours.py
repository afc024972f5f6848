"""kafkastatic: `batches()`, `async for`, `getmany`, `getone`, `run`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from benchmarks.throughput_workers import Job, Meter, job, measure_latencies
from kafkastatic import Consumer, ConsumerRecord, impl

Totals = tuple[int, int]
Read = Callable[[Consumer[bytes, bytes], Job, Meter], Awaitable[Totals]]


def open_consumer(job: Job) -> Consumer[bytes, bytes]:
    return Consumer(
        job.topic,
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        auto_offset_reset="earliest",
    )


async def by_batches(consumer: Consumer[bytes, bytes], job: Job, meter: Meter, **options: bool) -> Totals:
    records = size = 0
    async with aclosing(consumer.batches(**options)) as batches:
        async for batch in batches:
            if not records:
                meter.first()
            for record in batch:
                size += len(record.value)
            records += len(batch)
            if records >= job.count:
                break
    return records, size


async def by_lazy_batches(consumer: Consumer[bytes, bytes], job: Job, meter: Meter) -> Totals:
    return await by_batches(consumer, job, meter, lazy=True)


async def by_record(consumer: Consumer[bytes, bytes], job: Job, meter: Meter) -> Totals:
    records = size = 0
    count = job.count
    async for record in consumer:
        meter.first()
        size += len(record.value)
        records += 1
        break
    async for record in consumer:
        size += len(record.value)
        records += 1
        if records >= count:
            break
    return records, size


async def by_getmany(consumer: Consumer[bytes, bytes], job: Job, meter: Meter) -> Totals:
    records = size = 0
    while records < job.count:
        found = await consumer.getmany(timeout_ms=1000, max_records=500)
        if not records:
            meter.first()
        for part in found.values():
            for record in part:
                size += len(record.value)
            records += len(part)
    return records, size


async def by_getone(consumer: Consumer[bytes, bytes], job: Job, meter: Meter) -> Totals:
    size = len((await consumer.getone()).value)
    meter.first()
    for _ in range(job.count - 1):
        size += len((await consumer.getone()).value)
    return job.count, size


async def by_run(consumer: Consumer[bytes, bytes], job: Job, meter: Meter) -> Totals:
    records = size = 0

    async def handle(record: ConsumerRecord[bytes, bytes]) -> None:
        nonlocal records, size
        size += len(record.value)
        records += 1
        if records == 1:
            meter.first()
        elif records == job.count:
            consumer.stop()

    await consumer.run(handle)
    return records, size


MODES: dict[str, Read] = {
    "batches": by_batches,
    "lazy": by_lazy_batches,
    "iter": by_record,
    "getmany": by_getmany,
    "getone": by_getone,
    "run": by_run,
}


def implementation() -> dict[str, str]:
    """What `kafkastatic.impl` says is in use."""
    return {name: str(getattr(impl, name)) for name in impl.__all__}


async def throughput(job: Job) -> None:
    found = implementation()
    meter = Meter()
    async with open_consumer(job) as consumer:
        records, size = await MODES[job.mode](consumer, job, meter)
        meter.done(records, size, "kafkastatic", impl=found)


async def latency(job: Job) -> None:
    async with open_consumer(job) as consumer:
        await measure_latencies(consumer, job.count)


if __name__ == "__main__":
    asyncio.run((latency if job().mode == "latency" else throughput)(job()))
