"""Tubes to voxels: how much of each voxel a tree fills, as in a scanner's partial volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.grid import Grid
from lacaf.phantom.tree import Tree


def coverage(tree: Tree, grid: Grid) -> NDArray[np.uint8]:
    """The share of each voxel, 0 to 255, that the tree fills; ``(Z, Y, X)`` on an upright grid.

    The share falls linearly over one voxel across the surface. Tubes thinner than a voxel fill
    it only partly: their profile is scaled so that the volume is kept.
    """
    result = np.zeros(grid.shape, np.uint8)
    for node in tree.segments:
        cone(
            result,
            grid,
            tree.points[tree.parent[node]],
            tree.points[node],
            tree.start_mm[node],
            tree.end_mm[node],
        )
    return result


def cone(
    target: NDArray[np.uint8],
    grid: Grid,
    start: NDArray,
    end: NDArray,
    start_mm: float,
    end_mm: float,
) -> None:
    """Draw one round-ended cone into ``target`` (maximum of old and new), in its own box only."""
    spacing = np.array(grid.spacing_mm)
    h = float(spacing.prod() ** (1 / 3))
    reach = max(start_mm, end_mm) + h
    low = np.minimum(start, end) - reach
    high = np.maximum(start, end) + reach
    first = np.maximum(np.ceil(grid.to_index(low)).astype(int), 0)
    last = np.minimum(np.floor(grid.to_index(high)).astype(int) + 1, grid.shape)
    if (first >= last).any():
        return
    origin = grid.affine[:3, 3][::-1]
    z, y, x = (
        (origin[a] + spacing[a] * np.arange(first[a], last[a]) - start[2 - a]).reshape(
            [-1 if a == b else 1 for b in range(3)]
        )
        for a in range(3)
    )
    dx, dy, dz = end - start
    share = np.clip((x * dx + y * dy + z * dz) / max(dx * dx + dy * dy + dz * dz, 1e-12), 0, 1)
    squared = (x - share * dx) ** 2 + (y - share * dy) ** 2 + (z - share * dz) ** 2
    radius = start_mm + share * (end_mm - start_mm)
    filled = np.clip(0.5 - (np.sqrt(squared) - radius) / h, 0, 1)
    if min(start_mm, end_mm) < 0.75 * h:
        filled *= _thin(radius / h)
    box = target[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    np.maximum(box, np.round(255 * filled).astype(np.uint8), out=box)


def _thin(relative: NDArray) -> NDArray:
    """Factor that keeps the volume of a tube of radius ``relative`` voxels.

    Below half a voxel the profile is a cone of height 0.5 + r and radius r + 0.5, whose volume
    pi (r + 0.5)^3 / 3 is brought to pi r^2; above, the factor goes to 1.
    """
    r = np.minimum(relative, 0.5)
    exact = 3 * r**2 / (r + 0.5) ** 3
    return exact + (1 - exact) * np.clip((relative - 0.5) / 0.25, 0, 1)
