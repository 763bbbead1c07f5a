"""The scores as the page shows them: headline numbers, tables by class and by case, charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lacaf.coverage import CLASSES
from lacaf.report.curves import Dots, dot_chart
from lacaf.report.findings import Findings
from lacaf.report.palette import CLASS_NAME

DASH = "–"

#: The references that a prediction may be scored against, in the order of the page.
AGAINST = {
    "truth": "hidden truth (synthetic cases: every vessel is known)",
    "labelled": "labelled parts only (what an expert's labels say)",
}

#: Heading, subject, metric and what it means, in the order of the columns.
HEADLINES = (
    ("DSC", "mean", "dsc", "Dice overlap, mean of the classes; 1 is perfect"),
    (
        "Artery/vein accuracy",
        "both",
        "accuracy",
        "share of the found reference centreline that is called artery or vein rightly",
    ),
    (
        "Always artery",
        "both",
        "always_artery",
        "what calling every found vessel an artery would score: the number to beat",
    ),
    (
        "Left/right accuracy",
        "both",
        "side_accuracy",
        "share of the found reference centreline that is given the right side",
    ),
    ("Found", "both", "found_share", "share of the reference centreline found as any vessel"),
    ("NSD", "mean", "nsd", "share of the surfaces that agree within the tolerance"),
    (
        "HD95, mm",
        "mean",
        "hd95_mm",
        "95th percentile of the surface distance; a class that is missed costs the diagonal",
    ),
    ("clDice", "mean", "cldice", "overlap of the centrelines"),
)

#: Columns of the tables by class.
BY_CLASS = (
    ("DSC", "dsc"),
    ("Sensitivity", "sensitivity"),
    ("Precision", "precision"),
    ("NSD", "nsd"),
    ("HD95, mm", "hd95_mm"),
    ("clDice", "cldice"),
    ("Ref., ml", "reference_ml"),
    ("Pred., ml", "prediction_ml"),
)


def number(value: float | None, unit: str = "1") -> str:
    """Three decimals for a share, one for mm and ml, a dash for "not evaluated"."""
    if value is None:
        return DASH
    return f"{value:.3f}" if unit == "1" else f"{value:.1f}"


def headline(findings: Findings) -> list[dict[str, Any]]:
    """For each reference: a table of runs with the headline numbers.

    Returns:
        Entries ``against``, ``title``, ``columns`` (name, meaning) and ``rows``: run, network,
        cells (mean, interval), patients, cases, note on what was not counted. The best run of a
        column is not marked: intervals of so few cases overlap.
    """
    tables = []
    for against, title in AGAINST.items():
        rows = []
        for run, about in findings.summary.items():
            subjects = about.get("against", {}).get(against)
            if subjects:
                entries = [_entry(subjects, s, m) for _, s, m, _ in HEADLINES]
                rows.append(
                    {
                        "run": run,
                        "network": network_name(findings, run),
                        "cells": [_cell(entry) for entry in entries],
                        "patients": entries[0].get("patients", 0),
                        "cases": entries[0].get("cases", 0),
                        "note": _not_counted(subjects, about),
                    }
                )
        if rows:
            columns = [{"name": n, "meaning": meaning} for n, _, _, meaning in HEADLINES]
            tables.append({"against": against, "title": title, "columns": columns, "rows": rows})
    return tables


def cards(findings: Findings) -> list[dict[str, Any]]:
    """The numbers of the first screen: one card a run, against the best reference there is."""
    found = []
    for run, about in findings.summary.items():
        against = next((a for a in AGAINST if a in about.get("against", {})), None)
        if against is None:
            continue
        subjects = about["against"][against]
        found.append(
            {
                "run": run,
                "network": network_name(findings, run),
                "against": AGAINST[against],
                "dsc": _cell(_entry(subjects, "mean", "dsc")),
                "accuracy": _cell(_entry(subjects, "both", "accuracy")),
                "always_artery": _cell(_entry(subjects, "both", "always_artery")),
                "patients": _entry(subjects, "mean", "dsc").get("patients", 0),
                "cases": _entry(subjects, "mean", "dsc").get("cases", 0),
            }
        )
    return found


def scored_on(findings: Findings) -> str:
    """Which kind of cases the scores come from, in a sentence; empty without scores."""
    scored = {row["case"] for row in findings.scores}
    synthetic = scored & set(findings.synthetic())
    if not scored or len(findings.synthetic()) in (0, len(findings.cases)):
        return ""
    if synthetic == scored:
        return "All scores below come from phantoms; they say nothing of patients."
    if synthetic:
        return f"The scores mix {len(synthetic)} phantoms with {len(scored - synthetic)} patients."
    return "All scores below come from real CT."


def by_class(findings: Findings) -> list[dict[str, Any]]:
    """For each reference: run and class to mean scores, with the counts beside them."""
    tables = []
    for against, title in AGAINST.items():
        rows = []
        for run, about in findings.summary.items():
            subjects = about.get("against", {}).get(against, {})
            for name in CLASSES:
                metrics = subjects.get(name)
                if not metrics:
                    continue
                dsc = metrics.get("dsc", {})
                rows.append(
                    {
                        "run": run,
                        "class": name,
                        "cells": [_cell(metrics.get(m, {})) for _, m in BY_CLASS],
                        "scored": dsc.get("cases", 0),
                        "unknown": dsc.get("unknown", 0),
                        "missed": _missed(findings, run, against, name),
                    }
                )
        if rows:
            columns = [heading for heading, _ in BY_CLASS]
            chart = _chart(findings, against)
            tables.append(
                {
                    "against": against,
                    "title": title,
                    "columns": columns,
                    "rows": rows,
                    "chart": chart,
                }
            )
    return tables


def by_case(findings: Findings) -> list[dict[str, Any]]:
    """One row a run, case and reference: DSC of each class, mean, HD95 and identity."""
    wanted = [(name, "dsc") for name in CLASSES]
    wanted += [("mean", "dsc"), ("mean", "hd95_mm"), ("mean", "cldice"), ("both", "accuracy")]
    rows: dict[tuple[str, str, str], dict[tuple[str, str], dict[str, str]]] = {}
    for row in findings.scores:
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


def network_name(findings: Findings, run: str) -> str:
    """What kind of model a run is, in words."""
    model = findings.runs[run].model if run in findings.runs else {}
    network = model.get("network")
    if network == "lacaf":
        encoder = (model.get("embedding") or {}).get("encoder", "")
        return f"language-guided, encoder {encoder}" if encoder else "language-guided"
    return {"unet": "plain U-Net, no language"}.get(network or "", network or "model")


def _entry(subjects: Mapping[str, Any], subject: str, metric: str) -> dict[str, Any]:
    return subjects.get(subject, {}).get(metric, {})


def _cell(entry: Mapping[str, Any]) -> dict[str, Any]:
    low, high, unit = entry.get("low"), entry.get("high"), entry.get("unit", "1")
    known = low is not None and high is not None
    interval = f"{number(low, unit)} to {number(high, unit)}" if known else ""
    return {"mean": number(entry.get("mean"), unit), "interval": interval}


def _not_counted(subjects: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """How much the means leave out, in words."""
    scored = sum(_entry(subjects, name, "dsc").get("cases", 0) for name in CLASSES)
    unknown = sum(_entry(subjects, name, "dsc").get("unknown", 0) for name in CLASSES)
    parts = []
    if unknown:
        parts.append(f"{unknown} of {scored + unknown} classes unknown, not counted")
    if about.get("refused"):
        parts.append(f"{len(about['refused'])} cases refused, not scored")
    return "; ".join(parts)


def _missed(findings: Findings, run: str, against: str, name: str) -> int:
    return sum(
        row["state"] == "missed"
        for row in findings.scores
        if (row["run"], row["against"], row["subject"], row["metric"])
        == (run, against, name, "dsc")
    )


def _score(row: Mapping[str, str] | None) -> str:
    if row is None:
        return DASH
    if row["state"] == "unknown" or not row["value"]:
        return "unknown"
    return number(float(row["value"]), row["unit"]) + (
        " (missed)" if row["state"] == "missed" else ""
    )


def _chart(findings: Findings, against: str) -> str:
    """DSC of every case, by class and run."""
    rows: list[Dots] = []
    for name in CLASSES:
        for style, (run, about) in enumerate(findings.summary.items()):
            entry = _entry(about.get("against", {}).get(against, {}), name, "dsc")
            rows.append(
                Dots(
                    f"{CLASS_NAME[name]}, {run}",
                    _values(findings.scores, run, against, name),
                    entry.get("mean"),
                    entry.get("low"),
                    entry.get("high"),
                    style,
                )
            )
    return dot_chart(f"DSC by class and run, against {AGAINST[against]}", rows, "DSC")


def _values(
    scores: Sequence[Mapping[str, str]], run: str, against: str, subject: str
) -> list[float]:
    return [
        float(row["value"])
        for row in scores
        if (row["run"], row["against"], row["subject"], row["metric"])
        == (run, against, subject, "dsc")
        and row["value"]
    ]
