"""Experiments side by side, paired by patient."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.markdown import cell, markdown

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: Below this many pairs the Wilcoxon test cannot give a small p: no test is made.
MIN_PAIRS = 5

COMPARED = {
    "DSC": ("mean", "dsc"),
    "NSD": ("mean", "nsd"),
    "HD95 mm": ("mean", "hd95_mm"),
    "clDice": ("mean", "cldice"),
    "A/V right": ("both", "accuracy"),
}


def compare(scores: Path, runs: Sequence[str] | None = None) -> str:
    """Compare experiments, or runs if only one experiment is left.

    Args:
        scores: the long table, ``scores.csv``.
        runs: names of runs or experiments; None: all.

    Returns:
        Markdown for each kind of reference: the mean over patients of each experiment, with the
        lowest and highest seed where there are several; then each pair's differences by patient
        (a patient's value is the mean over his cases and the experiment's seeds), with the
        Wilcoxon signed-rank test and its rank-biserial effect size (Kerby 2014) if there are
        enough pairs; p is corrected for all tests of the table (Holm 1979).

    Raises:
        ValueError: a name is neither a run nor an experiment of the table.
    """
    import pandas as pd

    rows = pd.read_csv(scores, dtype={"case": str, "patient": str})
    if runs:
        known = set(rows["run"]) | set(rows["experiment"])
        if strangers := [name for name in runs if name not in known]:
            raise ValueError(
                f"no run or experiment {', '.join(strangers)}; known: {', '.join(sorted(known))}"
            )
        rows = rows[rows["run"].isin(runs) | rows["experiment"].isin(runs)]
    group = "experiment" if rows["experiment"].nunique() > 1 else "run"
    parts = []
    for against, part in rows.groupby("against", sort=False):
        parts.append(f"Against {against}, mean over patients\n\n{_side_by_side(part, group)}")
        if part[group].nunique() > 1:
            parts.append(f"Paired by patient\n\n{_paired(part, group)}")
    return "\n\n".join(parts) or "No case was scored."


def _side_by_side(rows: DataFrame, group: str) -> str:
    lines = []
    for name, own in rows.groupby(group, sort=False):
        cells = []
        for subject, metric in COMPARED.values():
            by_run = own[(own["subject"] == subject) & (own["metric"] == metric)].dropna(
                subset="value"
            )
            means = [_mean(run) for _, run in by_run.groupby("run", sort=False)]
            text = cell(_mean(by_run) if len(by_run) else None)
            if len(means) > 1:
                text += f" (seeds {cell(min(means))} to {cell(max(means))})"
            cells.append(text)
        lines.append([str(name), *cells, str(own["run"].nunique()), str(own["patient"].nunique())])
    return markdown([group, *COMPARED, "seeds", "patients"], lines)


def _paired(rows: DataFrame, group: str) -> str:
    lines, tests = [], []
    for first, second in combinations(rows[group].unique(), 2):
        for label, (subject, metric) in COMPARED.items():
            own = rows[(rows["subject"] == subject) & (rows["metric"] == metric)]
            values = [
                _by_patient(own[own[group] == name].dropna(subset="value"))
                for name in (first, second)
            ]
            difference = (values[1] - values[0]).dropna().to_numpy()
            line = [f"{second} − {first}", label, str(len(difference))]
            line += [cell(float(f(difference)) if len(difference) else None) for f in _CENTRES]
            lines.append(line)
            tests.append(_wilcoxon(difference) if len(difference) >= MIN_PAIRS else None)
    corrected = iter(holm([p for p, _ in filter(None, tests)]))
    for line, test in zip(lines, tests, strict=True):
        line += [cell(test[1]), f"{next(corrected):.3g}"] if test else ["–", f"n < {MIN_PAIRS}"]
    header = ["difference", "metric", "patients", "mean", "median", "effect", "p (Holm)"]
    return markdown(header, lines)


_CENTRES = (np.mean, np.median)


def _by_patient(rows: DataFrame) -> Series:
    """A value a patient: the mean over his cases and all runs."""
    return rows.groupby("patient")["value"].mean()


def _mean(rows: DataFrame) -> float:
    return float(_by_patient(rows).to_numpy(dtype=float).mean())


def _wilcoxon(difference: NDArray[np.float64]) -> tuple[float, float]:
    """Two-sided p of the signed-rank test and the rank-biserial correlation, -1 to 1."""
    from scipy import stats

    if not difference.any():
        return 1.0, 0.0
    moved = difference[difference != 0]
    ranks = stats.rankdata(np.abs(moved))
    effect = float((np.sign(moved) * ranks).sum() / ranks.sum())
    return float(stats.wilcoxon(moved).pvalue), effect


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number (Holm 1979, step-down), in the given order."""
    order = np.argsort(p)
    scaled = np.asarray(p, float)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected.tolist()
