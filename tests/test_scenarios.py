"""The table of the acceptance scenarios: made of what test runs told, and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.scenarios import END, SCENARIOS, START, Shown, merged, outdated, read, written_into

ONE = Shown("test_one", (4, 9), "classic", "4.4.0", "passed")
TWO = Shown("test_two", (9,), "classic", "4.4.0", "failed")
THREE = Shown("test_three", (31,), "consumer", "3.9.2 Java", "skipped")
PAGE = f"Before.\n{START}\nwas here before\n{END}\nAfter.\n"


def row(page: str, number: int, protocol: str) -> list[str]:
    """The cells of one scenario's row, but for its number, its sentence and its protocol."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {number} | ") and f"| {protocol} |" in line]
    return [cell.strip() for cell in line.strip("|").split("|")][3:]


def test_forty_scenarios_have_a_row_and_what_was_not_run_is_not_passed() -> None:
    """Numbers are tests that passed; failed and skipped ones say so, and a scenario without a test does."""
    page = written_into(PAGE, [ONE, TWO, THREE])
    assert page.startswith("Before.\n") and page.endswith("\nAfter.\n") and "was here" not in page
    assert row(page, 4, "classic") == [*"-----", "1", *"---"]
    assert row(page, 9, "classic") == [*"-----", "1 failed, 1", *"---"]
    assert row(page, 31, "consumer") == [*"-------", "1 skipped", "-"]
    assert row(page, 40, "no test") == [*"---------"]
    assert [f"| {number} | {words} |" in page for number, words in SCENARIOS.items()] == [True] * 40


def test_a_scenario_counts_as_shown_where_a_test_passed_and_none_failed() -> None:
    """9 failed on 4.4.0, 31 was skipped: one scenario is left."""
    page = written_into(PAGE, [ONE, TWO, THREE])
    counts = [line for line in page.splitlines() if line.startswith(("| classic |", "| consumer |", "| either |"))]
    assert counts == [
        "| classic | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | 0 | 1 |",
        "| consumer | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |",
        "| either | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | 0 | 1 |",
    ]


def test_runs_are_added_up() -> None:
    """The last run that ran a test tells its outcome; what was not run there, or skipped, changes nothing."""
    passed = [test._replace(outcome="passed") for test in (ONE, TWO, THREE)]
    left_out = [ONE._replace(outcome="not run"), TWO._replace(outcome="skipped")]
    assert merged([[ONE, TWO, THREE], passed, left_out]) == passed
    assert merged([passed, [ONE, TWO, THREE]]) == [ONE, TWO, passed[2]]


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    """JSON has no tuples."""
    run = tmp_path / "run.json"
    run.write_text(json.dumps({"tests": [test._asdict() for test in (ONE, THREE)]}))
    assert read(run) == [ONE, THREE]


def test_a_table_of_other_tests_is_outdated() -> None:
    """A test that is new, gone, of another scenario or run elsewhere; how the runs ended is not asked."""
    page = written_into(PAGE, [ONE, TWO])
    assert outdated(page, [TWO._replace(outcome="not run"), ONE]) is None
    for others in ([ONE], [ONE, TWO, THREE], [ONE._replace(scenarios=(4,)), TWO], [ONE._replace(broker="peer"), TWO]):
        assert outdated(page, others) == "the table is of other tests than there are now"
    assert outdated(PAGE, [ONE]) == "the table is of other tests than there are now"


def test_a_table_written_by_hand_is_outdated() -> None:
    """A failure that became a pass."""
    page = written_into(PAGE, [ONE, TWO])
    assert outdated(page.replace("1 failed, 1", "2"), [ONE, TWO]) == "the table is not as it was written"


def test_a_page_without_the_marks_is_refused() -> None:
    """Nothing is written beside them."""
    with pytest.raises(ValueError, match="once each"):
        written_into("A page.\n", [ONE])
