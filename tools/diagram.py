"""Draws the states of a classic member into docs/membership.md, from the table that the code moves along.

    python -m tools.diagram [--check]

--check writes nothing and exits with 1 where the document differs from what would be written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kafkastatic._group.states import IN_GROUP, OVER, TABLE, State

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "membership.md"
START, END = "<!-- diagram:start -->", "<!-- diagram:end -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    old = DOCUMENT.read_text(encoding="utf-8")
    new = drawn_into(old)
    if not parser.parse_args().check:
        DOCUMENT.write_text(new, encoding="utf-8")
    elif new != old:
        print(f"{DOCUMENT.name} does not hold the diagram that tools/diagram.py draws.")
        return 1
    return 0


def drawn_into(document: str) -> str:
    """The document with the diagram between its marks.

    Raises:
        ValueError: if it has no such marks, or has them twice.
    """
    if document.count(START) != 1 or document.count(END) != 1:
        raise ValueError(f"The document must hold {START} and {END} once each.")
    before, after = document.partition(START)[0], document.partition(END)[2]
    return f"{before}{START}\n\n```mermaid\n{diagram()}```\n\n{END}{after}"


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.IDLE.name}"]
    for state, ways in TABLE.items():
        causes: dict[State, list[str]] = {}
        for cause, target in ways.items():
            causes.setdefault(target, []).append(cause)
        lines += [f"    {state.name} --> {target.name}: {' / '.join(found)}" for target, found in causes.items()]
    lines += [f"    {state.name} --> [*]" for state in State if state in OVER]
    lines += ["    classDef member font-weight:bold"]
    lines += [f"    class {','.join(state.name for state in State if state in IN_GROUP)} member"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
