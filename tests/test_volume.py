"""Grids and sampling: every voxel keeps its place in the patient, however it is stored."""

from itertools import permutations, product

import numpy as np
import pytest

from lacaf.grid import Grid
from lacaf.volume import (
    Volume,
    low_passed,
    non_integers,
    read,
    read_grid,
    resample,
    upright_grid_around,
    write,
)

ORIENTATIONS = [(p, f) for p in permutations(range(3)) for f in product((1, -1), repeat=3)]
SLOPE = np.array([2.0, -3.0, 5.0])  # of the truth below, per mm along LPS x, y, z


def truth(points_mm):
    """A quantity known anywhere in the patient; linear, so interpolation must be exact."""
    return points_mm @ SLOPE + 7.0


def positions(grid):
    return grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))


def stored(axes, flips, shape=(5, 6, 7), spacing=(1.0, 1.5, 2.5), rotation=None):
    """A grid of ``shape`` whose array axes run along the patient's axes in the given way."""
    affine = np.eye(4)
    for column, (axis, flip, step) in enumerate(zip(axes, flips, spacing, strict=True)):
        affine[:3, column] = 0
        affine[axis, column] = flip * step
    if rotation is not None:
        affine[:3, :3] = rotation @ affine[:3, :3]
    centre = affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    affine[:3, 3] = np.array([10.0, -20.0, 30.0]) - centre
    return Grid(shape, affine)


def oblique(degrees=(20.0, -10.0, 35.0)):
    x, y, z = np.radians(degrees)
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return rz @ ry @ rx


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
class TestAllFortyEightOrientations:
    def test_linear_sampling_gives_the_value_that_stands_there_in_the_patient(self, axes, flips):
        source = stored(axes, flips)
        target = Grid.upright((3, 3, 3), 0.7, (9.4, -20.7, 29.6))
        got = resample(Volume(truth(positions(source)), source), target)
        np.testing.assert_allclose(got.array, truth(positions(target)), atol=1e-3)

    def test_nearest_sampling_takes_the_nearest_voxel(self, axes, flips):
        source = stored(axes, flips)
        marked = np.arange(np.prod(source.shape)).reshape(source.shape)
        target = Grid.upright((3, 3, 3), 0.7, (9.4, -20.7, 29.6))
        got = resample(Volume(marked, source), target, "nearest").array
        apart = np.linalg.norm(
            positions(target)[..., None, :] - positions(source).reshape(-1, 3), axis=-1
        )
        at_best = apart.min(axis=-1)
        taken = np.take_along_axis(apart, got[..., None], -1)[..., 0]
        np.testing.assert_allclose(taken, at_best, atol=1e-6)

    def test_a_file_keeps_every_voxel_in_place(self, axes, flips, tmp_path):
        grid = stored(axes, flips)
        array = np.arange(np.prod(grid.shape), dtype=np.int16).reshape(grid.shape)
        write(Volume(array, grid), tmp_path / "v.nii.gz")
        back = read(tmp_path / "v.nii.gz")
        assert back.array.dtype == np.int16
        np.testing.assert_array_equal(back.array, array)
        assert back.grid.same_as(grid)
        assert read_grid(tmp_path / "v.nii.gz").same_as(grid)

    def test_oblique_sampling_agrees_with_the_patient_too(self, axes, flips):
        source = stored(axes, flips, shape=(9, 9, 9), rotation=oblique())
        target = Grid.upright((3, 3, 3), 0.7, (9.4, -20.7, 29.6))
        got = resample(Volume(truth(positions(source)), source), target)
        np.testing.assert_allclose(got.array, truth(positions(target)), atol=1e-2)


def test_other_programs_see_the_same_place(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    grid = stored((1, 2, 0), (-1, 1, -1), rotation=oblique())
    write(Volume(np.zeros(grid.shape, np.int16), grid), tmp_path / "v.nii.gz")
    image = sitk.ReadImage(str(tmp_path / "v.nii.gz"))
    for index in ((0, 0, 0), (6, 5, 4), (3, 0, 2)):
        there = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(there, grid.to_mm(np.array(index[::-1])), atol=1e-3)


def test_fill_stands_outside_the_volume_and_nowhere_else():
    grid = Grid.upright((3, 3, 3), 1.0)
    wide = Grid.upright((5, 5, 5), 1.0, (-1.0, -1.0, -1.0))
    for kind in ("linear", "nearest"):
        got = resample(Volume(np.ones(grid.shape, np.int16), grid), wide, kind, fill=-9).array
        assert (got[1:-1, 1:-1, 1:-1] == 1).all()
        assert (got == -9).sum() == 5**3 - 3**3


def test_positions_and_indices_are_inverse():
    grid = stored((2, 0, 1), (1, -1, 1), rotation=oblique())
    index = np.array([[0, 0, 0], [4, 5, 6], [1.5, 2.5, 0.25]])
    np.testing.assert_allclose(grid.to_index(grid.to_mm(index)), index, atol=1e-9)


def test_a_grid_knows_spacing_and_volume_of_its_voxels():
    grid = stored((1, 2, 0), (-1, 1, -1), spacing=(1.0, 1.5, 2.5), rotation=oblique())
    np.testing.assert_allclose(grid.spacing_mm, (2.5, 1.5, 1.0))
    assert grid.voxel_ml == pytest.approx(3.75 / 1000)


def test_an_upright_grid_around_points_holds_them_with_the_margin():
    points = np.array([[0.0, 0.0, 0.0], [10.0, 4.0, 2.0]])
    grid = upright_grid_around(points, 2.0, margin_mm=3.0)
    corners = grid.corners_mm()
    assert (corners.min(axis=0) <= points.min(axis=0) - 3.0 + 1e-9).all()
    assert (corners.max(axis=0) >= points.max(axis=0) + 3.0 - 1e-9).all()
    assert (corners.max(axis=0) < points.max(axis=0) + 3.0 + 2.0).all()


def test_a_low_pass_keeps_the_mean_and_takes_the_noise():
    rng = np.random.default_rng(0)
    fine = Grid.upright((40, 40, 40), 1.0)
    noise = Volume(rng.normal(50.0, 10.0, fine.shape).astype(np.float32), fine)
    smooth = low_passed(noise, Grid.upright((10, 10, 10), 4.0)).array
    assert smooth.mean() == pytest.approx(50.0, abs=0.5)
    assert smooth.std() < 2.0
    same = low_passed(noise, Grid.upright((80, 80, 80), 0.5)).array
    np.testing.assert_array_equal(same, noise.array)


def test_an_array_does_not_travel_with_a_grid_of_another_shape():
    with pytest.raises(ValueError, match="does not fit"):
        Volume(np.zeros((2, 3, 4)), Grid.upright((4, 3, 2), 1.0))


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4, 2)])
def test_only_three_axes_are_a_volume(tmp_path, shape):
    nib = pytest.importorskip("nibabel")
    nib.save(nib.Nifti1Image(np.zeros(shape, np.int16), np.eye(4)), tmp_path / "v.nii.gz")
    with pytest.raises(ValueError, match="three axes"):
        read(tmp_path / "v.nii.gz")


def test_the_same_volume_gives_the_same_bytes(tmp_path):
    volume = Volume(
        np.arange(60, dtype=np.int16).reshape(3, 4, 5), stored((0, 1, 2), (1, 1, 1), (3, 4, 5))
    )
    write(volume, tmp_path / "a.nii.gz")
    write(volume, tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


@pytest.mark.parametrize(
    ("values", "count"),
    [([0.0, 3.0, -2.0], 0), ([0.5, 1.0, np.nan, np.inf, -np.inf, 2.0001], 5)],
)
def test_values_that_are_no_integers_are_counted(values, count):
    assert non_integers(np.array(values)) == count
    assert non_integers(np.array([-3, 7], np.int16)) == 0
