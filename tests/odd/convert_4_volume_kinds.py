"""What volume files may hold, or not."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from odd.delivered import phantom, volume_file

from lacaf import volume
from lacaf.grid import RAS_TO_LPS, Grid
from lacaf.volume import Volume

SPACING = np.diag([2.0, 2.4, 3.0, 1.0])


def thorax(dtype=np.int16) -> np.ndarray:
    """The plain thorax in NIfTI's order, x first."""
    return phantom().image.array.T.astype(dtype)


def nifti(path: Path, array=None, affine=None, code=1, qform=None) -> nib.Nifti1Image:
    """A NIfTI file; by default the plain thorax in its place."""
    right = RAS_TO_LPS @ phantom().image.grid.affine
    affine = right if affine is None else affine
    image = nib.Nifti1Image(thorax() if array is None else array, affine)
    image.set_sform(affine, code)
    image.set_qform(affine if qform is None else qform, code, strip_shears=True)
    nib.save(image, path)
    return image


def sheared() -> np.ndarray:
    affine = SPACING.copy()
    affine[1, 2] = 1.0
    return affine


def with_nan(path: Path) -> None:
    array = thorax(np.float32)
    array[3, 3, 3:5] = np.nan
    nifti(path, array)


def scaled(path: Path) -> Volume:
    """Even HU, stored as (HU + 1024) / 2 with a slope of 2."""
    image = phantom().image
    even = Volume(np.maximum(image.array, -1024) // 2 * 2, image.grid)
    stored = ((even.array.T + 1024) // 2).astype(np.uint16)
    written = nib.Nifti1Image(stored, RAS_TO_LPS @ image.grid.affine)
    written.set_sform(written.affine, 1)
    written.header.set_slope_inter(2, -1024)
    nib.save(written, path)
    return even


def big_endian(path: Path) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    written = nib.Nifti1Image(thorax(), RAS_TO_LPS @ phantom().image.grid.affine, header)
    written.set_sform(written.affine, 1)
    nib.save(written, path)


def left_handed(path: Path) -> Volume:
    image = phantom().image
    affine = image.grid.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (image.grid.shape[2] - 1)
    affine[:3, 0] *= -1
    mirrored = Volume(image.array[..., ::-1], Grid(image.grid.shape, affine))
    volume.write(mirrored, path)
    return mirrored


def itk(path: Path, image=None) -> None:
    written = sitk.GetImageFromArray(phantom().image.array) if image is None else image
    written.SetSpacing((2.0, 2.4, 3.0))
    written.SetOrigin(phantom().image.grid.affine[:3, 3].tolist())
    sitk.WriteImage(written, str(path))


def without(line: bytes):
    def write(path: Path) -> None:
        itk(path)
        head, mark, voxels = path.read_bytes().partition(b"ElementDataFile")
        kept = [part for part in head.split(b"\n") if not part.startswith(line)]
        path.write_bytes(b"\n".join(kept) + mark + voxels)

    return write


def spaceless(path: Path) -> None:
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: {} {} {}\nencoding: raw\nendian: little\n"
    array = phantom().image.array
    path.write_bytes(head.format(*array.shape[::-1]).encode() + b"\n" + array.tobytes())


def absurd(path: Path) -> None:
    head = ("NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
            "sizes: 9000 9000 9000\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
            "encoding: raw\nendian: little\n\n")  # fmt: skip
    path.write_bytes(head.encode() + bytes(100))


def absurd_nifti(path: Path) -> None:
    nifti(path)
    content = bytearray(path.read_bytes())
    content[42:48] = b"\xff\x7f" * 3
    path.write_bytes(bytes(content))


def singular(path: Path) -> None:
    nifti(path)
    content = bytearray(path.read_bytes())
    content[312:328] = bytes(16)  # srow_z
    path.write_bytes(bytes(content))


def cut(path: Path) -> None:
    nifti(path)
    path.write_bytes(path.read_bytes()[:-3000])


def npz(path: Path, geometry=None) -> Volume:
    """The array as x, y, z, with x growing to the right; it lies at the origin."""
    array = phantom().image.array.transpose(2, 1, 0)[::-1]
    np.savez_compressed(path, data=array)
    if geometry is not None:
        path.with_name("geometry.json").write_text(json.dumps(geometry))
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 1], affine[2, 0], affine[3, 3] = -2.0, 2.4, 3.0, 1
    return Volume(array, Grid(array.shape, affine))


def second(path: Path) -> None:
    nifti(path)
    nifti(path.with_name("other.nii.gz"))


KINDS = [
    volume_file("nifti", "NIfTI", "accepted", "", nifti),
    volume_file("nrrd", "NRRD", "accepted", "", itk, file="ct.nrrd"),
    volume_file("mhd", "MHD with its raw file", "accepted", "", itk, file="ct.mhd"),
    volume_file("big-endian", "NIfTI of the other byte order", "accepted", "", big_endian),
    volume_file("left-handed", "NIfTI with mirrored axes", "accepted", "", left_handed),
    volume_file("scaled", "NIfTI with a slope and an intercept", "accepted", "", scaled),
    volume_file("one-time", "NIfTI with a fourth axis of length 1", "accepted", "",
                lambda path: nifti(path, thorax()[..., None])),
    volume_file("fractions", "fractions of a HU", "flagged", "fractions of a HU were rounded",
                lambda path: nifti(path, thorax(np.float32) + 0.25)),
    volume_file("times", "several times in one file", "refused", "x2 voxels of 1 values: 4 axes",
                lambda path: nifti(path, thorax()[..., None].repeat(2, 3))),
    volume_file("no-codes", "NIfTI that states no orientation", "refused",
                "qform and sform codes are 0", lambda path: nifti(path, code=0)),
    volume_file("contradiction", "NIfTI whose two matrices contradict each other", "refused",
                "left and right cannot be told",
                lambda path: nifti(path, affine=SPACING, qform=SPACING @ np.diag([-1, 1, 1, 1]))),
    volume_file("singular", "a matrix that spans no volume", "refused",
                "its orientation matrix is singular", singular,
                file="ct.nii"),
    volume_file("sheared", "sheared axes (gantry tilt)", "refused",
                "gantry tilt: the slices are stacked 18.4 degrees",
                lambda path: nifti(path, affine=sheared())),
    volume_file("sheared-resampled", "sheared axes, to be resampled", "flagged",
                "gantry tilt of 18.4 degrees", lambda path: nifti(path, affine=sheared()),
                same=False, rules={"tilt": "resample"}),
    volume_file("nan", "NaN", "refused", "2 voxels are not finite", with_nan),
    volume_file("mask", "a mask instead of the CT", "refused", "no Hounsfield units of a chest",
                lambda path: nifti(path, phantom().labels.array.T)),
    volume_file("raised", "HU + 1024", "refused", "no Hounsfield units of a chest",
                lambda path: nifti(path, thorax() + 1024)),
    volume_file("metres", "a spacing in another unit", "refused", "its voxels measure",
                lambda path: nifti(path, affine=SPACING / 1000 + np.diag([0, 0, 0, 0.999]))),
    volume_file("slab", "a slab of the chest", "refused", "too few slices: 9 from feet to head",
                lambda path: nifti(path, thorax()[:, :, :9])),
    volume_file("nifti-cut", "NIfTI that breaks off", "refused", "it cannot be read", cut),
    volume_file("no-gzip", "something else by the name of NIfTI", "refused", "it cannot be read",
                lambda path: path.write_bytes(b"\x1f\x8b no gzip")),
    volume_file("absurd", "a NIfTI header that asks for all memory", "refused",
                "its header asks for 32767x32767x32767 voxels", absurd_nifti, file="ct.nii"),
    volume_file("absurd-nrrd", "an NRRD header that asks for all memory", "refused",
                "its header asks for 9000x9000x9000 voxels", absurd, file="ct.nrrd"),
    volume_file("no-space", "NRRD without its space", "refused", "no `space` field", spaceless,
                file="ct.nrrd"),
    volume_file("no-directions", "MetaImage without directions", "refused",
                "no `TransformMatrix` field", without(b"TransformMatrix"), file="ct.mha"),
    volume_file("colours", "a colour image", "refused", "30x30x30 voxels of 3 values",
                lambda path: itk(path, sitk.Image([30, 30, 30], sitk.sitkVectorInt16, 3)),
                file="ct.mha"),
    volume_file("two-volumes", "two volume files in the folder", "refused", "2 volume files",
                second),
    volume_file("npz", ".npz without a geometry", "refused",
                "a .npz file states neither spacing nor orientation", npz, file="ct.npz"),
    volume_file("npz-declared", ".npz with its geometry beside it", "accepted", "",
                lambda path: npz(path, {"axes": "RPS", "spacing_mm": [2.0, 2.4, 3.0]}),
                file="ct.npz"),
    volume_file("npz-wrong", ".npz with axes that are none", "refused", "its `axes` are not one of",
                lambda path: npz(path, {"axes": "LRS", "spacing_mm": [2.0, 2.4, 3.0]}),
                file="ct.npz"),
]  # fmt: skip
