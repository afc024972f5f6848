"""How the demo looks: the table of a state, the sums, and what is written to a terminal and to anything else."""

from __future__ import annotations

import io

import pytest

from examples.demo.screen import GroupView, Line, MemberView, Screen, Sums, conclusion, sums_table, table
from examples.demo.story import amiss

STATIC = Sums(0, 1, 4, 0.5, 7.25, 0.0, 2_364, 24, 0)
DYNAMIC = Sums(9, 38, 92, 0.4, 14.5, 9.75, 2_364, 0, 0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eighty columns and twenty-four lines."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


def test_the_table_has_a_row_for_each_member_and_one_for_the_dark() -> None:
    """Partitions keep their columns, so that it is seen when one changes hands."""
    members = [MemberView("static-0", "down", []), MemberView("static-1", "reads", [2, 3, 10])]
    lines = table([GroupView("static", members, 0, 1, [0, 1], 0.456)], partitions=11)

    assert lines == [
        Line("static               rebalances 0   callbacks 1   longest dark 0.46 s", "head"),
        Line("  static-0   down      ·  ·  ·  ·  ·  ·  ·  ·  ·  ·  ·", "change"),
        Line("  static-1   reads     ·  ·  2  3  ·  ·  ·  ·  ·  · 10", "good"),
        Line("  (dark)               0  1  ·  ·  ·  ·  ·  ·  ·  ·  ·", "bad"),
    ]


def test_both_owners_of_a_partition_are_shown() -> None:
    """While a duplicate runs, two rows have the same partitions, until one of them is fenced."""
    members = [MemberView("static-1", "fenced", [0]), MemberView("static-1", "reads", [0])]

    assert table([GroupView("static", members, 0, 0, [], 0.0)], partitions=2)[1:] == [
        Line("  static-1   fenced    0  ·", "bad"),
        Line("  static-1   reads     0  ·", "good"),
        Line("  (dark)               ·  ·", ""),
    ]


def test_the_sums_stand_side_by_side() -> None:
    """Every figure with its unit, the two groups in columns."""
    assert sums_table(STATIC, DYNAMIC) == [
        "                                            static   dynamic",
        "rebalances                                       0         9",
        "rebalance callbacks of members at work           1        38",
        "partitions taken from members at work            4        92",
        "longest dark time of a partition            0.50 s    0.40 s",
        "dark times of all partitions together        7.2 s    14.5 s",
        "of those, whose reader did not restart       0.0 s     9.8 s",
        "records read                                 2,364     2,364",
        "records read twice                              24         0",
        "records lost                                     0         0",
    ]


def test_the_conclusion_follows_from_the_sums() -> None:
    """It says what is better and what is worse."""
    assert conclusion(STATIC, DYNAMIC, 4) == (
        "4 restarts and a duplicate: 0 rebalances of the static group, 9 of the dynamic one;"
        " 4 partitions taken from members at work against 92;"
        " dark for 7.2 s in all against 14.5 s, 0.0 s and 9.8 s of it where the reader did not restart."
    )
    assert conclusion(DYNAMIC._replace(rebalances=1, taken=1), STATIC, 1) == (
        "1 restart and a duplicate: 1 rebalance of the static group, 0 of the dynamic one;"
        " 1 partition taken from members at work against 4;"
        " dark for 14.5 s in all against 7.2 s, 9.8 s and 0.0 s of it where the reader did not restart."
    )


def test_what_is_amiss_is_said() -> None:
    """Lost records, rebalances of the static group and a duplicate that nobody was told of fail the demo."""
    assert amiss(STATIC, DYNAMIC, "FencedInstanceIdError: ...") == []
    assert amiss(STATIC._replace(rebalances=2), DYNAMIC._replace(lost=1), "") == [
        "The dynamic group lost 1 record.",
        "The static group saw 2 rebalances.",
        "The process whose instance id was taken over was not fenced.",
    ]


def test_a_pipe_gets_lines_only() -> None:
    """No table, no escapes, and nothing to restore."""
    out = io.StringIO()
    screen = Screen(out, {"TERM": "xterm"})
    screen.draw([Line("table")])
    screen.say("one", "two")
    screen.say_long("word " * 30)
    screen.close()

    assert out.getvalue() == "one\ntwo\n    " + "word " * 18 + "word\n    " + "word " * 10 + "word\n"


def test_a_terminal_gets_the_table_in_place() -> None:
    """It is erased before it is drawn again, and before lines that stay; the cursor is hidden meanwhile."""
    out = Terminal()
    screen = Screen(out, {"TERM": "xterm"})
    screen.draw([Line("head", "head"), Line("row", "good")])
    screen.draw([Line("head", "head")])
    screen.say("it stays")
    screen.draw([Line("row")])
    screen.close()

    assert out.getvalue() == (
        "\x1b[?25l\x1b[1mhead\x1b[0m\n\x1b[32mrow\x1b[0m\n"
        "\x1b[2A\x1b[J\x1b[1mhead\x1b[0m\n"
        "\x1b[1A\x1b[Jit stays\n"
        "row\n"
        "\x1b[?25h"
    )


def test_no_color_keeps_the_table_and_drops_its_colours() -> None:
    """NO_COLOR is about colours; an empty one does not count (no-color.org)."""
    plain, coloured = Terminal(), Terminal()
    Screen(plain, {"TERM": "xterm", "NO_COLOR": "1"}).draw([Line("row", "bad")])
    Screen(coloured, {"TERM": "xterm", "NO_COLOR": ""}).draw([Line("row", "bad")])

    assert plain.getvalue() == "\x1b[?25lrow\n"
    assert coloured.getvalue() == "\x1b[?25l\x1b[31mrow\x1b[0m\n"


def test_a_dumb_terminal_gets_lines_only() -> None:
    """TERM=dumb, or none, cannot move its cursor."""
    for environment in ({}, {"TERM": "dumb"}):
        out = Terminal()
        Screen(out, environment).draw([Line("row")])
        assert out.getvalue() == ""


def test_a_narrow_terminal_cuts_and_a_low_one_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that the terminal breaks would spoil the erasing, and so would one that it scrolls away."""
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("LINES", "3")
    out = Terminal()
    screen = Screen(out, {"TERM": "xterm", "NO_COLOR": "1"})
    screen.draw([Line("0123456789abc")])
    screen.draw([Line("one"), Line("two"), Line("three")])
    screen.draw([Line("one"), Line("two")])

    assert out.getvalue() == "\x1b[?25l012345678\n\x1b[1A\x1b[Jone\ntwo\n"
