"""What every test run prints: which acceptance scenario was shown where."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.support")  # their assertions explain themselves too

SCENARIOS = range(1, 41)
MARKED = ("machine", "peer", "real")
PLACES = ("machine", "peer", "embedded", "real")

_matrix = pytest.StashKey["ScenarioMatrix"]()


class ScenarioMatrix:
    """The outcomes of the tests marked `@pytest.mark.scenario(number, where=...)`, by scenario and place."""

    def __init__(self) -> None:
        self._cells: dict[str, list[tuple[int, str]]] = {}  # a test's id -> its scenarios
        self._outcomes: dict[str, str] = {}

    def add(self, item: pytest.Item) -> None:
        cells = list(_scenarios_of(item))
        if cells:
            self._cells[item.nodeid] = cells

    def report(self, report: pytest.TestReport) -> None:
        if report.nodeid not in self._cells:
            return
        if report.failed:
            self._outcomes[report.nodeid] = "failed"
        elif report.skipped:
            self._outcomes[report.nodeid] = "skipped"
        elif report.when == "call":
            self._outcomes.setdefault(report.nodeid, "passed")

    def lines(self) -> list[str]:
        if not self._cells:
            return []
        counts: dict[tuple[int, str], Counter[str]] = {}
        for nodeid, cells in self._cells.items():
            for cell in cells:
                counts.setdefault(cell, Counter())[self._outcomes.get(nodeid, "not run")] += 1
        numbers = sorted({number for number, _ in counts})
        lines = ["scenario  " + "".join(f"{place:<24}" for place in PLACES).rstrip()]
        for number in numbers:
            row = "".join(f"{_cell(counts.get((number, place))):<24}" for place in PLACES)
            lines.append(f"{number:>8}  {row.rstrip()}")
        missing = [str(number) for number in SCENARIOS if number not in numbers]
        lines.append(f"no test: {', '.join(missing) if missing else 'none, every scenario has one'}")
        return lines


def _cell(outcomes: Counter[str] | None) -> str:
    if outcomes is None:
        return "-"
    order = ("failed", "passed", "skipped", "not run")
    return ", ".join(f"{kind} {outcomes[kind]}" for kind in order if outcomes[kind])


def _scenarios_of(item: pytest.Item) -> Iterator[tuple[int, str]]:
    for mark in item.iter_markers("scenario"):
        where = mark.kwargs.get("where")
        if not mark.args or where not in MARKED or any(number not in SCENARIOS for number in mark.args):
            raise pytest.UsageError(
                f"{item.nodeid}: write @pytest.mark.scenario(1..40, where='machine', 'peer' or 'real')"
            )
        for number in mark.args:
            yield number, "embedded" if where == "real" and _on_the_embedded_broker(item) else where


def _on_the_embedded_broker(item: pytest.Item) -> bool:
    """What is shown on a real broker runs on the embedded one too: see tests/integration/conftest.py."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("place") == "embedded"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_matrix] = ScenarioMatrix()


def pytest_itemcollected(item: pytest.Item) -> None:
    item.config.stash[_matrix].add(item)


def pytest_collection_finish() -> None:
    """No test leaks what was there before: a collection after each test need not look at it, which takes 0.1 s."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.config.stash[_matrix].report(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[_matrix].lines():
        terminalreporter.section("acceptance scenarios")
        for line in lines:
            terminalreporter.write_line(line)
