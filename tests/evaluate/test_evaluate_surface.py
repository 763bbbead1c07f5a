"""NSD, HD95 and ASSD equal the field's tools, or brute force, where those are right."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lacaf.evaluate import distance, surface
from lacaf.evaluate.masks import Masks

SPACINGS = [(1.0, 1.0, 1.0), (1.25, 0.7, 0.9), (3.0, 0.5, 0.5)]


def blobs(seed, shape=(14, 17, 19), spacing=(1.0, 1.0, 1.0), share=0.6):
    """Two random smooth masks that touch the border of the image."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.normal(size=shape), 1.5) for _ in range(2)]
    pair = [np.pad(f > np.quantile(f, share), 1) for f in fields]
    return Masks(*pair, spacing, (-1, -1, -1))


def tensors(masks):
    import torch

    inner = (slice(1, -1),) * 3
    return [
        torch.from_numpy(m[inner].copy())[None, None] for m in (masks.prediction, masks.reference)
    ]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(3))
def test_dice_nsd_hd95_and_assd_equal_monai(spacing, seed):
    metrics = pytest.importorskip("monai.metrics")
    from lacaf.evaluate.overlap import overlap

    masks = blobs(seed, spacing=spacing)
    pair = tensors(masks)
    options = {"include_background": True, "spacing": list(spacing)}
    dice = metrics.compute_dice(*pair, include_background=True)
    assert overlap(masks, 1.0)["dsc"] == pytest.approx(float(dice), abs=1e-6)
    hd95 = metrics.compute_hausdorff_distance(*pair, percentile=95, **options)
    assert surface.edge_distances(masks)["hd95_mm"] == pytest.approx(float(hd95), abs=1e-6)
    assd = metrics.compute_average_surface_distance(*pair, symmetric=True, **options)
    ours = surface.edge_distances(masks)["assd_mm"]
    assert ours == pytest.approx(float(assd), abs=1e-6)
    for tolerance in (0.5, 1.0, 2.5):
        nsd = metrics.compute_surface_dice(*pair, [tolerance], use_subvoxels=True, **options)
        assert surface.nsd(masks, [tolerance])[0] == pytest.approx(float(nsd), abs=1e-6)


def ellipsoids():
    z, y, x = np.indices((16, 18, 20))
    one = 4 * (z - 7) ** 2 + 3 * (y - 8) ** 2 + 2 * (x - 9) ** 2 <= 100
    other = 3 * (z - 8) ** 2 + 4 * (y - 8) ** 2 + 2 * (x - 10) ** 2 <= 90
    return one, other


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ((1.0, 1.0, 1.0), [0.436631608, 0.887413576, 1.0]),
        ((1.25, 0.7, 0.9), [0.435225229, 0.821206753, 0.995008947]),
        ((3.0, 0.5, 0.5), [0.837928164, 0.953721374, 0.98265831]),
    ],
)
def test_nsd_equals_what_deepminds_package_gives(spacing, expected):
    """surface-distance 0.1 on NumPy 1.26: compute_surface_dice_at_tolerance of these masks."""
    masks = Masks(*(np.pad(mask, 1) for mask in ellipsoids()), spacing, (-1, -1, -1))
    assert surface.nsd(masks, [0.5, 1.0, 2.0]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_the_area_of_each_pattern_equals_the_published_table(spacing):
    utils = pytest.importorskip("monai.metrics.utils")
    table, weights = utils.get_code_to_measure_table(spacing)
    weights = weights.numpy().reshape(8).astype(int)
    ours = surface._triangle_areas(spacing)
    for pattern in range(256):
        theirs = table[int(sum(weights[bit] for bit in range(8) if pattern >> bit & 1))]
        assert ours[pattern] == pytest.approx(float(theirs), abs=1e-5)


SMALL = st.tuples(*[st.integers(1, 6)] * 3).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)
ANY_SPACING = st.tuples(*[st.floats(0.3, 4.0)] * 3)


def edges(mask):
    """Voxels of a mask with a face neighbour outside it, by looking at each."""
    steps = [sign * step for step in np.eye(3, dtype=int) for sign in (-1, 1)]
    found = [v for v in np.argwhere(mask) if any(not mask[tuple(v + step)] for step in steps)]
    return np.array(found).reshape(-1, 3)


def gaps_mm(here, there, spacing):
    """The distance from each of some places to the nearest of others, by looking at all."""
    return np.linalg.norm((here[:, None] - there[None]) * np.array(spacing), axis=2).min(axis=1)


@settings(max_examples=150, deadline=None)
@given(SMALL, ANY_SPACING)
def test_hd95_and_assd_equal_brute_force(pair, spacing):
    assume(all(mask.any() for mask in pair))
    masks = Masks(*(np.pad(mask, 1) for mask in pair), spacing, (-1, -1, -1))
    here, there = edges(masks.prediction), edges(masks.reference)
    both_ways = [gaps_mm(here, there, spacing), gaps_mm(there, here, spacing)]
    found = surface.edge_distances(masks)
    expected = max(np.percentile(gaps, 95) for gaps in both_ways)
    assert found["hd95_mm"] == pytest.approx(expected, abs=1e-6, rel=1e-6)
    assert found["assd_mm"] == pytest.approx(np.concatenate(both_ways).mean(), abs=1e-6, rel=1e-6)


def surface_elements(mask, spacing):
    """Places between eight voxels that the surface passes, and its area there, one by one."""
    areas = surface._triangle_areas(spacing)
    places, weights = [], []
    for corner in np.ndindex(*(n - 1 for n in mask.shape)):
        eight = [mask[tuple(np.add(corner, step))] for step in product((0, 1), repeat=3)]
        pattern = sum(1 << bit for bit, voxel in enumerate(eight) if voxel)
        if 0 < pattern < 255:
            places.append(corner)
            weights.append(areas[pattern])
    return np.array(places), np.array(weights)


@settings(max_examples=60, deadline=None)
@given(SMALL, st.sampled_from(SPACINGS), st.floats(0.2, 5.0))
def test_nsd_equals_its_definition(pair, spacing, tolerance):
    """Nikolov et al.: the share of both surfaces that lies within the tolerance of the other."""
    assume(all(mask.any() for mask in pair))
    masks = Masks(*(np.pad(mask, 1) for mask in pair), spacing, (-1, -1, -1))
    elements = [surface_elements(mask, spacing) for mask in (masks.prediction, masks.reference)]
    within = total = 0.0
    for (here, area), (there, _) in (elements, elements[::-1]):
        gaps = gaps_mm(here, there, spacing)
        assume((np.abs(gaps - tolerance) > 1e-4).all())  # which side of the limit is rounding
        within += area[gaps <= tolerance].sum()
        total += area.sum()
    assert surface.nsd(masks, [tolerance])[0] == pytest.approx(within / total, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(SMALL)
def test_overlap_equals_counting(pair):
    from lacaf.evaluate.overlap import overlap

    prediction, reference = (set(map(tuple, np.argwhere(mask))) for mask in pair)
    found = overlap(Masks(*pair, (1.0, 1.0, 1.0), (0, 0, 0)), 0.5)
    common = len(prediction & reference)
    if prediction or reference:
        assert found["dsc"] == 2 * common / (len(prediction) + len(reference))
    if reference:
        assert found["sensitivity"] == common / len(reference)
    if prediction:
        assert found["precision"] == common / len(prediction)
    assert found["volume_difference_ml"] == (len(prediction) - len(reference)) / 2
    assert found["missed"] == (bool(reference) and not common)


def test_both_ways_to_the_nearest_voxel_agree_with_brute_force():
    rng = np.random.default_rng(0)
    points, targets = (rng.integers(0, 12, (40, 3)) for _ in range(2))
    spacing = (2.5, 0.5, 0.75)
    expected = np.linalg.norm((points[:, None] - targets[None]) * spacing, axis=2).min(axis=1)
    tree = distance._by_tree(points, targets, spacing, np.inf)
    transform = distance._by_transform(points, targets, (12, 12, 12), spacing)
    np.testing.assert_allclose(tree, expected, rtol=1e-6)
    np.testing.assert_allclose(transform, expected, rtol=1e-6)


def test_dense_and_sparse_masks_take_different_ways_to_the_same_score(monkeypatch):
    masks = blobs(5, spacing=(1.25, 0.7, 0.9))
    results = []
    for cost in (0, 10**9):
        monkeypatch.setattr(distance, "TREE_POINT_COST_VOX", cost)
        results.append((surface.nsd(masks, [1.0])[0], surface.edge_distances(masks)["hd95_mm"]))
    assert results[0] == pytest.approx(results[1], abs=1e-6)


def test_a_distance_equal_to_the_tolerance_is_within_it():
    reference = np.zeros((30, 30, 30), bool)
    reference[10:20, 10:20, 10:20] = True
    masks = Masks(np.roll(reference, 3, axis=2), reference, (0.7, 0.7, 0.7), (0, 0, 0))
    assert surface.nsd(masks, [3 * 0.7])[0] == 1
    assert surface.nsd(masks, [3 * 0.7 - 0.01])[0] < 1


def test_what_lies_outside_the_image_is_background():
    whole = np.pad(np.ones((6, 6, 6), bool), 1)
    masks = Masks(whole, whole, (1.0, 1.0, 1.0), (-1, -1, -1))
    assert surface.surface(masks, [1.0], 99.0) == {"nsd_1mm": 1, "hd95_mm": 0, "assd_mm": 0}
