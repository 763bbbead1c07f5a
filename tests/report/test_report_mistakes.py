"""The worst errors: each kind found where it was put, with its length, width and place."""

import numpy as np
import pytest

from lacaf.classes import CLASSES, UNKNOWN
from lacaf.grid import Grid
from lacaf.report.mistakes import mistakes
from lacaf.volume import Volume

ALL = dict.fromkeys(CLASSES, "labelled")
GRID = Grid.upright((60, 40, 60), 1.0)


def vessels() -> np.ndarray:
    """Four upright vessels of 40 x 4 x 4 mm, one a class; the patient's left at high x."""
    labels = np.zeros(GRID.shape, np.uint8)
    for value, (y, x) in enumerate(((8, 45), (28, 45), (8, 10), (28, 10)), start=1):
        labels[10:50, y : y + 4, x : x + 4] = value
    return labels


def lungs() -> Volume:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[5:56, 4:36, 33:57] = 1
    mask[5:56, 4:36, 3:27] = 2
    return Volume(mask, GRID)


def found(prediction, reference=None, coverage=ALL):
    reference = vessels() if reference is None else reference
    return mistakes(prediction, reference, coverage, GRID, lungs())


def test_a_perfect_prediction_has_none():
    assert found(vessels()) == []


def test_a_surface_that_is_a_voxel_off_is_no_error():
    assert found(np.roll(vessels(), 1, axis=2)) == []


def test_a_missed_branch_has_its_length_width_and_place():
    prediction = vessels()
    prediction[10:30][prediction[10:30] == 2] = 0
    (one,) = found(prediction)
    assert (one.kind, one.name, one.place) == ("missed", "left_vein", "left lung, lower third")
    assert one.length_mm == pytest.approx(20 - 2, abs=3)  # its end lies within the tolerance
    assert one.width_mm == pytest.approx(4, abs=1)
    assert vessels()[one.at] == 2
    assert one.sentence() == "Left vein missed"


def test_a_false_vessel_a_confused_type_and_a_confused_side_are_told_apart():
    prediction = np.array([0, 2, 2, 1, 4], np.uint8)[
        vessels()
    ]  # left artery as vein, right as left
    prediction[20:40, 18:21, 18:21] = 4
    kinds = {(one.kind, one.name): one for one in found(prediction)}
    assert set(kinds) == {
        ("vessel", "left_artery"),
        ("side", "right_artery"),
        ("false", "right_vein"),
    }
    assert kinds["vessel", "left_artery"].length_mm == pytest.approx(40, abs=3)
    assert kinds["false", "right_vein"].length_mm == pytest.approx(20, abs=3)
    assert kinds["vessel", "left_artery"].sentence() == "Left artery called vein"
    assert kinds["side", "right_artery"].sentence() == "Right artery called left"


def test_longest_come_first():
    prediction = vessels()
    prediction[10:25][prediction[10:25] == 1] = 0
    prediction[10:40][prediction[10:40] == 4] = 0
    assert [one.name for one in found(prediction)] == ["right_vein", "left_artery"]


def test_the_length_of_a_bent_vessel_is_that_along_it():
    reference = np.zeros(GRID.shape, np.uint8)
    reference[10:50, 20, 10] = 1
    reference[49, 20, 10:50] = 1
    (one,) = found(np.zeros(GRID.shape, np.uint8), reference)
    assert one.length_mm == pytest.approx(39 + 39, abs=2)  # across the corner it would be 55
    assert abs(one.at[0] - 49) <= 2
    assert abs(one.at[2] - 10) <= 2  # its middle is the bend


def test_nothing_is_wrong_where_the_reference_says_nothing():
    reference = vessels()
    reference[:, :, :30] = UNKNOWN  # the right lung
    prediction = vessels()
    prediction[20:40, 18:21, 18:21] = 4
    assert found(prediction, reference) == []
    coverage = ALL | {"left_vein": "unknown"}
    prediction = vessels()
    prediction[20:40, 18:21, 36:39] = 2
    assert found(prediction, coverage=coverage) == []


def test_a_large_error_is_measured_as_well():
    reference = np.zeros(GRID.shape, np.uint8)
    reference[5:55, 5:25, 5:25] = 1  # 20,000 voxels
    (one,) = found(np.zeros(GRID.shape, np.uint8), reference)
    assert 49 <= one.length_mm <= 65
