"""How long the event loop is held while a consumer reads as fast as it can.

    python -m benchmarks.loop_lag [--json FILE] [--bootstrap HOST:PORT]

A task beside the reading one sleeps for 2 ms again and again, and notes by how much longer it slept: asyncio's own
share included, and whatever else the machine does. The same is measured beside nothing at all, to compare with. Topics:
A, and batches that take long to decode: gzip of 1.5 MiB, and zstd of 3 MiB with keys and headers.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from benchmarks import common
from benchmarks.throughput_topics import KIB, TOPICS, Loaded, Topic, load
from kafkastatic import Consumer, ConsumerRecord, impl

NAP = 0.002
REST = 3.0

LOADS = (
    TOPICS["A"],
    Topic("long-gzip", 100_000, KIB, "gzip", batch_size=1536 * KIB),
    Topic("long-zstd", 1_000_000, 100, "zstd", keyed=True, batch_size=3072 * KIB),
)

Read = Callable[[Consumer[bytes, bytes], int], Awaitable[None]]


@asynccontextmanager
async def lags() -> AsyncIterator[list[float]]:
    """Milliseconds of each nap beyond its length, meanwhile."""
    loop, found = asyncio.get_running_loop(), list[float]()

    async def nap() -> None:
        while True:
            began = loop.time()
            await asyncio.sleep(NAP)
            found.append((loop.time() - began - NAP) * 1000)

    task = asyncio.create_task(nap())
    try:
        yield found
    finally:
        task.cancel()


async def by_batches(consumer: Consumer[bytes, bytes], count: int) -> None:
    async with aclosing(consumer.batches()) as batches:
        async for batch in batches:
            count -= len(batch)
            if count <= 0:
                return


async def by_record(consumer: Consumer[bytes, bytes], count: int) -> None:
    async for _ in consumer:
        count -= 1
        if not count:
            return


async def by_getone(consumer: Consumer[bytes, bytes], count: int) -> None:
    for _ in range(count):
        await consumer.getone()


async def by_run(consumer: Consumer[bytes, bytes], count: int) -> None:
    async def handle(_: ConsumerRecord[bytes, bytes]) -> None:
        nonlocal count
        count -= 1
        if not count:
            consumer.stop()

    await consumer.run(handle)


WAYS: dict[str, Read] = {"batches": by_batches, "async for": by_record, "getone": by_getone, "run": by_run}


async def measure(bootstrap: str, loaded: Loaded, read: Read) -> list[float]:
    options = {"group_id": f"lag-{uuid.uuid4().hex[:8]}", "auto_offset_reset": "earliest"}
    async with Consumer(loaded.name, bootstrap_servers=bootstrap, **options) as consumer:
        await consumer.assigned()
        async with lags() as found:
            await read(consumer, loaded.count)
        return found


async def rest() -> list[float]:
    async with lags() as found:
        await asyncio.sleep(REST)
    return found


def main() -> int:
    options = common.arguments("How long the event loop is held under load.", rounds=1).parse_args()
    results: dict[str, dict[str, float]] = {}
    with common.kafka(options.bootstrap) as (bootstrap, version):
        results["nothing"] = common.summary(asyncio.run(rest()))
        for topic in LOADS:
            loaded = load(bootstrap, topic, topic.count)
            for way, read in WAYS.items():
                name = f"{topic.about}: {way}"
                results[name] = common.summary(asyncio.run(measure(bootstrap, loaded, read)))
    rows = [(name, found["median"], found["p95"], found["max"]) for name, found in results.items()]
    print(f"records {impl.records}, gzip {impl.gzip}\n")
    print(common.table(("beside", "median, ms", "p95", "max"), rows))
    common.write(
        options.json,
        {"benchmark": "loop_lag", "environment": common.environment(version, "kafkastatic"), "results": results},
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
