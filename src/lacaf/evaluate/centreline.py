"""The centreline of a vessel class: where it runs, how long and how wide, branch by branch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.branches import branches
from lacaf.evaluate.distance import nearest_mm, skin_voxels, voxels
from lacaf.evaluate.links import lengths_mm, link
from lacaf.evaluate.masks import Spacing
from lacaf.evaluate.pruning import prune
from lacaf.evaluate.thinning import thin


@dataclass(frozen=True, eq=False)
class Centreline:
    """The voxels on the axes of the vessels of a mask.

    Attributes:
        points: ``(N, 3)`` indices (z, y, x), all inside the mask, at least one a component.
        length_mm: ``(N,)`` the length that each voxel stands for: half of each link to its
            neighbours; the sum is the length of the tree.
        radius_mm: ``(N,)`` distance to the nearest voxel outside, less half of the smallest
            spacing (that distance goes to the voxel's centre, the wall is nearer).
        branch: ``(N,)`` the branch of each voxel, from 0.
        generation: ``(B,)`` of each branch, 0 at the root; ``branches.DETACHED`` for those of
            fragments.
    """

    points: NDArray[np.intp]
    length_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]
    branch: NDArray[np.intp]
    generation: NDArray[np.intp]

    def moved(self, origin: tuple[int, int, int]) -> Centreline:
        """The same line in the indices of the image in which its box begins at ``origin``."""
        points = self.points + np.array(origin)
        return Centreline(points, self.length_mm, self.radius_mm, self.branch, self.generation)


def centreline(mask: NDArray[np.bool_], spacing_mm: Spacing) -> Centreline:
    """The centreline of a mask ``(Z, Y, X)`` that has an empty rim of one voxel."""
    if not mask.any():
        none = np.empty(0, dtype=np.intp)
        return Centreline(np.empty((0, 3), dtype=np.intp), np.empty(0), np.empty(0), none, none)
    solid = _without_cavities(mask)
    depth = _depth_mm(solid, spacing_mm)
    flat = prune(thin(solid, depth, spacing_mm), depth, spacing_mm)
    links = link(flat, depth, spacing_mm)
    points = np.stack(np.unravel_index(flat, mask.shape), axis=1)
    length = lengths_mm(links, points * np.array(spacing_mm), spacing_mm)
    deep = depth.ravel()[flat]
    branch, generation = branches(links, length, deep)
    radius = deep.astype(np.float64) - min(spacing_mm) / 2
    return Centreline(_into(mask, points, spacing_mm), length, radius, branch, generation)


def _without_cavities(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill what the mask encloses: thinning would leave a shell around every bubble."""
    import cc3d

    outside = cc3d.connected_components(~mask, connectivity=6, binary_image=True)
    return outside != outside[0, 0, 0]


def _depth_mm(mask: NDArray[np.bool_], spacing_mm: Spacing) -> NDArray[np.float32]:
    """Distance in mm from each voxel of the mask to the nearest voxel outside; 0 outside."""
    inside = voxels(mask)
    depth = np.zeros(mask.shape, dtype=np.float32)
    depth[tuple(inside.T)] = nearest_mm(inside, skin_voxels(mask), spacing_mm)
    return depth


def _into(mask: NDArray[np.bool_], points: NDArray, spacing_mm: Spacing) -> NDArray[np.intp]:
    """Move the points that run through a filled cavity to the nearest voxel of the mask."""
    from scipy.spatial import cKDTree

    astray = ~mask[tuple(points.T)]
    if astray.any():
        own = voxels(mask)
        nearest = cKDTree(own * spacing_mm).query(points[astray] * spacing_mm)[1]
        points[astray] = own[nearest]
    return points
