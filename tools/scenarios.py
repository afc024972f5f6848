"""Writes what test runs showed of the forty acceptance scenarios into docs/static-membership.md.

    python -m pytest -m scenario --scenarios=RUN.json tests
    python -m tools.scenarios RUN.json [RUN2.json ...]
    python -m tools.scenarios --check

Several runs are added up, in their order: what one left out, or failed, a later one may have passed. Of tests that are
not there any more nothing is written. --check writes nothing and needs no Kafka: it exits with 1 where the document's
table is of other tests than there are, or was written by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "static-membership.md"
START, END = "<!-- scenarios:start -->", "<!-- scenarios:end -->"

SCENARIOS = {
    1: "The first join takes one JoinGroup, and no member id is asked for first",
    2: "Brokers that cannot carry an instance id are refused before any group request",
    3: "An illegal instance id is refused before a socket is opened",
    4: "A member restarts: same generation, same partitions, nobody else notices",
    5: "The leader restarts: it assigns nothing, watches on, and heartbeats at once",
    6: "Partitions added while the leader was down are read after its return",
    7: "A member that restarts with another subscription reads it, without a livelock",
    8: "Partitions freed by a member that crashed between two generations get an owner",
    9: "A replaced member ends with the error, and leaves its successor alone",
    10: "So does one whose JoinGroup is parked, at once",
    11: "So does one whose SyncGroup is parked; its leader joins again in silence",
    12: "Closing a replaced member evicts nobody, hangs never and leaves nothing behind",
    13: "The error comes again with every call; only a new consumer joins again",
    14: "The instance id is in every group request, also after the coordinator moved",
    15: "A commit in flight when its member is replaced is never retried",
    16: "A late commit of a partition that was given up is refused by the client",
    17: "A session that expired: lost, joined again, nothing raised",
    18: "A missed generation: joined again with the kept member id",
    19: "A JoinGroup of an unknown member is tried once more without member id",
    20: "Never two JoinGroups without member id at once; fenced by one's own: once more",
    21: "After unsubscribe() or a slow handler the way back keeps the member id",
    22: "A longer session than the predecessor's counts at once",
    23: "Removed by an administrator: lost, joined again",
    24: "Leaving for good names member and instance id, and never raises",
    25: "A restart into a full group: an error that says so, or waiting for the old session",
    26: "A restart with other assignors: an error that says so, or waiting for the old session",
    27: "The coordinator restarts: same member id and generation, confirmed before it counts",
    28: "The coordinator is away for longer than the session: lost, joined again, no loop",
    29: "A restarted leader below JoinGroup v9 still notices what changed",
    30: "A handler that blocks through a rebalance: its commits refused, lost once, joined again",
    31: "Closed and started again in the session: the assignment comes with the first answer",
    32: "Closed for good: the others take the partitions without waiting",
    33: "Crashed and started again: waits for the instance id, and says so",
    34: "The answer to the join is lost: in again within two round trips",
    35: "Started while the owner lives: the newcomer waits and ends, the owner notices nothing",
    36: "Removed, and replaced by another: the error, never a takeover",
    37: "A commit with an old epoch is retried once with the new one",
    38: "Fenced by epoch: lost before the next join; what was lost is not committed",
    39: "Replaced by a member of the other protocol: the error, and the group is not turned back",
    40: "Two consumers with one instance id in one process: refused before any group request",
}
PROTOCOLS = ("classic", "consumer")
BROKERS = (
    "machine",
    "peer",
    "embedded 4.4",
    "embedded 3.9",
    "embedded 4.4, three",
    "4.4.0",
    "3.9.2 Scala",
    "3.9.2 Java",
    "4.4.0, three",
)
OUTCOMES = ("failed", "passed", "skipped", "not run")
RAN = OUTCOMES[:2]


class Shown(NamedTuple):
    """One test of scenarios, and what became of it."""

    id: str
    scenarios: tuple[int, ...]
    protocol: str
    broker: str
    outcome: str = "not run"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="what pytest --scenarios wrote")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    document = DOCUMENT.read_text(encoding="utf-8")
    if arguments.check:
        if reason := outdated(document, _collected()):
            print(f"{DOCUMENT.relative_to(ROOT)}: {reason}.\nRun every test with a real Kafka, and write it again:\n")
            print("    KAFKASTATIC_REQUIRE_KAFKA=1 python -m pytest -m scenario --scenarios=RUN.json tests")
            print("    python -m tools.scenarios RUN.json")
            return 1
        return 0
    if not arguments.runs:
        parser.error("which runs?")
    told = {test.id: test.outcome for test in merged(map(read, arguments.runs))}
    tests = [test._replace(outcome=told.get(test.id, test.outcome)) for test in _collected()]
    DOCUMENT.write_text(written_into(document, tests), encoding="utf-8")
    return 0


def read(run: Path) -> list[Shown]:
    """What `pytest --scenarios` wrote."""
    found = json.loads(run.read_text(encoding="utf-8"))["tests"]
    return [Shown(**(test | {"scenarios": tuple(test["scenarios"])})) for test in found]


def merged(runs: Iterable[list[Shown]]) -> list[Shown]:
    """Each test once, with its outcome in the last run that ran it."""
    found: dict[str, Shown] = {}
    for run in runs:
        found |= {test.id: test for test in run if test.outcome in RAN or found.get(test.id, test).outcome not in RAN}
    return list(found.values())


def table(tests: Iterable[Shown]) -> tuple[list[str], list[list[str]]]:
    """The heading, and a row for each scenario and protocol: how many tests had which outcome, by broker."""
    cells: dict[tuple[int, str], dict[str, Counter[str]]] = {}
    for test in tests:
        for number in test.scenarios:
            row = cells.setdefault((number, test.protocol), {})
            row.setdefault(test.broker, Counter())[test.outcome] += 1
    rows = [[str(key[0]), key[1], *(_cell(cells[key].get(broker)) for broker in BROKERS)] for key in sorted(cells)]
    return ["scenario", "protocol", *BROKERS], rows


def without_test(tests: Iterable[Shown]) -> list[int]:
    """The scenarios that nobody tests."""
    return sorted(set(SCENARIOS) - {number for test in tests for number in test.scenarios})


def _cell(outcomes: Counter[str] | None) -> str:
    if outcomes is None:
        return "-"
    words = {kind: f"{outcomes[kind]} {kind}".removesuffix(" passed") for kind in OUTCOMES if outcomes[kind]}
    return ", ".join(words.values())


def written_into(document: str, tests: Sequence[Shown]) -> str:
    """The document with the tables between its marks.

    Raises:
        ValueError: if it has no such marks, or has them twice.
    """
    before, _, after = _parts(document)
    body = f"{_counts(tests)}\n{_scenarios(tests)}"
    return f"{before}{START}\n<!-- tests {digest(tests)}, text {_hash(body)} -->\n\n{body}\n{END}{after}"


def _parts(document: str) -> tuple[str, str, str]:
    if document.count(START) != 1 or document.count(END) != 1:
        raise ValueError(f"The document must hold {START} and {END} once each.")
    before, rest = document.split(START)
    body, after = rest.split(END)
    return before, body, after


def _counts(tests: Sequence[Shown]) -> str:
    """How many scenarios were shown where: those of which every test that ran there passed, one at least."""
    lines = [["scenarios shown", *BROKERS, "anywhere"]]
    for protocol in (*PROTOCOLS, "either"):
        of = [test for test in tests if protocol in (test.protocol, "either")]
        places = [[test for test in of if test.broker == broker] for broker in BROKERS]
        lines.append([protocol, *(str(len(_shown(place))) for place in [*places, of])])
    return _markdown(lines)


def _shown(tests: Sequence[Shown]) -> set[int]:
    by = {kind: {n for t in tests if t.outcome == kind for n in t.scenarios} for kind in OUTCOMES}
    return by["passed"] - by["failed"]


def _scenarios(tests: Sequence[Shown]) -> str:
    heading, rows = table(tests)
    lines = [["", "scenario", *heading[1:]]]
    lines += [[row[0], SCENARIOS[int(row[0])], *row[1:]] for row in rows]
    lines += [[str(number), SCENARIOS[number], "no test", *"-" * len(BROKERS)] for number in without_test(tests)]
    return _markdown([lines[0], *sorted(lines[1:], key=lambda line: (int(line[0]), line[2]))])


def _markdown(lines: list[list[str]]) -> str:
    rows = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def digest(tests: Iterable[Shown]) -> str:
    return _hash("\n".join(sorted(f"{test.id} {test.scenarios} {test.protocol} {test.broker}" for test in tests)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def outdated(document: str, tests: Sequence[Shown]) -> str | None:
    first, _, body = _parts(document)[1].lstrip("\n").partition("\n")
    if f"<!-- tests {digest(tests)}, " not in f"{first} ":
        return "the table is of other tests than there are now"
    if f", text {_hash(body.strip(chr(10)) + chr(10))} -->" not in first:
        return "the table is not as it was written"
    return None


def _collected() -> list[Shown]:
    """The tests that there are; only files that mark one are looked at, which is quicker."""
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if "mark.scenario(" in file.read_text("utf-8")]
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "run.json"
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, "--scenarios", run, *files], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"the tests could not be collected:\n{done.stdout[-4000:]}{done.stderr}")
        return read(run)


if __name__ == "__main__":
    sys.exit(main())
