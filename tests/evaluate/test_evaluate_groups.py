"""Vessel types, sides and all vessels: scored as one mask, and only where they are known."""

import numpy as np
import pytest

from lacaf.classes import CLASSES

ALL = dict.fromkeys(CLASSES, "labelled")
LEFT_ONLY = {**ALL, "right_artery": "unknown", "right_vein": "unknown"}


def states(scores):
    return {name: entry["state"] for name, entry in scores["groups"].items()}


def dsc(scores):
    return {name: entry["dsc"] for name, entry in scores["groups"].items()}


def test_swapped_artery_and_vein_keep_their_sides_and_are_vessels(score, labels):
    swapped = np.array([0, 2, 1, 4, 3], np.uint8)[labels]
    scores = score(swapped, labels)
    assert dsc(scores) == {"artery": 0, "vein": 0, "left": 1, "right": 1, "vessel": 1}
    for name, whole in (("artery", 0), ("left", 1), ("vessel", 1)):
        entry = scores["groups"][name]
        assert entry["tree_detected"] == entry["branches_detected"] == entry["cldice"] == whole
        assert entry["false_branches"] == (0 if whole else 2)


def test_swapped_sides_keep_their_types(score, labels):
    swapped = np.array([0, 3, 4, 1, 2], np.uint8)[labels]
    found = dsc(score(swapped, labels))
    assert found == {"artery": 1, "vein": 1, "left": 0, "right": 0, "vessel": 1}


def test_a_group_is_the_union_of_its_classes(score, labels):
    prediction = np.roll(labels, 1, axis=2)
    scores = score(prediction, labels)
    mine, theirs = np.isin(prediction, (1, 3)), np.isin(labels, (1, 3))
    entry = scores["groups"]["artery"]
    assert entry["dsc"] == pytest.approx(2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()))
    lengths = [
        scores["classes"][f"{side}_artery"]["reference_tree_mm"] for side in ("left", "right")
    ]
    assert entry["reference_tree_mm"] == pytest.approx(sum(lengths))
    assert entry["reference_b0"] == 2
    assert scores["groups"]["vessel"]["reference_b0"] == 4
    assert entry["hd95_mm"] == pytest.approx(0.7, abs=1e-5)
    assert scores["groups"]["vessel"]["reference_branches"] == 4


def test_of_a_half_labelled_case_the_known_half_is_scored(score, labels):
    reference = labels.copy()
    reference[:, :, :30] = 255
    scores = score(labels, reference, LEFT_ONLY)
    assert states(scores) == {
        "artery": "partial",
        "vein": "partial",
        "left": "labelled",
        "right": "unknown",
        "vessel": "partial",
    }
    assert set(scores["groups"]["right"].values()) == {"unknown", None}
    for name in ("artery", "vein", "left", "vessel"):
        assert scores["groups"][name]["dsc"] == 1
    own = scores["classes"]["left_artery"]
    assert scores["groups"]["artery"] == {**own, "state": "partial"}


def test_an_unknown_class_beside_the_known_vessels_costs_no_group_anything(score, labels):
    """A right artery in the known background of the left lung's surroundings may be right."""
    reference = labels.copy()
    reference[:, :, :20] = 255
    reference[reference == 4] = 0
    reference[reference == 3] = 0
    prediction = labels.copy()
    prediction[4:44, 30:35, 25:30] = 3
    found = dsc(score(prediction, reference, LEFT_ONLY))
    assert found == {"artery": 1, "vein": 1, "left": 1, "right": None, "vessel": 1}


def test_an_unknown_class_on_a_known_vessel_is_judged(score, labels):
    """A left artery called right artery: an artery, a vessel, but not of the left."""
    reference = labels.copy()
    reference[:, :, :30] = 255
    prediction = labels.copy()
    prediction[labels == 1] = 3
    scores = score(prediction, reference, LEFT_ONLY)
    assert dsc(scores)["artery"] == dsc(scores)["vessel"] == 1
    assert scores["groups"]["left"]["sensitivity"] == pytest.approx(1 / 2)
    assert scores["groups"]["artery"]["tree_detected"] == 1
    assert scores["classes"]["left_artery"]["missed"]
    assert scores["identity"]["left"]["left_as_right"] == pytest.approx(1 / 2)
    assert "right_as_left" not in scores["identity"]["left"]
    assert scores["identity"]["left"]["branches_on_other_side"] == 1


def test_an_absent_vessel_type_is_absent_in_its_group(score, labels):
    reference = np.where(labels % 2 == 1, labels, 0).astype(np.uint8)
    coverage = {**ALL, "left_vein": "absent", "right_vein": "absent"}
    scores = score(reference, reference, coverage)
    assert states(scores)["vein"] == "absent"
    assert states(scores)["left"] == "labelled"
    vein = scores["groups"]["vein"]
    assert (vein["dsc"], vein["hd95_mm"], vein["tree_detected"]) == (1, 0, None)
