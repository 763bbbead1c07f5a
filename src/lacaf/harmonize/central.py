"""To which lung a vessel outside the lungs belongs: the one that it leads to.

The pulmonary trunk leads to both lungs and the left atrium drains both: they belong to neither
alone, whichever lung happens to be nearer. What decides is the way along the vessel, not the
distance through the chest: the right artery starts left of the middle, nearer to the left lung,
and is the right artery all the same.

The ways are SciPy's shortest paths; the graph of voxels is built here because scikit-image's
(``MCP``) finds ways through whole arrays only, not within a vessel that fills a hundredth of one.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from lacaf.grid import Grid

#: How far from a lung's surface a vessel outside may be that lung's, along the vessel, mm: for
#: the left and the right lung. Farther it is central. The right main artery is the longer one.
ARTERY_REACH_MM = (25.0, 40.0)
VEIN_REACH_MM = (30.0, 30.0)
#: The trunk lies off the way from lung to lung: by more than this fraction of that way. Twice the
#: trunk's own radius, which the way cuts short, stays below it.
OFF_WAY = 0.15
#: A trunk leads away from there: by more than this fraction at its end. What stays nearer is the
#: edge of a wide vessel.
TRUNK_ENDS = 0.3
#: Less than this is no trunk, ml.
TRUNK_ML = 1.0
#: The bifurcation lies in this part of the way from the left lung to the right one: the left
#: artery is the shorter.
BIFURCATION = (0.1, 0.6)
#: A piece that hangs on no lung's vessels has the side of a lung this near, mm, ...
NEAR_MM = 8.0
#: ... if the other lung is farther by this, mm.
CLEARLY_MM = 6.0

LEFT, RIGHT, NEITHER = 1, 2, 3
Bool = NDArray[np.bool_]
Float = NDArray[np.float32]


def belonging(
    vessel: Bool, lungs: NDArray, left_mm: Float, right_mm: Float, grid: Grid, *, arteries: bool
) -> NDArray[np.uint8]:
    """Whose each vessel voxel outside the lungs is: 1 left, 2 right, 3 of neither alone.

    - A vessel belongs to the lung that it leads to, as far as a vessel of that lung reaches
      (ARTERY_REACH_MM, VEIN_REACH_MM); where it leads to both, to the one of whose reach the
      way is the smaller part. Farther, it is central.
    - If arteries of both lungs hang together, what lies off the way between the lungs is the
      trunk. Where it meets that way is the bifurcation, and then the main arteries have their
      side up to there, however long they are.
    - A piece that hangs on neither lung's vessels has the side of a lung within NEAR_MM.

    Args:
        vessel: ``(Z, Y, X)`` all arteries, or all veins, as far as they were drawn.
        lungs: 0, 1 left, 2 right.
        left_mm, right_mm: distance of each voxel to either lung, mm.
        grid: grid of all.
        arteries: whether these are arteries, which meet in a trunk (veins meet in the atrium).

    Returns:
        ``(Z, Y, X)``; 0 inside the lungs and where there is no vessel.
    """
    out = np.zeros(vessel.shape, np.uint8)
    outside = vessel & (lungs == 0)
    if not outside.any():
        return out
    box = _box(outside)
    ways = _ways(outside[box], (vessel & (lungs > 0))[box], lungs[box], grid.spacing_mm)
    reach_mm = ARTERY_REACH_MM if arteries else VEIN_REACH_MM
    sides = _by_reach(*ways, left_mm[outside], right_mm[outside], reach_mm)
    if arteries:
        sides = _by_bifurcation(sides, *ways, outside[box], grid.voxel_ml)
    out[outside] = sides  # both in the array's order
    return out


def _box(mask: Bool) -> tuple[slice, ...]:
    """The part of the array that holds the mask, with a voxel around it."""
    from scipy import ndimage

    found = ndimage.find_objects(mask.view(np.uint8))[0]
    return tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in found)


def _by_reach(
    left: Float, right: Float, near_left: Float, near_right: Float, reach_mm: tuple[float, float]
) -> NDArray[np.uint8]:
    """The side of the lung within whose reach a vessel is, along the vessel; or neither."""
    part_left, part_right = left / reach_mm[0], right / reach_mm[1]
    sides = np.where(part_left <= part_right, LEFT, RIGHT)
    sides = np.where(np.minimum(part_left, part_right) > 1, NEITHER, sides)
    loose = np.isinf(left) & np.isinf(right)
    clear = (np.minimum(near_left, near_right) <= NEAR_MM) & (
        np.abs(near_left - near_right) >= CLEARLY_MM
    )
    nearest = np.where(near_left <= near_right, LEFT, RIGHT)
    return np.where(loose, np.where(clear, nearest, NEITHER), sides).astype(np.uint8)


def _by_bifurcation(
    sides: NDArray[np.uint8], left: Float, right: Float, outside: Bool, voxel_ml: float
) -> NDArray[np.uint8]:
    """The same with the trunk and the bifurcation, where they can be found."""
    joined = np.isfinite(left) & np.isfinite(right)
    if not joined.any():
        return sides
    left, right = np.where(joined, left, 0), np.where(joined, right, 0)
    way = float((left + right)[joined].min())
    trunk = joined & _trunk(np.where(joined, (left + right) / way - 1, 0), outside)
    if trunk.sum() * voxel_ml < TRUNK_ML:
        return sides
    bifurcation = float(np.median((left - right)[trunk]))
    if not BIFURCATION[0] < (way + bifurcation) / (2 * way) < BIFURCATION[1]:
        return sides
    found = np.where(trunk, NEITHER, np.where(left - right < bifurcation, LEFT, RIGHT))
    return np.where(joined, found, sides).astype(np.uint8)


def _trunk(off_way: NDArray, outside: Bool) -> Bool:
    """Which of the outer voxels are of a trunk: connected, and far from the way at its end."""
    from scipy import ndimage

    aside = np.zeros(outside.shape)
    aside[outside] = off_way
    pieces, count = ndimage.label(aside > OFF_WAY, np.ones((3, 3, 3)))
    ends = ndimage.maximum(aside, pieces, np.arange(count + 1))
    return (np.asarray(ends) > TRUNK_ENDS)[pieces[outside]] & (pieces[outside] > 0)


def _ways(
    outside: Bool, inside: Bool, lungs: NDArray, spacing_mm: tuple[float, float, float]
) -> tuple[Float, Float]:
    """Length of the way along the vessel, mm, from each outer voxel to either lung's vessels.

    Shortest paths over the 26 neighbours (Dijkstra); infinite where no way leads.
    """
    from scipy import ndimage
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    door = inside & ndimage.binary_dilation(outside, np.ones((3, 3, 3)))
    nodes = np.full(outside.shape, -1, np.int32)
    count = int((outside | door).sum())
    nodes[outside | door] = np.arange(count)
    starts, ends, lengths = [], [], []
    for step in product((0, 1), (-1, 0, 1), (-1, 0, 1)):
        if step <= (0, 0, 0):
            continue  # each pair once
        one, other = _neighbours(nodes, step)
        linked = (one >= 0) & (other >= 0)
        starts.append(one[linked])
        ends.append(other[linked])
        length = float(np.linalg.norm(np.multiply(step, spacing_mm)))
        lengths.append(np.full(len(starts[-1]), length))
    links = coo_array(
        (np.concatenate(lengths), (np.concatenate(starts), np.concatenate(ends))), (count, count)
    ).tocsr()
    found = []
    for value in (LEFT, RIGHT):
        sources = nodes[door & (lungs == value)]
        way = np.full(count, np.inf)
        if len(sources):
            way = dijkstra(links, directed=False, indices=sources, min_only=True)
        found.append(way[nodes[outside]].astype(np.float32))
    return found[0], found[1]


def _neighbours(nodes: NDArray, step: tuple[int, ...]) -> tuple[NDArray, NDArray]:
    """The array and its neighbours in one direction, cut to where both exist."""
    one = tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in zip(step, nodes.shape, strict=True))
    other = tuple(slice(max(s, 0), n - max(-s, 0)) for s, n in zip(step, nodes.shape, strict=True))
    return nodes[one], nodes[other]
