"""What is known of each class: unknown is never background, and nothing known is lost."""

import numpy as np
import pytest

from lacaf.classes import CLASSES, class_value
from lacaf.coverage import distance_mm, nearer, nearest_side, targets_and_validity
from lacaf.grid import Grid

# One line of voxels, 2 mm apart, from the patient's right to the left:
# 15 of the right lung, 6 of the mediastinum, 15 of the left lung.
LINE = Grid.upright((1, 1, 36), 2.0)
LUNGS = np.array([2] * 15 + [0] * 6 + [1] * 15, np.uint8).reshape(1, 1, 36)
LEFT_ONLY = {
    "left_artery": "labelled",
    "left_vein": "labelled",
    "right_artery": "unknown",
    "right_vein": "unknown",
}
FULL = dict.fromkeys(CLASSES, "labelled")


def line(**at):
    """A line of labels: background, with values at places (``v1=20`` or ``v255=[0, 1]``)."""
    labels = np.zeros(36, np.uint8)
    for value, places in at.items():
        labels[places] = int(value[1:])
    return labels.reshape(1, 1, 36)


def lines(labels, coverage):
    targets, valid = targets_and_validity(labels, LUNGS, LINE, coverage)
    return targets[:, 0, 0], valid[:, 0, 0]


def test_class_values_are_the_canonical_ones():
    values = [class_value(v, s) for s in ("left", "right") for v in ("artery", "vein")]
    assert values == [1, 2, 3, 4]
    assert [f"{s}_{v}" for s in ("left", "right") for v in ("artery", "vein")] == list(CLASSES)


def test_in_a_full_case_every_class_is_valid_everywhere():
    targets, valid = lines(line(v1=30, v4=5), FULL)
    assert valid.all()
    assert targets[0].nonzero()[0].tolist() == [30]
    assert targets[3].nonzero()[0].tolist() == [5]
    assert targets.sum() == 2


class TestHalfLabelledLeft:
    labels = line(v1=30, v2=25, v255=range(18))  # right lung and right half of the middle

    def test_left_classes_are_learnt_in_the_left_half(self):
        targets, valid = lines(self.labels, LEFT_ONLY)
        assert valid[:2, 18:].all()
        assert targets[0].nonzero()[0].tolist() == [30]
        assert targets[1].nonzero()[0].tolist() == [25]

    def test_left_classes_are_background_deep_in_the_right_lung_and_unknown_near_its_hilum(self):
        _, valid = lines(self.labels, LEFT_ONLY)
        # A voxel at index i is 2 * (15 - i) mm from the first voxel outside; deep is > 10 mm.
        assert valid[:2, :10].all()
        assert not valid[:2, 10:18].any()

    def test_right_classes_are_background_deep_in_the_left_lung_and_at_left_vessels_only(self):
        targets, valid = lines(self.labels, LEFT_ONLY)
        expected = np.zeros(36, bool)
        expected[26:] = True  # deeper than 10 mm in the left lung
        expected[[25, 30]] = True  # a left vessel is no right one
        np.testing.assert_array_equal(valid[2], expected)
        np.testing.assert_array_equal(valid[3], expected)
        assert not targets[2:].any()


def test_of_an_artery_only_coding_veins_are_valid_at_arteries_and_in_the_other_lung_only():
    coverage = {**LEFT_ONLY, "left_vein": "unknown"}
    _, valid = lines(line(v1=24, v255=range(18)), coverage)
    assert valid[0, 18:].all()
    expected = np.zeros(36, bool)
    expected[:10] = True
    expected[24] = True
    np.testing.assert_array_equal(valid[1], expected)


def test_an_absent_class_is_background_wherever_something_is_known():
    _, valid = lines(line(v1=30, v255=range(18)), {**LEFT_ONLY, "left_vein": "absent"})
    assert valid[1, 18:].all()


def test_no_unknown_marker_reaches_a_target():
    labels = np.random.default_rng(0).choice([0, 1, 2, 3, 4, 255], 36).reshape(1, 1, 36)
    for coverage in (FULL, LEFT_ONLY, dict.fromkeys(CLASSES, "unknown")):
        targets, valid = lines(labels.astype(np.uint8), coverage)
        assert targets.dtype == bool
        assert not (targets & ~valid).any()
        assert not targets[:, labels[0, 0] == 255].any()


def test_a_label_that_contradicts_the_anatomy_stays_a_label():
    targets, valid = lines(line(v1=2), FULL)
    assert targets[0, 2]
    assert valid[0, 2]


def test_each_voxel_is_on_the_side_of_the_lung_that_is_nearest_in_millimetres():
    side = nearest_side(LUNGS, LINE)[0, 0]
    assert side[:18].tolist() == [2] * 18
    assert side[18:].tolist() == [1] * 18


def test_nearest_counts_millimetres_not_voxels():
    grid = Grid.upright((3, 1, 4), (1.0, 1.0, 10.0))
    lungs = np.zeros(grid.shape, np.uint8)
    lungs[2, 0, 0] = 1  # 10 mm above
    lungs[1, 0, 3] = 2  # 3 mm beside
    assert nearest_side(lungs, grid)[1, 0, 0] == 2


def test_a_tie_goes_left():
    assert nearer(np.array([1.0]), np.array([1.0])).tolist() == [1]


def test_without_a_lung_there_is_no_side():
    with pytest.raises(ValueError, match="no right lung"):
        nearest_side(np.ones((2, 2, 2), np.uint8), Grid.upright((2, 2, 2), 1.0))


def test_distances_are_in_millimetres_along_each_axis():
    grid = Grid.upright((3, 3, 3), (2.0, 3.0, 5.0))
    mask = np.zeros(grid.shape, bool)
    mask[0, 0, 0] = True
    distance = distance_mm(mask, grid)
    assert distance[0, 0, 2] == pytest.approx(4.0)
    assert distance[0, 2, 0] == pytest.approx(6.0)
    assert distance[2, 0, 0] == pytest.approx(10.0)
    assert np.isinf(distance_mm(mask & False, grid)).all()
