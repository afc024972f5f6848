"""From a producer's clock to the application: latency end to end, each client by itself on a real Kafka.

    python -m benchmarks.latency [--clients ours,aiokafka,confluent,franz] [--reps N] [--json FILE]

One process writes 200 records a second (raw Produce requests, acks=1) to one partition, with its clock in each value;
a reading process compares that with its own clock, which is the same one. Nothing is counted in the first seconds.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks import common
from benchmarks.throughput import broker
from benchmarks.throughput_topics import Producer
from benchmarks.throughput_variants import VARIANTS, Failed, Missing, Reading, Variant
from kafkastatic._records import encode_batch

CLIENTS = {"ours": "ours-iter", "aiokafka": "aiokafka-iter", "confluent": "confluent", "franz": "franz"}
"""Who, and by which variant's process."""

PER_SECOND = 200
WARM = 4.0
SECONDS = 10.0


def produce(bootstrap: str, topic: str, count: int) -> None:
    """Evenly, and a record late rather than two at once."""
    with Producer(bootstrap) as producer:
        at = time.monotonic()
        for _ in range(count):
            at = max(at + 1 / PER_SECOND, time.monotonic() - 1 / PER_SECOND)
            time.sleep(max(at - time.monotonic(), 0))
            now = time.time_ns()
            producer.produce(topic, [encode_batch([(None, b"%020d" % now + b"x" * 80, (), now // 1_000_000)])])


def measure(bootstrap: str, variant: Variant) -> dict[str, Any]:
    """One client's latencies, in the order of the records, without those of the first seconds."""
    topic = f"latency-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        future.result()
    warm, count = round(WARM * PER_SECOND), round((WARM + SECONDS) * PER_SECOND)
    job = variant.job(bootstrap, "", topic, count) | {"mode": "latency"}
    try:
        reading = Reading(variant, job)
    except Missing as error:
        return {"skipped": str(error)}
    try:
        produce(bootstrap, topic, count)
        found = reading.result(patience=20)
    except Failed as error:
        return {"skipped": f"it failed: {error}"}
    finally:
        reading.kill()
    return found | {"latency_ms": found["latency_ms"][warm:]}


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Latency end to end beside the peers, on a real Kafka.")
    parser.add_argument("--clients", default=",".join(CLIENTS), help=f"of {','.join(CLIENTS)} (default all)")
    parser.add_argument("--reps", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a running Kafka of one broker, instead of our own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results, every latency included, there")
    options = parser.parse_args()
    options.clients = options.clients.split(",")
    if unknown := set(options.clients) - set(CLIENTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return options


HEADER = ("client", "p50, ms: median (min-max)", "p99, ms: median (min-max)", "longest", "CPU s")


def show(runs: dict[str, list[dict[str, Any]]]) -> str:
    rows = [
        [
            name,
            _spread([quantile(run["latency_ms"], 0.5) for run in found]),
            _spread([quantile(run["latency_ms"], 0.99) for run in found]),
            f"{max(max(run['latency_ms']) for run in found):.1f}",
            f"{statistics.median(run['start_cpu'] for run in found):.2f}",
        ]
        for name, found in runs.items()
    ]
    return common.table(HEADER, rows)


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main() -> int:
    options = parse()
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    skipped: dict[str, str] = {}
    with broker(options.bootstrap) as (bootstrap, version):
        about = common.environment(version, "kafkastatic", "aiokafka", "confluent-kafka")
        print(", ".join(f"{name} {value}" for name, value in about.items()))
        for rep in range(options.reps):
            turn = rep % len(options.clients)
            for name in options.clients[turn:] + options.clients[:turn]:
                if name in skipped:
                    continue
                found = measure(bootstrap, VARIANTS[CLIENTS[name]])
                if "skipped" in found:
                    skipped[name] = found["skipped"]
                    continue
                runs[name].append(found)
    runs = {name: runs[name] for name in options.clients if runs.get(name)}
    print(f"\n{show(runs)}\n")
    for name, reason in skipped.items():
        print(f"Skipped: {name}: {reason}.")
    common.write(options.json, {"benchmark": "latency", "environment": about, "skipped": skipped, "runs": runs})
    return 0


if __name__ == "__main__":
    sys.exit(main())
