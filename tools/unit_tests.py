"""The unit tests (everything without a real Kafka) on the oldest supported Python and on every newer one found.

    python -m tools.unit_tests [pytest arguments]

The Pythons run side by side, as many as there are processors; the newer ones leave out what is marked `once`. Every
second one runs the package in plain Python (KAFKASTATIC_IMPL), the others what setup.py compiled. The
oldest one's output is shown in full, of the others the closing line; a failing one's output is shown too. Exit code 1
if one of them fails. A Python that pyproject.toml does not declare, and whose environment cannot be made, is reported
and does not fail the run.

With KAFKASTATIC_TESTED=1 the oldest Python is left out where there are newer ones: `make test` ran all of it before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor

from tools.environments import OLDEST, ROOT, EnvironmentFailed, Python, environment, find_pythons


class Outcome:
    """What one Python's run came to."""

    def __init__(self, python: Python, line: str, output: str = "", *, failed: bool = False) -> None:
        self.python = python
        self.line = line
        self.output = output
        self.failed = failed


def declared() -> set[str]:
    """The minor versions among pyproject.toml's classifiers."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    return {text.rpartition(" ")[2] for text in classifiers if text.startswith("Programming Language :: Python :: 3.")}


QUICK = ["tests/records", "tests/fetch"]
"""What the oldest Python runs in plain Python where there is no second one."""


def run(python: Python, arguments: list[str], *, main: bool, plain: bool) -> Outcome:
    try:
        interpreter = environment(python, "test", main=main)
    except EnvironmentFailed as error:
        required = python.minor in declared()
        words = "FAILED" if required else "not run (undeclared version)"
        return Outcome(python, f"{words}: the environment could not be made", str(error), failed=required)
    began = time.monotonic()
    which = "not integration" if main else "not integration and not once"
    command = [str(interpreter), "-m", "pytest", "-q", "-m", which, "-p", "no:cacheprovider", *arguments]
    variables = {**os.environ, "KAFKASTATIC_IMPL": "plain"} if plain else dict(os.environ)
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    closing = (done.stdout.strip().splitlines() or ["no output"])[-1]
    line = f"{'plain: ' if plain else ''}{closing} ({time.monotonic() - began:.1f} s in all)"
    return Outcome(python, line, done.stdout, failed=done.returncode != 0)


def main() -> int:
    pythons = find_pythons()
    if not pythons:
        print(f"no Python >= {OLDEST[0]}.{OLDEST[1]} found on PATH or in pyenv", file=sys.stderr)
        return 1
    print(f"unit tests on Python {', '.join(map(str, pythons))}", flush=True)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        tested = os.environ.get("KAFKASTATIC_TESTED") == "1" and len(pythons) > 1
        jobs = [
            pool.submit(run, python, sys.argv[1:], main=index == 0, plain=index % 2 == 1)
            for index, python in enumerate(pythons)
            if index or not tested
        ]
        if len(pythons) == 1:
            jobs.append(pool.submit(run, pythons[0], sys.argv[1:] or QUICK, main=True, plain=True))
        outcomes = [job.result() for job in jobs]
    for outcome in outcomes:
        if outcome.failed or outcome is outcomes[0] or outcome.line.startswith("not run"):
            print(f"\n--- Python {outcome.python} ---\n{outcome.output}")
    for outcome in outcomes:
        print(f"Python {outcome.python}: {outcome.line}")
    return 1 if any(outcome.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
