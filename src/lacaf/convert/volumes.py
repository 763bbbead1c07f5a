"""NIfTI, NRRD and MHA files: voxels with the place in the patient that the file states."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.convert import declared, itk_files, sound, tilt
from lacaf.convert.sources import volume_kind
from lacaf.dicom import stacking
from lacaf.dicom.hounsfield import HU_RANGE, check_air, from_stored, window_flags
from lacaf.fault import Refusal, machines_fault
from lacaf.grid import Grid
from lacaf.volume import Volume

#: Axes may be this far (cosine) from a right angle: rounding, not shear.
RIGHT_ANGLE = 1e-3
#: The two matrices of a NIfTI file may be turned against each other by 45 degrees (cosine); a
#: registered sform is a little, a flipped one by 180.
SAME_WAY = 0.7071


def read(path: Path, file: str) -> tuple[Volume, str]:
    """A volume file with its kind (nifti, nrrd, mha); ``file`` is its name in a refusal.

    Raises:
        Refusal: the file is broken, no plain 3-D volume, or states no orientation.
    """
    kind = volume_kind(path)
    if kind in (None, "npz"):
        raise Refusal(
            "it is no known volume format",
            expectation="NIfTI (.nii, .nii.gz), NRRD (.nrrd) or MetaImage (.mha, .mhd)",
            remedy="convert it to one of these with its geometry",
            file=file,
        )
    found = _read_nifti(path, file) if kind == "nifti" else itk_files.read(path, kind, file)
    if not found.array.size:
        raise sound.broken(ValueError("no voxels"), file)
    sound.check_matrix(found.grid.affine, file)
    return found, kind


def read_image(
    path: Path, file: str, tilted: str = "refuse", geometry: Path | None = None
) -> tuple[Volume, str, dict[str, Any], list[str]]:
    """A CT from a volume file: int16 HU, its kind, facts for the record, and flags.

    ``tilted``: what to do with slices (of the third axis) that lean off their normal: ``refuse``
    or ``resample``. ``geometry``: the file that declares the place of a bare array.

    Raises:
        Refusal: as :func:`read`, and where the values are no HU or the axes are sheared.
    """
    if volume_kind(path) == "npz":
        found, kind = declared.read(path, geometry, file), "npz"
    else:
        found, kind = read(path, file)
    degrees = _lean(found.grid, file)
    if degrees and tilted != "resample":
        raise stacking.leaning(degrees, file)
    array, flags = _integers(found.array, file)
    hu, padding, cut_off = _hounsfield(array, file)
    if cut_off:
        flags.append(f"{cut_off} voxels above {HU_RANGE[1]} HU were cut off")
    image = Volume(hu, found.grid)
    if degrees:
        image = tilt.upright(image)
        flags.append(tilt.flag(degrees))
    facts = {"padding_share": round(padding / array.size, 6)}
    return image, kind, facts, flags + window_flags(hu)


def _hounsfield(array: NDArray, file: str) -> tuple[NDArray[np.int16], int, int]:
    """HU, and how many voxels are padding and how many too high; slice by slice, for memory."""
    hu = np.empty(array.shape, np.int16)
    padding = air = cut_off = 0
    for index, part in enumerate(array):
        found = from_stored(part, 1, 0, None)
        hu[index] = found.array
        padding, air, cut_off = (
            padding + found.padding, air + found.air, cut_off + found.cut_off,
        )  # fmt: skip
    check_air(air, array.size, file)
    return hu, padding, cut_off


def _integers(array: NDArray, file: str) -> tuple[NDArray, list[str]]:
    """Integers as they are; floats rounded, with a flag if that changed anything."""
    if not np.issubdtype(array.dtype, np.floating):
        return array, []
    if not np.isfinite(array).all():
        raise Refusal(
            f"{np.count_nonzero(~np.isfinite(array))} voxels are not finite (NaN or infinity)",
            expectation="a HU value in every voxel",
            remedy="replace them on purpose, for instance by -1024 outside the body",
            file=file,
        )
    flags = ["fractions of a HU were rounded"] if volume.non_integers(array) else []
    return np.clip(np.rint(array), -(2**31), 2**31 - 1).astype(np.int64), flags


def _lean(grid: Grid, file: str) -> float:
    """By how many degrees the slices of the third axis lean off their normal; 0 for a box.

    Raises:
        Refusal: the slices themselves are skewed.
    """
    x, y, z = (grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)).T
    if abs(x @ y) > RIGHT_ANGLE:
        raise Refusal(
            f"its first two axes are {np.degrees(np.arcsin(abs(x @ y))):.1f} degrees off a right "
            "angle",
            expectation="axes at right angles",
            remedy="write the file anew on a grid at right angles",
            file=file,
        )
    if max(abs(x @ z), abs(y @ z)) <= RIGHT_ANGLE:
        return 0.0
    return float(np.degrees(np.arccos(abs(np.cross(x, y) @ z))))


def _read_nifti(path: Path, file: str) -> Volume:
    import nibabel as nib

    faults = (
        *(OSError, EOFError, ValueError, TypeError, KeyError, zlib.error),
        nib.filebasedimages.ImageFileError,
        nib.spatialimages.HeaderDataError,
    )
    try:
        if path.name.lower().endswith(".gz"):
            sound.check_compressed(path, 0)
        image: Any = nib.load(path)
        header = image.header
        sound.check_three_axes(
            image.shape[:3] + tuple(n for n in image.shape[3:] if n != 1), 1, file
        )
        sound.check_matrix(image.affine, file)
        stated = int(header["qform_code"]) > 0 or int(header["sform_code"]) > 0
        found = volume.read(path) if stated else None
    except faults as error:
        if machines_fault(error):
            raise
        raise sound.broken(error, file) from None
    if found is None:
        raise sound.no_orientation("qform and sform codes are 0", file)
    if not _one_way(header):
        raise sound.no_orientation("its qform and its sform contradict each other", file)
    return found


def _one_way(header: Any) -> bool:
    """Whether qform and sform, where both are stated, point the same way."""
    try:
        matrices = [header.get_qform(coded=True)[0], header.get_sform(coded=True)[0]]
    except ValueError:  # an impossible quaternion; programs go by the sform then
        return True
    if any(matrix is None for matrix in matrices):
        return True
    first, second = (m[:3, :3] / np.linalg.norm(m[:3, :3], axis=0) for m in matrices)
    return bool(((first * second).sum(axis=0) > SAME_WAY).all())
