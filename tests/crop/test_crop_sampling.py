"""Sampling by sparse products: the same values as low-pass and interpolation, in little memory."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage
from thorax import ORIENTATIONS, grid

from lacaf.crop.sampling import integer_hu, sample
from lacaf.grid import Grid
from lacaf.volume import Volume, low_passed, resample, upright_grid_around


def noisy(grid, seed=0):
    rng = np.random.default_rng(seed)
    return Volume(rng.integers(-2048, 1500, grid.shape).astype(np.int16), grid)


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
@pytest.mark.parametrize("spacing_mm", [3.0, 9.0])
def test_it_is_low_pass_and_interpolation(axes, flips, spacing_mm):
    source = noisy(grid(axes, flips, spacing=(9.0, 10.0, 6.0)))
    target = upright_grid_around(source.grid.corners_mm() + 1.3, spacing_mm, 7.0)
    clipped = Volume(np.maximum(source.array, -1024), source.grid)
    expected = resample(low_passed(clipped, target), target, fill=-1024).array
    found = sample(source, target).array
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_an_oblique_image_is_sampled_as_well():
    """Against a smooth field that is known everywhere."""

    def field(place):
        return 300 * np.sin(place @ np.array([0.05, 0.03, -0.04])) - 200

    angle = np.radians(17)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn * [0.7, 0.7, 1.5]
    stored = Grid((60, 130, 130), affine)
    place = stored.to_mm(np.moveaxis(np.indices(stored.shape), 0, -1))
    source = Volume(np.rint(field(place)).astype(np.int16), stored)
    target = upright_grid_around(stored.corners_mm(), 2.0)
    found = sample(source, target)
    place = target.to_mm(np.moveaxis(np.indices(target.shape), 0, -1))
    index = stored.to_index(place)
    inside = ((index > 4) & (index < np.array(stored.shape) - 5)).all(axis=-1)
    outside = ((index < -2) | (index > np.array(stored.shape) + 1)).any(axis=-1)
    assert inside.sum() > 5000
    assert np.abs(found.array - field(place))[inside].max() < 3
    assert (found.array[outside] == -1024).all()


def test_a_whole_copy_in_float_is_never_made():
    stored = Grid.upright((160, 256, 256), (0.7, 0.7, 1.0))
    source = noisy(stored)
    target = upright_grid_around(stored.corners_mm(), 2.0)
    tracemalloc.start()
    sample(source, target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.8 * source.array.nbytes, "a float copy alone is twice the source"


def test_integer_hu_rounds_to_the_nearest():
    upright = Grid.upright((1, 1, 3), 1.0)
    values = Volume(np.array([[[-1023.6, 0.4, 30.5001]]], np.float32), upright)
    assert integer_hu(values).array.tolist() == [[[-1024, 0, 31]]]
    assert integer_hu(values).array.dtype == np.int16


def test_positions_stay_when_detail_goes():
    """A blob's centre lies where it lay, however coarse the target."""
    stored = Grid.upright((60, 60, 60), 1.0, (3.0, -7.0, 11.0))
    array = np.zeros(stored.shape, np.float32)
    array[31, 27, 35] = 1000
    blob = Volume(1e4 * ndimage.gaussian_filter(array, 3), stored)
    for spacing_mm in (2.0, 4.5):
        target = upright_grid_around(stored.corners_mm(), spacing_mm)
        found = sample(blob, target).array.clip(0)
        centre = target.to_mm(np.array(ndimage.center_of_mass(found)))
        np.testing.assert_allclose(centre, stored.to_mm(np.array([31, 27, 35])), atol=0.1)
