"""Statistics over patients and seeds: means with intervals, tests of paired differences.

What evaluate and study share: an interval is the same wherever it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Seed of the bootstrap: the same scores give the same intervals.
BOOTSTRAP_SEED = 0

#: Below this many patients the Wilcoxon test cannot give a small p, and what is said of seeds and
#: patients together is not sure enough: no test is made, and no such interval given.
MIN_PATIENTS = 5

#: Differences that are the same to so many decimals are ties: the rest is rounding.
TIE_DECIMALS = 9


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
    mean, median = float(each.mean()), float(np.median(each))
    low, high = interval(each, samples)
    return {"mean": mean, "median": median, "low": low, "high": high} | counts


def interval(values: NDArray[np.float64], samples: int) -> tuple[float | None, float | None]:
    """95 % percentile bootstrap of the mean of independent values; None of fewer than two."""
    if len(values) < 2:
        return None, None
    low, high = np.percentile(_fractions_of_draws(len(values), samples) @ values, (2.5, 97.5))
    return float(low), float(high)


@lru_cache(maxsize=4)
def _fractions_of_draws(count: int, samples: int) -> NDArray[np.float64]:
    """``(samples, count)``: the fraction that each value has in each bootstrap sample."""
    draws = np.random.default_rng(BOOTSTRAP_SEED).integers(count, size=(samples, count))
    draws += np.arange(samples)[:, None] * count
    return np.bincount(draws.ravel(), minlength=samples * count).reshape(samples, count) / count


def wilcoxon(difference: NDArray[np.float64]) -> tuple[float, float] | None:
    """Signed-rank test of paired differences.

    Returns:
        The two-sided p and the rank-biserial correlation, -1 to 1 (Kerby 2014); None for fewer
        than MIN_PATIENTS pairs.
    """
    if len(difference) < MIN_PATIENTS:
        return None
    exact = difference.round(TIE_DECIMALS)
    moved = exact[exact != 0]
    if not len(moved):
        return 1.0, 0.0
    from scipy import stats

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


class Crossed(NamedTuple):
    """What is known of a mean over patients and seeds; None for too few patients.

    Attributes:
        low, high: 95 % interval.
        p: two-sided, of the mean being 0.
    """

    low: float | None
    high: float | None
    p: float | None


def crossed(sides: Sequence[NDArray[np.float64]], samples: int) -> Crossed:
    """How sure a mean over patients and seeds is, or the difference of two such means.

    Patients and seeds are both drawn, crossed (the pigeonhole bootstrap, Owen 2007): a seed that
    is drawn counts for every patient, and the same patients are drawn on both sides; the seeds of
    the two sides are not each other's. With three seeds plain draws spread too little, so weights
    are rescaled about their mean (Rao & Wu 1988), and interval and p are those of Student's t
    instead of the normal law, with Satterthwaite's degrees of freedom (1946).

    A permutation of the patients' signs would be exact, and about these trained models alone: one
    lucky seed moves all patients alike, and it would call that a finding.

    Args:
        sides: one array ``(seeds, patients)``; or two, of which the second is taken from the
            first, with the same patients. A single seed is not drawn.
        samples: number of draws.

    Returns:
        Nothing known for fewer than MIN_PATIENTS patients.
    """
    from scipy import stats

    patients = sides[0].shape[1]
    if patients < MIN_PATIENTS:
        return Crossed(None, None, None)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    drawn_patients = _rescaled(patients, samples, rng)
    signs = (1.0, -1.0)[: len(sides)]
    drawn, centre = np.zeros(samples), 0.0
    for sign, side in zip(signs, sides, strict=True):
        seeds = len(side)
        drawn_seeds = _rescaled(seeds, samples, rng) if seeds > 1 else np.ones((samples, 1))
        drawn += sign * ((drawn_seeds @ side) * drawn_patients).sum(axis=1)
        centre += sign * float(side.mean())
    freedom = _freedom(sides)
    wider = float(stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975))
    low, high = (float(limit) for limit in np.percentile(drawn, (2.5, 97.5)))
    spread = max(float(drawn.std()), 10.0**-TIE_DECIMALS)
    p = float(2 * stats.t.sf(abs(centre) / spread, freedom))
    return Crossed(centre + (low - centre) * wider, centre + (high - centre) * wider, p)


def _freedom(sides: Sequence[NDArray[np.float64]]) -> float:
    """Satterthwaite's degrees of freedom of the spread over patients and over each side's seeds."""
    by_patient = sides[0].mean(axis=0) - sum(side.mean(axis=0) for side in sides[1:])
    patients = len(by_patient)
    parts = [(float(by_patient.var(ddof=1)) / patients, patients - 1)]
    for side in sides:
        if (seeds := len(side)) > 1:
            parts.append((float(side.mean(axis=1).var(ddof=1)) / seeds, seeds - 1))
    below = sum(variance**2 / freedom for variance, freedom in parts)
    return sum(variance for variance, _ in parts) ** 2 / below if below else patients - 1


def _rescaled(count: int, samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(samples, count)``: weights of bootstrap samples whose spread is that of the mean itself.

    Draws with replacement spread by a factor of (count - 1) / count too little in variance.
    """
    weights = rng.multinomial(count, np.full(count, 1 / count), samples) / count
    return 1 / count + (weights - 1 / count) * np.sqrt(count / (count - 1))
