"""Centrelines and clDice on trees whose answer is known."""

from itertools import product

import cc3d
import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import euler_number
from vessels import ISOTROPIC, forked, tube

from lacaf.evaluate import thinning
from lacaf.evaluate.centreline import centreline
from lacaf.evaluate.tree import cldice

FULL = np.ones((3, 3, 3), bool)


@pytest.fixture
def tree():
    return forked()


def score(prediction, reference, spacing=ISOTROPIC):
    lines = [centreline(mask, spacing) for mask in (reference, prediction)]
    found = prediction[tuple(lines[0].points.T)]
    right = reference[tuple(lines[1].points.T)]
    return cldice(lines[0], found, lines[1], right)


@pytest.mark.parametrize("width", range(1, 12))
@pytest.mark.parametrize("spacing", [ISOTROPIC, (2.0, 0.7, 0.7), (0.6, 0.9, 0.9)])
def test_a_bar_of_any_width_has_one_line_in_its_middle(width, spacing):
    """Even widths are those that thinning elsewhere loses altogether."""
    bar = np.pad(np.ones((40, width, width), bool), 1)
    line = centreline(bar, spacing)
    thickness = width * spacing[1]
    length = line.length_mm.sum()
    assert 40 * spacing[0] - thickness - 2 * spacing[0] <= length <= 41 * spacing[0]
    assert len(np.unique(line.points[:, 0])) == len(line.points)
    middle = 1 + (width - 1) / 2
    from_end = np.minimum(line.points[:, 0], 41 - line.points[:, 0]) * spacing[0]
    off_axis = np.abs(line.points[:, 1:] - middle).max(axis=1)
    assert (off_axis[from_end > thickness] <= 0.5).all()


def test_lengths_are_millimetres_along_the_vessel():
    spacing = (2.0, 0.7, 0.7)
    oblique = tube((40, 80, 20), (5, 5, 7), (70, 45, 7), 2.0, spacing)
    length = centreline(oblique, spacing).length_mm.sum()
    # A chain of voxels is a little longer than the line, the ends a radius shorter.
    assert np.hypot(65, 40) - 2 < length < 1.1 * np.hypot(65, 40) + 4


def test_the_tree_has_the_length_of_its_parts(tree):
    length = centreline(tree["whole"], ISOTROPIC).length_mm.sum()
    assert length == pytest.approx(60 + 25 + 25, abs=4)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_a_rough_wall_grows_no_twigs(tree, share):
    rng = np.random.default_rng(0)
    rim = ndimage.binary_dilation(tree["trunk"]) & ~tree["trunk"]
    rough = tree["trunk"] | (rim & (rng.uniform(size=rim.shape) < share))
    line = centreline(rough, ISOTROPIC)
    assert line.length_mm.sum() == pytest.approx(60, rel=0.15)
    between = line.points[(line.points[:, 0] > 8) & (line.points[:, 0] < 60)]
    assert np.linalg.norm(between[:, 1:] - (25, 35), axis=1).max() < 3


@pytest.mark.parametrize("seed", range(6))
def test_thinning_never_changes_how_a_mask_hangs_together(seed):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(24, 24, 24)), 1.2)
    mask = np.pad(field > np.quantile(field, 0.7), 1)
    spacing = (1.5, 0.8, 1.0)
    depth = ndimage.distance_transform_edt(mask, sampling=spacing).astype(np.float32)
    line = np.zeros(mask.size, bool)
    line[thinning.thin(mask, depth, spacing)] = True
    line = line.reshape(mask.shape)
    assert (line <= mask).all()
    assert line.sum() < mask.sum() / 3
    assert euler_number(line, connectivity=3) == euler_number(mask, connectivity=3)
    parts = cc3d.connected_components(mask, connectivity=26)
    in_parts = cc3d.connected_components(line, connectivity=26)
    assert in_parts.max() == parts.max()


@pytest.mark.parametrize("seed", range(4))
def test_each_component_keeps_a_point_of_its_own(seed):
    rng = np.random.default_rng(seed)
    mask = np.pad(rng.uniform(size=(20, 20, 20)) < 0.1, 1)  # crumbs, single voxels, odd clumps
    parts = cc3d.connected_components(mask, connectivity=26)
    line = centreline(mask, ISOTROPIC)
    assert set(parts[tuple(line.points.T)]) == set(range(1, parts.max() + 1))
    assert (line.length_mm > 0).all()


def test_a_simple_voxel_is_one_whose_removal_changes_nothing():
    """Against the definition: components of the vessel inside and of the background around."""
    rng = np.random.default_rng(1)
    near_18 = np.abs(np.indices((3, 3, 3)) - 1).sum(axis=0) <= 2
    face = np.abs(np.indices((3, 3, 3)) - 1).sum(axis=0) == 1
    for density in np.repeat((0.15, 0.4, 0.7, 0.9), 100):
        around = rng.uniform(size=(3, 3, 3)) < density
        around[1, 1, 1] = False
        vessels = ndimage.label(around, FULL)[1]
        outside = ~around & near_18
        outside[1, 1, 1] = False
        pieces = ndimage.label(outside)[0]
        touching = set(pieces[face & outside])
        bits = [around[tuple(o + 1)] for o in thinning.OFFSETS]
        code = np.array([sum(1 << i for i, bit in enumerate(bits) if bit)], np.int32)
        assert thinning.is_simple(code)[0] == (vessels == 1 and len(touching) == 1)


def test_a_bubble_in_a_vessel_leaves_no_shell(tree):
    hollow = tree["trunk"].copy()
    hollow[30:34, 25, 35] = False
    line = centreline(hollow, ISOTROPIC)
    assert hollow[tuple(line.points.T)].all()
    assert line.length_mm.sum() == pytest.approx(
        centreline(tree["trunk"], ISOTROPIC).length_mm.sum(), rel=0.1
    )


def test_a_perfect_tree_scores_one(tree):
    assert score(tree["whole"], tree["whole"]) == 1


def test_a_missed_branch_costs_its_share_of_the_length(tree):
    without = tree["trunk"] | tree["down"]
    sensitivity = (60 + 25) / (60 + 25 + 25)
    assert score(without, tree["whole"]) == pytest.approx(
        2 * sensitivity / (1 + sensitivity), abs=0.02
    )


def test_a_false_branch_costs_the_same(tree):
    without = tree["trunk"] | tree["down"]
    assert score(tree["whole"], without) == pytest.approx(score(without, tree["whole"]), abs=0.01)


def test_a_thickened_tree_keeps_its_centreline(tree):
    thick = ndimage.binary_dilation(tree["whole"], FULL)
    assert 2 * tree["whole"].sum() / (tree["whole"].sum() + thick.sum()) < 0.75
    assert score(thick, tree["whole"]) > 0.97


def test_a_broken_link_costs_its_length_only(tree):
    broken = tree["whole"].copy()
    broken[32:36] = False
    assert score(broken, tree["whole"]) == pytest.approx(1 - 4 / 110 / 2, abs=0.015)


def test_one_empty_side_scores_nothing_and_two_empty_sides_one(tree):
    nothing = np.zeros_like(tree["whole"])
    assert score(nothing, tree["whole"]) == score(tree["whole"], nothing) == 0
    assert score(nothing, nothing) == 1


def test_cldice_equals_its_formula(tree):
    prediction = tree["trunk"] | np.roll(tree["up"], 2, axis=0)
    lines = [centreline(m, ISOTROPIC) for m in (prediction, tree["whole"])]
    inside = []
    for line, mask in zip(lines, (tree["whole"], prediction), strict=True):
        weights = list(zip(line.points, line.length_mm, strict=True))
        inside.append(sum(w for p, w in weights if mask[tuple(p)]) / sum(w for _, w in weights))
    expected = 2 * inside[0] * inside[1] / sum(inside)
    assert score(prediction, tree["whole"]) == pytest.approx(expected, abs=1e-9)


def test_the_length_of_a_line_is_the_sum_of_its_links():
    line = np.zeros((12, 12, 12), bool)
    for i in range(1, 11):
        line[i, i, 5] = True
    spacing = (2.0, 1.0, 0.5)
    assert centreline(line, spacing).length_mm.sum() == pytest.approx(9 * np.hypot(2.0, 1.0))
    lone = np.zeros((3, 3, 3), bool)
    lone[1, 1, 1] = True
    assert centreline(lone, spacing).length_mm.sum() == pytest.approx((2.0 * 1.0 * 0.5) ** (1 / 3))


def test_offsets_are_the_26_neighbours():
    assert {tuple(o) for o in thinning.OFFSETS} == set(product((-1, 0, 1), repeat=3)) - {(0, 0, 0)}


def test_a_real_patients_vessels_have_a_plausible_length(real_data):
    """Ten to twenty metres, measured by others on such masks; no component without a line."""
    from lacaf import volume

    path = real_data / "med-rad-lungs/TumorTargetEnvironments/Patient1/vessels.nii.gz"
    vessels = volume.read(path)
    mask = np.pad(vessels.array > 0, 1)
    line = centreline(mask, vessels.grid.spacing_mm)
    assert 600 < len(line.generation) < 2400  # 300 to 1200 forks
    assert 0.2 < np.median(line.radius_mm) < 1.2
    assert 9.5e3 < line.length_mm.sum() < 20e3
    parts = cc3d.connected_components(mask, connectivity=26)
    assert len(np.unique(parts[tuple(line.points.T)])) == parts.max()
