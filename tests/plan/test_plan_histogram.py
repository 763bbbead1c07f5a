"""Distributions of fixed size."""

import numpy as np
import pytest

from lacaf.plan.histogram import Histogram


def test_quantiles_are_those_of_the_values():
    values = np.random.default_rng(0).integers(-900, 600, 5001)
    histogram = Histogram(-1100, 4000, 1)
    for part in np.array_split(values, 7):
        histogram.add(part)
    for fraction in (0.005, 0.5, 0.995):
        assert histogram.quantile(fraction) == np.quantile(values, fraction, method="inverted_cdf")


def test_below_and_above_leave_the_value_itself_out():
    histogram = Histogram(0, 10, 0.01)
    histogram.add([1.5, 1.5, 2.0, 3.0], [1, 1, 1, 5])
    assert histogram.total == 8
    assert histogram.below(1.5) == 0
    assert histogram.below(2.0) == 2 / 8
    assert histogram.above(2.0) == 5 / 8
    assert histogram.above(3.0) == 0


def test_what_lies_beyond_the_ends_counts_as_the_ends():
    histogram = Histogram(0, 10, 1)
    histogram.add([-50, 5, 1e6])
    assert (histogram.quantile(0), histogram.quantile(1)) == (0, 10)


def test_nothing_has_no_quantile_and_no_part_of_it_lies_anywhere():
    histogram = Histogram(0, 10, 1)
    assert histogram.below(5) == histogram.above(5) == 0
    with pytest.raises(ValueError, match="without values"):
        histogram.quantile(0.5)
