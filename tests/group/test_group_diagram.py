"""The documentation draws what the code does."""

from __future__ import annotations

import pytest

from kafkastatic._group.states import OVER, TABLE, State
from tools import diagram


def test_the_document_holds_the_diagram_of_the_table() -> None:
    """docs/membership.md is what `python -m tools.diagram` would write."""
    document = diagram.DOCUMENT.read_text(encoding="utf-8")

    assert diagram.drawn_into(document) == document


def test_the_document_names_every_state() -> None:
    """Each state has its line in the document's table of states."""
    document = diagram.DOCUMENT.read_text(encoding="utf-8")

    assert [state for state in State if f"\n| {state.name} |" not in document] == []


def test_the_diagram_draws_every_way() -> None:
    """One line for each pair of states, with its causes."""
    lines = diagram.diagram().splitlines()

    for state, ways in TABLE.items():
        for cause, target in ways.items():
            (line,) = [line for line in lines if line.startswith(f"    {state.name} --> {target.name}: ")]
            assert cause in line.partition(": ")[2].split(" / ")


def test_the_table_is_whole() -> None:
    """Every state has its row; from all but the last two there is a way on."""
    assert set(TABLE) == set(State)
    assert {state for state, ways in TABLE.items() if not ways} == OVER


@pytest.mark.parametrize("document", ["", diagram.START, f"{diagram.START}{diagram.END}" * 2])
def test_a_document_without_its_marks_is_refused(document: str) -> None:
    """Rather than overwritten."""
    with pytest.raises(ValueError, match="once each"):
        diagram.drawn_into(document)
