"""Edges of masks, and distances in millimetres from voxels to the nearest of other voxels.

Distances are SciPy's; edges are found here, since its morphology works by the voxel of the whole
box, not by that of the vessel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.masks import Spacing

#: A distance transform costs time by the voxel of the box, a search tree by the point, some
#: twenty times as much. The sparse trees of vessels go by the point, dense blobs by the box.
TREE_POINT_COST_VOX = 20


def voxels(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices ``(N, 3)`` (z, y, x) of the True voxels."""
    return np.stack(np.unravel_index(np.flatnonzero(mask), mask.shape), axis=1)


def edge_voxels(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices ``(N, 3)`` of the True voxels with a False face neighbour.

    The mask has an empty rim of one voxel. Work is by the voxel of the vessel, not of the box.
    """
    solid = mask.ravel()
    own = np.flatnonzero(solid)
    inner = np.ones(len(own), dtype=bool)
    for step in _face_steps(mask.shape):
        inner &= solid[own + step]
    return np.stack(np.unravel_index(own[~inner], mask.shape), axis=1)


def skin_voxels(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices ``(N, 3)`` of the False voxels with a True face neighbour; of a mask with a rim."""
    solid = mask.ravel()
    own = np.flatnonzero(solid)
    touched = np.zeros(solid.size, dtype=bool)
    for step in _face_steps(mask.shape):
        touched[own + step] = True
    beside = np.flatnonzero(touched)
    return np.stack(np.unravel_index(beside[~solid[beside]], mask.shape), axis=1)


def _face_steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    """From the flat index of a voxel to those of its six face neighbours."""
    row, plane = shape[2], shape[1] * shape[2]
    return -plane, -row, -1, 1, row, plane


def nearest_mm(
    points: NDArray[np.intp],
    targets: NDArray[np.intp],
    spacing_mm: Spacing,
    limit_mm: float = np.inf,
) -> NDArray[np.floating]:
    """The exact Euclidean distance from each point to its nearest target, mm.

    Args:
        points: ``(N, 3)`` voxel indices (z, y, x).
        targets: ``(M, 3)`` voxel indices, at least one.
        spacing_mm: along (z, y, x).
        limit_mm: the answer may be infinite where it is beyond this.

    Returns:
        ``(N,)`` distances; relative error below 1e-6.
    """
    low = np.minimum(points.min(axis=0), targets.min(axis=0))
    shape = np.maximum(points.max(axis=0), targets.max(axis=0)) - low + 1
    if TREE_POINT_COST_VOX * (len(points) + len(targets)) > shape.prod():
        return _by_transform(points - low, targets - low, tuple(shape), spacing_mm)
    distance = np.zeros(len(points))
    apart = ~_among(_flat(points - low, shape), np.sort(_flat(targets - low, shape)))
    if apart.any():
        distance[apart] = _by_tree(points[apart], targets, spacing_mm, limit_mm)
    return distance


def _flat(points: NDArray[np.intp], shape: NDArray[np.intp]) -> NDArray[np.intp]:
    return (points[:, 0] * shape[1] + points[:, 1]) * shape[2] + points[:, 2]


def _among(values: NDArray[np.intp], sorted_values: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which values occur among others."""
    place = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    return sorted_values[place] == values


def _by_tree(
    points: NDArray, targets: NDArray, spacing_mm: Spacing, limit_mm: float
) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree

    tree = cKDTree(targets * np.array(spacing_mm), leafsize=32, balanced_tree=False)
    return tree.query(points * np.array(spacing_mm), distance_upper_bound=limit_mm)[0]


def _by_transform(
    points: NDArray, targets: NDArray, shape: tuple[int, ...], spacing_mm: Spacing
) -> NDArray[np.float32]:
    import edt

    empty = np.ones(shape, dtype=bool)
    empty[tuple(targets.T)] = False
    return edt.edt(empty, anisotropy=spacing_mm, parallel=1)[tuple(points.T)]
