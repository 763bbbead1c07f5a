"""What found vessels are called: whole branches that flip, and thin ones apart from thick ones."""

import numpy as np
import pytest
from vessels import ISOTROPIC, forked

from lacaf.classes import CLASSES
from lacaf.evaluate.scoring import Scales, compare_volumes
from lacaf.grid import Grid

ALL = dict.fromkeys(CLASSES, "labelled")
LEFT_ARTERY, LEFT_VEIN, RIGHT_ARTERY = 1, 2, 3


@pytest.fixture
def parts():
    return forked()


def score(prediction, reference, classes=CLASSES, states=None):
    grid = Grid.upright(reference.shape, ISOTROPIC)
    scales = Scales(calibre_edges_mm=(2.5,))
    labels = dict.fromkeys(classes, "labelled")
    return compare_volumes(prediction, reference, grid, classes, states or labels, scales)


def both_vessels(parts):
    """The tree as a left artery, and a straight left vein beside it."""
    labels = np.where(parts["whole"], LEFT_ARTERY, 0).astype(np.uint8)
    labels[5:65, 8:12, 5:9] = LEFT_VEIN
    return labels


def test_a_branch_that_flips_is_counted_once_and_by_its_length(parts):
    reference = both_vessels(parts)
    prediction = reference.copy()
    prediction[parts["up"] & ~parts["trunk"]] = LEFT_VEIN
    found = score(prediction, reference)["identity"]["both"]
    assert found["branches"] == 6
    assert found["artery_branches_as_vein"] == 1
    assert found["vein_branches_as_artery"] == found["branches_on_other_side"] == 0
    assert found["artery_as_vein"] == pytest.approx(22 / 110, abs=0.02)
    assert found["vein_as_artery"] == 0
    assert found["found_share"] == 1
    thin, thick = (found["by_calibre"][f"radius {band} mm"] for band in ("0-2.5", "2.5+"))
    assert thick["artery_as_vein"] == 0
    assert thick["accuracy"] == 1
    assert thin["artery_as_vein"] == pytest.approx(1 / 2, abs=0.08)  # some lies in the trunk
    assert thin["vein_as_artery"] == 0


def test_a_flip_of_less_than_half_of_a_branch_is_a_length_but_no_branch(parts):
    reference = both_vessels(parts)
    prediction = reference.copy()
    tip = parts["up"].copy()
    tip[:, :, :52] = False
    prediction[tip] = LEFT_VEIN
    found = score(prediction, reference)["identity"]["both"]
    assert found["artery_branches_as_vein"] == 0
    assert 0 < found["artery_as_vein"] < 0.1


def test_a_branch_on_the_other_side(parts):
    reference = both_vessels(parts)
    prediction = reference.copy()
    prediction[parts["down"] & ~parts["trunk"]] = RIGHT_ARTERY
    identity = score(prediction, reference)["identity"]
    assert identity["left"]["branches_on_other_side"] == 1
    assert identity["left"]["left_as_right"] == pytest.approx(22 / 170, abs=0.02)
    assert identity["left"]["artery_as_vein"] == 0
    assert identity["right"]["right_as_left"] is None  # nobody drew a right vessel
    by_band = identity["left"]["by_calibre"]
    assert by_band["radius 2.5+ mm"]["left_as_right"] == 0


def test_the_bands_add_up_to_the_whole(parts):
    reference = both_vessels(parts)
    prediction = reference.copy()
    prediction[20:40][prediction[20:40] == LEFT_ARTERY] = LEFT_VEIN
    found = score(prediction, reference)["identity"]["left"]
    for name in ("artery", "vein"):
        lengths = [part[f"reference_{name}_mm"] for part in found["by_calibre"].values()]
        assert sum(lengths) == pytest.approx(found[f"reference_{name}_mm"])
    called = [
        part["reference_artery_mm"] * (part["artery_as_vein"] or 0)
        for part in found["by_calibre"].values()
    ]
    assert sum(called) == pytest.approx(found["reference_artery_mm"] * found["artery_as_vein"])


def test_volumes_without_sides_have_one_identity(parts):
    reference = both_vessels(parts)
    prediction = reference.copy()
    prediction[reference == LEFT_VEIN] = LEFT_ARTERY
    scores = score(prediction, reference, classes=("artery", "vein"))
    assert list(scores["identity"]) == ["both"]
    found = scores["identity"]["both"]
    assert (found["vein_as_artery"], found["artery_as_vein"]) == (1, 0)
    assert found["vein_branches_as_artery"] == 1
    for key in ("side_accuracy", "left_as_right", "right_as_left", "branches_on_other_side"):
        assert key not in found
    assert list(scores["groups"]) == ["vessel"]
    assert scores["groups"]["vessel"]["dsc"] == 1
    assert scores["classes"]["vein"]["missed"]


def test_what_is_unknown_has_no_identity(parts):
    reference = both_vessels(parts)
    nothing = dict.fromkeys(CLASSES, "unknown")
    for found in score(reference, reference, states=nothing)["identity"].values():
        assert set(found.values()) == {None}
