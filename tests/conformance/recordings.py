"""What real brokers answered: `recorded/NAME.txt`, and `recorded/NAME.3.9.txt` where 3.9.2 answers otherwise."""

from __future__ import annotations

from pathlib import Path

from tests.conformance import transcript
from tests.conformance.transcript import Step

_DIRECTORY = Path(__file__).parent / "recorded"


def recorded(name: str, release: str) -> list[Step]:
    """What `release` ("4.4" or "3.9") answered in that scenario."""
    own = _path(name, release)
    return transcript.read(own if own.exists() else _path(name, "4.4"))


def names() -> set[str]:
    """The scenarios that there are recordings of."""
    return {path.name.split(".")[0] for path in _DIRECTORY.glob("*.txt")}


def record(name: str, release: str, steps: list[Step]) -> None:
    """Keep the steps, unless they are what 4.4.0 answers too: record that release first."""
    path = _path(name, release)
    if release != "4.4" and steps == transcript.read(_path(name, "4.4")):
        path.unlink(missing_ok=True)
    else:
        transcript.write(path, steps)


def forget(name: str) -> None:
    for release in ("4.4", "3.9"):
        _path(name, release).unlink(missing_ok=True)


def _path(name: str, release: str) -> Path:
    return _DIRECTORY / (f"{name}.txt" if release == "4.4" else f"{name}.{release}.txt")
