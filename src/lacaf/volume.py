"""Volumes: a voxel array never travels without its grid, its place in the patient.

Reading and writing them, and sampling one on another's grid. The convention is that of
:mod:`lacaf.grid`; NIfTI's RAS lives only in :func:`read` and :func:`write`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lacaf import nifti
from lacaf.grid import RAS_TO_LPS, SAME_GRID_TOLERANCE_VOX, Grid

#: All else (NRRD, MetaImage, …) is read by ITK, which takes longer to load.
NIFTI = (".nii", ".nii.gz")

#: Full width at half maximum of a Gaussian of standard deviation 1.
FWHM_PER_SIGMA = 2.3548
#: Where a low-pass ends, in standard deviations.
LOW_PASS_ENDS = 3.0


@dataclass(frozen=True, eq=False)
class Volume:
    """An array ``(Z, Y, X)`` and the grid it lives on."""

    array: NDArray
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"array {self.array.shape} does not fit its grid {self.grid.shape}")


def _load(path: Path) -> Any:
    """A NIfTI image whose voxels are read when asked for; nibabel's type says less than it has."""
    import nibabel as nib

    return nib.load(path)


def _three_axes(shape: tuple[int, ...]) -> Any:
    """A shape without further axes of length 1, which some programs write."""
    return tuple(shape[:3]) + tuple(n for n in shape[3:] if n != 1)


def read(path: Path) -> Volume:
    """Read a NIfTI file, or by ITK one of another format, from the file alone.

    Integer files keep their type; other NIfTI files come as float32.

    Raises:
        ValueError: the file is not a 3-D volume of numbers or its matrix is singular.
        RuntimeError: ITK cannot read it.
    """
    if not path.name.endswith(NIFTI):
        return _read_by_itk(path)
    image = _load(path)
    shape = _three_axes(image.shape)
    if len(shape) != 3:
        raise ValueError(f"{path} has shape {image.shape}, expected three axes")
    if image.get_data_dtype().kind not in "iuf":
        raise ValueError(f"{path} holds colours or complex numbers, expected one number a voxel")
    plain = image.dataobj.slope in (1, None) and image.dataobj.inter in (0, None)
    exact = plain and np.issubdtype(image.get_data_dtype(), np.integer)
    data = np.asanyarray(image.dataobj) if exact else image.get_fdata(dtype=np.float32)
    affine = RAS_TO_LPS @ image.affine
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError(f"{path} has a singular orientation matrix")
    array = np.ascontiguousarray(data.reshape(shape, order="F").T)
    return Volume(array, Grid(array.shape, affine))


def _read_by_itk(path: Path) -> Volume:
    import SimpleITK as sitk

    sitk.ProcessObject.GlobalWarningDisplayOff()  # its warnings quote file names
    image = sitk.ReadImage(str(path))
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ValueError(
            f"the volume has {image.GetDimension()} axes and "
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel"
        )
    return from_itk(image)


def from_itk(image: Any) -> Volume:
    """A 3-D SimpleITK image with its place in the patient, which is LPS in both."""
    from SimpleITK import GetArrayFromImage

    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    array = GetArrayFromImage(image)
    return Volume(array, Grid(array.shape, affine))


def non_integers(array: NDArray) -> int:
    """How many values are no integers: fractions, NaN and infinity; 0 in any integer type."""
    if array.dtype.kind in "biu":
        return 0
    with np.errstate(invalid="ignore"):
        off = np.abs(array - np.rint(array))
    return int(np.count_nonzero(~(off == 0)))  # NaN differs from 0, too


def read_grid(path: Path) -> Grid:
    """The grid of a NIfTI file, without its voxels."""
    image = _load(path)
    return Grid(_three_axes(image.shape)[::-1], RAS_TO_LPS @ image.affine)


def write(volume: Volume, path: Path) -> None:
    """Write a NIfTI file; the same volume gives the same bytes.

    Raises:
        ValueError: NIfTI has no such type of voxel.
    """
    array = volume.array.astype(np.uint8) if volume.array.dtype == bool else volume.array
    with nifti.writing(path, volume.grid, array.dtype) as add:
        add(array)


def upright_grid_around(points_mm: NDArray, spacing_mm: float, margin_mm: float = 0.0) -> Grid:
    """The smallest upright isotropic grid that holds the points ``(N, 3)`` with a margin."""
    low = points_mm.min(axis=0) - margin_mm
    extent = points_mm.max(axis=0) + margin_mm - low
    x, y, z = (int(n) + 1 for n in np.ceil(extent / spacing_mm - 1e-6))
    return Grid.upright((z, y, x), spacing_mm, tuple(low))


def low_pass_sigma(ratio: float) -> float:
    """Standard deviation, in source voxels, of the Gaussian that keeps sampling from aliasing.

    It widens a voxel's own width to that of a target ``ratio`` times as wide (FWHM² = target² -
    source²); 0 where the target is not coarser.
    """
    return float(np.sqrt(ratio**2 - 1) / FWHM_PER_SIGMA) if ratio > 1.01 else 0.0


def low_passed(volume: Volume, grid: Grid) -> Volume:
    """A volume, float32, without the detail that a coarser grid cannot hold.

    Along each axis on which ``grid`` is coarser, see :func:`low_pass_sigma`. Positions stay.
    """
    from scipy import ndimage

    array = volume.array.astype(np.float32)
    source_to_target = np.linalg.inv(grid.affine[:3, :3]) @ volume.grid.affine[:3, :3]
    ratios = 1 / np.abs(source_to_target).max(axis=0)[::-1]
    for axis, ratio in enumerate(ratios):
        if sigma := low_pass_sigma(ratio):
            array = ndimage.gaussian_filter1d(
                array, sigma, axis, truncate=LOW_PASS_ENDS, mode="nearest"
            )
    return Volume(array, volume.grid)


def to_source(source: Grid, target: Grid) -> tuple[NDArray[np.float64], NDArray[np.intp] | None]:
    """How a target's voxels lie in a source.

    Returns:
        4x4 matrix from target to source indices, both in array order; and the target's axis that
        each axis of the source runs along, where the grids differ by flips, swapped axes,
        spacing and offset only (None where they are turned against each other).
    """
    matrix = np.linalg.inv(source.affine) @ target.affine
    matrix = matrix[[2, 1, 0, 3]][:, [2, 1, 0, 3]]
    dominant = np.abs(matrix[:3, :3]).argmax(axis=1)
    off_axis = np.abs(matrix[:3, :3])
    off_axis[np.arange(3), dominant] = 0
    reach = (off_axis * (np.array(target.shape) - 1)).sum(axis=1)
    straight = len(set(dominant.tolist())) == 3 and (reach < SAME_GRID_TOLERANCE_VOX).all()
    return matrix, dominant if straight else None


def resample(
    volume: Volume,
    grid: Grid,
    interpolation: Literal["linear", "nearest"] = "linear",
    fill: float = 0.0,
) -> Volume:
    """Sample a volume on another grid; ``fill`` stands outside the volume.

    Linear interpolation gives float32, nearest keeps the type. Grids that differ by flips,
    swapped axes, spacing and offset only go through a separable path, several times as fast.
    A target much coarser than the source should be preceded by a low-pass filter.
    """
    if volume.grid.same_as(grid):
        return (
            volume
            if interpolation == "nearest"
            else Volume(volume.array.astype(np.float32, copy=False), grid)
        )
    matrix, dominant = to_source(volume.grid, grid)
    if dominant is not None:
        return Volume(_separable(volume.array, matrix, dominant, grid, interpolation, fill), grid)
    from scipy import ndimage

    source = volume.array if interpolation == "nearest" else volume.array.astype(np.float32)
    array = ndimage.affine_transform(
        source,
        matrix[:3, :3],
        matrix[:3, 3],
        output_shape=grid.shape,
        order=1 if interpolation == "linear" else 0,
        mode="constant",
        cval=fill,
    )
    return Volume(array, grid)


def _separable(
    array: NDArray,
    matrix: NDArray,
    dominant: NDArray,
    grid: Grid,
    interpolation: str,
    fill: float,
) -> NDArray:
    """Interpolate one axis after another; axes of ``array`` follow those of the source."""
    outside = []
    for axis in range(3):
        target = int(dominant[axis])
        position = matrix[axis, target] * np.arange(grid.shape[target]) + matrix[axis, 3]
        last = array.shape[axis] - 1
        outside.append((position < -0.5) | (position > last + 0.5))
        position = np.clip(position, 0, last)
        if interpolation == "nearest":
            array = array.take(np.floor(position + 0.5).astype(int).clip(0, last), axis=axis)
            continue
        low = np.floor(position).astype(int)
        weight = (
            (position - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        )
        high = np.minimum(low + 1, last)
        lower = array.take(low, axis=axis).astype(np.float32, copy=False)
        upper = array.take(high, axis=axis).astype(np.float32, copy=False)
        array = lower + (upper - lower) * weight
    array = np.ascontiguousarray(array.transpose(np.argsort(dominant)))
    for axis in range(3):
        select: list = [slice(None)] * 3
        select[int(dominant[axis])] = outside[axis]
        array[tuple(select)] = fill
    return array


def threshold_that_keeps(
    values: NDArray[np.float32], voxels: int, limits: tuple[float, float]
) -> float:
    """The threshold above which about so many voxels lie, within limits.

    Interpolation to another grid flattens what is a voxel or two wide. A threshold of one half
    would cut it off; this one keeps its volume.
    """
    low, high = limits
    candidates = values[values >= low]
    if not candidates.size:
        return low
    place = max(candidates.size - 1 - voxels, 0)
    return float(np.clip(np.partition(candidates, place)[place], low, high))
