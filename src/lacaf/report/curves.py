"""Charts as inline SVG: they follow the page's light or dark mode and stay sharp in print.

Written by hand, since matplotlib's SVG has its colours baked in and is several times as large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

#: Hue, dash and mark differ, so that runs are told apart without colour too.
LINES = ("#0079bf", "#d55e00", "#009e73", "#a35aa8", "#8a7000", "#5b6470")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "10 4", "1 2")

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 48, 22, 26, 38

STANDALONE = (
    "<style>svg{background:#fff;color:#1b1f24;font:12px system-ui,sans-serif}"
    ".grid{stroke:#8884}.axis{stroke:#888}text{fill:currentColor}</style>"
)


@dataclass
class Line:
    """One run in a chart: its points (x, y), and the number of its colour and dash."""

    name: str
    points: list[tuple[float, float]] = field(default_factory=list)
    style: int = 0


@dataclass(frozen=True)
class Dots:
    """One row of a dot chart.

    Attributes:
        name: what the row shows.
        values: one for each case.
        mean: of them; None if there is no value.
        low: lower end of the interval; None if there is none.
        high: upper end.
        style: number of its colour.
    """

    name: str
    values: Sequence[float]
    mean: float | None
    low: float | None
    high: float | None
    style: int = 0


def line_chart(title: str, x_name: str, lines: Sequence[Line], *, from_zero: bool = True) -> str:
    """A line chart as SVG; empty text if no line has a point."""
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    x_ticks = ticks(0, max(p[0] for p in points))
    y_ticks = ticks(0 if from_zero else min(p[1] for p in points), max(p[1] for p in points))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (
            HEIGHT - TOP - BOTTOM
        )

    parts = [f'<text x="{LEFT}" y="15" font-weight="600">{escape(title)}</text>']
    for y in y_ticks:
        _, row = at(x_ticks[0], y)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{row:.1f}" y2="{row:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{row + 4:.1f}" text-anchor="end">{y:g}</text>'
        )
    for x in x_ticks:
        column, _ = at(x, y_ticks[0])
        parts.append(
            f'<text x="{column:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{x:g}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_name)}</text>"
    )
    for line in lines:
        colour, dash = LINES[line.style % len(LINES)], DASHES[line.style % len(DASHES)]
        path = " ".join("{:.1f},{:.1f}".format(*at(*point)) for point in line.points)
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" '
            f'points="{path}"><title>{escape(line.name)}</title></polyline>'
        )
        if len(line.points) <= 30:
            for point in line.points:
                x_px, y_px = at(*point)
                label = escape(f"{line.name}: {point[1]:.3f} at {x_name} {point[0]:g}")
                parts.append(
                    f'<circle cx="{x_px:.1f}" cy="{y_px:.1f}" r="2.6" fill="{colour}">'
                    f"<title>{label}</title></circle>"
                )
    return svg(title, WIDTH, HEIGHT, parts)


def dot_chart(title: str, rows: Sequence[Dots], x_name: str) -> str:
    """Cases as dots, their mean and interval, on an axis from 0 to 1; empty without values."""
    if not any(row.values for row in rows):
        return ""
    left, step, top = 190, 22, 14
    height = top + step * len(rows) + 40
    width = 640

    def at(value: float) -> float:
        return left + value * (width - left - 16)

    parts = []
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(
            f'<line class="grid" x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="{top - 6}" '
            f'y2="{height - 38}"/>'
            f'<text x="{at(tick):.1f}" y="{height - 22}" text-anchor="middle">{tick:g}</text>'
        )
    parts.append(
        f'<text x="{at(0.5):.1f}" y="{height - 5}" text-anchor="middle">{escape(x_name)}</text>'
    )
    for number, row in enumerate(rows):
        y, colour = top + step * number + step / 2 - 4, LINES[row.style % len(LINES)]
        parts.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(row.name)}</text>'
        )
        for value in row.values:
            parts.append(
                f'<circle cx="{at(value):.1f}" cy="{y}" r="3.6" fill="{colour}" '
                f'fill-opacity=".45"><title>{value:.3f}</title></circle>'
            )
        if row.low is not None and row.high is not None:
            parts.append(
                f'<line stroke="{colour}" stroke-width="2" x1="{at(row.low):.1f}" '
                f'x2="{at(row.high):.1f}" y1="{y}" y2="{y}"/>'
            )
        if row.mean is not None:
            parts.append(
                f'<line stroke="{colour}" stroke-width="3.5" x1="{at(row.mean):.1f}" '
                f'x2="{at(row.mean):.1f}" y1="{y - 7}" y2="{y + 7}">'
                f"<title>mean {row.mean:.3f}</title></line>"
            )
    return svg(title, width, height, parts)


def ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers that span a range."""
    span = high - low if high > low else max(abs(high), 1.0)
    raw = span / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil((low + span) / step - 1e-9), first + 1)
    return [round(step * n, 10) for n in range(first, last + 1)]


def svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    """The parts of a chart as one SVG element with a name for those who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
