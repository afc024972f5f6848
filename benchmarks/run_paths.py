"""CPU time per record of `Consumer.run(handler)`, beside `async for`: what a handler costs before it does anything.

No Java, no network in what is measured: a scripted broker on loopback, everything fetched beforehand; decoding is part
of both. Values of 100 bytes, batches of 160, the handler counts. Cases take turns; the least of the rounds counts: on a
machine with others on it, that is the one that was disturbed least.

    python -m benchmarks.run_paths [--rounds 5] [--only TEXT]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from kafkastatic import Consumer, Retry, impl
from kafkastatic.identity import IdentityRegistry
from tests.support.scripted_broker import ScriptedBroker

BATCH = 160
VALUE = b"v" * 100
ROOM = {"fetch_max_bytes": 1 << 27, "max_partition_fetch_bytes": 1 << 26, "max_buffered_bytes": 1 << 28}


class Case(NamedTuple):
    """What is measured.

    Attributes:
        handler: `"counts"`, `"waits"` for one turn of the loop, `"function"` in a thread, or none: `async for`.
        keys: how many different ones; none without.
    """

    name: str
    handler: str | None = "counts"
    partitions: int = 8
    records: int = 48_000
    keys: int = 0
    options: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    run: dict[str, Any] = {}  # noqa: RUF012


CASES = [
    Case("async for", None),
    Case("in order"),
    Case("in order, 1 partition", partitions=1),
    Case("in order, concurrency 1", run={"concurrency": 1}),
    Case("in order, Retry", run={"on_error": Retry(attempts=3)}),
    Case("in order, value_deserializer", options={"value_deserializer": bytes.upper}),
    Case("in order, the handler waits", "waits"),
    Case("in order, a plain function", "function", records=6_400),
    Case("by key, none", run={"ordering": "key"}),
    Case("by key, 100", keys=100, run={"ordering": "key"}),
    Case("by key, all different", keys=10**9, run={"ordering": "key"}),
    Case("by key, all different, the handler waits", "waits", keys=10**9, run={"ordering": "key"}),
]


async def measure(case: Case) -> float:
    """Microseconds of CPU time per record."""
    each = case.records // case.partitions // BATCH * BATCH
    total = each * case.partitions
    async with ScriptedBroker({"orders": case.partitions}) as broker:
        for partition in range(case.partitions):
            for base in range(0, each, BATCH):
                keys = [b"%d" % (number % case.keys) if case.keys else None for number in range(base, base + BATCH)]
                broker.append("orders", partition, *[VALUE] * BATCH, keys=keys)
        options: dict[str, Any] = {"group_id": "g", "auto_offset_reset": "earliest", **ROOM, **case.options}
        servers, registry = broker.address, IdentityRegistry()
        async with Consumer("orders", bootstrap_servers=servers, registry=registry, **options) as consumer:
            await consumer.assigned()
            while consumer._client.positions.buffered < total * len(VALUE):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            gc.collect()
            return await (_iterate(consumer, total) if case.handler is None else _run(consumer, total, case))


async def _iterate(consumer: Consumer[Any, Any], total: int) -> float:
    seen, began = 0, time.process_time()
    async for _ in consumer:
        seen += 1
        if seen == total:
            break
    return (time.process_time() - began) / total * 1e6


async def _run(consumer: Consumer[Any, Any], total: int, case: Case) -> float:
    seen, done, loop = 0, asyncio.Event(), asyncio.get_running_loop()

    async def counts(record: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == total:
            done.set()

    async def waits(record: Any) -> None:
        await asyncio.sleep(0)
        await counts(record)

    def function(record: Any) -> None:
        nonlocal seen
        seen += 1  # two threads at a time may lose one: those are few, and the last ones are not waited for
        if seen >= total * 0.99:
            loop.call_soon_threadsafe(done.set)

    handlers: dict[str, Callable[[Any], Awaitable[None] | None]] = {
        "counts": counts,
        "waits": waits,
        "function": function,
    }
    began = time.process_time()
    task = asyncio.create_task(consumer.run(handlers[case.handler or ""], **case.run))
    await asyncio.wait([task, asyncio.create_task(done.wait())], return_when=asyncio.FIRST_COMPLETED)
    took = time.process_time() - began
    consumer.stop()
    await task
    return took / total * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains it, beside async for")
    asked = parser.parse_args()
    cases = [case for case in CASES if case.handler is None or asked.only in case.name]
    least = {case.name: math.inf for case in cases}
    for _ in range(asked.rounds):
        for case in cases:
            least[case.name] = min(least[case.name], asyncio.run(measure(case)))
    print(f"records: {impl.records}; microseconds of CPU per record, the least of {asked.rounds} rounds")
    for name, took in least.items():
        print(f"{name:45s} {took:8.2f} {took - least['async for']:+8.2f}")


if __name__ == "__main__":
    main()
