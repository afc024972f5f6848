"""How it is shown: lines that stay, and beneath them a table that is drawn again and again on a terminal."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

CELL = 3
LABEL = 21
COLOURS = {"good": "\x1b[32m", "bad": "\x1b[31m", "change": "\x1b[33m", "head": "\x1b[1m", "": ""}
PLAIN = "\x1b[0m"
HIDE_CURSOR = "\x1b[?25l"
SHOW_CURSOR = "\x1b[?25h"
WIDEST = 100


class Line(NamedTuple):
    """A line of the table, and what it is."""

    text: str
    style: str = ""


class MemberView(NamedTuple):
    """A member now."""

    name: str
    state: str
    partitions: Sequence[int]


class GroupView(NamedTuple):
    """A group now.

    Attributes:
        dark: partitions whose records wait.
        longest: the longest dark time of a partition so far, in seconds.
    """

    name: str
    members: Sequence[MemberView]
    rebalances: int
    callbacks: int
    dark: Sequence[int]
    longest: float


class Sums(NamedTuple):
    """What a group has come to.

    Attributes:
        callbacks: those of members at work.
        taken: how many times a partition was taken from such a member.
        longest: dark time of one partition, in seconds.
        altogether: dark times of all partitions, in seconds.
        imposed: those of partitions whose reader was at work all the time.
    """

    rebalances: int
    callbacks: int
    taken: int
    longest: float
    altogether: float
    imposed: float
    read: int
    twice: int
    lost: int


def table(groups: Sequence[GroupView], partitions: int) -> list[Line]:
    """Who owns what: a row for each member, a column for each partition; what nobody reads has a row of its own."""
    lines: list[Line] = []
    for group in groups:
        counts = f"rebalances {group.rebalances:<4}callbacks {group.callbacks:<4}longest dark {group.longest:.2f} s"
        lines.append(Line(f"{group.name:<{LABEL}}{counts}", "head"))
        for member in group.members:
            style = {"reads": "good", "fenced": "bad"}.get(member.state, "change")
            lines.append(Line(_row(member.name, member.state, member.partitions, partitions), style))
        lines.append(Line(_row("(dark)", "", group.dark, partitions), "bad" if group.dark else ""))
    return lines


def _row(name: str, state: str, owned: Sequence[int], partitions: int) -> str:
    cells = (f"{number if number in owned else '·':>{CELL}}" for number in range(partitions))
    return f"  {name:<10} {state:<{LABEL - 13}}{''.join(cells)}"


def sums_table(static: Sums, dynamic: Sums) -> list[str]:
    rows = [
        ("rebalances", f"{static.rebalances}", f"{dynamic.rebalances}"),
        ("rebalance callbacks of members at work", f"{static.callbacks}", f"{dynamic.callbacks}"),
        ("partitions taken from members at work", f"{static.taken}", f"{dynamic.taken}"),
        ("longest dark time of a partition", f"{static.longest:.2f} s", f"{dynamic.longest:.2f} s"),
        ("dark times of all partitions together", f"{static.altogether:.1f} s", f"{dynamic.altogether:.1f} s"),
        ("of those, whose reader did not restart", f"{static.imposed:.1f} s", f"{dynamic.imposed:.1f} s"),
        ("records read", f"{static.read:,}", f"{dynamic.read:,}"),
        ("records read twice", f"{static.twice:,}", f"{dynamic.twice:,}"),
        ("records lost", f"{static.lost:,}", f"{dynamic.lost:,}"),
    ]
    return [f"{'':<40}{'static':>10}{'dynamic':>10}", *(f"{label:<40}{a:>10}{b:>10}" for label, a, b in rows)]


def conclusion(static: Sums, dynamic: Sums, restarts: int) -> str:
    """What the sums say, in one sentence, for better or worse."""
    return (
        f"{counted(restarts, 'restart')} and a duplicate: {counted(static.rebalances, 'rebalance')} of the static"
        f" group, {dynamic.rebalances} of the dynamic one;"
        f" {counted(static.taken, 'partition')} taken from members at work against {dynamic.taken};"
        f" dark for {static.altogether:.1f} s in all against {dynamic.altogether:.1f} s,"
        f" {static.imposed:.1f} s and {dynamic.imposed:.1f} s of it where the reader did not restart."
    )


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


class Screen:
    """Where it is shown.

    Args:
        out: a terminal gets the table, in colours unless NO_COLOR is set; anything else gets the lines alone.
    """

    def __init__(self, out: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self._out = out
        self.live = out.isatty() and environment.get("TERM", "dumb") != "dumb"
        self._colours = self.live and not environment.get("NO_COLOR")
        self._drawn = 0
        self._cursor_hidden = False

    def say(self, *lines: str) -> None:
        """Lines that stay."""
        self._write(self._erase() + "".join(f"{line}\n" for line in lines))

    def say_long(self, text: str) -> None:
        """A text that stays, indented, broken where the terminal ends."""
        width = min(shutil.get_terminal_size().columns - 1, WIDEST) if self.live else WIDEST
        indent = "    "
        self.say(*textwrap.wrap(text, max(width, 30), initial_indent=indent, subsequent_indent=indent))

    def draw(self, lines: Sequence[Line]) -> None:
        """The table as it is now, in the place of the one before; nothing where there is no room for it."""
        if not self.live:
            return
        width, height = shutil.get_terminal_size()
        text = self._erase()
        if not self._cursor_hidden:
            self._cursor_hidden = True
            text += HIDE_CURSOR
        if len(lines) < height:
            text += "".join(f"{self._styled(Line(line.text[: width - 1], line.style))}\n" for line in lines)
            self._drawn = len(lines)
        self._write(text)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._cursor_hidden:
            self._write(SHOW_CURSOR)

    def _styled(self, line: Line) -> str:
        colour = COLOURS[line.style] if self._colours else ""
        return f"{colour}{line.text}{PLAIN}" if colour else line.text

    def _erase(self) -> str:
        drawn, self._drawn = self._drawn, 0
        return f"\x1b[{drawn}A\x1b[J" if drawn else ""

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
