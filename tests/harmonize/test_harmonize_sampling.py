"""Thin vessels survive the working grid; the same voxels in another order are not blurred."""

import numpy as np
import pytest
from scipy import ndimage

from lacaf.grid import Grid
from lacaf.harmonize.sampling import on_image, on_working
from lacaf.volume import Volume

FINE = Grid.upright((60, 60, 60), 0.5)
COARSE = Grid.upright((20, 20, 20), 1.5, (0.3, 0.4, 0.1))


def tube(radius_mm, start=(15.0, 15.0), slope=(0.1, 0.15)):
    z, y, x = (np.indices(FINE.shape) * 0.5).astype(float)
    off = np.hypot(y - start[0] - slope[0] * (z - 15), x - start[1] - slope[1] * (z - 15))
    return off < radius_mm


def pieces(labels):
    return ndimage.label(labels == 1, np.ones((3, 3, 3)))[1]


def test_a_thin_vessel_stays_in_one_piece_where_a_threshold_of_one_half_breaks_it():
    codes = Volume(tube(1.0).astype(np.uint8), FINE)
    got, share = on_working(codes, COARSE)
    assert pieces(got) == 1
    assert np.ptp(np.nonzero(got)[0]) == 19, "from the first slice to the last"
    assert share < 0.5
    assert pieces(on_image(codes, COARSE)) > 1


def test_a_vessel_as_thin_as_a_voxel_keeps_its_volume_where_one_half_loses_it():
    codes = Volume(tube(0.75).astype(np.uint8), FINE)
    before = codes.array.sum() * FINE.voxel_ml
    got, _ = on_working(codes, COARSE)
    assert (got == 1).sum() * COARSE.voxel_ml == pytest.approx(before, rel=0.05)
    assert not on_image(codes, COARSE).any()


def test_vessels_keep_their_volume():
    codes = Volume(np.where(tube(3.0), 1, 2 * tube(1.2, (22.0, 8.0))).astype(np.uint8), FINE)
    got, _ = on_working(codes, COARSE)
    before = (codes.array > 0).sum() * FINE.voxel_ml
    assert (got > 0).sum() * COARSE.voxel_ml == pytest.approx(before, rel=0.1)


def test_where_two_vessels_meet_the_larger_share_wins_and_nothing_else_appears():
    z = np.indices(FINE.shape)[0] * 0.5
    codes = Volume(np.where(tube(4.0), np.where(z < 15, 1, 4), 0).astype(np.uint8), FINE)
    got, _ = on_working(codes, COARSE)
    assert set(np.unique(got)) == {0, 1, 4}
    height = COARSE.to_mm(np.argwhere(got == 1))[:, 2]
    assert height.max() < 15.0
    assert COARSE.to_mm(np.argwhere(got == 4))[:, 2].min() > 14.0


def test_the_same_voxels_in_another_order_are_copied_exactly():
    rng = np.random.default_rng(0)
    codes = Volume(rng.choice([0, 1, 2, 255], FINE.shape).astype(np.uint8), FINE)
    affine = FINE.affine.copy()
    affine[:3, :3] = affine[:3, [1, 0, 2]] @ np.diag([1, -1, 1])
    affine[:3, 3] = FINE.to_mm(np.array([0, 0, 59]))
    other = Grid(FINE.shape, affine)
    got = on_image(codes, other)
    index = np.rint(FINE.to_index(other.to_mm(np.argwhere(got >= 0)))).astype(int)
    np.testing.assert_array_equal(got.ravel(), codes.array[tuple(index.T)])


def test_unknown_voxels_stay_unknown():
    array = np.zeros(FINE.shape, np.uint8)
    array[30:] = 255
    array[tube(3.0)] = 1
    got, _ = on_working(Volume(array, FINE), COARSE)
    assert (got[12:][got[12:] != 1] == 255).all()
    assert (got[:9][got[:9] != 1] == 0).all()
    assert (got == 1).any(axis=(1, 2)).all()


@pytest.mark.parametrize("resampled", [on_image, lambda *args: on_working(*args)[0]])
def test_a_vessel_that_nobody_named_is_nowhere_background(resampled):
    """Of no voxel is it one half, and in every slice it is there."""
    got = resampled(Volume(np.where(tube(0.75), 255, 0).astype(np.uint8), FINE), COARSE)
    assert (got == 255).any(axis=(1, 2)).all()
