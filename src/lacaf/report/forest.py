"""The figures of a study: paired differences as a forest, and scores by the number of cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lacaf.report.curves import DASHES, LINES, svg, ticks

WIDTH, LEFT, RIGHT, STEP, TOP = 640, 190, 120, 26, 30


def forest(title: str, rows: Sequence[tuple[str, Mapping[str, Any]]], x_name: str) -> str:
    """Mean differences with their intervals, and each seed as a dot; a line at no difference.

    Args:
        title: of the figure.
        rows: name of each experiment and its difference, see ``study.json``.
        x_name: what the axis says.

    Returns:
        SVG; empty if there is no difference.
    """
    known = [(name, one) for name, one in rows if one.get("mean") is not None]
    if not known:
        return ""
    values = [0.0, *(v for _, one in known for v in _numbers(one))]
    marks = ticks(min(values), max(values))
    height = TOP + STEP * len(known) + 44

    def at(value: float) -> float:
        across = (value - marks[0]) / (marks[-1] - marks[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT)

    parts = [f'<text x="0" y="15" font-weight="600">{escape(title)}</text>']
    for mark in marks:
        kind = "axis" if mark == 0 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{at(mark):.1f}" x2="{at(mark):.1f}" y1="{TOP - 4}" '
            f'y2="{height - 40}"/><text x="{at(mark):.1f}" y="{height - 24}" '
            f'text-anchor="middle">{mark:g}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{height - 6}" text-anchor="middle">'
        f"{escape(x_name)}</text>"
    )
    for number, (name, one) in enumerate(known):
        y = TOP + STEP * number + STEP / 2 - 4
        parts.append(_row(name, one, y, at))
    return svg(title, WIDTH, height, parts)


def _numbers(one: Mapping[str, Any]) -> list[float]:
    return [
        v for v in (one["low"], one["high"], one["mean"], *one["by_seed"].values()) if v is not None
    ]


def _row(name: str, one: Mapping[str, Any], y: float, at: Any) -> str:
    colour = LINES[0]
    parts = [f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>']
    if one["low"] is not None:
        parts.append(
            f'<line stroke="{colour}" stroke-width="2" x1="{at(one["low"]):.1f}" '
            f'x2="{at(one["high"]):.1f}" y1="{y}" y2="{y}"/>'
        )
    for seed, value in one["by_seed"].items():
        parts.append(
            f'<circle cx="{at(value):.1f}" cy="{y + 7}" r="2.6" fill="{LINES[1]}">'
            f"<title>{escape(name)}, seed {escape(str(seed))}: {value:+.4f}</title></circle>"
        )
    x = at(one["mean"])
    parts.append(
        f'<path fill="{colour}" d="M{x - 5:.1f},{y} L{x:.1f},{y - 5} L{x + 5:.1f},{y} '
        f'L{x:.1f},{y + 5} Z"><title>{escape(name)}: {one["mean"]:+.4f}</title></path>'
        f'<text x="{WIDTH - RIGHT + 12}" y="{y + 4}">{one["mean"]:+.3f}</text>'
    )
    return "".join(parts)


def curve(
    title: str,
    series: Mapping[str, Sequence[tuple[float, Mapping[str, Any]]]],
    x_name: str,
) -> str:
    """Scores by a number of cases, a line a series, with bands of their intervals.

    Args:
        title: of the figure.
        series: name of each line to its points: number, score (see ``study.json``).
        x_name: what the axis says.

    Returns:
        SVG; empty if no line has a point.
    """
    lines = {name: sorted(_known(points), key=lambda p: p[0]) for name, points in series.items()}
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    width, height, left, top, bottom = 520, 300, 52, 30, 60
    x_ticks = ticks(0, max(p[0] for p in points))
    ends = [v for _, one in points for v in (one["low"], one["high"], one["mean"]) if v is not None]
    y_ticks = ticks(min(ends), max(ends))

    def at(x: float, y: float) -> str:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        column = left + across * (width - left - 20)
        return f"{column:.1f},{height - bottom - up * (height - top - bottom):.1f}"

    parts = [f'<text x="{left}" y="15" font-weight="600">{escape(title)}</text>']
    for y in y_ticks:
        column, row = at(x_ticks[0], y).split(",")
        parts.append(
            f'<line class="grid" x1="{column}" x2="{width - 20}" y1="{row}" y2="{row}"/>'
            f'<text x="{left - 6}" y="{float(row) + 4:.1f}" text-anchor="end">{y:g}</text>'
        )
    for x in x_ticks:
        column, row = at(x, y_ticks[0]).split(",")
        parts.append(
            f'<text x="{column}" y="{float(row) + 15:.1f}" text-anchor="middle">{x:g}</text>'
        )
    parts.append(
        f'<text x="{(left + width) / 2}" y="{height - 26}" text-anchor="middle">'
        f"{escape(x_name)}</text>"
    )
    for number, (name, line) in enumerate(lines.items()):
        colour, dash = LINES[number % len(LINES)], DASHES[number % len(DASHES)]
        parts.append(_band(line, colour, at))
        path = " ".join(at(x, one["mean"]) for x, one in line)
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" '
            f'points="{path}"><title>{escape(name)}</title></polyline>'
        )
        for x, one in line:
            column, row = at(x, one["mean"]).split(",")
            parts.append(
                f'<circle cx="{column}" cy="{row}" r="3" fill="{colour}">'
                f"<title>{escape(name)}, {x:g}: {one['mean']:.3f}</title></circle>"
            )
        parts.append(
            f'<text x="{left + 150 * number}" y="{height - 6}" style="fill:{colour}">'
            f"{escape(name)}</text>"
        )
    return svg(title, width, height, parts)


def _known(
    points: Sequence[tuple[float, Mapping[str, Any]]],
) -> list[tuple[float, Mapping[str, Any]]]:
    return [(x, one) for x, one in points if one["mean"] is not None]


def _band(line: Sequence[tuple[float, Mapping[str, Any]]], colour: str, at: Any) -> str:
    inside = [(x, one) for x, one in line if one["low"] is not None]
    if len(inside) < 2:
        return ""
    up = [at(x, one["high"]) for x, one in inside]
    down = [at(x, one["low"]) for x, one in reversed(inside)]
    return f'<polygon fill="{colour}" fill-opacity=".15" points="{" ".join([*up, *down])}"/>'
