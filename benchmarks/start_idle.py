"""What a consumer costs before it reads and while there is nothing to read: ours, aiokafka, confluent-kafka.

    python -m benchmarks.start_idle [--bootstrap HOST:PORT] [--rounds N] [--only SCENARIO ...] [--json FILE]

Import; process start to first record as a static member, a dynamic one, and with `assign()`; 1,000 partitions with
10 records each; idle with 100 partitions; memory of further consumers. Each measurement is a process of its own
(`start_idle_peers.py`), the clients take turns, and medians are shown.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks import common
from kafkastatic.errors import KafkaError
from tools.load import Loader, Record

CLIENTS = {"kafkastatic": "kafkastatic.consumer", "aiokafka": "aiokafka", "confluent-kafka": "confluent_kafka"}
"""The clients, and what is imported of each."""

FIRST = ("static", "dynamic", "assign")
SCENARIOS = ("import", *FIRST, "many", "idle", "memory")
TOPICS = {**dict.fromkeys(FIRST, (1, 10)), "many": (1000, 10), "idle": (100, 0), "memory": (100, 0)}
"""Partitions of the topic that a scenario reads, and the records in each."""

AT_MOST = {"idle": 3, "memory": 3}
"""Rounds of what takes long and varies little."""

PEERS = Path(__file__).with_name("start_idle_peers.py")
PATIENCE = 90.0
LEADERS_SECONDS = 60.0

Values = dict[str, list[float]]


class Child:
    """One process: what it said, and the CPU time that it took."""

    def __init__(self, *command: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        before = os.times()
        self.began = time.monotonic()
        run = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False
        )
        self.seconds = time.monotonic() - self.began
        after = os.times()
        self.cpu = after.children_user - before.children_user + after.children_system - before.children_system
        if run.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {run.stderr[-2000:]}")
        self.said: dict[str, float] = json.loads(run.stdout) if run.stdout else {}


def imported(client: str, bootstrap: str, topic: str) -> dict[str, float]:
    child = Child("-c", f"import {CLIENTS[client]}")
    return {"seconds": child.seconds, "cpu": child.cpu}


def first_record(scenario: str) -> Callable[[str, str, str], dict[str, float]]:
    def measure(client: str, bootstrap: str, topic: str) -> dict[str, float]:
        child = Child(str(PEERS), client, scenario, bootstrap, topic, f"{client}-{uuid.uuid4()}", "1")
        done, constructed = child.said["done"], child.said["imported"]
        return {"seconds": done - child.began, "after import": done - constructed, "cpu": child.said["cpu"]}

    return measure


def told(scenario: str) -> Callable[[str, str, str], dict[str, float]]:
    def measure(client: str, bootstrap: str, topic: str) -> dict[str, float]:
        partitions, records = TOPICS[scenario]
        count = str(partitions * records)
        return Child(str(PEERS), client, scenario, bootstrap, topic, f"{client}-{uuid.uuid4()}", count).said

    return measure


MEASURES = {
    "import": imported,
    **{scenario: first_record(scenario) for scenario in FIRST},
    **{scenario: told(scenario) for scenario in ("many", "idle", "memory")},
}


async def produce(loader: Loader, topic: str, partition: int, records: Sequence[Record]) -> None:
    """Append; a broker that has just been given 1,000 partitions takes its time to lead them."""
    until = time.monotonic() + LEADERS_SECONDS
    while True:
        try:
            await loader.produce(topic, partition, records)
        except KafkaError as error:
            if not error.retriable or time.monotonic() > until:
                raise
        else:
            return


async def load(bootstrap: str, scenarios: Iterable[str]) -> dict[str, str]:
    """The topics to read, by scenario."""
    topics: dict[tuple[int, int], str] = {}
    async with Loader(bootstrap) as loader:
        for partitions, records in {TOPICS[scenario] for scenario in scenarios if scenario in TOPICS}:
            name = topics[partitions, records] = f"start-idle-{partitions}-{uuid.uuid4()}"
            await loader.create_topic(name, partitions)
            for partition in range(partitions if records else 0):
                batch = [(None, b"x" * 100, (), int(time.time() * 1000))] * records
                await produce(loader, name, partition, batch)
    return {scenario: topics[TOPICS[scenario]] for scenario in scenarios if scenario in TOPICS}


def run(bootstrap: str, scenarios: Iterable[str], count: int) -> dict[str, dict[str, Values]]:
    topics = asyncio.run(load(bootstrap, scenarios))
    results: dict[str, dict[str, Values]] = {}
    for scenario in scenarios:
        series = results[scenario] = {client: {} for client in CLIENTS}
        for index in itertools.chain((-1,), range(min(count, AT_MOST.get(scenario, count)))):
            for client in sorted(CLIENTS, key=lambda name: (list(CLIENTS).index(name) + index) % len(CLIENTS)):
                if index < 0 and scenario in AT_MOST:
                    continue  # nothing to warm up
                values = MEASURES[scenario](client, bootstrap, topics.get(scenario, ""))
                if index >= 0:
                    for name, value in values.items():
                        series[client].setdefault(name, []).append(value)
    return results


def show(results: dict[str, dict[str, Values]]) -> None:
    for scenario, series in results.items():
        names = list(dict.fromkeys(name for values in series.values() for name in values))
        rows: list[list[str | float]] = []
        for client, values in series.items():
            row: list[str | float] = [client]
            for name in names:
                figures = common.summary(values[name])
                factor = 1 if name.endswith("mb") else 1000
                row += [f"{factor * figures['min']:.2f}", f"{factor * figures['median']:.2f}"]
            rows.append(row)
        header = ["client"]
        for name in names:
            unit = name.replace("_mb", ", MB") if name.endswith("mb") else f"{name}, ms"
            header += [f"{unit}: min", "median"]
        print(f"\n{scenario}\n\n{common.table(header, rows)}")


def main() -> int:
    options = common.arguments(__doc__.partition("\n")[0], rounds=11)
    options.add_argument("--only", nargs="+", choices=SCENARIOS, default=SCENARIOS, metavar="SCENARIO")
    chosen = options.parse_args()
    with common.kafka(chosen.bootstrap) as (bootstrap, version):
        about = common.environment(version, *CLIENTS)
        print(", ".join(f"{name} {value}" for name, value in about.items()))
        results = run(bootstrap, chosen.only, chosen.rounds)
    show(results)
    common.write(chosen.json, {"benchmark": "start_idle", "environment": about, "seconds and MB": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
