"""Experiments side by side, and paired by patient."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lacaf.evaluate.rows import NUMBER, WHOLE
from lacaf.evaluate.summary import ABOUT
from lacaf.fault import Refusal
from lacaf.statistics import MIN_PATIENTS, holm, interval, wilcoxon
from lacaf.table import Estimate, Table

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: Bootstrap samples where no parameters are given.
SAMPLES = 1000

#: What is compared, besides NSD: heading, subject and metric.
COMPARED = {
    "DSC": ("mean", "dsc"),
    "HD95 mm": ("mean", "hd95_mm"),
    "ASSD mm": ("mean", "assd_mm"),
    "clDice": ("mean", "cldice"),
    "tree detected": ("mean", "tree_detected"),
    "A/V right": ("both", "accuracy"),
}


#: Columns of the paired differences.
PAIRED = (
    *("against", "difference", "metric", "patients", "mean", "median", "effect", "p (Holm)"),
    "seeds agree",
)


def compare(scores: Path, runs: Sequence[str] | None = None, samples: int = SAMPLES) -> str:
    """Compare experiments, or runs if only one experiment is left, as Markdown.

    Args:
        scores: the long table, ``scores.csv``.
        runs: names of runs or experiments; None: all.
        samples: number of bootstrap samples.

    Raises:
        Refusal: a name is neither a run nor an experiment of the table.
    """
    import pandas as pd

    # Names are text, be it "007" or "NA"; only numbers may be missing.
    text = {column: str for column in (*ABOUT, *NUMBER) if column not in ("seed", "value")}
    long = pd.read_csv(
        scores, dtype=text, keep_default_na=False, na_values={"seed": [""], "value": [""]}
    )
    if runs:
        known = set(long["run"]) | set(long["experiment"])
        if strangers := [name for name in runs if name not in known]:
            raise Refusal(
                f"there is no run or experiment {', '.join(strangers)}",
                expectation=f"some of {', '.join(sorted(known))}",
                remedy="choose among them",
            )
        long = long[long["run"].isin(runs) | long["experiment"].isin(runs)]
    tables = [table for table in comparison(long, samples) if table.rows]
    return "\n".join(table.markdown() for table in tables) or "No case was scored."


def comparison(long: DataFrame, samples: int) -> tuple[Table, Table]:
    """Two tables: each experiment's means with the spread of its seeds; the paired differences.

    A patient's value is the mean over his cases. Differences are by patient, of the means over
    an experiment's seeds, with the bootstrap interval of their mean, the Wilcoxon signed-rank
    test and its rank-biserial effect size if there are enough pairs; p is corrected for all
    tests against one kind of reference (Holm 1979). Beside them stands in how many of the
    pairings of single seeds the mean difference has the same sign.
    """
    group = "experiment" if long["experiment"].nunique() > 1 else "run"
    whole = long[long["part"] == WHOLE].dropna(subset="value")
    compared = _compared(whole)
    spread = Table(
        "experiments",
        "Mean over patients; several seeds: their mean and, in brackets, lowest and highest seed.",
        ["against", group, *compared, "seeds", "patients"],
        [
            [str(against), str(name), *_side_by_side(own, compared)]
            for (against, name), own in whole.groupby(["against", group], sort=False)
        ],
        text_columns=2,
    )
    pairs = Table(
        "comparison",
        "Differences paired by patient: mean with 95 % bootstrap interval, median, rank-biserial "
        "effect size, p of the Wilcoxon signed-rank test (Holm), seed pairings of the same sign.",
        PAIRED,
        _paired(whole, group, compared, samples),
        text_columns=3,
    )
    return spread, pairs


def _compared(whole: DataFrame) -> dict[str, tuple[str, str]]:
    """What is compared: COMPARED, and NSD at the first tolerance, after DSC."""
    own = whole[(whole["subject"] == "mean") & whole["metric"].str.startswith("nsd_")]["metric"]
    first, *others = COMPARED.items()
    names = [
        (f"NSD {name.removeprefix('nsd_').removesuffix('mm')} mm", ("mean", name))
        for name in own.unique()[:1]
    ]
    return dict([first, *names, *others])


def _side_by_side(own: DataFrame, compared: dict[str, tuple[str, str]]) -> list[Any]:
    cells: list[Any] = []
    for subject, metric in compared.values():
        numbers = own[(own["subject"] == subject) & (own["metric"] == metric)]
        seeds = [float(_by_patient(run).mean()) for _, run in numbers.groupby("run", sort=False)]
        several = len(seeds) > 1
        cells.append(
            Estimate(float(np.mean(seeds)), min(seeds), max(seeds))
            if several
            else (seeds[0] if seeds else None)
        )
    return [*cells, int(own["run"].nunique()), int(own["patient"].nunique())]


def _paired(
    whole: DataFrame, group: str, compared: dict[str, tuple[str, str]], samples: int
) -> list[list[Any]]:
    lines: list[list[Any]] = []
    for against, part in whole.groupby("against", sort=False):
        own, tests = [], []
        for first, second in combinations(part[group].unique(), 2):
            for label, (subject, metric) in compared.items():
                numbers = part[(part["subject"] == subject) & (part["metric"] == metric)]
                sides = [numbers[numbers[group] == name] for name in (first, second)]
                values = [_by_patient(side) for side in sides]
                difference = (values[1] - values[0]).dropna().to_numpy(dtype=float)
                line = [str(against), f"{second} − {first}", label, len(difference)]
                own.append([*line, *_centre(difference, samples), _agreement(*sides)])
                tests.append(wilcoxon(difference))
        corrected = iter(holm([test[0] for test in tests if test]))
        for line, test in zip(own, tests, strict=True):
            told = [test[1], f"{next(corrected):.3g}"] if test else [None, f"n < {MIN_PATIENTS}"]
            lines.append([*line[:-1], *told, line[-1]])
    return lines


def _centre(difference: Any, samples: int) -> list[Any]:
    if not len(difference):
        return [None, None]
    limits = interval(difference, samples)
    return [Estimate(float(difference.mean()), *limits), float(np.median(difference))]


def _agreement(first: DataFrame, second: DataFrame) -> str | None:
    """In how many pairings of one seed each the mean difference has the commoner sign."""
    seeds = [[_by_patient(run) for _, run in side.groupby("run")] for side in (first, second)]
    differences = [(b - a).dropna() for a, b in product(*seeds)]
    signs = [np.sign(float(own.mean())) for own in differences if len(own)]
    if not signs:
        return None
    return f"{max(signs.count(sign) for sign in signs)} of {len(signs)}"


def _by_patient(numbers: DataFrame) -> Series:
    """A value a patient: the mean over his cases and all runs."""
    return numbers.groupby("patient")["value"].mean()
