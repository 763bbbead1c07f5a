"""Intervals over patients and seeds, and exact tests, on numbers whose answer is known."""

import numpy as np
import pytest

from lacaf.statistics import ALL_SIGNS, SIGN_DRAWS, crossed_interval, sign_flip

PATIENTS, SEEDS = 12, 3


def drawn(rng, patient_sd, seed_sd, rest_sd):
    """Values ``(seeds, patients)`` of mean 0: each patient and each seed has its own effect."""
    patients, seeds = rng.normal(0, patient_sd, PATIENTS), rng.normal(0, seed_sd, (SEEDS, 1))
    return patients + seeds + rng.normal(0, rest_sd, (SEEDS, PATIENTS))


def coverage(make, trials=400):
    """How often the interval holds the true mean, which is 0."""
    rng = np.random.default_rng(7)
    intervals = [crossed_interval(make(rng), 400) for _ in range(trials)]
    return np.mean([low <= 0 <= high for low, high in intervals])


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
    low, high = crossed_interval([np.stack([values] * 3)], 10_000)
    half = 2.045 * values.std(ddof=1) / np.sqrt(30)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.01)


def test_seeds_that_differ_widen_it_and_one_seed_says_nothing_of_them():
    values = np.linspace(0.4, 0.6, 12)
    same = crossed_interval([np.stack([values] * 3)], 2000)
    apart = crossed_interval([np.stack([values - 0.1, values, values + 0.1])], 2000)
    one = crossed_interval([values[None]], 2000)
    assert apart[1] - apart[0] > 2 * (same[1] - same[0])
    assert one[1] - one[0] == pytest.approx(same[1] - same[0], rel=0.1)


def test_values_that_are_all_the_same_have_an_interval_of_no_width():
    assert crossed_interval([np.full((3, 8), 0.5)], 500) == pytest.approx((0.5, 0.5))


def test_four_patients_are_too_few():
    four = np.array([[0.1, 0.2, 0.3, 0.4]])
    assert crossed_interval([four], 500) == (None, None)
    assert sign_flip(four[0]) is None


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3, 4, 5], 2 / 32),  # all of one sign: only they and their mirror are as far out
        ([1, 1, 1, 1, 1, 1], 2 / 64),
        ([-1, 2, 3, 4, 5], 4 / 32),
        ([1, -1, 1, -1, 1], 1.0),
        ([0, 0, 0, 0, 0], 1.0),
    ],
)
def test_the_test_is_exact(differences, p):
    assert sign_flip(np.array(differences, float)) == pytest.approx(p)


def test_many_patients_are_tested_by_draws_and_p_is_never_0():
    assert sign_flip(np.ones(ALL_SIGNS + 14)) == pytest.approx(1 / (SIGN_DRAWS + 1))
    even = np.tile([1.0, -1.0], ALL_SIGNS)
    assert sign_flip(even) == 1.0
