"""What real brokers answered: `recorded/NAME.txt`, and `recorded/NAME.BROKER.txt` where another one answers otherwise.

The first of them is of the first broker that a scenario is played on, which is 4.4.0 unless it is not there at all.
"""

from __future__ import annotations

from pathlib import Path

from tests.conformance import transcript
from tests.conformance.session import first_played_on
from tests.conformance.transcript import Step

_DIRECTORY = Path(__file__).parent / "recorded"


def recorded(name: str, broker: str) -> list[Step]:
    """What `broker` ("4.4", "3.9", ...) answered in that scenario."""
    own = _path(name, broker)
    return transcript.read(own if own.exists() else _path(name, first_played_on(name)))


def differs(name: str, broker: str) -> bool:
    """Whether there is a recording of that broker's own."""
    return _path(name, broker).exists()


def names() -> set[str]:
    """The scenarios that there are recordings of."""
    return {path.name.split(".")[0] for path in _DIRECTORY.glob("*.txt")}


def record(name: str, broker: str, steps: list[Step]) -> None:
    """Keep the steps, unless they are what the first broker answers too: record of that one first."""
    path, first = _path(name, broker), _path(name, first_played_on(name))
    if path != first and steps == transcript.read(first):
        path.unlink(missing_ok=True)
    else:
        transcript.write(path, steps)


def forget(name: str) -> None:
    for path in _DIRECTORY.glob(f"{name}.*txt"):
        path.unlink()


def _path(name: str, broker: str) -> Path:
    return _DIRECTORY / (f"{name}.txt" if broker == first_played_on(name) else f"{name}.{broker}.txt")
