"""The scores as the report shows them: headline numbers of each run, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lacaf.classes import CLASSES
from lacaf.model.networks import NETWORKS
from lacaf.report.findings import Findings

DASH = "–"

#: The references that a prediction may be scored against, in the order of the page.
AGAINST = {
    "truth": "hidden truth (synthetic cases: every vessel that is of one side is known)",
    "labelled": "labelled parts only (what an expert's labels say)",
}

#: Heading, subject, metric and what it means, in the order of the columns.
HEADLINES = (
    ("DSC", "mean", "dsc", "Dice overlap, mean of the classes; 1 is perfect"),
    (
        "Artery/vein accuracy",
        "both",
        "accuracy",
        "fraction of the found reference centreline that is called artery or vein rightly",
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
        "fraction of the found reference centreline that is given the right side",
    ),
    ("Found", "both", "found_share", "fraction of the reference centreline found as any vessel"),
    ("NSD", "mean", "nsd", "fraction of the surfaces that agree within the first tolerance"),
    (
        "HD95, mm",
        "mean",
        "hd95_mm",
        "95th percentile of the surface distance; a class that is missed costs the diagonal",
    ),
    ("ASSD, mm", "mean", "assd_mm", "mean distance between the surfaces, both ways"),
    ("clDice", "mean", "cldice", "overlap of the centrelines"),
    (
        "Tree detected",
        "mean",
        "tree_detected",
        "fraction of a class's tree that is found as that class, mean of the classes",
    ),
)


def number(value: float | None, unit: str = "1") -> str:
    """Three decimals for a fraction, one for mm and ml, a dash for "not evaluated"."""
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
        scored = of_runs(findings, against)
        used = [h for h in HEADLINES if any(entry(s, h[1], h[2]) for s in scored.values())]
        rows = []
        for run, subjects in scored.items():
            dsc = entry(subjects, "mean", "dsc")
            rows.append(
                {
                    "run": run,
                    "network": network_name(findings, run),
                    "cells": [cell(entry(subjects, s, m)) for _, s, m, _ in used],
                    "patients": dsc.get("patients", 0),
                    "cases": dsc.get("cases", 0),
                    "note": _not_counted(subjects, findings.summary[run]),
                }
            )
        if rows:
            columns = [{"name": n, "meaning": meaning} for n, _, _, meaning in used]
            tables.append({"against": against, "title": title, "columns": columns, "rows": rows})
    return tables


def of_runs(findings: Findings, against: str) -> dict[str, Mapping[str, Any]]:
    """Subject → metric → statistics of each run that was scored against a reference."""
    scored = {run: about.get("against", {}).get(against) for run, about in findings.summary.items()}
    return {run: subjects for run, subjects in scored.items() if subjects}


def styles(findings: Findings) -> dict[str, int]:
    """Run to the number of its colour and dash, the same in all charts."""
    names = dict.fromkeys([*findings.runs, *findings.summary])
    return {name: number for number, name in enumerate(names)}


def best_reference(findings: Findings) -> str:
    """The reference that knows most among those that were scored against; empty without any."""
    return next((against for against in AGAINST if of_runs(findings, against)), "")


def by_experiment(findings: Findings, against: str) -> dict[str, list[str]]:
    """Experiment to the runs (seeds) of it that were scored against a reference."""
    found: dict[str, list[str]] = {}
    for run in of_runs(findings, against):
        found.setdefault(str(findings.summary[run].get("experiment", run)), []).append(run)
    return found


def across(
    findings: Findings, against: str, runs: Sequence[str], subject: str, metric: str
) -> dict[str, Any]:
    """Statistics of a metric over the seeds of an experiment, which are not pooled away.

    Returns:
        Of one run its own statistics. Of several the mean of their means, the outer limits of
        their intervals, and ``seeds``: the lowest and the highest mean.
    """
    scored = of_runs(findings, against)
    own = [found for run in runs if (found := entry(scored[run], subject, metric))]
    means = [one["mean"] for one in own if one.get("mean") is not None]
    if len(means) < 2:
        return own[0] if own else {}
    lows, highs = ([one[key] for one in own if one.get(key) is not None] for key in ("low", "high"))
    return own[0] | {
        "mean": sum(means) / len(means),
        "low": min(lows, default=None),
        "high": max(highs, default=None),
        "seeds": (min(means), max(means)),
    }


def cards(findings: Findings) -> list[dict[str, Any]]:
    """The numbers of the first screen: one card an experiment, against the best reference."""
    against = best_reference(findings)
    wanted = {"dsc": ("mean", "dsc"), "found": ("both", "found_share")}
    wanted |= {name: ("both", name) for name in ("accuracy", "always_artery")}
    found = []
    for name, runs in by_experiment(findings, against).items():
        numbers = {key: across(findings, against, runs, *what) for key, what in wanted.items()}
        found.append(
            {
                "run": runs[0] if len(runs) == 1 else f"{name}, {len(runs)} seeds",
                "network": network_name(findings, runs[0]),
                "against": AGAINST[against],
                "patients": numbers["dsc"].get("patients", 0),
                "cases": numbers["dsc"].get("cases", 0),
                **{key: cell(value) for key, value in numbers.items()},
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


def network_name(findings: Findings, run: str) -> str:
    """What kind of model a run is, in words."""
    model = findings.runs[run].model if run in findings.runs else {}
    network = model.get("network") or ""
    if guided(model):
        encoder = (model.get("embedding") or {}).get("encoder", "")
        ours = network in ("lacaf", "")
        named = "language-guided" if ours else f"`{network}`, language-guided"
        return f"{named}, encoder {encoder}" if encoder else named
    return NETWORKS[network].about if network in NETWORKS else network or "model"


def guided(model: Mapping[str, Any]) -> bool:
    """Whether a model, by the content of its ``model.json``, is guided by language."""
    known = NETWORKS.get(model.get("network") or "")
    return bool(model.get("embedding")) or (known is not None and known.language)


def entry(subjects: Mapping[str, Any], subject: str, metric: str) -> dict[str, Any]:
    """Statistics of a metric; ``nsd`` stands for that of the first tolerance.

    Empty where the scores do not hold it.
    """
    metrics = subjects.get(subject, {})
    if metric == "nsd" and metric not in metrics:
        metric = next((name for name in metrics if name.startswith("nsd_")), metric)
    return metrics.get(metric, {})


def cell(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Mean, interval and spread of the seeds as text; the last two may be empty."""
    low, high, unit = (statistics.get(key) for key in ("low", "high", "unit"))
    known = low is not None and high is not None
    interval = f"{number(low, unit or '1')} to {number(high, unit or '1')}" if known else ""
    mean = statistics.get("mean")
    seeds = " to ".join(number(value, unit or "1") for value in statistics.get("seeds", ()))
    return {"mean": number(mean, unit or "1"), "interval": interval, "value": mean, "seeds": seeds}


def _not_counted(subjects: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """How much the means leave out, in words."""
    scored = sum(entry(subjects, name, "dsc").get("cases", 0) for name in CLASSES)
    unknown = sum(entry(subjects, name, "dsc").get("unknown", 0) for name in CLASSES)
    parts = []
    if unknown:
        parts.append(f"{unknown} of {scored + unknown} classes unknown, not counted")
    if about.get("refused"):
        parts.append(f"{len(about['refused'])} cases refused, not scored")
    return "; ".join(parts)
