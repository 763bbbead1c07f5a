"""Whole conversions in all 48 orders of axes, straight and oblique: every voxel keeps its place."""

import json
from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from convert.ways import FORTY_EIGHT, TURNS, axes_of, grid_of, name, places, truth, volume_of

from lacaf import volume
from lacaf.cases import Case
from lacaf.grid import Grid
from lacaf.phantom.dicom import write_series
from lacaf.phantom.handling import Handling
from lacaf.phantom.identity import fake_identity
from lacaf.volume import Volume

WAYS = pytest.mark.parametrize(
    ("way", "turn"),
    list(product(FORTY_EIGHT, TURNS)),
    ids=lambda value: value if isinstance(value, str) else name(value),
)
AXIAL = [way for way in FORTY_EIGHT if way[0][2] == 2]
FEW = {"min_slices": 5}


def a_ct(path):
    return Case("case1", "patient1", path, None, None, "", "predict")


def write_itk(image, path):
    spacing = np.array(image.grid.spacing_mm[::-1])
    written = sitk.GetImageFromArray(image.array)
    written.SetSpacing(spacing.tolist())
    written.SetDirection((image.grid.affine[:3, :3] / spacing).ravel().tolist())
    written.SetOrigin(image.grid.affine[:3, 3].tolist())
    sitk.WriteImage(written, str(path))


def write_dicom(image, folder):
    """A series; a left-handed volume's slices are numbered against their normal."""
    if np.linalg.det(image.grid.affine) < 0:
        affine = image.grid.affine.copy()
        affine[:3, 3] += affine[:3, 2] * (image.grid.shape[0] - 1)
        affine[:3, 2] *= -1
        image = Volume(image.array[::-1], Grid(image.grid.shape, affine))
    rng = np.random.default_rng(0)
    write_series(image, fake_identity("p"), "c", Handling(storage="signed 0"), folder, rng)


def check(run, record, image, allowed_hu=0):
    """The converted image holds the truth at each of its places, and is as large as it was."""
    assert record["status"] == "ok", record
    found = volume.read(run.folder / "image.nii.gz")
    expected = np.rint(truth(places(found.grid)))
    assert np.abs(found.array - expected).max() <= allowed_hu
    if not allowed_hu:
        assert sorted(found.grid.shape) == sorted(image.grid.shape)
    middle = found.grid.corners_mm().mean(axis=0)
    assert np.abs(middle - image.grid.corners_mm().mean(axis=0)).max() < 0.05


def seen(found, leaning):
    """Where the voxels of a grid lie in a leaning stack (z, y, x), and which are within it."""
    index = leaning.to_index(places(found))
    low, high = -1e-3, np.array(leaning.shape) - 1 + 1e-3
    return index, ((index >= low) & (index <= high)).all(axis=-1)


@WAYS
@pytest.mark.parametrize("end", ["nii.gz", "nrrd", "mha"])
def test_a_volume_file_keeps_every_voxel_in_its_place(run, tmp_path, way, turn, end):
    image = volume_of(way, turn)
    path = tmp_path / f"ct.{end}"
    volume.write(image, path) if end == "nii.gz" else write_itk(image, path)
    # Places are rounded by the formats: at most a thousandth of a mm, and HU are whole.
    check(run, run(a_ct(path), **FEW), image)
    assert run.folder.joinpath("image.nii.gz").exists()


@pytest.mark.parametrize("way", FORTY_EIGHT, ids=name)
def test_a_bare_array_lies_as_it_is_declared(run, tmp_path, way):
    image = volume_of(way)
    np.savez(tmp_path / "ct.npz", data=image.array)
    declared = {"axes": name(way)[::-1], "spacing_mm": list(image.grid.spacing_mm)}
    (tmp_path / "geometry.json").write_text(json.dumps(declared))
    record = run(a_ct(tmp_path), **FEW)
    assert record["status"] == "ok", record
    found = volume.read(run.folder / "image.nii.gz")
    affine = image.grid.affine.copy()
    affine[:3, 3] = 0
    assert found.grid.same_as(Grid(image.grid.shape, affine))
    assert np.array_equal(found.array, image.array)
    assert record["image"]["orientation"] == name(way)


@WAYS
def test_a_series_keeps_every_voxel_in_its_place_or_is_not_axial(run, tmp_path, way, turn):
    image = volume_of(way, turn)
    write_dicom(image, tmp_path / "ct")
    record = run(a_ct(tmp_path / "ct"), **FEW)
    if way in AXIAL:
        check(run, record, image)
    else:
        assert record["refusal"]["finding"] == (
            f"no axial CT series, beside {image.grid.shape[0]} × CT that is not axial"
        )


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("along", [0, 1])
@pytest.mark.parametrize("way", AXIAL, ids=name)
def test_a_tilted_series_is_set_upright_with_every_place_right(run, tmp_path, way, turn, along):
    upright = grid_of(way, turn, shape=(9, 12, 14))
    affine = upright.affine.copy()
    affine[:3, 2] += 0.9 * axes_of(way, turn)[:, along]  # mm a slice of 3 mm
    grid = Grid(upright.shape, affine)
    image = Volume(np.rint(truth(places(grid))).astype(np.int16), grid)
    write_dicom(image, tmp_path / "ct")
    assert "gantry tilt" in run(a_ct(tmp_path / "ct"), **FEW)["refusal"]["finding"]
    record = run(a_ct(tmp_path / "ct"), tilt="resample", **FEW)
    assert record["flags"] == [
        "gantry tilt of 16.7 degrees: each slice was resampled within its plane"
    ]
    found = volume.read(run.folder / "image.nii.gz")
    axes = found.grid.affine[:3, :3] / np.linalg.norm(found.grid.affine[:3, :3], axis=0)
    assert np.abs(axes.T @ axes - np.eye(3)).max() < 1e-3
    inside, whole = seen(found.grid, grid)
    assert whole.sum() > 0.8 * image.array.size
    off = np.abs(found.array - truth(places(found.grid)))
    assert off[whole].max() < 1.6  # two roundings
    beyond = ((inside <= -1) | (inside >= np.array(grid.shape))).any(axis=-1)
    assert (found.array[beyond] == -1024).all()


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("way", FORTY_EIGHT, ids=name)
def test_a_tilted_volume_file_is_set_upright_too(run, tmp_path, way, turn):
    grid = grid_of(way, turn, shape=(9, 12, 14))
    affine = grid.affine.copy()
    affine[:3, 2] += 0.9 * axes_of(way, turn)[:, 1]
    leaning = Grid(grid.shape, affine)
    image = Volume(np.rint(truth(places(leaning))).astype(np.int16), leaning)
    volume.write(image, tmp_path / "ct.nii.gz")
    assert "gantry tilt" in run(a_ct(tmp_path / "ct.nii.gz"), **FEW)["refusal"]["finding"]
    assert run(a_ct(tmp_path / "ct.nii.gz"), tilt="resample", **FEW)["status"] == "ok"
    found = volume.read(run.folder / "image.nii.gz")
    _, whole = seen(found.grid, leaning)
    assert whole.sum() > 0.8 * image.array.size
    assert np.abs(found.array - truth(places(found.grid)))[whole].max() < 1.6
