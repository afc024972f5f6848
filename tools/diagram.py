"""Draws the states of the two membership machines into docs/membership.md, from the tables that they move along.

    python -m tools.diagram [--check]

--check writes nothing and exits with 1 where the document differs from what would be written.
"""

from __future__ import annotations

import argparse
import enum
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import attrs

from kafkastatic._group import states as classic
from kafkastatic._group.kip848 import states as kip848

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "membership.md"


@attrs.frozen
class Diagram:
    """What is drawn between the marks of one name."""

    name: str
    table: Mapping[enum.Enum, Mapping[str, enum.Enum]]
    in_group: Collection[enum.Enum]
    over: Collection[enum.Enum]

    @property
    def marks(self) -> tuple[str, str]:
        return f"<!-- {self.name}:start -->", f"<!-- {self.name}:end -->"

    def __str__(self) -> str:
        """The table as a Mermaid state diagram."""
        first = next(iter(self.table))
        lines = ["stateDiagram-v2", f"    [*] --> {first.name}"]
        for state, ways in self.table.items():
            causes: dict[enum.Enum, list[str]] = {}
            for cause, target in ways.items():
                causes.setdefault(target, []).append(cause)
            lines += [f"    {state.name} --> {target.name}: {' / '.join(found)}" for target, found in causes.items()]
        lines += [f"    {state.name} --> [*]" for state in self.table if state in self.over]
        lines += ["    classDef member font-weight:bold"]
        lines += [f"    class {','.join(state.name for state in self.table if state in self.in_group)} member"]
        return "\n".join(lines) + "\n"


DIAGRAMS = (
    Diagram("diagram", classic.TABLE, classic.IN_GROUP, classic.OVER),
    Diagram("diagram-kip848", kip848.TABLE, kip848.IN_GROUP, kip848.OVER),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    old = DOCUMENT.read_text(encoding="utf-8")
    new = drawn_into(old)
    if not parser.parse_args().check:
        DOCUMENT.write_text(new, encoding="utf-8")
    elif new != old:
        print(f"{DOCUMENT.name} does not hold the diagrams that tools/diagram.py draws.")
        return 1
    return 0


def drawn_into(document: str) -> str:
    """The document with the diagrams between their marks.

    Raises:
        ValueError: if it lacks a mark, or has one twice.
    """
    for diagram in DIAGRAMS:
        start, end = diagram.marks
        if document.count(start) != 1 or document.count(end) != 1:
            raise ValueError(f"The document must hold {start} and {end} once each.")
        before, after = document.partition(start)[0], document.partition(end)[2]
        document = f"{before}{start}\n\n```mermaid\n{diagram}```\n\n{end}{after}"
    return document


if __name__ == "__main__":
    sys.exit(main())
