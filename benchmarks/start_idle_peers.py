"""One client in a process of its own, for `start_idle`; what it measured goes to stdout as JSON.

    python benchmarks/start_idle_peers.py CLIENT SCENARIO BOOTSTRAP TOPIC GROUP COUNT

Imports nothing but the client before the clock has been read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

IDLE_SECONDS = 20.0
SETTLE_SECONDS = 3.0
"""From the first assignment until the idle time begins: the first heartbeats, fetches and commits are over."""

MORE_CONSUMERS = 10
PATIENCE = 30.0

CLIENT, SCENARIO, BOOTSTRAP, TOPIC, GROUP, COUNT = sys.argv[1:7]


def report(**values: float) -> None:
    print(json.dumps(values), flush=True)
    os._exit(0)  # what a close takes is not measured, and static members do not leave anyway


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def group_options(**names: str) -> dict[str, Any]:
    """The options by which a member joins, under the names that a client gives them."""
    options: dict[str, Any] = {names["group"]: GROUP}
    if SCENARIO == "static":
        options[names["instance"]] = "replica-0"
    return {} if SCENARIO == "assign" else options


# ── one async face for all ──


class Ours:
    def __init__(self) -> None:
        import kafkastatic.consumer

        self.module = kafkastatic

    async def open(self) -> None:
        names = {"group": "group_id", "instance": "group_instance_id"}
        topics = () if SCENARIO == "assign" else (TOPIC,)
        options = {"auto_offset_reset": "earliest", **group_options(**names)}
        self.consumer = self.module.Consumer(*topics, bootstrap_servers=BOOTSTRAP, **options)
        await self.consumer.start()
        if SCENARIO == "assign":
            self.consumer.assign([self.module.TopicPartition(TOPIC, 0)])

    async def first(self) -> None:
        await self.consumer.getone()

    async def count(self, wanted: int) -> None:
        seen = 0
        async for batch in self.consumer.batches():
            seen += len(batch)
            if seen >= wanted:
                return

    async def assigned(self) -> None:
        await self.consumer.assigned()

    async def wait(self) -> None:
        await self.consumer.getone()


class Aiokafka:
    def __init__(self) -> None:
        import aiokafka

        self.module = aiokafka

    async def open(self) -> None:
        names = {"group": "group_id", "instance": "group_instance_id"}
        topics = () if SCENARIO == "assign" else (TOPIC,)
        options = {"auto_offset_reset": "earliest", **group_options(**names)}
        self.consumer = self.module.AIOKafkaConsumer(*topics, bootstrap_servers=BOOTSTRAP, **options)
        await self.consumer.start()
        if SCENARIO == "assign":
            self.consumer.assign([self.module.TopicPartition(TOPIC, 0)])

    async def first(self) -> None:
        await self.consumer.getone()

    async def count(self, wanted: int) -> None:
        seen = 0
        while seen < wanted:
            found = await self.consumer.getmany(timeout_ms=1000)
            seen += sum(len(records) for records in found.values())

    async def assigned(self) -> None:
        while not self.consumer.assignment():  # noqa: ASYNC110  (it has nothing to wait for)
            await asyncio.sleep(0.01)

    async def wait(self) -> None:
        await self.consumer.getone()


class Confluent:
    """Its calls block, and nothing else runs in this process."""

    def __init__(self) -> None:
        import confluent_kafka

        self.module = confluent_kafka

    async def open(self) -> None:
        options = {"bootstrap.servers": BOOTSTRAP, "auto.offset.reset": "earliest", "fetch.queue.backoff.ms": 5}
        options |= group_options(group="group.id", instance="group.instance.id") or {"group.id": GROUP}
        self.consumer = self.module.Consumer(options)
        if SCENARIO == "assign":
            self.consumer.assign([self.module.TopicPartition(TOPIC, 0, self.module.OFFSET_BEGINNING)])
        else:
            self.consumer.subscribe([TOPIC])

    async def first(self) -> None:
        while self.consumer.poll(1.0) is None:
            pass

    async def count(self, wanted: int) -> None:
        seen = 0
        while seen < wanted:
            seen += len(self.consumer.consume(500, 0.01))

    async def assigned(self) -> None:
        while not self.consumer.assignment():
            self.consumer.poll(0.01)

    async def wait(self) -> None:
        until = time.monotonic() + IDLE_SECONDS
        while (left := until - time.monotonic()) > 0:
            self.consumer.poll(left)


Client = Ours | Aiokafka | Confluent
CLIENTS: dict[str, Callable[[], Client]] = {"kafkastatic": Ours, "aiokafka": Aiokafka, "confluent-kafka": Confluent}

# ── scenarios ──


async def first_record(client: Client) -> None:
    """Clock readings, which the one who started this process subtracts its own from."""
    imported = time.monotonic()
    await client.open()
    await client.first()
    report(imported=imported, done=time.monotonic(), cpu=time.process_time())


async def all_records(client: Client) -> None:
    began, cpu = time.monotonic(), time.process_time()
    await client.open()
    await client.count(int(COUNT))
    report(seconds=time.monotonic() - began, cpu=time.process_time() - cpu, rss_mb=resident_mb())


async def idle(client: Client) -> None:
    await client.open()
    await client.assigned()
    waiting = asyncio.ensure_future(client.wait()) if not isinstance(client, Confluent) else None
    await asyncio.sleep(SETTLE_SECONDS)
    cpu = time.process_time()
    if waiting is None:
        await client.wait()
    else:
        await asyncio.sleep(IDLE_SECONDS)
    report(cpu=time.process_time() - cpu, rss_mb=resident_mb())


async def memory(client: Client) -> None:
    kind = type(client)
    await client.open()
    await client.assigned()
    await asyncio.sleep(1.0)
    one, others = resident_mb(), []
    for _ in range(MORE_CONSUMERS):
        other = kind()
        await other.open()
        others.append(other)
    if isinstance(client, Confluent):
        until = time.monotonic() + 5.0
        while time.monotonic() < until:
            for consumer in (client, *others):
                consumer.consumer.poll(0.01)
    else:
        await asyncio.sleep(5.0)  # they rebalance, and all of them are in the group
    report(one_mb=one, each_mb=(resident_mb() - one) / MORE_CONSUMERS)


SCENARIOS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "static": first_record,
    "dynamic": first_record,
    "assign": first_record,
    "many": all_records,
    "idle": idle,
    "memory": memory,
}


async def bounded(client: Client) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(SCENARIOS[SCENARIO](client), PATIENCE + IDLE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    asyncio.run(bounded(CLIENTS[CLIENT]()))
