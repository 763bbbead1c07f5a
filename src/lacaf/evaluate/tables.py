"""The tables of a run of the whole pipeline: what a paper would print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lacaf.classes import CLASSES, SIDES
from lacaf.evaluate.classification import BOTH
from lacaf.evaluate.comparison import comparison
from lacaf.evaluate.metrics import columns as asked
from lacaf.evaluate.subjects import groups
from lacaf.evaluate.surface import nsd_name
from lacaf.evaluate.tree import band_names, generation_names
from lacaf.table import Cell, Estimate, Table

if TYPE_CHECKING:
    from pandas import DataFrame

    from lacaf.params.evaluate import Evaluate

#: The names of all tables, in the order in which they are made.
NAMES = (
    "headline",
    "classes",
    "trees",
    "calibre",
    "generation",
    "identity",
    "experiments",
    "comparison",
)
INTERVAL = "Mean over patients [95 % bootstrap interval] (cases in which it is unknown)."
Columns = Mapping[str, tuple[str, str]]  # heading → subject, metric


def tables(long: DataFrame, summary: Mapping[str, Any], params: Evaluate) -> list[Table]:
    """All tables, from the long table and the summary of ``summarize``."""
    nsd = {f"NSD {mm:g} mm": nsd_name(mm) for mm in params.nsd_tolerances_mm}
    surface = {"DSC": "dsc", **nsd, "HD95 mm": "hd95_mm", "ASSD mm": "assd_mm"}
    overlap = {"sensitivity": "sensitivity", "precision": "precision"}
    overlap |= {"volume difference ml": "volume_difference_ml", **asked("classes")}
    trees = TREES | asked("trees")
    return [
        headline(summary, params),
        _by_subject("classes", "Overlap and surface.", summary, surface | overlap),
        _by_subject("trees", "Trees: length and branches detected, false ones.", summary, trees),
        _by_part("calibre", "By radius.", summary, CALIBRE, band_names(params.calibre_edges_mm)),
        _by_part(
            "generation",
            "By number of forks from the root.",
            summary,
            GENERATION,
            generation_names(),
        ),
        _by_side(summary),
        *comparison(long, params.bootstrap),
    ]


TREES = {
    "clDice": "cldice",
    "tree detected": "tree_detected",
    "branches detected": "branches_detected",
    "false branches": "false_branches",
    "false mm": "false_branches_mm",
    "components": "prediction_b0",
    "of reference": "reference_b0",
    "rings": "prediction_b1",
    "of reference ": "reference_b1",
    "cavities": "prediction_b2",
}
CALIBRE = {
    "reference mm": ("vessel", "reference_tree_mm"),
    "tree detected": ("vessel", "tree_detected"),
    "artery detected": ("artery", "tree_detected"),
    "vein detected": ("vein", "tree_detected"),
    "branches detected": ("vessel", "branches_detected"),
    "A/V right": (BOTH, "accuracy"),
    "artery as vein": (BOTH, "artery_as_vein"),
    "vein as artery": (BOTH, "vein_as_artery"),
    "left as right": (BOTH, "left_as_right"),
    "right as left": (BOTH, "right_as_left"),
}
GENERATION = {
    "reference mm": ("vessel", "reference_tree_mm"),
    "tree detected": ("vessel", "tree_detected"),
    "artery detected": ("artery", "tree_detected"),
    "vein detected": ("vein", "tree_detected"),
    "branches detected": ("vessel", "branches_detected"),
}
IDENTITY = {
    "found": "found_share",
    "A/V right": "accuracy",
    "always artery": "always_artery",
    "artery as vein": "artery_as_vein",
    "vein as artery": "vein_as_artery",
    "side right": "side_accuracy",
    "left as right": "left_as_right",
    "right as left": "right_as_left",
    "branches": "branches",
    "artery branches as vein": "artery_branches_as_vein",
    "vein branches as artery": "vein_branches_as_artery",
    "branches on other side": "branches_on_other_side",
}


def headline(summary: Mapping[str, Any], params: Evaluate) -> Table:
    """The numbers of all runs that are looked at first."""
    columns: dict[str, tuple[str, str]] = {"DSC": ("mean", "dsc")}
    columns |= {name.replace("_", " "): (name, "dsc") for name in CLASSES}
    first = params.nsd_tolerances_mm[0]
    columns |= {f"NSD {first:g} mm": ("mean", nsd_name(first)), "HD95 mm": ("mean", "hd95_mm")}
    columns |= {"clDice": ("mean", "cldice"), "tree detected": ("mean", "tree_detected")}
    columns |= {"A/V right": (BOTH, "accuracy"), "always artery": (BOTH, "always_artery")}
    rows: list[list[Cell]] = []
    for run, about in summary.items():
        for against, subjects in about["against"].items():
            patients = subjects["mean"]["dsc"]["patients"]
            numbers = _numbers(subjects, columns.values())
            rows.append([run, against, *numbers, patients, len(about["refused"])])
    header = ["run", "against", *columns, "cases", "patients", "refused"]
    caption = f"Scores of all runs. {INTERVAL} Class columns: DSC."
    return Table("headline", caption, header, rows, text_columns=2)


def _by_subject(
    name: str, caption: str, summary: Mapping[str, Any], columns: Mapping[str, str]
) -> Table:
    subjects = (*CLASSES, "mean", *groups(CLASSES))
    rows = [
        [run, against, subject, *_numbers(found, [(subject, m) for m in columns.values()])]
        for run, against, found in _against(summary)
        for subject in subjects
        if subject in found
    ]
    header = ["run", "against", "of", *columns, "cases"]
    return Table(name, f"{caption} {INTERVAL}", header, rows, text_columns=3)


def _by_part(
    name: str, caption: str, summary: Mapping[str, Any], columns: Columns, parts: Sequence[str]
) -> Table:
    rows = []
    for run, against, found in _against(summary):
        for part in parts:
            *cells, cases = _numbers(found, columns.values(), part)
            if cases:
                rows.append([run, against, part, *cells, cases])
    header = ["run", "against", "of", *columns, "cases"]
    return Table(name, f"{caption} {INTERVAL}", header, rows, text_columns=3)


def _by_side(summary: Mapping[str, Any]) -> Table:
    rows = [
        [run, against, side, *_numbers(found, [(side, m) for m in IDENTITY.values()])]
        for run, against, found in _against(summary)
        for side in (*SIDES, BOTH)
    ]
    caption = f"What found vessels are called, along the reference's centreline. {INTERVAL}"
    header = ["run", "against", "side", *IDENTITY, "cases"]
    return Table("identity", caption, header, rows, text_columns=3)


def _against(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for run, about in summary.items():
        for against, subjects in about["against"].items():
            yield run, against, subjects


def _numbers(
    subjects: Mapping[str, Any], wanted: Iterable[tuple[str, str]], part: str | None = None
) -> list[Cell]:
    """The estimates of some metrics, and how many cases have the first of them."""
    entries = [subjects.get(subject, {}).get(metric, {}) for subject, metric in wanted]
    if part is not None:
        entries = [entry.get("parts", {}).get(part, {}) for entry in entries]
    return [*map(_estimate, entries), entries[0].get("cases", 0)]


def _estimate(entry: Mapping[str, Any]) -> Estimate:
    limits = entry.get("low"), entry.get("high")
    return Estimate(entry.get("mean"), *limits, entry.get("unknown", 0))
