"""docs/testing.md: its examples run as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.test_cli_broker import running
from tests.testing.test_testing_plugin import SETTINGS

pytest_plugins = "pytester"

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "testing.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)


def write_examples(folder: Path) -> int:
    """Each example as a test file of its own; how many there are."""
    for number, code in enumerate(blocks("python")):
        (folder / f"test_{number}.py").write_text(code)
    return len(blocks("python"))


def test_the_examples_pass_but_for_the_one_that_forgets_to_stop(pytester: pytest.Pytester) -> None:
    """What the leak check says is what stands below its example."""
    pytester.makeini(SETTINGS)
    count = write_examples(pytester.path)
    result = pytester.runpytest_subprocess(timeout=60)
    result.assert_outcomes(passed=count, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_that_forgets_to_stop*"])
    (told,) = blocks("text")
    result.stdout.fnmatch_lines(told.splitlines())


@pytest.mark.asyncio
async def test_the_command_is_one_that_works() -> None:
    """It prints three addresses."""
    (command,) = (block.strip() for block in blocks("sh") if block.startswith("kafkastatic"))
    name, subcommand, *arguments = shlex.split(command)
    assert (name, subcommand) == ("kafkastatic", "broker")
    async with running(*arguments) as broker:
        assert len(broker.nodes) == 3
