"""Intervals and p over patients and seeds, on numbers whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from lacaf.statistics import crossed

PATIENTS, SEEDS = 12, 3


def drawn(rng, patient_sd, seed_sd, rest_sd):
    """Values ``(seeds, patients)`` of mean 0: each patient and each seed has its own effect."""
    patients, seeds = rng.normal(0, patient_sd, PATIENTS), rng.normal(0, seed_sd, (SEEDS, 1))
    return patients + seeds + rng.normal(0, rest_sd, (SEEDS, PATIENTS))


def coverage(make, trials=400):
    """How often the interval holds the true mean, which is 0."""
    rng = np.random.default_rng(7)
    found = [crossed(make(rng), 400) for _ in range(trials)]
    held = [one.low <= 0 <= one.high for one in found]
    agreed = [(one.p > 0.05) == inside for one, inside in zip(found, held, strict=True)]
    assert np.mean(agreed) > 0.97  # the p says what the interval says
    return np.mean(held)


@pytest.mark.parametrize("effects", [(0.08, 0.02, 0.03), (0.05, 0.03, 0.03), (0.02, 0.03, 0.02)])
def test_the_interval_of_a_mean_covers_it_as_often_as_it_says(effects):
    assert 0.9 <= coverage(lambda rng: [drawn(rng, *effects)]) <= 0.99


@pytest.mark.parametrize("seed_sd", [0.005, 0.03])
def test_so_does_that_of_a_difference_whose_sides_share_the_patients(seed_sd):
    def sides(rng):
        hard = rng.normal(0, 0.1, PATIENTS)  # a patient who is hard to one is hard to both
        return [hard + drawn(rng, 0.02, seed_sd, 0.01) for _ in range(2)]

    assert 0.9 <= coverage(sides) <= 0.995


def test_without_an_effect_of_the_seed_it_is_near_students():
    values = np.linspace(0.2, 0.8, 30)
    low, high, _ = crossed([np.stack([values] * 3)], 10_000)
    half = 2.045 * values.std(ddof=1) / np.sqrt(30)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.01)


def test_seeds_that_differ_widen_it_and_one_seed_says_nothing_of_them():
    values = np.linspace(0.4, 0.6, 12)
    same = crossed([np.stack([values] * 3)], 2000)
    apart = crossed([np.stack([values - 0.1, values, values + 0.1])], 2000)
    one = crossed([values[None]], 2000)
    assert apart.high - apart.low > 2 * (same.high - same.low)
    assert one.high - one.low == pytest.approx(same.high - same.low, rel=0.1)


def test_values_that_are_all_the_same_have_an_interval_of_no_width():
    assert crossed([np.full((3, 8), 0.5)], 500) == pytest.approx((0.5, 0.5, 0.0))
    assert crossed([np.zeros((3, 8))], 500).p == 1.0


def test_four_patients_are_too_few():
    four = np.array([[0.1, 0.2, 0.3, 0.4]])
    assert crossed([four], 500) == (None, None, None)


def test_with_one_seed_the_p_is_that_of_the_paired_t_test():
    one, two = np.random.default_rng(3).normal(0.5, 0.1, (2, 1, 30)) + np.array([[[0.04]], [[0.0]]])
    expected = stats.ttest_rel(one[0], two[0]).pvalue
    assert crossed([one, two], 10_000).p == pytest.approx(expected, rel=0.1)


def test_one_lucky_seed_is_no_finding_however_many_the_patients():
    """All patients agree, since the seed moved them all; the seeds do not."""
    patients = np.random.default_rng(3).normal(0.7, 0.05, 40)
    lucky = patients + np.array([[0.09], [0.0], [0.0]])
    assert crossed([lucky, np.stack([patients] * 3)], 4000).p > 0.2
