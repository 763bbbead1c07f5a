"""Statistics over patients: means with intervals, tests of paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Seed of the bootstrap: the same scores give the same intervals.
BOOTSTRAP_SEED = 0

#: Below this many pairs the Wilcoxon test cannot give a small p: no test is made.
MIN_PAIRS = 5

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
        than MIN_PAIRS pairs.
    """
    if len(difference) < MIN_PAIRS:
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
