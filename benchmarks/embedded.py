"""The embedded broker by itself: how soon it answers, how fast it is read, how much it holds. No Java.

Broker and clients share one process, as in a test. Our consumer reads from a broker in a thread of its own; the group
is one of raw-protocol members that follow every rebalance (`raw_group`), in the broker's event loop.

    python -m benchmarks.embedded [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.common import environment, table, write
from benchmarks.raw_group import RawMember
from kafkastatic import Consumer
from kafkastatic.broker import Broker

RECORDS, VALUE, BATCH = 1_000_000, b"v" * 100, 500
PARTITIONS = 1000
MEMBERS = 1000
BEAT = 0.1  # seconds between a member's heartbeats
IDLE = 2.0  # seconds
GIVE_UP = 120.0

T = TypeVar("T")

_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


async def start() -> float:
    """Milliseconds from nothing to the first answer on a connection."""
    began = time.perf_counter()
    async with Broker({"orders": 6}) as broker:
        host, port = broker.bootstrap.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(_API_VERSIONS)
        await reader.readexactly(4)
        took = time.perf_counter() - began
        writer.close()
        await writer.wait_closed()
    return took * 1000


async def command() -> float:
    """Seconds until `kafkastatic broker` says where it listens, a new Python included."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kafkastatic", "broker", "--brokers", "3", "--topic", "orders:6"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    took = time.perf_counter() - began
    process.terminate()
    await process.wait()
    return took


async def throughput() -> float:
    """Records of 100 bytes a second, from start to the last one."""
    with Broker({"orders": 4}) as broker:
        for number in range(RECORDS // BATCH):
            broker.append("orders", number % 4, *[VALUE] * BATCH)
        began = time.perf_counter()
        async with _consumer(broker) as consumer:
            await _read(consumer, RECORDS)
            return RECORDS / (time.perf_counter() - began)


async def many_partitions() -> tuple[float, float]:
    """Seconds until one record of each partition is read, and the CPU time per second that an idle reader then costs.

    Both sides of it: consumer and broker.
    """
    with Broker({"orders": PARTITIONS}) as broker:
        for partition in range(PARTITIONS):
            broker.append("orders", partition, VALUE)
        began = time.perf_counter()
        async with _consumer(broker) as consumer:
            await _read(consumer, PARTITIONS)
            took = time.perf_counter() - began
            cpu = time.process_time()
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE):
                    await consumer.getone()
            return took, (time.process_time() - cpu) / IDLE * 1000


def _consumer(broker: Broker) -> Consumer[bytes, bytes]:
    return Consumer("orders", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")


async def _read(consumer: Consumer[bytes, bytes], count: int) -> None:
    async for _ in consumer:
        count -= 1
        if not count:
            return


async def large_group() -> tuple[float, float]:
    """Seconds from the first JoinGroup until every member is in one generation, and has what it was assigned.

    And the CPU time of it, the members' part included.
    """
    async with Broker({"orders": PARTITIONS}) as broker:
        host, port = broker.bootstrap.split(":")
        members = [
            RawMember("crowd", None, "orders", PARTITIONS, session_ms=60_000, rebalance_ms=60_000)
            for _ in range(MEMBERS)
        ]
        for member in members:
            await member.connect(host, int(port))
        settled, everyone = Counter[int](), asyncio.Event()
        began, cpu = time.perf_counter(), time.process_time()
        async with asyncio.timeout(GIVE_UP), asyncio.TaskGroup() as group:
            tasks = [group.create_task(_follow(member, settled, everyone)) for member in members]
            await everyone.wait()
            took = time.perf_counter() - began, time.process_time() - cpu
            for task in tasks:
                task.cancel()
        for member in members:
            member.hang_up()
        return took


async def _follow(member: RawMember, settled: Counter[int], everyone: asyncio.Event) -> None:
    while True:
        await member.join()
        settled[member.generation] += 1
        if settled[member.generation] == MEMBERS:
            everyone.set()
        stable = True
        while stable:
            await asyncio.sleep(BEAT)
            stable = await member.heartbeat()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of each measurement (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each member has two ends of a socket here
    about = environment("embedded", "kafkastatic")
    asyncio.run(start())  # what is imported late is imported now

    starts = _repeated(start, asked.rounds)
    commands = _repeated(command, asked.rounds)
    rates = _repeated(throughput, asked.rounds)
    partitions = _repeated(many_partitions, asked.rounds)
    groups = _repeated(large_group, asked.rounds)
    results = {
        "start to the first answer, ms": (starts, "< 50"),
        "`kafkastatic broker` ready, s": (commands, "< 0.5"),
        "records of 100 B a second": (rates, ">= 100000"),
        f"one record of each of {PARTITIONS} partitions, s": ([took for took, _ in partitions], "-"),
        f"an idle reader of {PARTITIONS} partitions, ms of CPU a second": ([idle for _, idle in partitions], "-"),
        f"{MEMBERS} members in one group, s": ([took for took, _ in groups], "< 5"),
        "of that, CPU time of broker and members, s": ([cpu for _, cpu in groups], "-"),
    }
    print(f"{about}\n")
    rows = [
        (what, *(f"{value:.5g}" for value in (statistics.median(values), min(values), max(values))), aim)
        for what, (values, aim) in results.items()
    ]
    print(table(("measured", "median", "least", "most", "aim"), rows))
    write(asked.json, {"environment": about, **{what: values for what, (values, _) in results.items()}})


def _repeated(measure: Callable[[], Coroutine[Any, Any, T]], rounds: int) -> list[T]:
    return [asyncio.run(measure()) for _ in range(rounds)]


if __name__ == "__main__":
    main()
