"""Codes on another grid: thin vessels must survive, and nothing may be made up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import UNKNOWN
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.harmonize.meaning import is_drawn
from lacaf.volume import Volume, low_passed, resample, threshold_that_keeps

#: At least this fraction of the labelled voxels must lie inside the image.
INSIDE_FRACTION = 0.98
#: Labels whose voxels have so many times the image's volume are too coarse for thin vessels.
COARSE_TIMES = 8.0
#: A voxel is vessel from a fraction of this much on, whatever it takes to keep the volume.
FRACTION_RANGE = (0.3, 0.5)
#: Nor is a voxel background if more of it than this is unknown: a vessel that nobody named may
#: be thinner than a voxel.
UNLABELLED_FRACTION = 0.1


def check_overlap(codes: Volume, image: Grid) -> tuple[float, list[str]]:
    """The fraction of labelled voxels that lie in the image, and flags of the labels' own grid.

    Raises:
        Refusal: they do not lie in it: they belong to another scan or place.
    """
    if codes.grid.same_as(image):
        return 1.0, []
    index = image.to_index(codes.grid.to_mm(np.argwhere(is_drawn(codes.array))))
    inside = float(((index > -0.5) & (index < np.array(image.shape) - 0.5)).all(axis=1).mean())
    if inside < INSIDE_FRACTION:
        raise Refusal(
            f"only {inside:.0%} of the labelled voxels lie inside the image",
            expectation="labels in the place of their image",
            remedy="check that labels and image are of one scan and kept their geometry",
            file="the label file",
        )
    flags = []
    if not _same_voxels(codes.grid, image):
        flags.append("the labels lie on a grid of their own; resampled")
    if codes.grid.voxel_ml > COARSE_TIMES * image.voxel_ml:
        times = codes.grid.voxel_ml / image.voxel_ml
        flags.append(f"the labels' voxels are {times:.0f} times as large as the image's")
    return round(inside, 4), flags


def on_image(codes: Volume, grid: Grid) -> NDArray[np.uint8]:
    """Codes on the CT's grid; where the label file does not reach, nothing is known (255).

    A grid that only orders the same voxels otherwise is copied voxel by voxel; on any other, a
    voxel that is at least half vessel becomes the vessel with the largest fraction.
    """
    if _same_voxels(codes.grid, grid):
        return resample(codes, grid, "nearest", fill=UNKNOWN).array
    return _by_fraction(codes, grid, keep_volume=False)[0]


def on_working(codes: Volume, grid: Grid) -> tuple[NDArray[np.uint8], float]:
    """Codes on the working grid, and the fraction from which a voxel counts as vessel.

    Vessels thinner than a voxel fill no voxel to the half, so a threshold of 0.5 would cut them
    off. The fraction is lowered until the vessels keep their volume (not below FRACTION_RANGE).
    """
    return _by_fraction(codes, grid, keep_volume=True)


def _by_fraction(codes: Volume, grid: Grid, keep_volume: bool) -> tuple[NDArray[np.uint8], float]:
    """Codes by the largest fraction, worked out where vessels are; elsewhere nothing is vessel."""
    out = np.zeros(grid.shape, np.uint8)
    vessel = is_drawn(codes.array)
    least = FRACTION_RANGE[1]
    unlabelled = _unlabelled_fraction(codes, grid)
    if vessel.any():
        part = _around(codes, vessel, grid)
        box, here = _part_of(grid, part.grid.corners_mm())
        winner, total = _fractions(part, here)
        if keep_volume:
            wanted = vessel.sum() * part.grid.voxel_ml / grid.voxel_ml
            least = threshold_that_keeps(total, int(wanted), FRACTION_RANGE)
        out[box] = np.where(total >= least, winner, 0)
    out[(unlabelled > UNLABELLED_FRACTION) & (out == 0)] = UNKNOWN
    return out, least


def _fractions(part: Volume, grid: Grid) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The vessel with the largest fraction of each voxel, and the fraction of all vessels."""
    best = np.zeros(grid.shape, np.float32)
    total = np.zeros(grid.shape, np.float32)
    winner = np.zeros(grid.shape, np.uint8)
    for value in np.unique(part.array[is_drawn(part.array)]):
        mask = Volume((part.array == value).astype(np.float32), part.grid)
        fraction = resample(low_passed(mask, grid), grid).array
        total += fraction
        winner[fraction > best] = value
        np.maximum(best, fraction, out=best)
    return winner, total


def _unlabelled_fraction(codes: Volume, grid: Grid) -> NDArray:
    """What fraction of each voxel nothing is known of; all of it beyond the labels' grid."""
    unlabelled = codes.array == UNKNOWN
    if not unlabelled.any():
        reach = Volume(unlabelled.view(np.uint8), codes.grid)
        return resample(reach, grid, "nearest", fill=1).array.astype(bool)
    return resample(Volume(unlabelled.astype(np.float32), codes.grid), grid, fill=1.0).array


def _around(codes: Volume, mask: NDArray[np.bool_], grid: Grid) -> Volume:
    """The part of the labels around the vessels, with room for the low-pass."""
    from scipy import ndimage

    spacing = np.array(codes.grid.spacing_mm)
    room = np.ceil(2 * max(grid.spacing_mm) / spacing).astype(int) + 1
    found = ndimage.find_objects(mask.view(np.uint8))[0]
    box = tuple(
        slice(max(part.start - n, 0), part.stop + n) for part, n in zip(found, room, strict=True)
    )
    affine = codes.grid.affine.copy()
    affine[:3, 3] = codes.grid.to_mm(np.array([part.start for part in box]))
    array = codes.array[box]
    return Volume(array, Grid(array.shape, affine))


def _part_of(grid: Grid, corners_mm: NDArray) -> tuple[tuple[slice, ...], Grid]:
    """The part of a grid that holds all these points, as slices and as a grid."""
    index = grid.to_index(corners_mm)
    low = np.clip(np.floor(index.min(axis=0)), 0, np.array(grid.shape) - 1).astype(int)
    high = np.clip(np.ceil(index.max(axis=0)) + 1, low + 1, grid.shape).astype(int)
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_mm(low)
    z, y, x = (int(n) for n in high - low)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return box, Grid((z, y, x), affine)


def _same_voxels(one: Grid, other: Grid) -> bool:
    """Whether the grids hold the same voxel centres, in whatever order of axes."""
    steps = np.linalg.inv(one.affine[:3, :3]) @ other.affine[:3, :3]
    index = one.to_index(other.corners_mm())
    return bool(
        np.abs(steps - np.rint(steps)).max() < 1e-3
        and np.allclose(np.abs(steps).sum(axis=0), 1, atol=1e-3)
        and np.abs(index - np.rint(index)).max() < 0.05
    )
