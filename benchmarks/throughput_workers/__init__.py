"""The reading processes of the benchmarks, one module a client: `python -m benchmarks.throughput_workers.X JOB`.

A worker reads one topic from its beginning to `count` records through a client's normal interface, as the only member
of a group, sums the lengths of all values and prints one line of JSON. The module holds nothing else, and imports the
client only: what it costs is the client's.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import AsyncIterable
from importlib.metadata import version
from typing import Any


class Skip(Exception):  # it is no error
    """The client cannot do what is asked; the message says why."""


class Job:
    """What to read.

    Attributes:
        bootstrap, topic, group: from where.
        count: how many records.
        mode: by which of the client's ways.
        tuned: with larger fetches (4 MiB a partition, 50 MB in all) instead of the client's own defaults.
    """

    def __init__(self, text: str) -> None:
        fields = json.loads(text)
        self.bootstrap: str = fields["bootstrap"]
        self.topic: str = fields["topic"]
        self.group: str = fields["group"]
        self.count: int = fields["count"]
        self.mode: str = fields.get("mode", "")
        self.tuned: bool = fields.get("tuned", False)


class Meter:
    """The clocks, from just before the client's constructor to the last record.

    `cpu` is this process's user and system time in that span, all its threads included; `rss_mb` the most memory it
    ever held. What the process used before and after is known to whoever waits for it.
    """

    def __init__(self) -> None:
        self._cpu = _cpu()
        self._began = time.perf_counter()
        self._first = self._began

    def first(self) -> None:
        """The first records are there."""
        self._first = time.perf_counter()

    def done(self, records: int, size: int, *distributions: str, **more: Any) -> None:
        """All have been read: print what it took."""
        wall = time.perf_counter() - self._began
        cpu = _cpu() - self._cpu
        result = {
            "records": records,
            "bytes": size,
            "wall": wall,
            "first": self._first - self._began,
            "cpu": cpu,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "versions": {name: version(name) for name in distributions},
        }
        print(json.dumps(result | more), flush=True)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report_latencies(values: list[float]) -> None:
    """Print the milliseconds from a record's clock to its delivery."""
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"latency_ms": values, "rss_mb": rss}), flush=True)


async def measure_latencies(consumer: AsyncIterable[Any], count: int) -> None:
    """Report on so many records, one by one."""
    values: list[float] = []
    async for record in consumer:
        values.append(age_ms(record.value))
        if len(values) == count:
            break
    report_latencies(values)


def age_ms(value: bytes) -> float:
    """Milliseconds since the producer's clock (nanoseconds, 20 digits) at the beginning of a value."""
    return (time.time_ns() - int(value[:20])) / 1e6


def job() -> Job:
    return Job(sys.argv[1])


def skipped(reason: object) -> None:
    print(json.dumps({"skipped": str(reason)}), flush=True)
