"""The voxels of a centreline linked to trees, and the lengths along them in millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.masks import Spacing
from lacaf.evaluate.thinning import OFFSETS

#: How often the line is smoothed before its length is taken.
SMOOTHING = 4


@dataclass(frozen=True, eq=False)
class Links:
    """The links between neighbouring voxels that make a tree of each component.

    Attributes:
        count: number of voxels.
        start, end: positions of the two voxels of each link.
        gap_mm: distance of their centres.
        part: component of each voxel.
    """

    count: int
    start: NDArray[np.intp]
    end: NDArray[np.intp]
    gap_mm: NDArray[np.float64]
    part: NDArray[np.int32]

    def degree(self) -> NDArray[np.intp]:
        """Number of links of each voxel."""
        return np.bincount(np.concatenate([self.start, self.end]), minlength=self.count)


def link(flat: NDArray, depth: NDArray[np.float32], spacing_mm: Spacing) -> Links:
    """Link the voxels of a centreline, given by their flat indices in ``depth``, sorted.

    Where links close a loop, the one that lies nearest to the wall is left out: bumps that touch
    each other on a rough wall make loops, and fall into spurs that way.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    n = len(flat)
    steps = OFFSETS @ np.array([depth.shape[1] * depth.shape[2], depth.shape[2], 1])
    deep = depth.ravel()[flat]
    half = len(OFFSETS) // 2  # the other half are the same links seen from the other end
    starts, ends, costs = [], [], []
    for offset, step in zip(OFFSETS[half:], steps[half:], strict=True):
        end = np.minimum(np.searchsorted(flat, flat + step), n - 1)
        start = np.flatnonzero(flat[end] == flat + step)
        starts.append(start)
        ends.append(end[start])
        depth_there = np.minimum(deep[start], deep[ends[-1]])
        costs.append(np.linalg.norm(offset * spacing_mm) / depth_there)
    pairs = (np.concatenate(starts), np.concatenate(ends))
    graph = coo_array((np.concatenate(costs), pairs), shape=(n, n)).tocsr()
    tree = minimum_spanning_tree(graph)
    part = connected_components(tree, directed=False)[1]
    tree = tree.tocoo()
    index = np.stack(np.unravel_index(flat, depth.shape), axis=1)
    gap = np.linalg.norm((index[tree.row] - index[tree.col]) * spacing_mm, axis=1)
    return Links(n, tree.row, tree.col, gap, part)


def lengths_mm(
    links: Links, place_mm: NDArray[np.float64], spacing_mm: Spacing
) -> NDArray[np.float64]:
    """The length that each voxel stands for, measured along a smoothed line.

    A chain of voxels zigzags about the axis of its vessel and would be some 10 to 20 % too long.
    So each voxel but the ends moves half-way to the mean of its neighbours, a few times. A lone
    voxel stands for its own size (cube root of its volume).
    """
    place = place_mm.copy()
    ways = np.concatenate([links.start, links.end]), np.concatenate([links.end, links.start])
    degree = links.degree()
    inner = degree > 1
    for _ in range(SMOOTHING):
        around = np.stack(
            [np.bincount(ways[0], place[ways[1], axis], links.count) for axis in range(3)], axis=1
        )
        place[inner] = (place[inner] + around[inner] / degree[inner, None]) / 2
    half_gap = np.linalg.norm(place[ways[0]] - place[ways[1]], axis=1) / 2
    share = np.bincount(ways[0], half_gap, links.count).astype(np.float64)
    share[degree == 0] = np.prod(spacing_mm) ** (1 / 3)
    return share
