"""Spurs that are roughness of the wall, not branches, taken off a centreline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.links import Links, link
from lacaf.evaluate.masks import Spacing

#: Components are set this far apart where a component must not reach into another.
APART_MM = 1e5


def prune(flat: NDArray, depth: NDArray[np.float32], spacing_mm: Spacing) -> NDArray:
    """Without the spurs that do not leave the vessel they stand on.

    From the deepest voxel of each component, the way to its farthest end is kept, then the way
    to the next end that no kept voxel reaches, and so on (after TEASAR, Sato et al. 2000). A
    voxel reaches as far as the vessel is deep there, plus the diagonal of a voxel.

    Args:
        flat: flat indices of the centreline's voxels in ``depth``, sorted.
        depth: mm from each voxel of the mask to the nearest voxel outside.
        spacing_mm: along (z, y, x).

    Returns:
        Those that are kept, sorted.
    """
    from scipy.spatial import cKDTree

    links = link(flat, depth, spacing_mm)
    distance, before = _ways_from_roots(links, depth.ravel()[flat])
    ends = np.flatnonzero(links.degree() <= 1)
    place = np.stack(np.unravel_index(flat, depth.shape), axis=1) * np.array(spacing_mm)
    place = np.column_stack([place, links.part * APART_MM])
    reach = depth.ravel()[flat] + np.linalg.norm(spacing_mm)
    order = ends[np.argsort(-distance[ends], kind="stable")]
    tree = cKDTree(place[order])
    reached = np.zeros(len(order), dtype=bool)
    keep = np.zeros(len(flat) + 1, dtype=bool)
    keep[-1] = True
    keep[:-1] = before[:-1] == len(flat)
    for position, end in enumerate(order):
        way, here = [], end
        while not reached[position] and not keep[here]:
            way.append(here)
            keep[here] = True
            here = before[here]
        if way:
            balls = tree.query_ball_point(place[way], reach[way])
            reached[np.concatenate(balls).astype(int)] = True
    return flat[keep[:-1]]


def deepest(deep: NDArray, part: NDArray) -> NDArray[np.intp]:
    """The position of the deepest voxel of each component, in the order of the components."""
    deepest_first = np.lexsort((-deep, part))
    return deepest_first[np.unique(part[deepest_first], return_index=True)[1]]


def _ways_from_roots(links: Links, deep: NDArray) -> tuple[NDArray[np.float64], NDArray]:
    """For each voxel the way (mm) from the root of its component, and the voxel before it.

    The root of a component is its deepest voxel; before it comes node ``links.count``.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    n = links.count
    roots = deepest(deep, links.part)
    joined = (
        np.concatenate([links.gap_mm, np.ones(len(roots))]),
        (
            np.concatenate([links.start, roots]),
            np.concatenate([links.end, np.full(len(roots), n)]),
        ),
    )
    graph = coo_array(joined, shape=(n + 1, n + 1)).tocsr()
    return dijkstra(graph, directed=False, indices=n, return_predecessors=True)
