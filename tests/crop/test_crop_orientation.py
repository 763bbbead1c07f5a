"""Spine, trachea, heart and couch tell whether the file's axes are the patient's."""

import numpy as np
import pytest
from chest import chest, couch_in_front, image, misread, roomy, turned
from thorax import ORIENTATIONS, grid
from thorax import image as boneless

from lacaf.crop.coarse import coarse
from lacaf.fault import Refusal

UPRIGHT = ((0, 1, 2), (1, 1, 1))
MIRRORED = ((0, 1, 2), (1, 1, -1))


def test_a_chest_that_lies_as_stored_raises_no_doubt(cropped):
    details, _, _ = cropped(image(), spacing_mm=4.0)
    facts = details["orientation"]
    assert [facts[k]["says"] for k in ("front_back", "head_feet", "left_right")] == (
        ["as stored"] * 3
    )
    assert facts["couch"] == "behind"
    assert facts["left_right"]["against"] == 0
    assert facts["left_right"]["for"] >= 3
    assert not any("look exchanged" in flag for flag in details["flags"])


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
def test_a_header_that_lies_is_refused_or_for_a_mirror_image_flagged(cropped, axes, flips):
    """Voxels in all 48 orders under a header that says upright: one order is right."""
    spoilt = misread(image(4.0), axes, flips)
    if (axes, flips) == UPRIGHT:
        details, _, _ = cropped(spoilt, spacing_mm=5.0)
        assert details["orientation"]["left_right"]["says"] == "as stored"
    elif (axes, flips) == MIRRORED:
        details, _, _ = cropped(spoilt, spacing_mm=5.0)
        assert details["orientation"]["left_right"]["says"] == "contrary"
        assert any("left and right look exchanged" in flag for flag in details["flags"])
    else:
        with pytest.raises(Refusal) as fault:
            cropped(spoilt, spacing_mm=5.0)
        assert any(
            words in str(fault.value)
            for words in (
                "side by side",
                "more than towards head and feet",
                "in front of the lungs' middle",
                "stand on their heads",
                "does not part",
            )
        )


def test_the_reason_names_what_lies_wrong(cropped):
    for flips, words in (
        ((1, -1, 1), "bone in the midline lies in front"),
        ((1, -1, -1), "the couch in front"),
        ((-1, 1, 1), "the lungs stand on their heads: the trachea's middle"),
    ):
        with pytest.raises(Refusal, match=words):
            cropped(misread(image(), (0, 1, 2), flips), spacing_mm=5.0)


def test_a_mirrored_chest_is_flagged_with_the_signs_and_how_many_they_are(cropped):
    details, _, _ = cropped(misread(image(), *MIRRORED), spacing_mm=4.0)
    signs = details["orientation"]["left_right"]
    flag = next(f for f in details["flags"] if "look exchanged" in f)
    assert f"{signs['against']} of {signs['for'] + signs['against']} signs" in flag
    assert "heart" in flag
    assert "situs inversus" in flag
    same = cropped(image(), spacing_mm=4.0)[0]["orientation"]["left_right"]["signs"]
    for name, value in signs["signs"].items():
        assert value == pytest.approx(-same[name], abs=0.15 * abs(same[name]) + 0.6)


def test_a_prone_patient_is_flagged_and_cropped_all_the_same(cropped):
    details, _, lungs = cropped(couch_in_front(roomy()), spacing_mm=4.0)
    assert details["orientation"]["couch"] == "in front"
    assert any("lying prone" in flag for flag in details["flags"])
    assert details["orientation"]["front_back"]["says"] == "as stored"
    assert (lungs.array == 1).any()


def test_what_cannot_be_seen_is_not_judged(cropped):
    """A body without bones or couch: the record says unknown, nothing is refused or flagged."""
    details, _, _ = cropped(boneless(grid()), spacing_mm=4.0)
    facts = details["orientation"]
    assert facts["front_back"] == {"says": "unknown", "spine_behind": None}
    assert facts["left_right"]["says"] == "unknown"
    assert details["flags"] == []


@pytest.mark.parametrize("degrees", [-20, 12])
def test_an_oblique_grid_changes_no_verdict(cropped, degrees):
    details, working, _ = cropped(turned(roomy(), degrees), spacing_mm=4.0)
    assert details["orientation"]["left_right"]["says"] == "as stored"
    assert np.allclose(working.grid.affine[:3, :3], 4.0 * np.eye(3))
    straight = cropped(roomy(), spacing_mm=4.0)[0]["lungs_ml"]
    assert details["lungs_ml"] == pytest.approx(straight, rel=0.04)


def test_bone_that_contrast_in_the_heart_outweighs_does_not_turn_the_patient(cropped):
    """Dense blood in front, in half of the slices, is no spine."""
    stored = image()
    heart = chest().labels.array > 0
    z = np.arange(len(heart))
    stored.array[heart & (z < len(z) // 2)[:, None, None]] = 600
    details, _, _ = cropped(stored, spacing_mm=4.0)
    assert details["orientation"]["front_back"]["says"] == "as stored"


def test_what_lies_beside_an_oblique_image_was_not_seen():
    stored = turned(image(), 15)
    copy = coarse(stored)
    place = np.moveaxis(np.indices(copy.grid.shape), 0, -1)
    index = stored.grid.to_index(copy.grid.to_mm(place))
    beside = ((index < -1) | (index > np.array(stored.grid.shape))).any(axis=-1)
    assert beside.mean() > 0.1
    assert copy.unseen[beside].all()
