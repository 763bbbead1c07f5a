"""Scores by class, by calibre and by case: tables and charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lacaf.classes import CLASSES, SIDES, TABLE, VESSELS
from lacaf.report.charts import band_chart
from lacaf.report.curves import Dots, dot_chart
from lacaf.report.findings import Findings
from lacaf.report.palette import CLASS_NAME
from lacaf.report.scores import AGAINST, DASH, cell, entry, number, of_runs, styles

#: Columns of the tables by class; a metric that the scores do not hold has none.
BY_CLASS = (
    ("DSC", "dsc"),
    ("Sensitivity", "sensitivity"),
    ("Precision", "precision"),
    ("NSD", "nsd"),
    ("NSD 1 mm", "nsd_1mm"),
    ("NSD 2 mm", "nsd_2mm"),
    ("HD95, mm", "hd95_mm"),
    ("ASSD, mm", "assd_mm"),
    ("clDice", "cldice"),
    ("Tree detected", "tree_detected"),
    ("Branches detected", "branches_detected"),
    ("False branches", "false_branches"),
    ("Components", "prediction_b0"),
    ("Ref., ml", "reference_ml"),
    ("Pred., ml", "prediction_ml"),
)
#: Means of these are of counts, no fractions.
COUNTS = ("false_branches", "prediction_b0")
#: Rows below the classes: a vessel of several sides, a side, all vessels together.
GROUPS = {
    **{
        vessel: f"{vessel}, both sides"
        for vessel in VESSELS
        if sum(row.vessel == vessel for row in TABLE) > 1
    },
    **{side: f"{side}, both types" for side in SIDES},
    "vessel": "any vessel",
}
#: Numbers by calibre: heading, subject, metric, what it means.
BY_CALIBRE = (
    ("Found, by calibre", "vessel", "tree_detected", "fraction of the tree's length that is found"),
    (
        "Artery/vein accuracy, by calibre",
        "both",
        "accuracy",
        "of what was found, the fraction that is called artery or vein rightly",
    ),
    ("Arteries called vein", "both", "artery_as_vein", "fraction of the arteries' length"),
    ("Veins called artery", "both", "vein_as_artery", "fraction of the veins' length"),
)
#: Metrics of a tree by generation of the branch, from the root on.
BY_GENERATION = (
    (
        "Found, by generation",
        "vessel",
        "tree_detected",
        "fraction of the tree's length that is found",
    ),
)


def by_class(findings: Findings) -> list[dict[str, Any]]:
    """For each reference: run and class to mean scores, with the counts beside them."""
    tables = []
    missed = _missed(findings)
    for against, title in AGAINST.items():
        scored = of_runs(findings, against)
        names = {**CLASS_NAME, **GROUPS}
        used = [
            (heading, metric)
            for heading, metric in BY_CLASS
            if any(metric in s.get(name, {}) for s in scored.values() for name in names)
        ]
        rows = []
        for run, subjects in scored.items():
            for name, told in names.items():
                metrics = subjects.get(name, {})
                dsc = metrics.get("dsc")
                if dsc:
                    rows.append(
                        {
                            "run": run,
                            "class": name,
                            "name": told,
                            "cells": [_cell(metrics, m) for _, m in used],
                            "scored": dsc.get("cases", 0),
                            "unknown": dsc.get("unknown", 0),
                            "missed": missed.get((run, against, name), 0),
                        }
                    )
        if rows:
            columns = [heading for heading, _ in used]
            table = {"against": against, "title": title, "columns": columns, "rows": rows}
            tables.append(table | {"chart": _chart(findings, against)})
    return tables


def _cell(metrics: Mapping[str, Any], metric: str) -> dict[str, Any]:
    statistics = metrics.get(metric, {})
    return cell({**statistics, "unit": "count"} if metric in COUNTS else statistics)


def by_calibre(findings: Findings, against: str) -> dict[str, Any]:
    """Numbers by radius of the reference's vessels, see :func:`by_band`."""
    return by_band(findings, against, BY_CALIBRE, ("radius",), "radius, mm")


def by_generation(findings: Findings, against: str) -> dict[str, Any]:
    """Numbers by number of bifurcations from the root, see :func:`by_band`."""
    prefixes = "generation", "detached"
    return by_band(findings, against, BY_GENERATION, prefixes, "bifurcations from the root")


def by_band(
    findings: Findings,
    against: str,
    wanted: Sequence[tuple[str, str, str, str]],
    prefixes: tuple[str, ...],
    x_name: str,
) -> dict[str, Any]:
    """Numbers by parts of the tree: charts, and a table of run and band.

    Args:
        findings: what there is to report.
        against: the reference.
        wanted: heading, subject, metric and meaning of each number.
        prefixes: how the names of the parts begin.
        x_name: name of the charts' axis.

    Returns:
        ``charts`` (heading, svg, meaning), ``columns`` (bands) and ``rows``; all empty where the
        scores do not hold them.
    """
    charts, rows, columns = [], [], []
    for heading, subject, metric, meaning in wanted:
        found = {
            run: _bands(entry(subjects, subject, metric), prefixes)
            for run, subjects in of_runs(findings, against).items()
        }
        bands = list(dict.fromkeys(band for parts in found.values() for band in parts))
        if not bands:
            continue
        columns = bands
        series = {
            run: [(s.get("mean"), s.get("low"), s.get("high")) for s in _in_order(parts, bands)]
            for run, parts in found.items()
        }
        short = [band.removeprefix(prefixes[0]).removesuffix("mm").strip() for band in bands]
        svg = band_chart(heading, short, series, x_name, styles(findings))
        if svg:
            charts.append({"heading": heading, "svg": svg, "meaning": meaning})
            rows += [
                {"run": run, "what": heading.split(",")[0], "cells": [cell(s) for s in line]}
                for run, parts in found.items()
                for line in [_in_order(parts, bands)]
            ]
    return {"charts": charts, "columns": columns, "rows": rows}


def _bands(
    statistics: Mapping[str, Any], prefixes: tuple[str, ...]
) -> dict[str, Mapping[str, Any]]:
    parts = statistics.get("parts") or {}
    return {name: values for name, values in parts.items() if name.startswith(prefixes)}


def _in_order(parts: Mapping[str, Any], bands: list[str]) -> list[Mapping[str, Any]]:
    return [parts.get(band, {}) for band in bands]


def by_case(findings: Findings) -> list[dict[str, Any]]:
    """One row a run, case and reference: DSC of each class, means and artery/vein accuracy."""
    wanted = [(name, "dsc") for name in CLASSES]
    wanted += [("mean", "dsc"), ("mean", "hd95_mm"), ("mean", "cldice"), ("both", "accuracy")]
    rows: dict[tuple[str, str, str], dict[tuple[str, str], Mapping[str, str]]] = {}
    for row in _whole(findings):
        key = (row["case"], row["against"], row["run"])
        rows.setdefault(key, {})[(row["subject"], row["metric"])] = row
    return [
        {
            "case": case,
            "against": "hidden truth" if against == "truth" else "labels",
            "run": run,
            "cells": [_score(found.get(which)) for which in wanted],
        }
        for (case, against, run), found in sorted(rows.items())
    ]


BY_CASE_COLUMNS = (
    *(f"{CLASS_NAME[name]} DSC" for name in CLASSES),
    "mean DSC",
    "mean HD95, mm",
    "mean clDice",
    "artery/vein accuracy",
)


def mean_dsc(findings: Findings, run: str, against: str) -> dict[str, float]:
    """Case to mean DSC over its classes."""
    return {
        row["case"]: float(row["value"])
        for row in _whole(findings)
        if (row["run"], row["against"], row["subject"], row["metric"])
        == (run, against, "mean", "dsc")
        and row["value"]
    }


def _whole(findings: Findings) -> Iterator[Mapping[str, str]]:
    """The rows of numbers that are not of a calibre or generation alone."""
    return (row for row in findings.scores if row.get("part", "all") == "all")


def _missed(findings: Findings) -> dict[tuple[str, str, str], int]:
    """In how many cases nothing was found, by run, reference and class."""
    counts: dict[tuple[str, str, str], int] = {}
    for row in _whole(findings):
        if row["state"] == "missed" and row["metric"] == "dsc":
            key = row["run"], row["against"], row["subject"]
            counts[key] = counts.get(key, 0) + 1
    return counts


def _score(row: Mapping[str, str] | None) -> str:
    if row is None:
        return DASH
    if not row["value"]:
        return "unknown" if row["state"] == "unknown" else DASH
    missed = " (missed)" if row["state"] == "missed" else ""
    return number(float(row["value"]), row["unit"]) + missed


def _chart(findings: Findings, against: str) -> str:
    """DSC of every case, by class and run."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in _whole(findings):
        if row["against"] == against and row["metric"] == "dsc" and row["value"]:
            values.setdefault((row["run"], row["subject"]), []).append(float(row["value"]))
    rows: list[Dots] = []
    for name in CLASSES:
        for run, subjects in of_runs(findings, against).items():
            dsc = entry(subjects, name, "dsc")
            spread = dsc.get("mean"), dsc.get("low"), dsc.get("high")
            told = f"{CLASS_NAME[name]}, {run}"
            rows.append(Dots(told, values.get((run, name), []), *spread, styles(findings)[run]))
    return dot_chart(f"DSC by class and run, against {AGAINST[against]}", rows, "DSC")
