"""The coarse copy on which the lungs are found, and sampling without aliasing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.volume import Grid, Volume, low_passed, resample, upright_grid_around

#: Spacing of the coarse copy: lobar bronchi and the pleura between touching lungs still show.
COARSE_MM = 2.5

#: Lower end of the HU scale. Scanners pad outside the field of view with -2000 and less, which
#: would spread into the body when voxels are averaged.
AIR_HU = -1024


def coarse(image: Volume) -> Volume:
    """The CT on an upright isotropic grid of COARSE_MM, float32 HU, not below AIR_HU."""
    averaged = _block_means(image, COARSE_MM)
    grid = upright_grid_around(averaged.grid.corners_mm(), COARSE_MM)
    return resample(averaged, grid, fill=AIR_HU)


def _block_means(image: Volume, spacing_mm: float) -> Volume:
    """Means of whole blocks of voxels, as many as fit into ``spacing_mm`` along each axis."""
    factors = [max(1, int(spacing_mm / s + 0.05)) for s in image.grid.spacing_mm]
    factors = [min(f, n) for f, n in zip(factors, image.array.shape, strict=True)]
    array = np.clip(image.array, AIR_HU, None)
    for axis, factor in reversed(list(enumerate(factors))):
        kept = array.shape[axis] // factor * factor
        array = np.take(array, np.arange(kept), axis) if kept < array.shape[axis] else array
        split = (*array.shape[:axis], kept // factor, factor, *array.shape[axis + 1 :])
        array = array.reshape(split).mean(axis=axis + 1, dtype=np.float32)
    affine = image.grid.affine.copy()
    steps = np.array(factors[::-1], float)  # in the affine's order x, y, z
    affine[:3, 3] += affine[:3, :3] @ ((steps - 1) / 2)
    affine[:3, :3] = affine[:3, :3] * steps
    return Volume(array, Grid(array.shape, affine))


def cut_out(image: Volume, points_mm: NDArray, margin_vox: int) -> tuple[Volume, list[list[int]]]:
    """The part of an image around points ``(N, 3)``, and its first and past-last voxels."""
    index = image.grid.to_index(points_mm)
    shape = np.array(image.array.shape)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - margin_vox, 0, shape - 1)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + margin_vox + 1, low + 1, shape)
    affine = image.grid.affine.copy()
    affine[:3, 3] = image.grid.to_mm(low)
    array = image.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return Volume(array, Grid(array.shape, affine)), [low.tolist(), high.tolist()]


def sample_image(image: Volume, grid: Grid) -> Volume:
    """The CT on the working grid as int16 HU, low-passed first where the grid is coarser."""
    clipped = Volume(np.clip(image.array, AIR_HU, None), image.grid)
    sampled = resample(low_passed(clipped, grid), grid, fill=AIR_HU)
    return Volume(np.rint(sampled.array).astype(np.int16), grid)
