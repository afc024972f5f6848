"""What every test run prints: which acceptance scenario was shown in which protocol, and where."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tools.scenarios import PROTOCOLS, SCENARIOS, Shown, table, without_test

pytest.register_assert_rewrite("tests.support")  # their assertions explain themselves too

# How long an example takes tells of the machine. CI judges a change by the same examples as the last one.
settings.register_profile(
    "tests",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("KAFKASTATIC_REQUIRE_KAFKA") == "1",
)
settings.load_profile("tests")

MARKED = ("machine", "peer", "real")
KIP848 = range(31, 39)
"""The scenarios that only a KIP-848 group can show."""

REAL = {"4.4": "4.4.0", "3.9": "3.9.2 Scala", "3.9-java": "3.9.2 Java"}
"""By the parameter `release` of tests on a broker: see tests/integration/conftest.py."""

_matrix = pytest.StashKey["ScenarioMatrix"]()


class ScenarioMatrix:
    """The outcomes of the tests marked `@pytest.mark.scenario(number, where=...)`."""

    def __init__(self) -> None:
        self._tests: dict[str, Shown] = {}

    def add(self, item: pytest.Item) -> None:
        if numbers := _scenarios_of(item):
            protocol, broker = _protocol_of(item, numbers), _broker_of(item)
            self._tests[item.nodeid] = Shown(item.nodeid, tuple(numbers), protocol, broker)

    def report(self, report: pytest.TestReport) -> None:
        test = self._tests.get(report.nodeid)
        if test is None:
            return
        if report.failed:
            self._tests[report.nodeid] = test._replace(outcome="failed")
        elif report.skipped:
            self._tests[report.nodeid] = test._replace(outcome="skipped")
        elif report.when == "call" and test.outcome == "not run":
            self._tests[report.nodeid] = test._replace(outcome="passed")

    def write(self, path: Path) -> None:
        tests = [test._asdict() for test in self._tests.values()]
        path.write_text(json.dumps({"tests": tests}, indent=1) + "\n", encoding="utf-8")

    def lines(self) -> list[str]:
        if not self._tests:
            return []
        heading, rows = table(self._tests.values())
        widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in [heading, *rows]]
        missing = ", ".join(map(str, without_test(self._tests.values())))
        return [*lines, f"no test: {missing or 'none, every scenario has one'}"]


def _scenarios_of(item: pytest.Item) -> list[int]:
    marks = list(item.iter_markers("scenario"))
    numbers = [number for mark in marks for number in mark.args]
    places = {mark.kwargs.get("where") for mark in marks}
    if marks and (not SCENARIOS.keys() >= set(numbers) or len(places) != 1 or not places <= set(MARKED)):
        raise pytest.UsageError(f"{item.nodeid}: write @pytest.mark.scenario(1..40, where='machine', 'peer' or 'real')")
    return sorted(numbers)


def _parameters(item: pytest.Item) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


def _protocol_of(item: pytest.Item, numbers: list[int]) -> str:
    """As a parameter says, or a mark of the test or of its module, or what the scenarios are of."""
    mark = item.get_closest_marker("protocol")
    of_scenario = PROTOCOLS[any(number in KIP848 for number in numbers)]
    found = _parameters(item).get("group_protocol") or (mark.args[0] if mark else of_scenario)
    if found not in PROTOCOLS:
        raise pytest.UsageError(f"{item.nodeid}: the protocol is one of {PROTOCOLS}, not {found!r}")
    return str(found)


def _broker_of(item: pytest.Item) -> str:
    """What is shown on a real broker runs on the embedded one too."""
    mark = item.get_closest_marker("scenario")
    assert mark is not None
    if mark.kwargs["where"] != "real":
        return mark.kwargs["where"]
    release = str(_parameters(item).get("release", "4.4"))
    broker = f"embedded {release[:3]}" if _parameters(item).get("place") == "embedded" else REAL[release]
    return f"{broker}, three" if "kafka_cluster" in getattr(item, "fixturenames", ()) else broker


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scenarios", type=Path, metavar="FILE", help="write what became of the scenarios as JSON")


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    path: Path | None = session.config.getoption("--scenarios")
    if path is not None:
        session.config.stash[_matrix].write(path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[_matrix].lines():
        terminalreporter.section("acceptance scenarios")
        for line in lines:
            terminalreporter.write_line(line)
