"""From the scores of all runs to what stands in ``study.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lacaf.params.study import Study, Table
from lacaf.study.comparison import corrected, difference, estimate, remarks
from lacaf.study.scores import HEADLINES, Scored, heading, means, metrics


def study(section: Study, runs: Mapping[str, Scored]) -> dict[str, Any]:
    """All numbers of a study.

    Args:
        section: experiments, seeds and tables.
        runs: name of each run to its scores; every experiment with every seed.

    Returns:
        ``seeds``; ``metrics``: name → heading; ``shown``: those of them that are tested, and
        stand in tables and figures; ``cases``: how many were scored, of how many patients,
        against what; ``experiments``: name → what it has otherwise and its runs;
        ``tables``: name → ``against``, ``remarks`` and ``rows``, one an experiment, each with
        ``scores`` and ``differences`` by metric (see :mod:`lacaf.study.comparison`).
    """
    first = next(iter(runs.values()), None)
    names = metrics(first.rows) if first else []
    return {
        "seeds": list(section.seeds),
        "metrics": {name: heading(name) for name in names},
        "shown": names[:HEADLINES],
        "cases": _cases(list(runs.values())),
        "experiments": {
            name: {"changes": changes, "runs": _runs(name, runs)}
            for name, changes in section.experiments.items()
        },
        "tables": {
            name: _table(table, list(runs.values()), names)
            for name, table in section.tables.items()
        },
    }


def _cases(runs: Sequence[Scored]) -> dict[str, Any]:
    rows = runs[0].rows if runs else []
    kinds = [row["against"] for row in rows]
    return {
        "count": len(rows),
        "patients": len({row["patient"] for row in rows}),
        "against": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
    }


def _runs(experiment: str, runs: Mapping[str, Scored]) -> dict[str, Any]:
    return {
        name: {"seed": run.seed, **run.about, "means": means(run)}
        for name, run in runs.items()
        if run.experiment == experiment
    }


def _table(table: Table, runs: Sequence[Scored], names: Sequence[str]) -> dict[str, Any]:
    of = {name: [r for r in runs if r.experiment == name] for name in table.experiments}
    base = of[table.against]
    rows: list[dict[str, Any]] = []
    for name in table.experiments:
        scores = {metric: estimate(of[name], metric) for metric in names}
        others = {}
        if name != table.against:
            others = {metric: difference(of[name], base, metric) for metric in names}
            for metric in names[HEADLINES:]:
                others[metric] |= {"p": None, "p_holm": None}
        rows.append({"experiment": name, "scores": scores, "differences": others})
    tests = [row["differences"][m] for row in rows if row["differences"] for m in names[:HEADLINES]]
    corrected(tests)
    seen = [s for row in rows for s in row["scores"].values()]
    patients = max((entry["patients"] for entry in seen), default=0)
    seeds = min((entry["seeds"] for entry in seen), default=0)
    return {"against": table.against, "remarks": remarks(patients, seeds), "rows": rows}
