"""The scores of one case as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lacaf.classes import CLASSES
from lacaf.report.findings import Findings
from lacaf.report.palette import CLASS_NAME
from lacaf.report.scores import AGAINST, DASH, number

#: Heading, metric and unit; a metric that the scores do not hold has no column.
COLUMNS = (
    ("DSC", "dsc", "1"),
    ("Sensitivity", "sensitivity", "1"),
    ("Precision", "precision", "1"),
    ("NSD", "nsd", "1"),
    ("NSD 1 mm", "nsd_1mm", "1"),
    ("NSD 2 mm", "nsd_2mm", "1"),
    ("HD95, mm", "hd95_mm", "mm"),
    ("ASSD, mm", "assd_mm", "mm"),
    ("clDice", "cldice", "1"),
    ("Tree detected", "tree_detected", "1"),
    ("Branches detected", "branches_detected", "1"),
    ("False branches", "false_branches", "count"),
    ("Ref., ml", "reference_ml", "ml"),
    ("Pred., ml", "prediction_ml", "ml"),
)


def tables(findings: Findings, case: str) -> list[dict[str, Any]]:
    """For each reference: run and class to scores, only columns that hold a number."""
    found = {run: findings.case_scores(run, case) for run in findings.runs}
    out = []
    for against, title in AGAINST.items():
        rows: list[tuple[str, str, Mapping[str, Any]]] = []
        for run, scores in found.items():
            parts = scores.get("against", {}).get(against)
            if parts:
                rows += [(run, CLASS_NAME[n], parts["classes"][n]) for n in CLASSES]
                rows.append((run, "mean", parts["mean"]))
        used = [c for c in COLUMNS if any(isinstance(r.get(c[1]), int | float) for *_, r in rows)]
        if rows:
            out.append(
                {
                    "title": title,
                    "columns": [heading for heading, _, _ in used],
                    "rows": [
                        {"run": run, "subject": subject, "cells": [_cell(r, *c[1:]) for c in used]}
                        for run, subject, r in rows
                    ],
                }
            )
    return out


def brief(findings: Findings, case: str, run: str) -> str:
    """The two numbers that count most, in a line; says so if there are none."""
    scores = findings.case_scores(run, case).get("against", {})
    parts = next((scores[against] for against in AGAINST if against in scores), None)
    if parts is None:
        return "not scored"
    dsc = number(parts["mean"]["dsc"])
    vessels = parts["identity"]["both"]
    told = f"mean DSC {dsc}, found {number(vessels['found_share'])} of the vessels' length"
    if vessels["accuracy"] is not None:
        told += (
            f", of it {number(vessels['accuracy'])} with the right type "
            f"(“always artery” {number(vessels['always_artery'])})"
        )
    return told


def _cell(row: Mapping[str, Any], metric: str, unit: str) -> str:
    if row.get("state") == "unknown":
        return "unknown"
    value = row.get(metric)
    if value is None:
        return DASH
    text = f"{value:.0f}" if unit == "count" else number(value, unit)
    return f"{text} (missed)" if metric == "dsc" and row.get("missed") else text
