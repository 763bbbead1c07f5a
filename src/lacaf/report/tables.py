"""The tables that stage evaluate made, for the page: estimates with their limits beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lacaf.report.findings import parsed, read_table
from lacaf.report.scores import AGAINST, DASH

LIMITS = (" low", " high", " unknown")


def read(path: Path) -> dict[str, Any]:
    """A table of ``data/evaluate/tables``, parted by its first column, the reference.

    Returns:
        ``columns`` after the first, and ``groups``: what a reference is, in words, to rows of
        cells ``mean``, ``interval`` and ``text`` (whether it is a name); both empty where there
        is no such table, or nothing in it.
    """
    rows = read_table(path)
    if not rows:
        return {"columns": [], "groups": {}}
    first, *columns = (name for name in rows[0] if not name.endswith(LIMITS))
    groups = {
        title: [[_cell(row, name) for name in columns] for row in rows if row[first] == against]
        for against, title in AGAINST.items()
    }
    return {"columns": columns, "groups": {title: own for title, own in groups.items() if own}}


def _cell(row: dict[str, str], name: str) -> dict[str, Any]:
    low, high = parsed(row.get(f"{name} low")), parsed(row.get(f"{name} high"))
    known = low is not None and high is not None
    value = parsed(row[name])
    return {
        "mean": (row[name] or DASH) if value is None else _text(row[name]),
        "interval": f"{_text(row[f'{name} low'])} to {_text(row[f'{name} high'])}" if known else "",
        "text": value is None and bool(row[name]),
    }


def _text(text: str) -> str:
    """Counts stay integers; other numbers get three decimals below 10, one from there."""
    value = float(text)
    if text.lstrip("-").isdigit():
        return text
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
