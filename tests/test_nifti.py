"""Written NIfTI files: the same to every reader, the same bytes each time, one gzip member."""

import zlib
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from lacaf import nifti, volume
from lacaf.grid import RAS_TO_LPS, Grid
from lacaf.volume import Volume

AXES = [(p, f) for p in permutations(range(3)) for f in product((1, -1), repeat=3)]


def laid(axes, flips, turn=(0.0, 0.0, 0.0), shape=(3, 4, 5)):
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, list(axes)] * flips * [0.7, 0.8, 2.5]
    affine[:3, :3] = Rotation.from_rotvec(turn, degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = 12.5, -300.25, 7.125
    return Grid(shape, affine)


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (20.0, -35.0, 120.0)], ids=["plain", "oblique"])
@pytest.mark.parametrize(("axes", "flips"), AXES)
def test_the_header_says_what_nibabel_would_say(axes, flips, turn, tmp_path):
    grid = laid(axes, flips, turn)
    array = np.arange(60, dtype=np.int16).reshape(grid.shape)
    volume.write(Volume(array, grid), tmp_path / "a.nii.gz")
    ours = nib.load(tmp_path / "a.nii.gz")
    theirs = nib.Nifti1Image(array.T, RAS_TO_LPS @ grid.affine)
    theirs.set_qform(theirs.affine, 1)
    assert np.array_equal(np.asarray(ours.dataobj).T, array)
    for form in ("get_qform", "get_sform"):
        matrix, code = getattr(ours, form)(coded=True)
        assert code == 1
        assert np.abs(matrix - getattr(theirs, form)()).max() < 1e-4
    assert volume.read(tmp_path / "a.nii.gz").grid.same_as(grid)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dtype", nifti.DATATYPES)
def test_other_readers_find_the_same_voxels_and_place(name, dtype, tmp_path):
    grid = laid((1, 0, 2), (1, -1, -1), (5.0, 5.0, 5.0))
    array = np.arange(60).reshape(grid.shape).astype(dtype)
    volume.write(Volume(array, grid), tmp_path / name)
    image = sitk.ReadImage(str(tmp_path / name))
    assert np.array_equal(sitk.GetArrayFromImage(image), array)
    assert np.allclose(image.TransformIndexToPhysicalPoint((4, 3, 2)), grid.to_mm([2, 3, 4]))


def test_the_bytes_depend_on_the_volume_alone(tmp_path):
    grid = laid((0, 1, 2), (1, 1, 1), shape=(9, 400, 500))
    array = np.random.default_rng(0).integers(-1000, 400, grid.shape, np.int16)
    parts = {"whole": [array], "slices": list(array), "uneven": [array[:2], array[2:7], array[7:]]}
    for name, pieces in parts.items():
        with nifti.writing(tmp_path / f"{name}.nii.gz", grid, np.int16) as add:
            for piece in pieces:
                add(piece)
    contents = [(tmp_path / f"{name}.nii.gz").read_bytes() for name in parts]
    assert contents[0] == contents[1] == contents[2]
    unpacked = zlib.decompressobj(31)  # one gzip member, by zlib
    plain = unpacked.decompress(contents[0])
    assert unpacked.eof
    assert unpacked.unused_data == b""
    assert plain == nifti.header(grid, array.dtype) + array.tobytes()


def test_too_few_or_too_many_voxels_and_foreign_types_are_errors(tmp_path):
    grid = laid((0, 1, 2), (1, 1, 1))
    for count, word in ((2, "few"), (4, "many")):
        with (
            pytest.raises(ValueError, match=f"20 voxels too {word}"),
            nifti.writing(tmp_path / "a.nii", grid, np.uint8) as add,
        ):
            add(np.zeros((count, 4, 5), np.uint8))
    with pytest.raises(ValueError, match="NIfTI-1 has no int64"):
        nifti.header(grid, np.dtype("int64"))
    with pytest.raises(ValueError, match="at most 32767 voxels along an axis"):
        nifti.header(Grid((1, 1, 32768), np.eye(4)), np.dtype("int16"))


def test_an_error_between_parts_is_the_error_that_is_seen(tmp_path):
    with (
        pytest.raises(KeyError, match="decoder"),
        nifti.writing(tmp_path / "a.nii.gz", laid((0, 1, 2), (1, 1, 1)), np.uint8),
    ):
        raise KeyError("decoder")
