"""The scores of one case as Markdown tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lacaf.evaluate.surface import nsd_name
from lacaf.table import cell, markdown

#: Heading → key, for classes and groups; the NSD columns stand between them.
OVERLAP = {"DSC": "dsc"}
DISTANCE = {"HD95 mm": "hd95_mm", "ASSD mm": "assd_mm", "clDice": "cldice"}
AMOUNT = {
    "sensitivity": "sensitivity",
    "precision": "precision",
    "ref. ml": "reference_ml",
    "pred. ml": "prediction_ml",
}
TREE = {
    "length mm": "reference_tree_mm",
    "detected": "tree_detected",
    "branches": "reference_branches",
    "detected ": "branches_detected",
    "false": "false_branches",
    "b0 ref.": "reference_b0",
    "b0 pred.": "prediction_b0",
    "b1 ref.": "reference_b1",
    "b1 pred.": "prediction_b1",
}
IDENTITY = (
    "found_share",
    "accuracy",
    "always_artery",
    "artery_as_vein",
    "vein_as_artery",
    "side_accuracy",
    "artery_branches_as_vein",
    "vein_branches_as_artery",
    "branches_on_other_side",
)


def show(details: Mapping[str, Any]) -> str:
    """What ``evaluate`` returned, for people: overlap and distance, trees, calibre, artery–vein."""
    tolerances = details["nsd_tolerances_mm"]
    nsd = {f"NSD {tolerance:g} mm": nsd_name(tolerance) for tolerance in tolerances}
    parts = []
    for against, scores in details["against"].items():
        subjects = {**scores["classes"], "mean": scores["mean"], **scores["groups"]}
        parts.append(f"Against {against}")
        parts.append(_table("", subjects, {**OVERLAP, **nsd, **DISTANCE, **AMOUNT}, stated=True))
        trees = {name: entry for name, entry in subjects.items() if name != "mean"}
        parts.append(_table("tree", trees, TREE))
        parts.append(_calibre(trees))
        keys = {key.replace("_", " "): key for key in IDENTITY}
        parts.append(_table("identity", scores["identity"], keys))
    return "\n\n".join(parts)


def _table(
    title: str,
    subjects: Mapping[str, Mapping[str, Any]],
    columns: Mapping[str, str],
    stated: bool = False,
) -> str:
    rows = []
    for name, entry in subjects.items():
        row = [name.replace("_", " "), *(cell(entry.get(key)) for key in columns.values())]
        if stated:
            row.append(_state(entry))
        rows.append(row)
    return markdown([title, *columns, *(["state"] if stated else [])], rows)


def _state(entry: Mapping[str, Any]) -> str:
    """What is known of a subject; of a mean, how many classes it leaves out."""
    if "classes_unknown" in entry:
        return f"{entry['classes_scored']} scored, {entry['classes_unknown']} unknown"
    return "missed" if entry["missed"] else str(entry["state"])


def _calibre(subjects: Mapping[str, Mapping[str, Any]]) -> str:
    """The share of the tree's length that was detected, by radius."""
    cut = {name: entry["by_calibre"] for name, entry in subjects.items() if entry["by_calibre"]}
    names: Sequence[str] = list(next(iter(cut.values()), {}))
    rows = [
        [name.replace("_", " "), *(cell(part["tree_detected"]) for part in parts.values())]
        for name, parts in cut.items()
    ]
    return markdown(["length detected", *names], rows)
