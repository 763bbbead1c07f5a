"""The page of a study: a figure and two tables for each of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lacaf.params.report import Report
from lacaf.report.charts import in_one
from lacaf.report.forest import curve, forest
from lacaf.report.manifest import package_version
from lacaf.report.rendering import render
from lacaf.table import Table, cell


def study_charts(content: Mapping[str, Any]) -> dict[str, str]:
    """A file of figures for each table of a study, as SVG with colours of its own."""
    missing = "Nothing to compare in this table."
    return {name: in_one(name, _drawn(name, content), missing) + "\n" for name in content["tables"]}


def study_page(content: Mapping[str, Any], tables: Sequence[Table], section: Report) -> str:
    """The page as HTML that opens offline.

    Args:
        content: what stands in ``study.json``.
        tables: the tables for readers: scores and differences, by name.
        section: title and palette.
    """
    by_name = {table.name: table for table in tables}
    shown = [
        {
            "name": name,
            "against": table["against"],
            "remarks": table["remarks"],
            "charts": [Markup(chart) for chart in _drawn(name, content)],
            "tables": [_shown(by_name[name]), _shown(by_name[f"{name}_differences"])],
        }
        for name, table in content["tables"].items()
    ]
    return render(
        "study.html",
        section.palette,
        title=section.title,
        version=package_version(),
        study=content,
        shown=shown,
    )


def _shown(table: Table) -> dict[str, Any]:
    rows = [[cell(value) for value in row] for row in table.rows]
    return {"caption": table.caption, "header": table.header, "rows": rows}


def _drawn(name: str, content: Mapping[str, Any]) -> list[str]:
    """The figures of a table: the curve where only the number of cases differs, the forests."""
    table = content["tables"][name]
    metrics = {metric: content["metrics"][metric] for metric in content["shown"]}
    found = [_curve(table, content, metric, title) for metric, title in metrics.items()]
    for metric, title in metrics.items():
        rows = [(row["experiment"], row["differences"].get(metric, {})) for row in table["rows"]]
        found.append(forest(f"{name}: {title}", rows, f"{title}, difference to {table['against']}"))
    return [chart for chart in found if chart]


def _curve(table: Mapping[str, Any], content: Mapping[str, Any], metric: str, title: str) -> str:
    experiments = content["experiments"]
    names = [row["experiment"] for row in table["rows"]]
    if any(set(experiments[name]["changes"]) - {"cases"} for name in names) or len(names) < 2:
        return ""
    series: dict[str, list[tuple[float, Mapping[str, Any]]]] = {}
    for row in table["rows"]:
        learnt = next(iter(experiments[row["experiment"]]["runs"].values()))["learnt_from"]
        line = series.setdefault(f"{learnt['full']} full cases", [])
        line.append((learnt["count"] - learnt["full"], row["scores"][metric]))
    if len({number for line in series.values() for number, _ in line}) < 2:
        return ""
    return curve(title, series, "half-labelled cases")
