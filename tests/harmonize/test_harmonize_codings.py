"""Every coding becomes the same four classes, the patient's left and right."""

import numpy as np
import pytest
from thorax import ORIENTATIONS, WORKING, drawn, grid, positions, sided

from lacaf.classes import CLASSES, UNKNOWN
from lacaf.coding import Coding
from lacaf.volume import Volume

ALL = dict.fromkeys(CLASSES, "labelled")


def agree(found, truth):
    """Whether labels are the truth wherever they say anything."""
    known = found.array != UNKNOWN
    return bool((found.array[known] == truth[known]).all())


def vessels_found(found, truth):
    return float((found.array[truth > 0] == truth[truth > 0]).mean())


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
def test_left_is_the_patients_left_in_every_orientation_of_image_and_labels(desk, axes, flips):
    stored = grid(axes, flips)
    other = grid(axes[::-1], [-f for f in flips])  # the same voxels in another order
    desk.lay(drawn(other, "left"), stored)
    got = desk.harmonize(side="left")
    truth = sided(positions(stored))
    truth[positions(stored)[..., 0] < 0] = 0
    assert got.labels.grid.same_as(stored)
    assert agree(got.labels, truth)
    assert vessels_found(got.labels, truth) == 1.0
    assert set(np.unique(got.labels.array)) == {0, 1, 2, UNKNOWN}


def test_one_file_with_artery_and_vein_in_either_order(desk):
    labels = drawn(grid())
    truth = sided(positions(grid()))
    desk.lay(labels)
    got = desk.harmonize("artery1_vein2")
    assert got.coverage == ALL
    assert agree(got.labels, truth)
    desk.lay(Volume(np.array([0, 2, 1], np.uint8)[labels.array], labels.grid))
    swapped = desk.harmonize("vein1_artery2")
    np.testing.assert_array_equal(swapped.labels.array, got.labels.array)


def test_four_classes_keep_the_side_that_the_expert_gave(desk):
    truth = sided(positions(grid()))
    desk.lay(Volume(truth, grid()))
    got = desk.harmonize("four_classes")
    assert got.coverage == ALL
    assert agree(got.labels, truth)
    assert got.decisions["sides_from"] == "coding"


def test_a_file_a_vessel(desk):
    labels = drawn(grid())
    parts = {
        name: Volume((labels.array == value).astype(np.uint8), labels.grid)
        for value, name in ((1, "artery"), (2, "vein"))
    }
    desk.lay(parts)
    got = desk.harmonize("file_per_vessel")
    assert got.coverage == ALL
    assert agree(got.labels, sided(positions(grid())))


def test_artery_only_says_nothing_of_veins(desk):
    labels = drawn(grid(), "right")
    desk.lay(Volume((labels.array == 1).astype(np.uint8), labels.grid))
    got = desk.harmonize("artery_only", "right")
    assert got.coverage == {**dict.fromkeys(CLASSES, "unknown"), "right_artery": "labelled"}
    assert set(np.unique(got.labels.array)) == {0, 3, UNKNOWN}


def test_a_users_coding_with_negative_values_and_unknown_voxels(desk):
    labels = drawn(grid()).array.astype(np.int16)
    place = positions(grid())
    silent = (labels == 0) & (place[..., 2] > 60)
    labels[silent] = -999
    labels[np.linalg.norm(place - (60, -30, 0), axis=-1) < 8] = 40
    mine = Coding(values={1: "artery", 2: "vein", 40: "other", -999: "unknown"})
    desk.lay(Volume(labels, grid()))
    got = desk.harmonize("mine", codings={"mine": mine})
    assert got.coverage == ALL
    assert (got.labels.array[silent] == UNKNOWN).all()
    assert (got.labels.array[labels == 40] == 0).all()


def test_labels_stored_as_floats_are_read_as_what_they_are(desk):
    labels = drawn(grid())
    desk.lay(Volume(labels.array.astype(np.float32), labels.grid))
    assert agree(desk.harmonize().labels, sided(positions(grid())))


def test_a_case_without_labels_is_fine_and_all_unknown(desk, tmp_path):
    from lacaf.cases import Case
    from lacaf.harmonize import harmonize

    case = Case("c1", "p1", tmp_path, None, None, "", "predict")
    out = tmp_path / "out"
    out.mkdir()
    details = harmonize(
        case, desk.configuration.harmonize, None, tmp_path / "x", tmp_path / "y", out
    )
    assert details["coverage"] == dict.fromkeys(CLASSES, "unknown")
    assert list(out.iterdir()) == []


def test_the_working_labels_show_the_same_vessels_as_the_ct(desk):
    desk.lay(drawn(grid(spacing=(1.5, 1.5, 2.0))), grid(spacing=(1.5, 1.5, 2.0)))
    got = desk.harmonize()
    truth = sided(positions(WORKING))
    for value in (1, 2, 3, 4):
        one, two = got.working.array == value, truth == value
        assert 2 * (one & two).sum() / (one.sum() + two.sum()) > 0.9
    for name in CLASSES:
        assert got.ml_working[name] == pytest.approx(got.ml[name], rel=0.1)
