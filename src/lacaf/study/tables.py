"""The numbers of a study as tables for machines, for readers and for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lacaf.statistics import MIN_PATIENTS
from lacaf.table import Cell, Estimate, Table

#: Columns of the table that holds everything.
COLUMNS = (
    *("table", "experiment", "metric", "seeds", "patients", "mean", "low", "high", "seed_sd"),
    *("against", "difference", "difference_low", "difference_high", "p", "p_holm"),
)

MEANS = "Mean over patients and seeds [95 % interval over both]; ± is the spread of seeds (SD)."
DIFFERENCES = (
    "Difference to {against}, paired by patient [95 % interval over patients and seeds], p of no "
    "difference, over patients and seeds too, corrected for all tests of this table (Holm)."
)


def everything(content: Mapping[str, Any]) -> Table:
    """One row a table, experiment and metric: what ``tables.csv`` holds."""
    rows: list[list[Cell]] = []
    for name, table in content["tables"].items():
        for row in table["rows"]:
            for metric, score in row["scores"].items():
                other = row["differences"].get(metric, {})
                rows.append(
                    [
                        *(name, row["experiment"], metric),
                        *(score[key] for key in COLUMNS[3:9]),
                        table["against"] if other else None,
                        *(other.get(key) for key in ("mean", "low", "high", "p", "p_holm")),
                    ]
                )
    return Table("tables", "All numbers of the study.", COLUMNS, rows, text_columns=3)


def tables(content: Mapping[str, Any]) -> list[Table]:
    """Two tables for each of the study's: ``<name>``, the scores, and ``<name>_differences``."""
    shown = {name: content["metrics"][name] for name in content["shown"]}
    made = []
    for name, table in content["tables"].items():
        made += [_scores(name, table, shown), _differences(name, table, shown)]
    return made


def _scores(name: str, table: Mapping[str, Any], shown: Mapping[str, str]) -> Table:
    header = ["experiment", *(part for title in shown.values() for part in (title, "±"))]
    rows: list[list[Cell]] = []
    for row in table["rows"]:
        cells: list[Cell] = [row["experiment"]]
        for metric in shown:
            score = row["scores"][metric]
            cells += [Estimate(score["mean"], score["low"], score["high"]), score["seed_sd"]]
        rows.append([*cells, row["scores"]["dsc"]["seeds"], _patients(row["scores"], shown)])
    caption = " ".join([MEANS, *table["remarks"]])
    return Table(name, caption, [*header, "seeds", "patients"], rows)


def _differences(name: str, table: Mapping[str, Any], shown: Mapping[str, str]) -> Table:
    header = ["experiment", *(part for title in shown.values() for part in (title, "p"))]
    rows: list[list[Cell]] = []
    for row in table["rows"]:
        if not row["differences"]:
            continue
        cells: list[Cell] = [row["experiment"]]
        for metric in shown:
            other = row["differences"][metric]
            cells += [Estimate(other["mean"], other["low"], other["high"]), _told(other)]
        rows.append([*cells, _patients(row["differences"], shown)])
    caption = " ".join([DIFFERENCES.format(against=table["against"]), *table["remarks"]])
    return Table(f"{name}_differences", caption, [*header, "patients"], rows)


def _patients(scores: Mapping[str, Any], shown: Mapping[str, str]) -> Cell:
    """How many patients the numbers of a row are of; of the least known metric to the best."""
    counts = [scores[metric]["patients"] for metric in shown]
    least, most = min(counts), max(counts)
    return most if least == most else f"{least}–{most}"


def _told(difference: Mapping[str, Any]) -> str:
    """A corrected p as readers want it."""
    if difference["p_holm"] is None:
        return f"n < {MIN_PATIENTS}"
    return "< 0.001" if difference["p_holm"] < 0.001 else f"{difference['p_holm']:.3f}"
