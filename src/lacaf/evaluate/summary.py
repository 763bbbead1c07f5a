"""From the cases' scores to the numbers of a run: long table, statistics by patient, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lacaf.classes import CLASSES
from lacaf.evaluate.metrics import unit
from lacaf.evaluate.rows import NUMBER, WHOLE, rows
from lacaf.evaluate.surface import nsd_name
from lacaf.evaluate.tree import band_names, generation_names
from lacaf.statistics import statistics

if TYPE_CHECKING:
    from pandas import DataFrame

    from lacaf.params.evaluate import Evaluate

#: Whose a number is.
ABOUT = ("run", "experiment", "seed", "case", "patient", "split")
COLUMNS = (*ABOUT, *NUMBER)


def headlines(params: Evaluate) -> dict[str, tuple[str, str]]:
    """What is small enough to be compared by eye: name → subject and metric in the long table."""
    of_mean = ["dsc", *map(nsd_name, params.nsd_tolerances_mm), "hd95_mm", "assd_mm", "cldice"]
    of_mean += ["tree_detected", "branches_detected", "b0_error"]
    return {
        **{metric: ("mean", metric) for metric in of_mean},
        **{f"dsc_{name}": (name, "dsc") for name in (*CLASSES, "vessel")},
        "identity_accuracy": ("both", "accuracy"),
        "always_artery": ("both", "always_artery"),
        "artery_as_vein": ("both", "artery_as_vein"),
        "vein_as_artery": ("both", "vein_as_artery"),
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
        params: number of bootstrap samples, and the tolerances of NSD.

    Returns:
        The long table, one row a number, columns ``COLUMNS``; see :func:`rows.rows`.
        The summary: run → experiment, seed, refused cases, against → subject → metric →
        statistics (see :func:`statistics`), and below ``parts`` the same by calibre and
        generation.
        The metrics: run → against → headline → mean.
    """
    import pandas as pd

    lines = [
        {key: score[key] for key in ABOUT} | row
        for score in scores
        if score["status"] != "refused"
        for row in rows(score)
    ]
    long = pd.DataFrame(lines, columns=list(COLUMNS))
    long["value"] = long["value"].astype(float)
    long["seed"] = long["seed"].astype("Int64")
    summary: dict[str, Any] = {}
    for run, about in runs.items():
        refused = [s["case"] for s in scores if s["run"] == run and s["status"] == "refused"]
        against = long[long["run"] == run].groupby("against", sort=False)
        summary[run] = {
            "experiment": about["experiment"],
            "seed": about["seed"],
            "refused": refused,
            "against": {str(name): _summary(own, params) for name, own in against},
        }
    return long, summary, _metrics(summary, headlines(params))


def _summary(long: DataFrame, params: Evaluate) -> dict[str, Any]:
    """Subject → metric → statistics, and those of its parts, from thin to thick."""
    subjects: dict[str, dict[str, Any]] = {}
    parts = (WHOLE, *band_names(params.calibre_edges_mm), *generation_names())
    place = {name: number for number, name in enumerate(parts)}
    groups = list(long.groupby(["subject", "metric", "part"], sort=False))
    # The table has them as they come: the first case may lack the thinnest.
    groups.sort(key=lambda group: place.get(str(group[0][2]), len(place)))
    for (subject, metric, part), own in groups:
        entry = statistics(own["value"].tolist(), own["patient"].tolist(), params.bootstrap)
        at = subjects.setdefault(str(subject), {})
        if part == WHOLE:
            undefined = int((own["state"] == "undefined").sum())
            entry |= {"unknown": entry["unknown"] - undefined, "undefined": undefined}
            at[str(metric)] = {"unit": unit(str(metric)), **entry}
        else:
            whole = at[str(metric)]
            known = whole["cases"] + whole["undefined"]
            entry |= {"unknown": whole["unknown"], "undefined": known - entry["cases"]}
            whole.setdefault("parts", {})[str(part)] = entry
    return subjects


def _metrics(
    summary: Mapping[str, Any], names: Mapping[str, tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    return {
        run: {
            against: {
                name: subjects.get(subject, {}).get(metric, {}).get("mean")
                for name, (subject, metric) in names.items()
            }
            for against, subjects in about["against"].items()
        }
        for run, about in summary.items()
    }
