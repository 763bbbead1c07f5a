"""From the cases' scores to the numbers of a run: long table, statistics by patient, metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lacaf.coverage import CLASSES
from lacaf.evaluate.markdown import cell, markdown

if TYPE_CHECKING:
    from pandas import DataFrame

    from lacaf.params import Evaluate

COLUMNS = (
    "run",
    "experiment",
    "seed",
    "case",
    "patient",
    "split",
    "against",
    "subject",
    "metric",
    "unit",
    "value",
    "state",
)
#: Seed of the bootstrap: the same scores give the same intervals.
BOOTSTRAP_SEED = 0

#: What is small enough to be compared by eye: name, subject and metric in the long table.
HEADLINES = {
    "dsc": ("mean", "dsc"),
    "nsd": ("mean", "nsd"),
    "hd95_mm": ("mean", "hd95_mm"),
    "cldice": ("mean", "cldice"),
    **{f"dsc_{name}": (name, "dsc") for name in CLASSES},
    "identity_accuracy": ("both", "accuracy"),
    "always_artery": ("both", "always_artery"),
    "side_accuracy": ("both", "side_accuracy"),
    "found_share": ("both", "found_share"),
}


def summarize(
    scores: Sequence[Mapping[str, Any]],
    runs: Mapping[str, Mapping[str, Any]],
    params: Evaluate,
) -> tuple[DataFrame, dict[str, Any], dict[str, Any]]:
    """Gather the scores of all cases and runs.

    Args:
        scores: records of evaluate (``scores.json``) with ``run``, ``experiment``, ``seed``,
            ``patient`` and ``split`` added. Refused cases are counted, not scored.
        runs: run name → ``experiment`` and ``seed``.
        params: number of bootstrap samples.

    Returns:
        The long table, one row a number, columns ``COLUMNS``. ``value`` is empty and ``state``
        is ``unknown`` where nothing could be evaluated; else ``state`` is ``scored``, or
        ``missed`` for a class of which nothing was found.
        The summary: run → experiment, seed, refused cases, against → subject → metric →
        statistics (see :func:`statistics`).
        The metrics: run → against → headline → mean.
    """
    import pandas as pd

    rows = pd.DataFrame([row for score in scores for row in _rows(score)], columns=list(COLUMNS))
    rows["value"] = rows["value"].astype(float)
    rows["seed"] = rows["seed"].astype("Int64")
    summary: dict[str, Any] = {}
    for run, about in runs.items():
        own = [s for s in scores if s["run"] == run]
        scored = rows[rows["run"] == run]
        summary[run] = {
            "experiment": about["experiment"],
            "seed": about["seed"],
            "refused": [s["case"] for s in own if s["status"] == "refused"],
            "against": {
                against: _summary(part, params.bootstrap)
                for against, part in scored.groupby("against", sort=False)
            },
        }
    return rows, summary, _metrics(summary)


def statistics(
    values: Sequence[float | None], patients: Sequence[str], samples: int
) -> dict[str, Any]:
    """Mean, median and 95 % interval over patients.

    A patient's value is the mean over his cases. The interval is the percentile bootstrap over
    patients (Efron 1979): patients are drawn, never cases, which are not independent.

    Returns:
        mean, median, low, high (None where there is no value, or for the interval only one
        patient), patients, cases (with a value), unknown (cases without).
    """
    known: dict[str, list[float]] = {}
    for value, patient in zip(values, patients, strict=True):
        if value is not None and not np.isnan(value):
            known.setdefault(patient, []).append(value)
    cases = sum(len(v) for v in known.values())
    counts = {"patients": len(known), "cases": cases, "unknown": len(values) - cases}
    if not known:
        return dict.fromkeys(("mean", "median", "low", "high")) | counts
    each = np.array([np.mean(v) for v in known.values()])
    low = high = None
    if len(each) > 1:
        draws = np.random.default_rng(BOOTSTRAP_SEED).integers(len(each), size=(samples, len(each)))
        low, high = (float(q) for q in np.percentile(each[draws].mean(axis=1), (2.5, 97.5)))
    mean, median = float(each.mean()), float(np.median(each))
    return {"mean": mean, "median": median, "low": low, "high": high} | counts


def table(summary: Mapping[str, Any]) -> str:
    """The headline numbers of all runs as a Markdown table, means over patients."""
    header = ["run, against", "DSC [95 %]", *(name.replace("_", " ") for name in CLASSES)]
    header += ["NSD", "HD95 mm", "clDice", "A/V right", "always artery", "cases", "refused"]
    names = [*(f"dsc_{name}" for name in CLASSES), "nsd", "hd95_mm", "cldice"]
    names += ["identity_accuracy", "always_artery"]
    rows = []
    for run, about in summary.items():
        for against, subjects in about["against"].items():
            dsc = subjects["mean"]["dsc"]
            interval = f" [{cell(dsc['low'])}, {cell(dsc['high'])}]"
            numbers = [_mean_with_unknown(subjects, name) for name in names]
            counts = [str(dsc["cases"]), str(len(about["refused"]))]
            rows.append([f"{run}, {against}", cell(dsc["mean"]) + interval, *numbers, *counts])
    note = "Class columns: DSC. (n): cases in which the reference does not know, left out."
    return f"{markdown(header, rows)}\n{note}" if rows else "No case was scored."


def _mean_with_unknown(subjects: Mapping[str, Any], headline: str) -> str:
    subject, metric = HEADLINES[headline]
    entry = subjects[subject][metric]
    return cell(entry["mean"]) + (f" ({entry['unknown']})" if entry["unknown"] else "")


def _rows(score: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if score["status"] == "refused":
        return
    about = {k: score[k] for k in ("run", "experiment", "seed", "case", "patient", "split")}
    for against, parts in score["against"].items():
        subjects = {**parts["classes"], "mean": parts["mean"], **parts["identity"]}
        for subject, numbers in subjects.items():
            missed = bool(numbers.get("missed"))
            for metric, value in numbers.items():
                if metric == "state":
                    continue
                state = "unknown" if value is None else "missed" if missed else "scored"
                yield {
                    **about,
                    "against": against,
                    "subject": subject,
                    "metric": metric,
                    "unit": unit(metric),
                    "value": None if value is None else float(value),
                    "state": state,
                }


def unit(metric: str) -> str:
    """mm, ml, or 1 for shares and counts."""
    return metric.rsplit("_", 1)[-1] if metric.endswith(("_mm", "_ml")) else "1"


def _summary(part: DataFrame, samples: int) -> dict[str, Any]:
    subjects: dict[str, dict[str, Any]] = {}
    for (subject, metric), own in part.groupby(["subject", "metric"], sort=False):
        entry = statistics(own["value"].tolist(), own["patient"].tolist(), samples)
        subjects.setdefault(str(subject), {})[str(metric)] = {"unit": unit(str(metric)), **entry}
    return subjects


def _metrics(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        run: {
            against: {
                name: subjects[subject][metric]["mean"]
                for name, (subject, metric) in HEADLINES.items()
            }
            for against, subjects in about["against"].items()
        }
        for run, about in summary.items()
    }
