"""More charts as inline SVG: coverage of a cohort, numbers by band, bars; and all in one file."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from html import escape

from lacaf.classes import CLASSES
from lacaf.report.curves import DASHES, LINES, STANDALONE, svg, ticks
from lacaf.report.palette import CLASS_NAME, Palette

#: Size of a class's cell in the coverage map, and cases in one line of it.
CELL_PX, CASES_A_LINE = 9, 90
MAP_LEFT = 90
#: How much larger the map is drawn than its numbers say, at most.
MAP_SCALE = 1.35


def coverage_map(
    splits: Mapping[str, Sequence[Mapping[str, object]]], linked: Container[object]
) -> str:
    """Cases as columns, classes as rows, a cell filled where the class is labelled.

    Args:
        splits: split to rows of :func:`lacaf.report.cohort.matrix`.
        linked: the cases that have a page, to which their column leads.

    Returns:
        SVG whose cells have the classes ``cell labelled …``, coloured by the page's style; empty
        without a case.
    """
    parts: list[str] = []
    y = 4
    longest = 0
    for split, rows in splits.items():
        if not rows:
            continue
        parts.append(f'<text x="0" y="{y + 11}" font-weight="600">{split} ({len(rows)})</text>')
        y += 18
        for first in range(0, len(rows), CASES_A_LINE):
            line = rows[first : first + CASES_A_LINE]
            longest = max(longest, len(line))
            for number, name in enumerate(CLASSES):
                row = y + number * (CELL_PX + 1)
                parts.append(f'<text x="0" y="{row + 8}" font-size="9">{CLASS_NAME[name]}</text>')
            for number, about in enumerate(line):
                parts.append(
                    _column(about, MAP_LEFT + number * (CELL_PX + 1), y, about["case"] in linked)
                )
            y += len(CLASSES) * (CELL_PX + 1) + 8
        y += 6
    if not parts:
        return ""
    width = MAP_LEFT + max(longest, 40) * (CELL_PX + 1) + 4
    drawn = svg("What is labelled in whom", width, y, parts)
    return drawn.replace("<svg", f'<svg style="width:{MAP_SCALE * width:.0f}px"', 1)


def _column(about: Mapping[str, object], x: int, y: int, linked: bool) -> str:
    states = about["states"]
    assert isinstance(states, Mapping)
    case = escape(str(about["case"]))
    told = ", ".join(f"{CLASS_NAME[name]} {state}" for name, state in states.items())
    cells = "".join(
        f'<rect class="cell {state} {name}" x="{x}" y="{y + number * (CELL_PX + 1)}" '
        f'width="{CELL_PX}" height="{CELL_PX}"/>'
        for number, (name, state) in enumerate(states.items())
    )
    inside = f"<title>{case}: {told}</title>{cells}"
    return f'<a href="cases/{case}.html">{inside}</a>' if linked else f"<g>{inside}</g>"


def map_style(palette: Palette) -> str:
    """What the page's style says of the coverage map, for the map as a file of its own."""
    filled = "".join(f".labelled.{n}{{fill:{c}}}" for n, c in palette.classes.items())
    return (
        ".cell{fill:none;stroke:#8888;stroke-width:.6}.unknown{fill:#8883}"
        f".refused{{fill:#8c2f39}}{filled}"
    )


def band_chart(
    title: str,
    bands: Sequence[str],
    series: Mapping[str, Sequence[tuple[float | None, float | None, float | None]]],
    x_name: str,
    styles: Mapping[str, int],
) -> str:
    """A number from 0 to 1 by band, one line a run, with intervals; empty without a number.

    Args:
        title: of the chart.
        bands: names along the axis.
        series: run to (value, low, high) for each band.
        x_name: of the axis.
        styles: run to the number of its colour and dash.
    """
    if not any(v is not None for line in series.values() for v, _, _ in line):
        return ""
    width, height, left, top, bottom = 420, 250, 48, 26, 38
    step = (width - left - 10) / len(bands)

    def at(band: int, value: float, run: int) -> tuple[float, float]:
        nudge = (run - (len(series) - 1) / 2) * 7
        return left + (band + 0.5) * step + nudge, height - bottom - value * (height - top - bottom)

    parts = [f'<text x="{left}" y="15" font-weight="600">{escape(title)}</text>']
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        y = at(0, tick, 0)[1]
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - 10}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    for number, name in enumerate(bands):
        x = left + (number + 0.5) * step
        parts.append(
            f'<text x="{x:.1f}" y="{height - bottom + 15}" text-anchor="middle">'
            f"{escape(name)}</text>"
        )
    parts.append(
        f'<text x="{(left + width) / 2}" y="{height - 6}" text-anchor="middle">'
        f"{escape(x_name)}</text>"
    )
    for run, (name, values) in enumerate(series.items()):
        colour, dash = LINES[styles[name] % len(LINES)], DASHES[styles[name] % len(DASHES)]
        known = [(n, v) for n, (v, _, _) in enumerate(values) if v is not None]
        path = " ".join("{:.1f},{:.1f}".format(*at(n, v, run)) for n, v in known)
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" '
            f'points="{path}"><title>{escape(name)}</title></polyline>'
        )
        for number, (value, low, high) in enumerate(values):
            if value is None:
                continue
            x, y = at(number, value, run)
            if low is not None and high is not None:
                ends = at(number, low, run)[1], at(number, high, run)[1]
                parts.append(
                    f'<line stroke="{colour}" stroke-width="1.5" x1="{x:.1f}" x2="{x:.1f}" '
                    f'y1="{ends[0]:.1f}" y2="{ends[1]:.1f}"/>'
                )
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}">'
                f"<title>{escape(name)}, {escape(bands[number])}: {value:.3f}</title></circle>"
            )
    return svg(title, width, height, parts)


def bar_chart(title: str, rows: Sequence[tuple[str, float, str]], x_name: str) -> str:
    """Names, values and what is written beside the bar; empty without a row."""
    if not rows:
        return ""
    left, step, top, width = 90, 22, 26, 420
    height = top + step * len(rows) + 30
    most = ticks(0, max(value for _, value, _ in rows))[-1]
    parts = [f'<text x="0" y="15" font-weight="600">{escape(title)}</text>']
    for number, (name, value, told) in enumerate(rows):
        y = top + step * number
        long = max(1.0, (width - left - 70) * value / most)
        parts.append(
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{left}" y="{y + 3}" width="{long:.1f}" height="{step - 8}" '
            f'fill="{LINES[0]}"/>'
            f'<text x="{left + long + 6:.1f}" y="{y + 14}">{escape(told)}</text>'
        )
    parts.append(f'<text x="{left}" y="{height - 8}">{escape(x_name)}</text>')
    return svg(title, width, height, parts)


def in_one(title: str, drawn: Sequence[str], missing: str, style: str = "") -> str:
    """Charts side by side as one SVG file with colours of its own; ``missing`` if there is none.

    Snakemake needs every file that a rule names, so a chart without content is a sentence.
    """
    drawn = [chart for chart in drawn if chart]
    if not drawn:
        drawn = [svg(title, 420, 60, [f'<text x="10" y="35">{escape(missing)}</text>'])]
    sizes = [_size(chart) for chart in drawn]
    columns = min(2, len(drawn))
    cell = max(w for w, _ in sizes), max(h for _, h in sizes)
    parts = [STANDALONE, f"<style>{style}</style>" if style else ""]
    for number, (chart, (width, height)) in enumerate(zip(drawn, sizes, strict=True)):
        x, y = (number % columns) * cell[0], (number // columns) * cell[1]
        place = f'<svg x="{x}" y="{y}" width="{width}" height="{height}"'
        parts.append(chart.replace("<svg", place, 1))
    rows = -(-len(drawn) // columns)
    return svg(title, columns * cell[0], rows * cell[1], parts) + "\n"


def _size(chart: str) -> tuple[int, int]:
    found = re.search(r'viewBox="0 0 (\d+) (\d+)"', chart)
    assert found is not None
    return int(found[1]), int(found[2])
