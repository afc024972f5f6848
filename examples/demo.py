"""The main job, shown on a real Kafka: two static members, a restart nobody notices, a duplicate that is told so.

    make demo

Starts a broker, writes 120,000 records in every codec, reads them with two worker processes (examples/worker.py),
restarts one of them, starts a duplicate of the other, and counts at the end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.load import CODECS, Loader
from tools.real_kafka import RealKafka, available

TOPIC = "orders"
GROUP = "billing"
PARTITIONS = 6
RECORDS_EACH = 20_000
BATCH = 500

_started = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - _started:5.1f} s] {text}", flush=True)


async def eventually(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110  (what other processes report has no event)
            await asyncio.sleep(0.05)


class Worker:
    """One worker process and what it has reported."""

    def __init__(self, bootstrap: str, instance_id: str, seen: Counter[tuple[int, int]]) -> None:
        self._command = [sys.executable, "-m", "examples.worker", bootstrap, TOPIC, GROUP, instance_id]
        self.instance_id = instance_id
        self.events: list[dict[str, Any]] = []
        self._seen = seen
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parent.parent
        )
        self._reader = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "records":
                self._seen.update((event["partition"], o) for o in event["offsets"])
            else:
                self.events.append(event)

    async def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        """The `count`-th event of this name."""
        async with asyncio.timeout(60):
            while len(found := [event for event in self.events if event["event"] == name]) < count:
                if self._reader is not None and self._reader.done():
                    raise RuntimeError(f"worker {self.instance_id} ended early: {self.events[-3:]}")
                await asyncio.sleep(0.01)
        return found[count - 1]

    def count(self, *names: str) -> int:
        return sum(event["event"] in names for event in self.events)

    async def stop(self) -> None:
        """SIGTERM, as an orchestrator does; the worker commits, closes and keeps its place in the group."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await self.ended()

    async def ended(self) -> None:
        if self._process is not None and self._reader is not None:
            async with asyncio.timeout(30):
                await self._process.wait()
                await self._reader

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


async def fill(bootstrap: str) -> None:
    async with Loader(bootstrap) as loader:
        await loader.create_topic(TOPIC, PARTITIONS)
        for partition in range(PARTITIONS):
            for start in range(0, RECORDS_EACH, BATCH):
                codec = (partition + start // BATCH) % len(CODECS)
                stamp = 1_700_000_000_000 + start
                records = [
                    (
                        b"customer-%d" % (n % 97),
                        b'{"order": %d, "partition": %d}' % (n, partition),
                        (),
                        stamp + n - start,
                    )
                    for n in range(start, start + BATCH)
                ]
                await loader.produce(TOPIC, partition, records, codec)
    total = PARTITIONS * RECORDS_EACH
    say(f"{total:,} records written to {TOPIC!r}: {PARTITIONS} partitions, codecs {', '.join(CODECS.values())}")


async def restart(alice: Worker, bob: Worker) -> None:
    """Restart one member while both consume; the other one must not notice."""
    before = await alice.wait_for("assigned")
    noticed = bob.count("assigned", "revoked", "lost")
    await alice.stop()
    gone = time.monotonic()
    say(f"{alice.instance_id} stopped (SIGTERM): committed, closed, its place in the group kept")
    await alice.start()
    after = await alice.wait_for("assigned", 2)
    say(
        f"{alice.instance_id} is back {time.monotonic() - gone:.2f} s later, process start included:"
        f" generation {before['generation']} -> {after['generation']},"
        f" partitions {before['partitions']} -> {after['partitions']}"
    )
    say(f"{bob.instance_id} saw {bob.count('assigned', 'revoked', 'lost') - noticed} rebalance callbacks meanwhile")
    if before["generation"] != after["generation"] or before["partitions"] != after["partitions"]:
        raise RuntimeError("the restart was noticed")
    if bob.count("assigned", "revoked", "lost") != noticed:
        raise RuntimeError(f"{bob.instance_id} saw a rebalance")


async def duplicate(bob: Worker, bootstrap: str, seen: Counter[tuple[int, int]]) -> Worker:
    """Start a second process under an id in use; the older one ends with an error that says so."""
    twin = Worker(bootstrap, bob.instance_id, seen)
    await twin.start()
    await twin.wait_for("assigned")
    say(f"a duplicate of {bob.instance_id} started and was assigned partitions; the older process ends with:")
    failed = await bob.wait_for("failed")
    print(f"          {failed['error']}: {failed['message']}", flush=True)
    await bob.ended()
    return twin


async def run(bootstrap: str) -> None:
    await fill(bootstrap)
    seen: Counter[tuple[int, int]] = Counter()
    alice, bob = Worker(bootstrap, "billing-0", seen), Worker(bootstrap, "billing-1", seen)
    workers = [alice, bob]
    try:
        await asyncio.gather(alice.start(), bob.start())
        await settle(alice, bob)
        say(f"two static members consume: {', '.join(describe(w) for w in workers)}")
        await restart(alice, bob)
        total = PARTITIONS * RECORDS_EACH
        await eventually(lambda: len(seen) >= total)
        say("all records were read")
        workers.append(await duplicate(bob, bootstrap, seen))
        await asyncio.gather(*(worker.stop() for worker in workers))
        report(seen)
    finally:
        for worker in workers:
            worker.kill()


async def settle(*workers: Worker) -> None:
    """Wait until the members own all partitions between them."""
    await eventually(lambda: all(latest(w) for w in workers) and sum(len(latest(w)) for w in workers) == PARTITIONS)
    for worker in workers:  # what came before is not what is shown
        worker.events = [event for event in worker.events if event["event"] == "assigned"][-1:]


def latest(worker: Worker) -> list[int]:
    changes = [event for event in worker.events if event["event"] in ("assigned", "revoked", "lost")]
    return changes[-1]["partitions"] if changes and changes[-1]["event"] == "assigned" else []


def describe(worker: Worker) -> str:
    return f"{worker.instance_id} owns {latest(worker)}"


def report(seen: Counter[tuple[int, int]]) -> None:
    total = PARTITIONS * RECORDS_EACH
    missing = [(p, o) for p in range(PARTITIONS) for o in range(RECORDS_EACH) if (p, o) not in seen]
    repeated = sum(count - 1 for count in seen.values())
    say(f"{total - len(missing):,} of {total:,} (partition, offset) pairs read at least once, {repeated} read again")
    if missing:
        raise RuntimeError(f"records were lost: {missing[:5]}")


def main() -> int:
    reason = available()
    if reason:
        print(f"The demo runs a real Kafka: {reason}.", file=sys.stderr)
        return 1
    say("starting a real Kafka (its jars come from Maven the first time)")
    with RealKafka() as kafka:
        say(f"Kafka {kafka.version} is up at {kafka.bootstrap}")
        asyncio.run(run(kafka.bootstrap))
    say("done; Kafka stopped, nothing left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())
