"""The numbers of a table: means over patients and seeds, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lacaf.statistics import MIN_PATIENTS, crossed, holm
from lacaf.study.scores import Scored, known_to_all, matrix

#: Draws of patients and seeds for each interval.
SAMPLES = 10_000

#: Below this many seeds their spread says too little to be relied on.
MIN_SEEDS = 3


def estimate(runs: Sequence[Scored], metric: str) -> dict[str, Any]:
    """How good an experiment is.

    Returns:
        ``patients``, ``seeds``, ``mean`` over both, its interval ``low`` and ``high``, ``by_seed``
        (seed → mean over patients) and ``seed_sd``, the standard deviation of these; None where
        there is too little to say.
    """
    patients = known_to_all(runs, metric)
    told: dict[str, Any] = {"patients": len(patients), "seeds": len(runs)}
    if not patients:
        return told | dict.fromkeys(("mean", "low", "high", "seed_sd")) | {"by_seed": {}}
    values = matrix(runs, metric, patients)
    sure = crossed([values], SAMPLES)
    seeds = values.mean(axis=1)
    return told | {
        "mean": float(values.mean()),
        "low": sure.low,
        "high": sure.high,
        "by_seed": {str(run.seed): float(m) for run, m in zip(runs, seeds, strict=True)},
        "seed_sd": float(seeds.std(ddof=1)) if len(runs) > 1 else None,
    }


def difference(runs: Sequence[Scored], against: Sequence[Scored], metric: str) -> dict[str, Any]:
    """How much better an experiment is than another, patient by patient.

    Returns:
        ``patients`` that both know, ``mean`` of the differences of the means over seeds, its
        interval over patients and both experiments' seeds, ``by_seed`` (the difference of each
        seed from the other experiment's mean over seeds) and ``p`` of the difference being 0; None
        where there is too little to say.
    """
    patients = known_to_all([*runs, *against], metric)
    if not patients:
        return {"patients": 0, "by_seed": {}} | dict.fromkeys(("mean", "low", "high", "p"))
    own, others = (matrix(side, metric, patients) for side in (runs, against))
    sure = crossed([own, others], SAMPLES)
    by_seed = own.mean(axis=1) - others.mean()
    return {
        "patients": len(patients),
        "mean": float(own.mean() - others.mean()),
        "low": sure.low,
        "high": sure.high,
        "by_seed": {str(run.seed): float(d) for run, d in zip(runs, by_seed, strict=True)},
        "p": sure.p,
    }


def corrected(entries: Sequence[dict[str, Any]]) -> None:
    """Add ``p_holm`` to differences: corrected for all of them that were tested (Holm 1979)."""
    tested = [entry for entry in entries if entry["p"] is not None]
    for entry, p in zip(tested, holm([e["p"] for e in tested]), strict=True):
        entry["p_holm"] = p
    for entry in entries:
        entry.setdefault("p_holm", None)


def remarks(patients: int, seeds: int) -> list[str]:
    """What numbers of so few cannot say, in sentences."""
    told = []
    if patients < MIN_PATIENTS:
        told.append(
            f"{patients} {'patient is' if patients == 1 else 'patients are'} too few to say: below "
            f"{MIN_PATIENTS} there is no interval "
            "and no test."
        )
    if seeds == 1:
        told.append(
            "With one seed the intervals are over patients alone: how much is the luck of the "
            "training, nobody can say."
        )
    elif seeds < MIN_SEEDS:
        told.append(f"{seeds} seeds are too few to say how much they differ; train {MIN_SEEDS}.")
    return told
