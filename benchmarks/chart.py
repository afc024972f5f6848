"""Bars as SVG, with nothing but text: several panels, each with its own scale from zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

import attrs

COLUMNS = 2
WIDTH = 480
LABELS = 150
ROW = 20
BAR = 12
MARGIN = 16
HEAD = 34
FOOT = 14
TITLE = 44
VALUES = 52
"""Room to the right of the longest bar, for its figure."""

OURS = "#1f6f8b"
OTHERS = "#b9bfc6"
TEXT = "#24292f"
FAINT = "#6e7781"
LINES = "#e3e6ea"
STYLE = "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"


@attrs.frozen
class Bar:
    """A figure, with the least and the most that were measured; `ours` is drawn in colour."""

    label: str
    value: float
    low: float
    high: float
    ours: bool


@attrs.frozen
class Panel:
    title: str
    bars: Sequence[Bar]


def draw(title: str, panels: Sequence[Panel]) -> str:
    """The whole picture."""
    rows = math.ceil(len(panels) / COLUMNS)
    tallest = max((len(panel.bars) for panel in panels), default=0)
    height = HEAD + tallest * ROW + FOOT
    size = (COLUMNS * WIDTH + MARGIN, TITLE + rows * height + MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" '
        f'height="{size[1]}" role="img" style="{STYLE}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{size[0]}" height="{size[1]}" fill="#ffffff"/>',
        _text(MARGIN, 28, title, 15, TEXT, weight="600"),
    ]
    for index, panel in enumerate(panels):
        parts += _panel(panel, index % COLUMNS * WIDTH + MARGIN, TITLE + index // COLUMNS * height)
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, x: float, y: float) -> list[str]:
    parts = [_text(x, y + 20, panel.title, 12, TEXT, weight="600")]
    longest = max((bar.high for bar in panel.bars), default=0) or 1
    room = WIDTH - MARGIN - LABELS - VALUES
    left = x + LABELS
    bottom = y + HEAD + len(panel.bars) * ROW
    for mark in _marks(longest):
        at = left + mark / longest * room
        parts.append(f'<line x1="{at:.1f}" y1="{y + HEAD - 4}" x2="{at:.1f}" y2="{bottom}" stroke="{LINES}"/>')
        parts.append(_text(at, bottom + 11, f"{mark:g}", 9, FAINT, anchor="middle"))
    for index, bar in enumerate(panel.bars):
        parts += _bar(bar, left, y + HEAD + index * ROW, room / longest)
    return parts


def _bar(bar: Bar, left: float, y: float, scale: float) -> list[str]:
    middle = y + BAR / 2
    low, high = left + bar.low * scale, left + bar.high * scale
    colour = OURS if bar.ours else OTHERS
    weight = "600" if bar.ours else "400"
    return [
        _text(left - 8, middle + 4, bar.label, 11, TEXT, anchor="end", weight=weight),
        f'<rect x="{left}" y="{y}" width="{bar.value * scale:.1f}" height="{BAR}" rx="2" fill="{colour}"/>',
        f'<path d="M{low:.1f} {middle - 3}v6M{low:.1f} {middle}H{high:.1f}M{high:.1f} {middle - 3}v6" '
        f'stroke="{TEXT}" stroke-width="1" fill="none" opacity="0.55"/>',
        _text(max(high, left + bar.value * scale) + 6, middle + 4, f"{bar.value:.2f}", 11, TEXT, weight=weight),
    ]


def _marks(longest: float) -> list[float]:
    """Round values from zero on, three to six of them."""
    step = 10 ** math.floor(math.log10(longest))
    for finer in (1, 2, 5, 10):
        if longest / (step / finer) >= 3:
            step /= finer
            break
    return [index * step for index in range(int(longest / step) + 1)]


def _text(x: float, y: float, text: str, size: int, colour: str, *, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
