"""The virtual environments of this checkout: one per Python found, made once, made again when the dependencies change.

    python3 tools/environments.py [test|dev]     # makes .venv with the oldest suitable Python and names it
    python3 tools/environments.py demo           # makes .venvs/demo with the Python that runs this, if it is suitable

`.venv` belongs to the oldest Python >= 3.11 of the machine, `.venvs/3.x` to each newer one. Pythons are looked for on
PATH and among pyenv's versions. Any Python 3.8+ may start this file: it goes on under a suitable one.

`.venvs/demo` is for who waits for it: it holds the package's dependencies and nothing else, neither the package, which
runs from the checkout, nor pip. Nothing is built or compiled for it.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
NEWEST_TRIED = 20
STAMP = "kafkastatic.stamp"
PIP_OPTIONS = ("--quiet", "--disable-pip-version-check", "--no-input")

_PROBE = "import sys, venv, ensurepip; print(*sys.version_info[:3], sys.version_info.releaselevel)"


class EnvironmentFailed(Exception):
    """An environment could not be made; the message ends with pip's own words."""


class Python:
    """An interpreter found on this machine."""

    def __init__(self, path: str, version: tuple[int, int, int], release: str) -> None:
        self.path = path
        self.version = version
        self.release = release

    @property
    def minor(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    def __str__(self) -> str:
        suffix = "" if self.release == "final" else f" ({self.release})"
        return ".".join(map(str, self.version)) + suffix


def find_pythons() -> list[Python]:
    """The newest patch release of every Python >= 3.11 that can make environments, oldest first."""
    found: dict[str, Python] = {}
    for path in _candidates():
        python = _probe(path)
        if python is None or python.version[:2] < OLDEST:
            continue
        known = found.get(python.minor)
        if known is None or known.version < python.version:
            found[python.minor] = python
    return sorted(found.values(), key=lambda python: python.version)


def _candidates() -> list[str]:
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NEWEST_TRIED)]
    paths = [shutil.which(name) for name in [*names, "python3", "python"]]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    return [path for path in paths if path] + sorted(glob.glob(f"{pyenv}/versions/3.*/bin/python")) + [sys.executable]


def _probe(path: str) -> Python | None:
    try:
        run = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = run.stdout.split()
    if run.returncode != 0 or len(words) < 4:
        return None
    return Python(path, (int(words[0]), int(words[1]), int(words[2])), words[3])


def environment(python: Python, extra: str, *, main: bool) -> Path:
    """The interpreter of the environment for this Python with the package's extra ("test" or "dev") installed.

    :raises EnvironmentFailed: if it cannot be made
    """
    directory = ROOT / ".venv" if main else ROOT / ".venvs" / python.minor
    (ROOT / ".venvs").mkdir(exist_ok=True)
    with open(ROOT / ".venvs" / f"{python.minor}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _bring_up_to_date(python, extra, directory)
    return directory / "bin" / "python"


def _bring_up_to_date(python: Python, extra: str, directory: Path) -> None:
    interpreter = directory / "bin" / "python"
    wanted = {"python": str(python), "dependencies": _dependencies()}
    sources = [ROOT / "setup.py", *sorted(ROOT.glob("kafkastatic/**/*.pyx"))]
    built = _digest([*(path.read_bytes() for path in sources), _entry_points()])
    stamp = directory / STAMP
    present = _stamped(directory)
    usable = {key: present.get(key) for key in wanted} == wanted and _probe(str(interpreter)) is not None
    extras = present["extras"] if usable else []
    complete = extra in extras or (extra == "test" and "dev" in extras)
    if complete and present.get("built") == built:
        return
    print(f"{directory.relative_to(ROOT)}: installing .[{extra}] for Python {python}", file=sys.stderr, flush=True)
    if not usable:
        _run([python.path, "-m", "venv", "--clear", str(directory)])
    with open(ROOT / ".venvs" / "build.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # an editable build writes into the checkout: one at a time
        what = ["--no-deps", "--editable", "."] if complete else ["--editable", f".[{extra}]"]
        _run([str(interpreter), "-m", "pip", *PIP_OPTIONS, "install", *what])
    extras = extras if complete else [*extras, extra]
    stamp.write_text(json.dumps({**wanted, "built": built, "extras": extras}))


def _entry_points() -> bytes:
    """What pyproject.toml says about commands and plugins: they are written when the package is installed."""
    project = _pyproject()["project"]
    return json.dumps([project["scripts"], project["entry-points"]], sort_keys=True).encode()


def demo_environment(python: Python) -> Path:
    """The interpreter of `.venvs/demo`.

    :raises EnvironmentFailed: if it cannot be made
    """
    directory = ROOT / ".venvs" / "demo"
    interpreter = directory / "bin" / "python"
    directory.parent.mkdir(exist_ok=True)
    with open(directory.with_name("demo.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = {"python": str(python), "dependencies": _pyproject()["project"]["dependencies"]}
        if _stamped(directory) == wanted and os.access(interpreter, os.X_OK):
            return interpreter
        print(f"{directory.relative_to(ROOT)}: installing what the package needs", file=sys.stderr, flush=True)
        if _has_pip():  # which installs elsewhere, and sooner than another pip is there
            _run([python.path, "-m", "venv", "--clear", "--without-pip", str(directory)])
            pip = [python.path, "-m", "pip", "--python", str(interpreter)]
        else:
            _run([python.path, "-m", "venv", "--clear", str(directory)])
            pip = [str(interpreter), "-m", "pip"]
        # Of what is installed little is ever imported: Python compiles that when it is.
        _run([*pip, *PIP_OPTIONS, "install", "--no-compile", *wanted["dependencies"]])
        (directory / STAMP).write_text(json.dumps(wanted))
    return interpreter


def _has_pip() -> bool:
    """Whether the Python that runs this has a pip that knows `--python`."""
    try:
        words = importlib.metadata.version("pip").split(".")
        return (int(words[0]), int(words[1])) >= (22, 3)
    except (importlib.metadata.PackageNotFoundError, ValueError, IndexError):
        return False


def _this_python() -> Python | None:
    """The Python that runs this, if it is suitable: much quicker than to look for others."""
    version = sys.version_info
    if version < OLDEST or importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        return None
    return Python(sys.executable, version[:3], version.releaselevel)


def _stamped(directory: Path) -> dict[str, Any]:
    """What the environment in a directory was made from; empty if it is not there, or not complete."""
    try:
        return json.loads((directory / STAMP).read_text())
    except (OSError, ValueError):
        return {}


def _dependencies() -> str:
    """A digest of what pyproject.toml says about dependencies; other settings need no new environment."""
    content = _pyproject()
    project = content["project"]
    about = [content["build-system"], project["requires-python"], project["dependencies"]]
    about.append(project["optional-dependencies"])
    return _digest([json.dumps(about, sort_keys=True).encode()])


def _pyproject() -> dict[str, Any]:
    import tomllib

    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _run(command: list[str]) -> None:
    # Tests in plain Python are no reason to compile nothing.
    variables = {name: value for name, value in os.environ.items() if (name, value) != ("KAFKASTATIC_IMPL", "plain")}
    run = subprocess.run(
        command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        tail = "\n".join((run.stdout + run.stderr).strip().splitlines()[-15:])
        raise EnvironmentFailed(f"{' '.join(command[1:])}\n{tail}")


def main() -> int:
    what = sys.argv[1] if len(sys.argv) > 1 else "test"
    here = _this_python() if what == "demo" else None
    pythons = [here] if here else find_pythons()
    if not pythons:
        print(f"no Python >= {OLDEST[0]}.{OLDEST[1]} found on PATH or in pyenv", file=sys.stderr)
        return 1
    if sys.version_info < OLDEST or (what == "demo" and here is None):  # go on under a suitable one
        os.execv(pythons[0].path, [pythons[0].path, *sys.argv])
    try:
        if what == "demo":
            demo_environment(pythons[0])
            return 0
        interpreter = environment(pythons[0], what, main=True)
    except EnvironmentFailed as error:
        print(f"Python {pythons[0]}: the environment could not be made\n{error}", file=sys.stderr)
        return 1
    print(f"Python {pythons[0]} in {interpreter.parent.parent.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
