"""How long a member is away that was killed, under KIP-848: this client with its state file, and confluent-kafka.

    python -m benchmarks.crash_restart [--bootstrap HOST:PORT] [--rounds N] [--peer-rounds N] [--json FILE]

A process holds a group's partitions as a static member. Its successor is started and has imported everything; then
the first one is killed (SIGKILL), and the successor is told to go on. The time runs in the successor from before its
constructor until its first assignment: the start of the process is not in it. The broker has Kafka's own settings, a
session of 45 s among them.

confluent-kafka has no state file: its successor is refused with UNRELEASED_INSTANCE_ID, which is fatal there, until
the session of the dead one is over. As a supervisor would, its process makes a new consumer whenever that happens.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import common
from tools.load import Loader

PARTITIONS = 8
PATIENCE = 120.0
"""Seconds after which a process that says nothing is given up."""

PAUSE = 1.0
"""Seconds that confluent-kafka's process waits before it makes a new consumer."""

AIM_MS = 50.0

OURS, PEER = "kafkastatic", "confluent-kafka"


# ── the process that is killed ──


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def wait_for_word() -> None:
    say(ready=True)
    sys.stdin.readline()


async def live_ours(bootstrap: str, topic: str, group: str, state: str) -> None:
    from kafkastatic import Consumer, RebalanceListener

    class Listener(RebalanceListener):
        def on_partitions_assigned(self, assigned: frozenset[Any]) -> None:
            say(ms=(time.perf_counter() - began) * 1000, partitions=len(assigned), consumers=1)

    def make() -> Consumer[bytes, bytes]:
        consumer = Consumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            group_instance_id="member-0",
            group_protocol="consumer",
            instance_state_file=state,
        )
        consumer.subscribe([topic], listener=Listener())
        return consumer

    make()  # imports the rest: that is the start of a process, too
    await asyncio.to_thread(wait_for_word)
    began = time.perf_counter()
    consumer = make()
    async with consumer:
        async for _ in consumer:
            pass


def live_peer(bootstrap: str, topic: str, group: str) -> None:
    from confluent_kafka import Consumer, KafkaError

    wait_for_word()
    began = time.perf_counter()
    options = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "group.instance.id": "member-0",
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    made = 0

    def assigned(_: object, partitions: list[Any]) -> None:
        say(ms=(time.perf_counter() - began) * 1000, partitions=len(partitions), consumers=made)

    while True:
        made, dead = made + 1, False
        consumer = Consumer({**options, "logger": _silent()})
        consumer.subscribe([topic], on_assign=assigned)
        while not dead:
            message = consumer.poll(0.01)
            error = message.error() if message is not None else None
            dead = error is not None and error.code() == KafkaError._FATAL  # its fatal() says no
        consumer.close()
        time.sleep(PAUSE)


def _silent() -> Any:
    import logging

    logger = logging.getLogger("peer")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


# ── the one that measures ──


class Process:
    """A member in a process of its own, not joined before it is told to."""

    def __init__(self, name: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "benchmarks.crash_restart", "--live", name, *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        too_long = threading.Timer(PATIENCE, self._process.kill)
        too_long.start()
        line = self._process.stdout.readline()
        too_long.cancel()
        if not line:
            raise RuntimeError(f"the process ended with {self._process.wait()}")
        return json.loads(line)

    def go(self) -> dict[str, Any]:
        """Let it join; what it says once it has its partitions."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        while not (heard := self._heard())["partitions"]:
            pass
        return heard

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def crashes(name: str, count: int, bootstrap: str, topic: str, directory: str) -> list[dict[str, Any]]:
    """What each of `count` successors of a killed process said."""
    group = f"bench-{uuid.uuid4()}"
    arguments = [bootstrap, topic, group, str(Path(directory) / group)]
    heard: list[dict[str, Any]] = []
    present = Process(name, *arguments)
    try:
        present.go()
        for index in range(count):
            with _successor(name, arguments) as successor:
                present.kill()
                heard.append(successor.go())
                present = successor
            print(f"{name} {index + 1} of {count}: {heard[-1]['ms']:.1f} ms", file=sys.stderr)
    finally:
        present.kill()
    return heard


@contextmanager
def _successor(name: str, arguments: list[str]) -> Generator[Process]:
    process = Process(name, *arguments)
    try:
        yield process
    except BaseException:
        process.kill()
        raise


async def make_topic(bootstrap: str) -> str:
    topic = f"bench-{uuid.uuid4()}"
    async with Loader(bootstrap) as loader:
        await loader.create_topic(topic, PARTITIONS)
    return topic


def main() -> int:
    options = common.arguments("A killed member's successor under KIP-848, beside confluent-kafka.", rounds=20)
    options.add_argument("--peer-rounds", type=int, default=3, metavar="N", help="confluent-kafka's (default 3)")
    options.add_argument("--live", nargs="+", help="be the member that is killed")
    chosen = options.parse_args()
    if chosen.live:
        name, *arguments = chosen.live
        if name == OURS:
            asyncio.run(live_ours(*arguments))
        else:
            live_peer(*arguments[:3])
        return 0
    with common.kafka(chosen.bootstrap) as (bootstrap, version), tempfile.TemporaryDirectory() as directory:
        about = common.environment(version, "kafkastatic", "confluent-kafka")
        print(", ".join(f"{name} {value}" for name, value in about.items()))
        topic = asyncio.run(make_topic(bootstrap))
        counts = {OURS: chosen.rounds, PEER: chosen.peer_rounds}
        heard = {name: crashes(name, count, bootstrap, topic, directory) for name, count in counts.items() if count}
    found = {name: common.summary([one["ms"] for one in said]) for name, said in heard.items()}
    figures = ("n", "min", "median", "p95", "max")
    rows = [
        [name, *(values[figure] for figure in figures), sum(one["consumers"] for one in heard[name])]
        for name, values in found.items()
    ]
    print("\nFrom the successor's constructor to its assignment, ms\n")
    print(common.table(("client", *figures, "consumers made"), rows))
    print(f"\naim: at most {AIM_MS:g} ms: {'met' if found[OURS]['max'] <= AIM_MS else 'missed by the slowest'}")
    common.write(chosen.json, {"benchmark": "crash_restart", "environment": about, "said": heard, "summaries": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
