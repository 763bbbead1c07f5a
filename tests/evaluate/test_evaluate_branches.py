"""Branches, radii and generations of trees drawn by hand, and what is detected of them."""

import numpy as np
import pytest
from scipy import ndimage
from vessels import ISOTROPIC, forked, tube

from lacaf.evaluate.branches import DETACHED
from lacaf.evaluate.centreline import centreline
from lacaf.evaluate.masks import Masks
from lacaf.evaluate.topology import topology
from lacaf.evaluate.tree import pool, tree

EDGES_MM = (1.0, 2.5)
SHAPE = (70, 50, 70)


def detected(prediction, reference, spacing=ISOTROPIC):
    lines = [centreline(mask, spacing) for mask in (reference, prediction)]
    found = prediction[tuple(lines[0].points.T)]
    right = reference[tuple(lines[1].points.T)]
    return tree(lines[0], found, lines[1], right, EDGES_MM)


@pytest.fixture
def parts():
    return forked()


def test_a_tree_is_cut_at_its_forks(parts):
    """Three pieces of the trunk, two branches; each voxel belongs to one of them."""
    line = centreline(parts["whole"], ISOTROPIC)
    assert len(line.generation) == 5
    assert set(line.branch) == set(range(5))
    lengths = np.sort(np.bincount(line.branch, line.length_mm))
    assert lengths.sum() == pytest.approx(line.length_mm.sum())
    assert lengths == pytest.approx([20, 20, 20, 25, 25], abs=4)


def test_a_straight_vessel_is_one_branch_of_generation_zero(parts):
    line = centreline(parts["trunk"], ISOTROPIC)
    assert line.generation.tolist() == [0]


def test_generations_count_the_forks_from_the_thickest_part():
    """A thick stem, a fork, and one of the two children forks again."""
    stem = tube(SHAPE, (4, 25, 35), (24, 25, 35), 4.2)
    left = tube(SHAPE, (24, 25, 35), (44, 25, 15), 2.2)
    right = tube(SHAPE, (24, 25, 35), (44, 25, 55), 2.2)
    outer = tube(SHAPE, (44, 25, 15), (64, 25, 5), 1.2)
    inner = tube(SHAPE, (44, 25, 15), (64, 25, 25), 1.2)
    line = centreline(stem | left | right | outer | inner, ISOTROPIC)
    assert sorted(line.generation) == [0, 1, 1, 2, 2]
    at_the_top = line.points[:, 0] < 20
    assert set(line.generation[line.branch[at_the_top]]) == {0}
    at_the_bottom = line.points[:, 0] > 50
    assert set(line.generation[line.branch[at_the_bottom]]) == {2}


def test_forks_closer_than_the_vessel_is_deep_are_one():
    """Two branches that leave a thick trunk at nearly the same height: 2 + 2, no piece between."""
    trunk = tube(SHAPE, (8, 25, 35), (62, 25, 35), 5.2)
    up = tube(SHAPE, (33, 25, 35), (33, 25, 62), 1.6)
    down = tube(SHAPE, (35, 25, 35), (35, 25, 8), 1.6)
    assert len(centreline(trunk | up | down, ISOTROPIC).generation) == 4


def test_a_fragment_has_no_generation(parts):
    crumb = tube(SHAPE, (60, 5, 60), (60, 10, 60), 1.2)
    line = centreline(parts["whole"] | crumb, ISOTROPIC)
    assert sorted(line.generation)[0] == DETACHED
    assert (line.generation == DETACHED).sum() == 1
    of_crumb = line.points[:, 2] > 57
    of_crumb &= line.points[:, 0] > 50
    assert set(line.generation[line.branch[of_crumb]]) == {DETACHED}


@pytest.mark.parametrize("radius", [1.0, 2.0, 3.5, 5.0])
@pytest.mark.parametrize("spacing", [ISOTROPIC, (1.5, 0.7, 0.7), (0.5, 0.5, 0.5)])
def test_the_radius_is_that_of_the_tube(radius, spacing):
    shape = tuple(int(np.ceil(n / s)) for n, s in zip((40, 20, 20), spacing, strict=True))
    mask = np.pad(tube(shape, (2, 10, 10), (38, 10, 10), radius, spacing), 1)
    line = centreline(mask, spacing)
    inner = (line.points[:, 0] * spacing[0] > 10) & (line.points[:, 0] * spacing[0] < 30)
    # The nearest wall of a tube of voxels: up to half a voxel inside, a little more off the grid.
    error_vox = (np.median(line.radius_mm[inner]) - radius) / spacing[1]
    assert -0.7 < error_vox < 0.5


def test_a_missed_branch_is_not_detected_and_costs_its_length(parts):
    found = detected(parts["trunk"] | parts["down"], parts["whole"])
    assert (found["reference_branches"], found["prediction_branches"]) == (5, 3)
    assert found["branches_detected"] == pytest.approx(4 / 5)
    assert found["tree_detected"] == pytest.approx((110 - 22) / 110, abs=0.02)
    assert found["false_branches"] == found["false_branches_mm"] == 0
    thin, thick = (found["by_calibre"][f"radius {band} mm"] for band in ("1-2.5", "2.5+"))
    assert thick["tree_detected"] == thick["branches_detected"] == 1
    assert thin["branches_detected"] == pytest.approx(1 / 2)
    assert thin["tree_detected"] == pytest.approx(1 / 2, abs=0.08)


def test_a_false_branch_is_counted_with_its_length(parts):
    found = detected(parts["whole"], parts["trunk"] | parts["down"])
    assert found["false_branches"] == 1
    assert found["false_branches_mm"] == pytest.approx(25, abs=2)
    assert found["branches_detected"] == found["tree_detected"] == 1


def test_a_broken_link_costs_no_branch_but_makes_two_trees(parts):
    broken = parts["whole"].copy()
    broken[32:36] = False
    found = detected(broken, parts["whole"])
    assert found["tree_detected"] == pytest.approx(1 - 4 / 110, abs=0.01)
    assert found["branches_detected"] == 1
    assert found["false_branches"] == 0
    shape = topology(Masks(broken, parts["whole"], ISOTROPIC, (0, 0, 0)))
    assert (shape["reference_b0"], shape["prediction_b0"], shape["b0_error"]) == (1, 2, 1)
    assert shape["b1_error"] == shape["b2_error"] == 0


def test_a_thickened_tree_is_detected_as_a_whole(parts):
    thick = ndimage.binary_dilation(parts["whole"], np.ones((3, 3, 3), bool))
    found = detected(thick, parts["whole"])
    assert found["tree_detected"] == found["branches_detected"] == 1
    assert found["false_branches"] == 0


def test_lengths_and_branches_of_the_bands_and_generations_make_the_whole(parts):
    found = detected(parts["trunk"] | parts["down"], parts["whole"])
    for kind in ("by_calibre", "by_generation"):
        cut = found[kind].values()
        for key in ("reference_tree_mm", "reference_branches"):
            assert sum(part[key] for part in cut) == pytest.approx(found[key])
        detected_mm = sum(p["reference_tree_mm"] * (p["tree_detected"] or 0) for p in cut)
        whole_mm = found["reference_tree_mm"] * found["tree_detected"]
        assert detected_mm == pytest.approx(whole_mm)


def test_nothing_predicted_and_nothing_there():
    nothing = np.zeros((8, 8, 8), bool)
    bar = nothing.copy()
    bar[1:7, 3:5, 3:5] = True
    missed = detected(nothing, bar)
    assert missed["tree_detected"] == missed["branches_detected"] == missed["cldice"] == 0
    false = detected(bar, nothing)
    assert false["tree_detected"] is None
    assert false["branches_detected"] is None
    assert (false["false_branches"], false["cldice"]) == (1, 0)
    neither = detected(nothing, nothing)
    assert (neither["cldice"], neither["false_branches"], neither["tree_detected"]) == (1, 0, None)


def test_trees_together_keep_their_own_branches(parts):
    line = centreline(parts["whole"], ISOTROPIC)
    both = pool([line, line.moved((0, 0, 100))])
    assert len(both.generation) == 10
    assert np.bincount(both.branch, both.length_mm) == pytest.approx(
        np.tile(np.bincount(line.branch, line.length_mm), 2)
    )
