"""How long a group is out of balance when one member more joins, with the heartbeats that Kafka has by default.

    python -m benchmarks.dynamic_join [--bootstrap HOST:PORT] [--rounds N] [--members 1,4] [--json FILE]

A member joins a group of so many. The time runs from before its constructor until every member has its final share.
Mostly it is the wait for the others' next heartbeats, so the joins begin at evenly spaced moments of the interval
between two of them, in a group that has been quiet for longer than an interval.

Three ways to share out partitions: the classic protocol with an eager assignor (`range`) and with a cooperative one
(`cooperative-sticky`), heartbeats every 3 s; and KIP-848, where the broker says 5 s.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from benchmarks import common
from kafkastatic import Consumer, RebalanceListener
from tools.load import Loader

PARTITIONS = 32
PATIENCE = 60.0

EAGER, COOPERATIVE, CONSUMER = "eager", "cooperative", "KIP-848"

OPTIONS: dict[str, dict[str, Any]] = {
    EAGER: {"partition_assignment_strategy": "range"},
    COOPERATIVE: {"partition_assignment_strategy": "cooperative-sticky"},
    CONSUMER: {"group_protocol": "consumer"},
}
INTERVAL = {EAGER: 3.0, COOPERATIVE: 3.0, CONSUMER: 5.0}
"""Seconds between two heartbeats."""


class Group:
    """Members of one group, all in this process, and what they own."""

    def __init__(self, bootstrap: str, topic: str, protocol: str) -> None:
        self._options: dict[str, Any] = {
            "bootstrap_servers": bootstrap,
            "group_id": f"bench-{uuid.uuid4()}",
            "enable_auto_commit": False,
            **OPTIONS[protocol],
        }
        self._topic = topic
        self._changed = asyncio.Event()
        self._owned: dict[int, set[Any]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Group:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def join(self) -> None:
        """One member more, started, not waited for."""
        number = len(self._owned)
        owned = self._owned[number] = set()
        consumer = Consumer(**self._options)
        consumer.subscribe([self._topic], listener=_Shares(owned, self._changed))
        await self._stack.enter_async_context(consumer)
        task = asyncio.create_task(_read(consumer))
        self._stack.push_async_callback(_end, task)

    async def balanced(self) -> float:
        """When every member had its final share."""
        async with asyncio.timeout(PATIENCE):
            while not self._is_balanced():
                self._changed.clear()
                await self._changed.wait()
        return time.perf_counter()

    def _is_balanced(self) -> bool:
        sizes = [len(owned) for owned in self._owned.values()]
        return sum(sizes) == PARTITIONS and max(sizes) - min(sizes) <= 1


class _Shares(RebalanceListener):
    def __init__(self, owned: set[Any], changed: asyncio.Event) -> None:
        self._owned = owned
        self._changed = changed

    def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        self._owned.update(assigned)
        self._changed.set()

    def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        self._owned.difference_update(revoked)
        self._changed.set()

    def on_partitions_lost(self, lost: Collection[Any]) -> None:
        self.on_partitions_revoked(lost)


async def _read(consumer: Consumer[bytes, bytes]) -> None:
    async for _ in consumer:
        pass


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def join(bootstrap: str, topic: str, protocol: str, members: int, phase: float) -> float:
    """Milliseconds from before the constructor of one more to everybody's final share.

    Args:
        phase: at which part of the heartbeat interval it joins, 0 to 1.
    """
    async with Group(bootstrap, topic, protocol) as group:
        for _ in range(members):
            await group.join()
            await group.balanced()
        await asyncio.sleep((2 + phase) * INTERVAL[protocol])
        began = time.perf_counter()
        await group.join()
        return (await group.balanced() - began) * 1000


async def measure(bootstrap: str, sizes: Sequence[int], count: int) -> dict[str, dict[int, list[float]]]:
    topic = f"bench-{uuid.uuid4()}"
    async with Loader(bootstrap) as loader:
        await loader.create_topic(topic, PARTITIONS)
    found: dict[str, dict[int, list[float]]] = {name: {size: [] for size in sizes} for name in OPTIONS}
    for name in OPTIONS:
        for size in sizes:
            phases = [(index + 0.5) / count for index in range(count)]
            # Side by side: they wait nearly all of the time, and work at different moments.
            joins = (join(bootstrap, topic, name, size, phase) for phase in phases)
            found[name][size] = list(await asyncio.gather(*joins))
            print(f"{name}, {size}: {[round(ms) for ms in found[name][size]]}", file=sys.stderr)
    return found


def main() -> int:
    options = common.arguments("One member more, at Kafka's default heartbeats.", rounds=5)
    options.add_argument("--members", default="1,4", help="sizes of the group that is joined (default 1,4)")
    chosen = options.parse_args()
    sizes = [int(size) for size in chosen.members.split(",")]
    with common.kafka(chosen.bootstrap) as (bootstrap, version):
        about = common.environment(version, "kafkastatic")
        print(", ".join(f"{name} {value}" for name, value in about.items()))
        found = asyncio.run(measure(bootstrap, sizes, chosen.rounds))
    figures = ("n", "min", "median", "max")
    rows = [
        [name, size, *(common.summary(found[name][size])[figure] for figure in figures)]
        for name in found
        for size in sizes
    ]
    print("\nFrom the constructor to everybody's final share, ms\n")
    print(common.table(("protocol", "members before", *figures), rows))
    common.write(chosen.json, {"benchmark": "dynamic_join", "environment": about, "milliseconds": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
