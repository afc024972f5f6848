"""What `make check` runs (`python -m tools.check`): every step, and a table of the outcomes at the end.

The quick steps run side by side with the unit tests. Exit code 1 if a step fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.real_kafka import RealKafkaError, available, clients_jar

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"

PYTHON = str(BIN / "python")
STEPS: dict[str, list[str]] = {
    "style": [str(BIN / "ruff"), "check", "."],
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "types": [PYTHON, "-m", "pyright", "--pythonpath", PYTHON],
    "layers": [str(BIN / "lint-imports"), "--no-cache"],
    "purity": [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_layers.py"],
    "generated": [PYTHON, "tools/generate.py", "--check"],
    "scenarios": [PYTHON, "-m", "tools.scenarios", "--check"],
    "sanitizers": [PYTHON, "-m", "tools.sanitized"],
    "unit tests": [PYTHON, "-m", "tools.unit_tests"],
}


def run(name: str) -> tuple[str, str, str]:
    """The step's name, its outcome ("ok", "FAILED" or "skipped", with the time) and its output."""
    began = time.monotonic()
    command = STEPS[name]
    if name == "generated":
        if reason := available():
            return name, f"skipped: {reason}", ""
        try:
            command = [*command, "--jar", str(clients_jar())]
        except RealKafkaError as error:
            return name, "FAILED", str(error)
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return name, f"{'FAILED' if done.returncode else 'ok'} ({time.monotonic() - began:.1f} s)", done.stdout


def main() -> int:
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        # The longest first; shown in the order of the table.
        jobs = {name: pool.submit(run, name) for name in reversed(STEPS)}
        outcomes = [jobs[name].result() for name in STEPS]
    for name, outcome, output in outcomes:
        if name == "unit tests" or not outcome.startswith("ok"):
            print(f"--- {name}: {outcome} ---\n{output}")
    for name, outcome, _ in outcomes:
        print(f"{name:<12}{outcome}")
    return 1 if any(outcome.startswith("FAILED") for _, outcome, _ in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
