"""The tree of a vessel class: its centreline in millimetres, and clDice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.distance import edge_voxels, nearest_mm, voxels
from lacaf.evaluate.masks import Masks, Spacing
from lacaf.evaluate.thinning import OFFSETS, thin

#: Components are set this far apart where a component must not reach into another.
APART_MM = 1e5


#: How often the line is smoothed before its length is taken.
SMOOTHING = 4


@dataclass(frozen=True, eq=False)
class Centreline:
    """The voxels on the axes of the vessels of a mask.

    Attributes:
        points: ``(N, 3)`` indices (z, y, x), all inside the mask, at least one a component.
        length_mm: ``(N,)`` the length that each voxel stands for: half of each link to its
            neighbours; the sum is the length of the tree. A lone voxel stands for its own size
            (cube root of its volume).
    """

    points: NDArray[np.intp]
    length_mm: NDArray[np.float64]

    def share(self, mask: NDArray[np.bool_]) -> float:
        """The share of the length that lies inside another mask of the same shape."""
        return float(self.length_mm[mask[tuple(self.points.T)]].sum() / self.length_mm.sum())


def centreline(mask: NDArray[np.bool_], spacing_mm: Spacing) -> Centreline:
    """The centreline of a mask ``(Z, Y, X)`` that has an empty rim of one voxel."""
    if not mask.any():
        return Centreline(np.empty((0, 3), dtype=np.intp), np.empty(0))
    solid = _without_cavities(mask)
    depth = _depth_mm(solid, spacing_mm)
    flat = thin(solid, depth, spacing_mm)
    flat = _prune(flat, depth, spacing_mm)
    length = _lengths_mm(flat, depth, spacing_mm)
    points = np.stack(np.unravel_index(flat, mask.shape), axis=1)
    return Centreline(_into(mask, points, spacing_mm), length)


def cldice(masks: Masks, predicted: Centreline, reference: Centreline) -> float:
    """Centreline Dice (Shit et al., CVPR 2021, eq. 3), by length in mm instead of voxel counts.

    The harmonic mean of the share of the predicted centreline inside the reference mask and of
    the reference centreline inside the predicted mask. Both empty: 1. One empty: 0.
    """
    if not (len(predicted.points) and len(reference.points)):
        return float(len(predicted.points) == len(reference.points))
    precision = predicted.share(masks.reference)
    sensitivity = reference.share(masks.prediction)
    total = precision + sensitivity
    return 2 * precision * sensitivity / total if total else 0.0


def _without_cavities(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill what the mask encloses: thinning would leave a shell around every bubble."""
    import cc3d

    outside = cc3d.connected_components(~mask, connectivity=6, binary_image=True)
    return outside != outside[0, 0, 0]


def _depth_mm(mask: NDArray[np.bool_], spacing_mm: Spacing) -> NDArray[np.float32]:
    """Distance in mm from each voxel of the mask to the nearest voxel outside; 0 outside."""
    inside = voxels(mask)
    depth = np.zeros(mask.shape, dtype=np.float32)
    depth[tuple(inside.T)] = nearest_mm(inside, edge_voxels(~mask), spacing_mm)
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


def _links(
    flat: NDArray, depth: NDArray[np.float32], spacing_mm: Spacing
) -> tuple[int, NDArray, NDArray, NDArray]:
    """The links between neighbouring centreline voxels that make a tree of each component.

    Where links close a ring, the one that lies nearest to the wall is left out: bumps that touch
    each other on a rough wall make rings, and fall into twigs that way.

    Returns:
        Number of voxels, and for each link the position in ``flat`` of its two ends and its
        length in mm.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

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
    links = (np.concatenate(starts), np.concatenate(ends))
    graph = coo_array((np.concatenate(costs), links), shape=(n, n)).tocsr()
    tree = minimum_spanning_tree(graph).tocoo()
    index = np.stack(np.unravel_index(flat, depth.shape), axis=1)
    gap = np.linalg.norm((index[tree.row] - index[tree.col]) * spacing_mm, axis=1)
    return n, tree.row, tree.col, gap


def _lengths_mm(
    flat: NDArray, depth: NDArray[np.float32], spacing_mm: Spacing
) -> NDArray[np.float64]:
    """The length that each voxel stands for, measured along a smoothed line.

    A chain of voxels zigzags about the axis of its vessel and would be some 10 to 20 % too long.
    So each voxel but the ends moves half-way to the mean of its neighbours, a few times.
    """
    n, start, end, _ = _links(flat, depth, spacing_mm)
    place = np.stack(np.unravel_index(flat, depth.shape), axis=1) * np.array(spacing_mm)
    links = np.concatenate([start, end]), np.concatenate([end, start])
    degree = np.bincount(links[0], minlength=n)
    for _ in range(SMOOTHING):
        around = np.zeros_like(place)
        np.add.at(around, links[0], place[links[1]])
        inner = degree > 1
        place[inner] = (place[inner] + around[inner] / degree[inner, None]) / 2
    share = np.zeros(n)
    np.add.at(share, links[0], np.linalg.norm(place[links[0]] - place[links[1]], axis=1) / 2)
    share[degree == 0] = np.prod(spacing_mm) ** (1 / 3)
    return share


def _prune(flat: NDArray, depth: NDArray[np.float32], spacing_mm: Spacing) -> NDArray:
    """Without the twigs that do not leave the vessel they stand on: roughness, no branches.

    From the deepest voxel of each component, the way to its farthest end is kept, then the way
    to the next end that no kept voxel reaches, and so on (after TEASAR, Sato et al. 2000). A
    voxel reaches as far as the vessel is deep there, plus the diagonal of a voxel.
    """
    from scipy.spatial import cKDTree

    ends, part, distance, before = _ways_from_roots(flat, depth, spacing_mm)
    place = np.stack(np.unravel_index(flat, depth.shape), axis=1) * np.array(spacing_mm)
    place = np.column_stack([place, part * APART_MM])
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


def _ways_from_roots(
    flat: NDArray, depth: NDArray[np.float32], spacing_mm: Spacing
) -> tuple[NDArray, NDArray, NDArray[np.float64], NDArray]:
    """Ends of the tree; for each voxel its component, way (mm) from the root, voxel before it.

    The root of a component is its deepest voxel; before it comes node ``len(flat)``.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, dijkstra

    n, start, end, length = _links(flat, depth, spacing_mm)
    parts = connected_components(coo_array((length, (start, end)), shape=(n, n)))[1]
    deepest_first = np.lexsort((-depth.ravel()[flat], parts))
    roots = deepest_first[np.unique(parts[deepest_first], return_index=True)[1]]
    joined = (
        np.concatenate([length, np.ones(len(roots))]),
        (np.concatenate([start, roots]), np.concatenate([end, np.full(len(roots), n)])),
    )
    graph = coo_array(joined, shape=(n + 1, n + 1)).tocsr()
    distance, before = dijkstra(graph, directed=False, indices=n, return_predecessors=True)
    degree = np.bincount(np.concatenate([start, end]), minlength=n)
    return np.flatnonzero(degree <= 1), parts, distance, before
