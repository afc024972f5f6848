"""The documentation draws what the code does."""

from __future__ import annotations

import pytest

from tools import diagram
from tools.diagram import Diagram

START, END = diagram.DIAGRAMS[0].marks

each = pytest.mark.parametrize("drawn", diagram.DIAGRAMS, ids=lambda drawn: drawn.name)


def test_the_document_holds_the_diagrams_of_the_tables() -> None:
    """docs/membership.md is what `python -m tools.diagram` would write."""
    document = diagram.DOCUMENT.read_text(encoding="utf-8")

    assert diagram.drawn_into(document) == document


@each
def test_the_document_names_every_state(drawn: Diagram) -> None:
    """Each state has its line in a table of states, below its diagram."""
    document = diagram.DOCUMENT.read_text(encoding="utf-8").partition(drawn.marks[1])[2]

    assert [state for state in drawn.table if f"\n| {state.name} |" not in document] == []


@each
def test_the_diagram_draws_every_way(drawn: Diagram) -> None:
    """One line for each pair of states, with its causes."""
    lines = str(drawn).splitlines()

    for state, ways in drawn.table.items():
        for cause, target in ways.items():
            (line,) = [line for line in lines if line.startswith(f"    {state.name} --> {target.name}: ")]
            assert cause in line.partition(": ")[2].split(" / ")


@each
def test_the_table_is_whole(drawn: Diagram) -> None:
    """Every state has its row; from all but the last two there is a way on."""
    assert set(drawn.table) == set(type(next(iter(drawn.table))))
    assert {state for state, ways in drawn.table.items() if not ways} == drawn.over


@pytest.mark.parametrize("document", ["", START, f"{START}{END}" * 2])
def test_a_document_without_its_marks_is_refused(document: str) -> None:
    """Rather than overwritten."""
    with pytest.raises(ValueError, match="once each"):
        diagram.drawn_into(document)
