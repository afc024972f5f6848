"""The test run tells what it did not do: scenarios without a test, a real Kafka that cannot run."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.scenes import eventually
from tools.scenarios import BROKERS

TESTS = Path(__file__).resolve().parent

SCENARIOS = """
import pytest

pytestmark = pytest.mark.once


@pytest.mark.scenario(4, 9, where="machine")
def test_one(): pass

@pytest.mark.scenario(9, where="real")
def test_two(): assert False

@pytest.mark.scenario(9, where="real")
def test_three(): pytest.skip("no broker")

@pytest.mark.scenario(5, where="real")
@pytest.mark.parametrize("place", ["embedded", pytest.param("real", marks=pytest.mark.integration)])
def test_four(place): pass

@pytest.mark.protocol("consumer")
@pytest.mark.scenario(9, where="real")
@pytest.mark.parametrize("release", [pytest.param("3.9-java", marks=pytest.mark.integration)])
def test_five(release): pass

@pytest.mark.scenario(16, where="real")
@pytest.mark.parametrize(("group_protocol", "place", "release"), [("consumer", "embedded", "3.9-java")])
def test_six(group_protocol, place, release): pass
"""

PLACES = """
import pytest
from tests.support.embedded import EmbeddedKafka


@pytest.mark.releases("4.4", "3.9")
def test_a(kafka): assert isinstance(kafka, EmbeddedKafka)

@pytest.mark.real_only("transactions")
def test_b(kafka): pass
"""

FAILING = """
import pytest
from conftest import _note
from tools.real_kafka import RealKafka


def logging(request, line):
    broker = RealKafka()
    _note(request, broker)
    broker.log_file.write_text(50 * f"of {line}\\n")
    yield broker
    broker.close()


@pytest.fixture(scope="session")
def other_kafka(request): yield from logging(request, "another test")

@pytest.fixture(scope="session")
def kafka(request): yield from logging(request, "all tests")

@pytest.fixture
def kafka_factory(request): yield from logging(request, "one test")

def test_another(other_kafka): pass

def test_it(kafka, kafka_factory, group_id):
    early = f"Preparing to rebalance group {group_id()} (reason: none)\\n"
    kafka_factory.log_file.write_text(early + kafka_factory.log_file.read_text())
    assert False
"""


def _pytest(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=cwd,
        env={"HOME": os.environ.get("HOME", ""), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_scenario_matrix_is_printed(tmp_path: Path) -> None:
    """Each scenario's outcome by place, deselected tests as not run, and the scenarios nobody tests."""
    shutil.copy(TESTS / "conftest.py", tmp_path)
    shutil.copy(TESTS.parent / "pyproject.toml", tmp_path)
    (tmp_path / "test_it.py").write_text(SCENARIOS)
    run = _pytest("-m", "not integration", "test_it.py", cwd=tmp_path, PYTHONPATH=str(TESTS.parent))
    lines = run.stdout.splitlines()
    table = lines[next(i for i, line in enumerate(lines) if "acceptance scenarios" in line) + 1 :]
    assert [re.split(" {2,}", line) for line in table[:6]] == [
        ["scenario", "protocol", *BROKERS],
        ["4", "classic", "1", *"--------"],
        ["5", "classic", "-", "-", "1", "-", "-", "1 not run", *"---"],
        ["9", "classic", "1", *"----", "1 failed, 1 skipped", *"---"],
        ["9", "consumer", *"-------", "1 not run", "-"],
        ["16", "consumer", *"---", "1", *"-----"],
    ]
    assert table[6].startswith("no test: 1, 2, 3, 6, 7, 8, 10,")


def test_a_scenario_needs_a_number_of_the_list_and_a_place(tmp_path: Path) -> None:
    """A misspelt mark ends the run instead of being left out of the matrix."""
    shutil.copy(TESTS / "conftest.py", tmp_path)
    shutil.copy(TESTS.parent / "pyproject.toml", tmp_path)
    (tmp_path / "test_it.py").write_text(SCENARIOS.replace("(9, where", "(41, where"))
    run = _pytest("test_it.py", cwd=tmp_path, PYTHONPATH=str(TESTS.parent))
    assert run.returncode != 0
    assert "write @pytest.mark.scenario" in run.stdout + run.stderr


def test_without_java_the_reason_is_seen() -> None:
    """Tests on a real Kafka are skipped, and the summary says why."""
    run = _pytest("tests/integration/test_support.py", "-k", "fenced", cwd=TESTS.parent, PATH="")
    assert run.returncode == 0
    assert "no Java found: a real Kafka needs Java >= 17" in run.stdout
    assert "1 skipped" in run.stdout


def test_where_kafka_is_required_a_missing_java_fails() -> None:
    """KAFKASTATIC_REQUIRE_KAFKA=1 turns the skip into a failure."""
    run = _pytest(
        "tests/integration/test_support.py",
        "-k",
        "fenced",
        cwd=TESTS.parent,
        PATH="",
        KAFKASTATIC_REQUIRE_KAFKA="1",
    )
    assert run.returncode == 1
    assert "KAFKASTATIC_REQUIRE_KAFKA=1, but no Java found" in run.stdout


@pytest.mark.parametrize(
    ("required", "closing"), [("0", "2 passed, 3 skipped"), ("1", "2 passed, 3 errors")], ids=["a machine", "CI"]
)
def test_without_java_the_embedded_broker_is_left(tmp_path: Path, required: str, closing: str) -> None:
    """What has to be shown on a real one is skipped with the reason, or an error where that is demanded."""
    shutil.copy(TESTS.parent / "pyproject.toml", tmp_path)
    shutil.copy(TESTS / "integration" / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(PLACES)
    demand = {"KAFKASTATIC_REQUIRE_KAFKA": required, "PYTHONPATH": str(TESTS.parent), "PATH": str(tmp_path)}
    run = _pytest("test_it.py", cwd=tmp_path, **demand)
    assert closing in run.stdout.splitlines()[-1]
    assert "no Java found: a real Kafka needs Java" in run.stdout


def test_a_failure_shows_what_the_brokers_of_the_test_logged(tmp_path: Path) -> None:
    """Its own brokers before the shared ones; of each, however early, what it says of the test's groups; no others."""
    shutil.copy(TESTS.parent / "pyproject.toml", tmp_path)
    shutil.copy(TESTS / "integration" / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(FAILING)
    lines = _pytest("test_it.py", cwd=tmp_path, PYTHONPATH=str(TESTS.parent)).stdout.splitlines()
    logged = [line.partition(" group ")[0] for line in lines if line.startswith(("of ", "Preparing "))]
    assert logged == ["Preparing to rebalance", *40 * ["of one test"], *40 * ["of all tests"]]


def test_no_port_is_given_twice() -> None:
    """One that nobody listens on yet looks free: to the next broker of this run and of any other."""
    program = (
        "import sys, tools.real_kafka as k; print(*(k.free_port() for _ in range(300)), flush=True); sys.stdin.read()"
    )
    ports: list[str] = []
    with contextlib.ExitStack() as running:
        for _ in range(2):
            command = [sys.executable, "-c", f"{program}; sys.stdin.read()"]
            run = running.enter_context(
                subprocess.Popen(command, cwd=TESTS.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            assert run.stdin and run.stdout
            running.callback(run.stdin.close)
            ports += run.stdout.readline().split()
    assert len(set(ports)) == len(ports) == 600


@pytest.mark.asyncio
async def test_eventually_shows_what_was_still_wrong() -> None:
    """The last failed assertion is the cause of the error."""

    def probe() -> bool:
        assert 1 + 1 == 3
        return True

    with pytest.raises(AssertionError, match=r"not within 0\.01 s") as caught:
        await eventually(probe, timeout=0.01)
    assert "(1 + 1) == 3" in str(caught.value.__cause__)
    assert await eventually(lambda: 7) == 7
