"""Runs the demo as a user does, on a pipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "examples.demo"]


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )


def sums(output: str) -> dict[str, tuple[float, float]]:
    """The table at the end: by row, the figures of the static and of the dynamic group."""
    rows = output.partition(f"{'static':>10}{'dynamic':>10}\n")[2].partition("\n\n")[0].splitlines()
    columns = ((row[:40].rstrip(), row[40:50], row[50:]) for row in rows)
    return {row: (_number(static), _number(dynamic)) for row, static, dynamic in columns}


def _number(cell: str) -> float:
    return float(cell.replace(",", "").removesuffix(" s"))


def check(run: subprocess.CompletedProcess[str]) -> None:
    """What the demo is to show, on whichever broker."""
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    assert "\x1b" not in run.stdout
    told = sums(run.stdout)
    assert told["rebalances"][0] == 0
    assert told["rebalances"][1] >= 5  # four restarts and a newcomer
    assert told["rebalance callbacks of members at work"][0] == 1  # of the one that was fenced
    assert told["rebalance callbacks of members at work"][1] >= 5 * 4  # two members or more give up and get
    assert told["partitions taken from members at work"][0] == 4  # from the same
    assert told["partitions taken from members at work"][1] >= 5 * 8
    assert told["records lost"] == (0, 0)
    assert told["records read"][0] == told["records read"][1] > 0
    assert "    FencedInstanceIdError: " in run.stdout
    assert "The id is now held by member static-1-" in " ".join(run.stdout.split())
