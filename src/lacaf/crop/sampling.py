"""The CT on another grid without aliasing, slice by slice: a whole copy in float is never made.

Written by hand because the resamplers of SciPy and ITK either do not low-pass or do so on the
whole image in float, which for a CT of a thousand slices is gigabytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lacaf.grid import Grid
from lacaf.volume import LOW_PASS_ENDS, Volume, low_pass_sigma, resample, to_source

#: Lower end of the HU scale. Scanners pad outside the field of view with -2000 and less, which
#: would spread into the body when voxels are averaged.
AIR_HU = -1024


def sample(image: Volume, grid: Grid, lowest: float = AIR_HU) -> Volume:
    """A CT on another grid, float32 HU, not below ``lowest``, which also stands outside it.

    Along each axis on which ``grid`` is coarser, a Gaussian first widens a voxel's own width to
    the target's (FWHM² = target² - source²); then voxels are interpolated linearly. Both are one
    product with a sparse matrix for each axis: only what the target needs is computed.
    """
    matrix, dominant = to_source(image.grid, grid)
    if dominant is None:
        return resample(_own_axes(image, grid, lowest), grid, fill=lowest)
    positions = [
        matrix[axis, target] * np.arange(grid.shape[target]) + matrix[axis, 3]
        for axis, target in enumerate(dominant)
    ]
    ratios = np.abs(matrix[np.arange(3), dominant])
    array = _sampled(image.array, positions, ratios, lowest).transpose(np.argsort(dominant))
    array = np.ascontiguousarray(array)
    for axis, position in enumerate(positions):
        place: list = [slice(None)] * 3
        place[int(dominant[axis])] = (position < -0.5) | (position > image.array.shape[axis] - 0.5)
        array[tuple(place)] = lowest
    return Volume(array, grid)


def integer_hu(image: Volume) -> Volume:
    """The same in integer HU, int16."""
    return Volume(np.rint(image.array).astype(np.int16), image.grid)


def _own_axes(image: Volume, grid: Grid, lowest: float) -> Volume:
    """The image around an oblique grid, low-passed for it, on axes of its own.

    Its voxels are at most a third as wide as the target's, so that the linear interpolation that
    follows blurs little; where the image is coarser than that, they stay as they are.
    """
    matrix, _ = to_source(image.grid, grid)
    ratios = np.abs(matrix[:3, :3]).max(axis=1)
    steps = np.maximum(1.0, ratios / 3)
    index = image.grid.to_index(grid.corners_mm())
    last = np.array(image.array.shape) - 1.0
    low = np.clip(np.floor(index.min(axis=0)) - 2, 0, last)
    high = np.clip(np.ceil(index.max(axis=0)) + 2, 0, last)
    counts = np.ceil((high - low) / steps).astype(int) + 1
    positions = [a + step * np.arange(n) for a, step, n in zip(low, steps, counts, strict=True)]
    affine = image.grid.affine.copy()
    affine[:3, 3] = image.grid.to_mm(low)
    affine[:3, :3] = affine[:3, :3] * steps[::-1]  # the affine's order is x, y, z
    array = _sampled(image.array, positions, np.maximum(ratios, 1.0), lowest)
    return Volume(array, Grid(array.shape, affine))


def _sampled(
    array: NDArray, positions: list[NDArray], ratios: NDArray, lowest: float
) -> NDArray[np.float32]:
    """Values at a lattice of source positions, axes as in the source."""
    weights = []
    for axis in range(3):
        matrix = _weights(positions[axis], array.shape[axis], float(ratios[axis]))
        used = np.unique(matrix.indices)
        weights.append(matrix[:, used[0] : used[-1] + 1])
        array = array[(slice(None),) * axis + (slice(used[0], used[-1] + 1),)]
    planes = np.empty((array.shape[0], len(positions[1]), len(positions[2])), np.float32)
    for out, plane in zip(planes, array, strict=True):
        rows = weights[1] @ np.maximum(plane, np.float32(lowest)).astype(np.float32, copy=False)
        out[...] = (weights[2] @ np.ascontiguousarray(rows.T)).T
    flat = weights[0] @ planes.reshape(len(planes), -1)
    return flat.reshape(-1, *planes.shape[1:])


def _weights(position: NDArray, count: int, ratio: float) -> sparse.csr_matrix:
    """Low-pass and interpolation along an axis of ``count`` voxels, a row a position.

    ``ratio`` is the target's voxel in source voxels; beyond its ends the axis repeats its last
    voxels.
    """
    position = np.clip(position, 0, count - 1)
    low = np.floor(position).astype(int)
    fraction = position - low
    kernel = np.ones(1)
    if sigma := low_pass_sigma(ratio):
        reach = int(LOW_PASS_ENDS * sigma + 0.5)
        offset = np.arange(-reach, reach + 1)
        kernel = np.exp(-0.5 * (offset / sigma) ** 2)
        kernel /= kernel.sum()
    at_low, at_high = np.append(kernel, 0), np.append(0, kernel)
    values = np.outer(1 - fraction, at_low) + np.outer(fraction, at_high)
    columns = low[:, None] + np.arange(len(at_low)) - (len(kernel) - 1) // 2
    rows = np.broadcast_to(np.arange(len(low))[:, None], columns.shape)
    shape = (len(low), count)
    matrix = sparse.coo_matrix(
        (values.ravel(), (rows.ravel(), np.clip(columns, 0, count - 1).ravel())), shape=shape
    ).tocsr()
    matrix.eliminate_zeros()
    return matrix.astype(np.float32)
