"""What the benchmarks share: a Kafka to run on, bounded rounds, statistics, tables and JSON."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tools.real_kafka import RealKafka, available

Summary = dict[str, float]


def arguments(description: str, *, rounds: int) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a running Kafka; without it one is started")
    parser.add_argument("--rounds", type=int, default=rounds, metavar="N", help=f"measured rounds (default {rounds})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results, every value included, there")
    return parser


@contextmanager
def kafka(bootstrap: str | None) -> Iterator[tuple[str, str]]:
    """Where a broker listens, and which it is: the one given, or a real one of our own for this run."""
    if bootstrap:
        yield bootstrap, f"given as {bootstrap}"
        return
    if reason := available():
        sys.exit(f"The benchmark runs a real Kafka: {reason}. Or give --bootstrap.")
    with RealKafka() as broker:
        yield broker.bootstrap, broker.version


def rounds(count: int, seconds: float) -> Iterator[int]:
    """0, 1, ... below `count`, but no new one once `seconds` have passed."""
    until = time.monotonic() + seconds
    for index in range(count):
        if time.monotonic() > until:
            print(f"only {index} of {count} rounds: {seconds:g} s are over", file=sys.stderr)
            return
        yield index


def summary(values: Sequence[float]) -> Summary:
    """n, min, median, p95 (nearest rank) and max."""
    if not values:
        return {"n": 0}
    ranked = sorted(values)
    return {
        "n": len(ranked),
        "min": ranked[0],
        "median": statistics.median(ranked),
        "p95": ranked[math.ceil(0.95 * len(ranked)) - 1],
        "max": ranked[-1],
    }


def above(values: Sequence[float], floor: Sequence[float]) -> float:
    """The median, over the rounds, of what a value is above the floor of the same round."""
    pairs = zip(values, floor, strict=True)
    return statistics.median(value - least for value, least in pairs) if values else math.nan


def environment(kafka_version: str, *distributions: str) -> dict[str, object]:
    """What the figures depend on. `load` is the machine's load average before the run."""
    return {
        "kafka": kafka_version,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        **{name: _version(name) for name in distributions},
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def table(header: Sequence[str], rows: Sequence[Sequence[str | float]]) -> str:
    """A Markdown table with its columns aligned: text to the left, numbers to the right."""
    cells = [list(header), *([_text(value) for value in row] for row in rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]
    numeric = [all(not isinstance(row[column], str) for row in rows) for column in range(len(header))]
    rule = [f"{'-' * (width - 1)}:" if right else "-" * width for width, right in zip(widths, numeric, strict=True)]
    lines = [
        [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        for row in cells
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.1f}"


def write(path: Path | None, results: dict[str, object]) -> None:
    if path is not None:
        path.write_text(json.dumps(results, indent=2) + "\n")
