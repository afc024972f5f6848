"""From the readings of the throughput benchmark to its figures, its tables and its chart."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import common
from benchmarks.chart import Bar, Panel, draw
from benchmarks.throughput_variants import VARIANTS

Run = dict[str, Any]
Runs = Mapping[tuple[str, str], list[Run]]
"""By topic and variant; one entry a repetition."""

Summaries = dict[str, dict[str, dict[str, Any]]]
"""By topic and variant."""

PYTHON_PEERS = ("confluent", "confluent-aio", "aiokafka", "aiokafka-iter", "kafka-python")
GO = "franz"


def reading(run: Run) -> float:
    """CPU seconds per million records, from the constructor to the last record."""
    return run["cpu"] / run["records"] * 1e6


def whole(run: Run, count: int) -> float:
    """The same with the process's start, imports and end, spread over the topic's `count` records.

    Those who read a part of it have the same start as those who read all: it is not charged to fewer records.
    """
    return reading(run) + run["start_cpu"] / count * 1e6


def ratio(runs: Sequence[Run], others: Sequence[Run]) -> float:
    """The median, over the repetitions that both have, of one's CPU per record by the other's."""
    theirs = {run["rep"]: reading(run) for run in others}
    pairs = [reading(run) / theirs[run["rep"]] for run in runs if theirs.get(run["rep"])]
    return statistics.median(pairs) if pairs else math.nan


def whole_ratio(runs: Sequence[Run], others: Sequence[Run], count: int) -> float:
    theirs = {run["rep"]: whole(run, count) for run in others}
    pairs = [whole(run, count) / theirs[run["rep"]] for run in runs if theirs.get(run["rep"])]
    return statistics.median(pairs) if pairs else math.nan


def best_python_peer(runs: Runs, topic: str) -> str:
    """The Python peer that needs least CPU on a topic; none if no one was there."""
    medians = {n: statistics.median(map(reading, runs[topic, n])) for n in PYTHON_PEERS if runs.get((topic, n))}
    return min(medians, key=lambda name: medians[name], default="")


def summaries(runs: Runs, counts: Mapping[str, int]) -> Summaries:
    """Statistics of each variant on each topic, and what it takes beside franz-go, the best Python peer, the sketch."""
    results: Summaries = defaultdict(dict)
    for (topic, name), found in runs.items():
        peer = best_python_peer(runs, topic)
        sketch = "sketch-iter" if name.startswith("ours-iter") else "sketch"
        results[topic][name] = {
            "cpu": common.summary([reading(run) for run in found]),
            "whole process": common.summary([whole(run, counts[topic]) for run in found]),
            "to franz-go": ratio(found, runs.get((topic, GO), [])),
            "whole, to franz-go": whole_ratio(found, runs.get((topic, GO), []), counts[topic]),
            "best python peer": peer,
            "to best python peer": ratio(found, runs.get((topic, peer), [])),
            "to sketch": ratio(found, runs.get((topic, sketch), [])),
            "records per second": common.summary([run["records"] / run["wall"] for run in found]),
            "megabytes per second": common.summary([run["bytes"] / run["wall"] / 1e6 for run in found]),
            "first record": common.summary([run["first"] for run in found]),
            "rss_mb": common.summary([run["rss_mb"] for run in found]),
        }
    return dict(results)


def versions(runs: Runs) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in runs.values():
        for run in each:
            found |= run["versions"]
    return found


# ── tables ──

HEADER = (
    "reader",
    "CPU s per million: median (min-max)",
    "x franz-go",
    "x best Python",
    "x sketch",
    "whole process",
    "x franz-go",
    "krec/s",
    "MB/s",
    "RSS, MB",
)


def show(abouts: Mapping[str, str], results: Summaries, skipped: Mapping[str, Mapping[str, str]]) -> str:
    """Markdown: a table for each topic, and who is missing in it."""
    parts: list[str] = []
    for topic, about in abouts.items():
        rows = [_row(topic, name, results[topic][name]) for name in VARIANTS if name in results.get(topic, {})]
        parts.append(f"**{topic}: {about}**\n\n{common.table(HEADER, rows)}")
        reasons: dict[str, list[str]] = defaultdict(list)
        for name, reason in skipped.get(topic, {}).items():
            reasons[reason].append(name)
        parts += [f"Skipped: {', '.join(names)}: {reason}." for reason, names in reasons.items()]
    return "\n\n".join(parts)


def _row(topic: str, name: str, values: Mapping[str, Any]) -> list[str]:
    cpu = values["cpu"]
    return [
        name + (" (tuned)" if topic in VARIANTS[name].tuned else ""),
        f"{cpu['median']:.2f} ({cpu['min']:.2f}-{cpu['max']:.2f})",
        _times(values["to franz-go"]),
        _times(values["to best python peer"]),
        _times(values["to sketch"]),
        f"{values['whole process']['median']:.2f}",
        _times(values["whole, to franz-go"]),
        f"{values['records per second']['median'] / 1000:.0f}",
        f"{values['megabytes per second']['median']:.0f}",
        f"{values['rss_mb']['max']:.0f}",
    ]


def _times(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


# ── chart ──

SHOWN = {
    "ours-batches": "kafkastatic batches()",
    "ours-iter": "kafkastatic async for",
    "franz": "franz-go",
    "java": "Java",
    "confluent": "confluent-kafka",
    "aiokafka": "aiokafka getmany",
    "aiokafka-iter": "aiokafka async for",
    "kafka-python": "kafka-python",
}


def chart(abouts: Mapping[str, str], results: Summaries) -> str:
    """SVG: CPU per million records, a panel for each topic."""
    panels = [
        Panel(
            f"{topic}: {about}",
            [
                Bar(label, found["cpu"]["median"], found["cpu"]["min"], found["cpu"]["max"], name.startswith("ours"))
                for name, label in SHOWN.items()
                if (found := results.get(topic, {}).get(name))
            ],
        )
        for topic, about in abouts.items()
    ]
    return draw("CPU seconds (user and system) per million records; less is better", panels)
