"""The working grid holds what matters, and the inverse transform is exact."""

import json

import numpy as np
import pytest
from thorax import grid, image, lungs_at, positions

from lacaf.grid import Grid
from lacaf.volume import Volume, resample


@pytest.mark.parametrize("spacing", [2.0, 5.0])
def test_the_grid_is_upright_isotropic_and_holds_lungs_and_mediastinum(cropped, spacing):
    _, working, lungs = cropped(image(grid()), spacing_mm=spacing, margin_mm=6.0)
    assert np.allclose(working.grid.affine[:3, :3], spacing * np.eye(3))
    assert working.grid.same_as(lungs.grid)
    assert working.array.dtype == np.int16
    assert lungs.array.dtype == np.uint8
    dense = positions(Grid.upright((66, 66, 70), 4.0, (-140.0, -130.0, -130.0)))
    ends = dense[lungs_at(dense) > 0]
    index = working.grid.to_index(ends)
    room = np.minimum(index, np.array(working.grid.shape) - 1 - index) * spacing
    assert room.min() > 0
    assert room.min() < 6.0 + 4.0 + spacing, "no larger than lungs and margin ask"


def test_the_record_leads_back_to_the_original_voxels(cropped):
    source = image(grid((2, 0, 1), (-1, 1, -1), spacing=(3.0, 4.0, 5.0)))
    details, working, lungs = cropped(source, spacing_mm=4.0)
    details = json.loads(json.dumps(details))
    original = Grid(
        tuple(details["original"]["shape_zyx"]), np.array(details["original"]["affine_lps_xyz"])
    )
    assert original.same_as(source.grid)
    assert Grid(
        tuple(details["working"]["shape_zyx"]), np.array(details["working"]["affine_lps_xyz"])
    ).same_as(working.grid)
    first, past = (np.array(details["box_vox"][k]) for k in ("first_zyx", "past_last_zyx"))
    back = resample(lungs, original, "nearest").array
    index = np.argwhere(back > 0)
    assert (index.min(axis=0) >= first).all()
    assert (index.max(axis=0) < past).all()
    np.testing.assert_allclose(details["box_mm"]["low_xyz"], working.grid.corners_mm().min(axis=0))
    np.testing.assert_allclose(details["box_mm"]["high_xyz"], working.grid.corners_mm().max(axis=0))


def test_every_working_voxel_shows_what_lies_there_in_the_patient(cropped):
    source = image(grid(spacing=(4.0, 4.0, 4.0)), noise_hu=0.0)
    _, working, _ = cropped(source, spacing_mm=4.0)
    expected = resample(source, working.grid, fill=-1024).array
    np.testing.assert_allclose(working.array, expected, atol=0.51)


def test_noise_averages_out_where_the_working_grid_is_coarser(cropped):
    source = image(grid(spacing=(2.0, 2.0, 2.0)), noise_hu=80.0)
    _, working, lungs = cropped(source, spacing_mm=5.0)
    place = positions(working.grid)
    x, y, z = np.moveaxis(place, -1, 0)
    calm = (np.abs(x + 88) < 4) & (np.abs(y) < 15) & (np.abs(z) < 40)  # in the lung, no vessels
    assert (lungs.array[calm] == 2).all()
    assert calm.sum() > 100
    assert working.array[calm].std() < 40
    assert working.array[calm].mean() == pytest.approx(-850, abs=10)


def test_the_same_image_gives_the_same_bytes(cropped, tmp_path):
    source = image(grid())
    cropped(source)
    first = [(tmp_path / "crop" / n).read_bytes() for n in ("image.nii.gz", "lungs.nii.gz")]
    cropped(source)
    assert first == [(tmp_path / "crop" / n).read_bytes() for n in ("image.nii.gz", "lungs.nii.gz")]


def test_a_volume_of_floats_is_cropped_too(cropped):
    source = image(grid())
    _, working, _ = cropped(Volume(source.array.astype(np.float32), source.grid), spacing_mm=4.0)
    assert working.array.dtype == np.int16
