"""The layers hold: what is pure stays pure, and the base package needs its five dependencies only."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "kafkastatic"

PURE = (
    "_value",
    "errors",
    "types",
    "events",
    "config",
    "_protocol",
    "_records",
    "_group",
    "_cluster",
    "_fetch",
    "_produce",
    "_dead_letter",
    "broker/groups",
    "broker/cluster",
    "broker/log",
    "broker/admission",
    "broker/producers",
    "broker/sessions",
    "broker/faults",
    "broker/java",
    "broker/settings",
)
OUTSIDE = {"asyncio", "anyio", "socket", "ssl", "threading", "time", "random", "uuid", "structlog"}
DEPENDENCIES = {"anyio", "attrs", "structlog", "cramjam", "fastcrc"}
OPTIONAL = {
    "_records/compression/fast.py": {"isal"},  # the extra `fast`, behind a module that may fail to be imported
    # The pytest plugin, which pytest imports, or nobody.
    "testing/asyncio_watch.py": {"pytest", "pytest_asyncio"},
    "testing/plugin.py": {"pytest"},
    "testing/remote.py": {"pytest"},
    "testing/watch.py": {"pytest"},
}
IMPORT_NAMES = {"attr": "attrs"}  # where it differs from the distribution's


def _modules(*parts: str) -> Iterator[Path]:
    for part in parts:
        module = PACKAGE / f"{part}.py"
        if module.exists():
            yield module
        yield from sorted((PACKAGE / part).rglob("*.py"))


def _imported(path: Path) -> set[str]:
    """The top-level names of everything a module imports, inside functions too; a relative import is the package's.

    What stands under `if TYPE_CHECKING:` is never imported: a type's name is no way to the outside.
    """
    names: set[str] = set()
    tree = ast.parse(path.read_text(), str(path))
    tree.body = [node for node in tree.body if not _is_for_checkers(node)]
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names.update(alias.name.partition(".")[0] for alias in node.names)
            case ast.ImportFrom():
                names.add("kafkastatic" if node.level else (node.module or "").partition(".")[0])
            case ast.Call(func=ast.Name("__import__") | ast.Attribute(attr="import_module"), args=[ast.Constant(name)]):
                names.add(str(name).partition(".")[0])
            case _:
                pass
    return names


def _is_for_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _id(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_the_pure_layers_are_where_this_test_looks() -> None:
    """A layer that moved would leave this test with nothing to see."""
    assert {part for part in PURE if not any(_modules(part))} == set()


@pytest.mark.parametrize("path", list(_modules(*PURE)), ids=_id)
def test_a_pure_module_imports_nothing_of_the_outside(path: Path) -> None:
    """L0-L2 know no loop, no socket, no clock, no randomness and no log."""
    assert _imported(path) & OUTSIDE == set()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=_id)
def test_a_module_imports_base_dependencies_only(path: Path) -> None:
    """The base package runs on the standard library and five dependencies; what is optional has one place."""
    allowed = DEPENDENCIES | OPTIONAL.get(_id(path), set())
    foreign = _imported(path) - set(sys.stdlib_module_names) - {"kafkastatic", "__future__"}
    assert {IMPORT_NAMES.get(name, name) for name in foreign} <= allowed


def test_the_base_dependencies_are_the_five() -> None:
    """pyproject.toml names exactly them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {re.split(r"[<>=!~ ;\[]", entry)[0] for entry in project["dependencies"]} == DEPENDENCIES


def test_the_version_is_written_once() -> None:
    """Nothing but _version.py says which version this is."""
    version = (PACKAGE / "_version.py").read_text()
    number = re.search(r'__version__ = "(.+)"', version)
    assert number
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"]
    others = [path for path in PACKAGE.rglob("*.py") if path.name != "_version.py" and number[1] in path.read_text()]
    assert others == []
