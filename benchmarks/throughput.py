"""How much CPU a record costs: kafkastatic beside its peers, interleaved in one run on a real Kafka.

    python -m benchmarks.throughput [--quick] [--topics A,C] [--variants ours-batches,franz] [--reps N] [--json FILE]

Every reading is a process of its own, which reads one topic through its client's normal interface as the only member of
a new group and sums the lengths of all values. The figure to trust is the user and system time of that process, all its
threads included, per million records: the broker and other work share the machine, so that clocks on the wall say less.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from benchmarks import common
from benchmarks.throughput_report import chart, show, summaries, versions
from benchmarks.throughput_topics import TOPICS, Loaded, load
from benchmarks.throughput_variants import VARIANTS, Failed, Missing, Reading, Variant
from tools.real_kafka import RealKafka, available

FULL_MINUTES = 24.0
DOCS = Path(__file__).resolve().parent.parent / "docs"
MARKS = ("<!-- tables: python -m benchmarks.throughput --docs -->", "<!-- end of tables -->")
QUICK = ("ours-batches", "ours-iter", "franz", "confluent", "aiokafka", "sketch")
QUICK_TOPICS = ("A", "B", "C")
QUICK_MINUTES = 4.5


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU per record beside the peers, on a real Kafka.")
    parser.add_argument("--quick", action="store_true", help=f"{','.join(QUICK)} on {','.join(QUICK_TOPICS)}, 3 times")
    parser.add_argument("--topics", help=f"of {','.join(TOPICS)} (default all)")
    parser.add_argument("--variants", help=f"of {','.join(VARIANTS)} (default all)")
    parser.add_argument("--reps", type=int, help="repetitions (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the records of each topic (default 1)")
    parser.add_argument("--minutes", type=float, help=f"begin no topic after so many (default {FULL_MINUTES:g})")
    parser.add_argument("--sketch", metavar="DIR", help="where a sketch to compare with is (KAFKASTATIC_SKETCH)")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a running Kafka of one broker, instead of our own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results, every run included, there")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the results there")
    parser.add_argument("--docs", action="store_true", help="write tables and chart into docs/performance.md and .svg")
    options = parser.parse_args()
    if options.docs and (options.quick or options.topics):
        parser.error("--docs is for a run of all topics")
    options.topics = _chosen(parser, options.topics, TOPICS, QUICK_TOPICS if options.quick else TOPICS)
    options.variants = _chosen(parser, options.variants, VARIANTS, QUICK if options.quick else VARIANTS)
    options.reps = options.reps or (3 if options.quick else 5)
    options.minutes = options.minutes or (QUICK_MINUTES if options.quick else FULL_MINUTES)
    if options.sketch:
        os.environ["KAFKASTATIC_SKETCH"] = options.sketch
    return options


def _chosen(
    parser: argparse.ArgumentParser, given: str | None, known: Sequence[str] | dict[str, Any], default: Any
) -> list[str]:
    names = given.split(",") if given else list(default)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    return names


@contextmanager
def broker(bootstrap: str | None) -> Iterator[tuple[str, str]]:
    """A broker with room to work in, unlike that of the tests."""
    if bootstrap:
        yield bootstrap, f"given as {bootstrap}"
        return
    if reason := available():
        sys.exit(f"The benchmark runs a real Kafka: {reason}. Or give --bootstrap.")
    with RealKafka(jvm_options=("-Xms2g", "-Xmx2g", "-XX:+UseSerialGC")) as kafka:
        yield kafka.bootstrap, kafka.version


class Bench:
    """One run: what was loaded, read and skipped."""

    def __init__(self, bootstrap: str, variants: Sequence[str], minutes: float) -> None:
        self._bootstrap = bootstrap
        self._until = time.monotonic() + 60 * minutes
        self._variants = [VARIANTS[name] for name in variants]
        self.topics: dict[str, Loaded] = {}
        self.runs: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self.skipped: dict[str, dict[str, str]] = defaultdict(dict)

    def load(self, names: Sequence[str], scale: float) -> None:
        for name in names:
            topic = TOPICS[name]
            found = self.topics[name] = load(self._bootstrap, topic, round(topic.count * scale))
            print(f"{name}: {topic.about}: {found.count} records, {found.per_batch} a batch, ratio {found.ratio:.2f}")

    @property
    def repetitions(self) -> str:
        """How many there were of each reading, fewer of those that the time did not suffice for."""
        counts = {len(runs) for runs in self.runs.values()}
        return str(max(counts)) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"

    def warm(self) -> None:
        """Each topic is read twice before anything counts: builds, the broker's JIT, the page cache."""
        for loaded in self.topics.values():
            for variant in [v for v in self._variants if v.share == 1][:2]:
                self._read(loaded, variant)
        self.skipped.clear()

    def unload(self) -> None:
        """A Kafka that was given keeps nothing."""
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        for future in admin.delete_topics([loaded.name for loaded in self.topics.values()]).values():
            future.result()

    def measure(self, reps: int) -> None:
        for rep in range(reps):
            for loaded in self.topics.values():
                if time.monotonic() > self._until:
                    print(f"the time is over in repetition {rep + 1} of {reps}, before topic {loaded.topic.name}")
                    return
                self._round(loaded, rep)

    def _round(self, loaded: Loaded, rep: int) -> None:
        topic = loaded.topic.name
        print(f"{time.strftime('%H:%M:%S')} repetition {rep + 1}, topic {topic}", flush=True)
        turn = rep % len(self._variants)
        for variant in self._variants[turn:] + self._variants[:turn]:
            if (variant.topics and topic not in variant.topics) or variant.name in self.skipped[topic]:
                continue
            found = self._read(loaded, variant)
            if "skipped" in found:
                self.skipped[topic][variant.name] = found["skipped"]
                continue
            self.runs[topic, variant.name].append(found | {"rep": rep})

    def _read(self, loaded: Loaded, variant: Variant) -> dict[str, Any]:
        count = round(loaded.count * variant.share)
        try:
            found = Reading(variant, variant.job(self._bootstrap, loaded.topic.name, loaded.name, count)).result()
        except Missing as error:
            return {"skipped": str(error)}
        except Failed as error:
            print(error, file=sys.stderr)
            return {"skipped": f"it failed: {str(error).splitlines()[-1]}"}
        if "skipped" not in found:
            check(loaded, variant, count, found)
        return found


def check(loaded: Loaded, variant: Variant, count: int, found: dict[str, Any]) -> None:
    """All that was asked for was read: whole values, and all records where the whole topic is read."""
    size = found["records"] * loaded.topic.value_size
    if found["records"] < count or found["bytes"] != size or (variant.share == 1 and found["bytes"] != loaded.size):
        sys.exit(
            f"{variant.name} on {loaded.topic.name}: {found['records']} records, {found['bytes']} bytes: not right"
        )


def into_docs(text: str, picture: str) -> None:
    """Put the tables between their marks in docs/performance.md, and the chart beside it."""
    page = DOCS / "performance.md"
    before, rest = page.read_text().split(MARKS[0])
    page.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{rest.split(MARKS[1])[1]}")
    (DOCS / "performance.svg").write_text(picture)


def main() -> int:
    options = parse()
    with broker(options.bootstrap) as (bootstrap, version):
        about = common.environment(version, "kafkastatic")
        print(", ".join(f"{name} {value}" for name, value in about.items()))
        bench = Bench(bootstrap, options.variants, options.minutes)
        bench.load(options.topics, options.scale)
        bench.warm()
        bench.measure(options.reps)
        bench.unload()
    counts = {name: found.count for name, found in bench.topics.items()}
    results = summaries(bench.runs, counts)
    about |= versions(bench.runs)
    abouts = {name: found.topic.about for name, found in bench.topics.items()}
    tables = show(abouts, results, bench.skipped)
    print(f"\n{tables}\n")
    if options.svg:
        options.svg.write_text(chart(abouts, results))
    if options.docs:
        about_text = ", ".join(f"{name} {value}" for name, value in about.items())
        into_docs(f"{about_text}, {bench.repetitions} repetitions.\n\n{tables}", chart(abouts, results))
    common.write(
        options.json,
        {
            "benchmark": "throughput",
            "environment": about | {"load after": [round(load, 2) for load in os.getloadavg()]},
            "topics": {
                name: {"about": found.topic.about, "records": found.count, "bytes": found.size, "ratio": found.ratio}
                for name, found in bench.topics.items()
            },
            "skipped": bench.skipped,
            "summaries": results,
            "runs": [
                {"topic": topic, "variant": name, **result}
                for (topic, name), each in bench.runs.items()
                for result in each
            ],
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
