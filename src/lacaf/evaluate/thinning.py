"""Thinning a vessel mask to a curve one voxel wide, without changing how it hangs together.

Voxels are taken off from the wall inwards, in the order of their distance in millimetres to
the wall (Pudney 1998, Distance-ordered homotopic thinning), and only simple ones: those whose
removal neither joins, splits, opens nor closes anything (26-neighbours for the vessel, 6 for
the background; Bertrand and Malandain 1994). So every component keeps a centreline, whatever
its cross-section, and the line is in the middle on any spacing. Voxels of one of the eight
parity classes never touch each other, so all simple ones of a class go at once.

scikit-image's skeletonize thins by the voxel, not by the millimetre: on anisotropic spacing its
line is not in the middle.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.masks import Spacing

OFFSETS = np.array([o for o in product((-1, 0, 1), repeat=3) if any(o)])  # (26, 3): bits 0 to 25

#: Layers that are peeled off one after the other, as a share of the smallest spacing.
LAYER_VOX = 0.5

#: A vessel's end may stay only on the ridge of the distance to the wall, where the distance
#: grows to no side by more than this (mm by mm): 0 on the axis of a tube, 1 on its wall.
RIDGE_SLOPE = 0.5


def thin(mask: NDArray[np.bool_], depth: NDArray[np.float32], spacing_mm: Spacing) -> NDArray:
    """The voxels of the centreline.

    Args:
        mask: ``(Z, Y, X)`` with an empty rim of one voxel.
        depth: same shape, mm from each voxel of the mask to the nearest voxel outside.
        spacing_mm: along (z, y, x).

    Returns:
        Flat indices of the voxels that remain, sorted.
    """
    steps = OFFSETS @ np.array([mask.shape[1] * mask.shape[2], mask.shape[2], 1])
    alive = mask.astype(np.uint8).ravel()
    points = np.flatnonzero(alive)
    ends_may_stay = np.zeros(alive.size, dtype=bool)
    ends_may_stay[points[_on_ridge(points, depth.ravel(), steps, spacing_mm)]] = True
    layer = np.floor(depth.ravel()[points] / (LAYER_VOX * min(spacing_mm)) + 1e-3).astype(int)
    order = np.argsort(layer, kind="stable")
    cuts = np.flatnonzero(np.diff(layer[order])) + 1
    waiting = np.empty(0, dtype=points.dtype)
    touched = np.zeros(alive.size, dtype=bool)
    for fresh in np.split(points[order], cuts):
        waiting = _peel(waiting, fresh, alive, ends_may_stay, touched, steps, mask.shape)
    return np.sort(waiting)


def _peel(
    waiting: NDArray,
    fresh: NDArray,
    alive: NDArray[np.uint8],
    ends_may_stay: NDArray[np.bool_],
    touched: NDArray[np.bool_],
    steps: NDArray,
    shape: tuple[int, ...],
) -> NDArray:
    """Remove simple voxels of a fresh layer, and of those that waited, until none is left.

    Returns the voxels that stay for now. Those that wait could not go before, and cannot go now
    unless something beside them does.
    """
    candidates = np.concatenate([waiting, fresh])
    parity = sum(
        (index & 1) << axis for axis, index in enumerate(np.unravel_index(candidates, shape))
    )
    is_fresh = np.arange(len(candidates)) >= len(waiting)
    groups = [candidates[parity == p] for p in range(8)]
    active = [is_fresh[parity == p] for p in range(8)]
    while any(a.any() for a in active):
        removed = []
        for p, group in enumerate(groups):
            tested = group[active[p]]
            codes = neighbourhood(alive, tested, steps)
            end = (codes & (codes - 1) == 0) & ends_may_stay[tested]
            go = tested[is_simple(codes) & ~end]
            alive[go] = 0
            removed.append(go)
            groups[p] = group[alive[group] == 1]
        # Only what touches a removed voxel can have become simple. The scratch array is left clean.
        beside = (np.concatenate(removed)[:, None] + steps).ravel()
        touched[beside] = True
        active = [touched[group] for group in groups]
        touched[beside] = False
    return np.concatenate(groups)


def _on_ridge(
    points: NDArray, depth: NDArray[np.float32], steps: NDArray, spacing_mm: Spacing
) -> NDArray[np.bool_]:
    """Which points have no neighbour that lies much deeper in the vessel."""
    here = depth[points]
    ridge = np.ones(len(points), dtype=bool)
    for step, length in zip(steps, np.linalg.norm(OFFSETS * spacing_mm, axis=1), strict=True):
        ridge &= depth[points + step] - here < RIDGE_SLOPE * length
    return ridge


def neighbourhood(alive: NDArray[np.uint8], points: NDArray, steps: NDArray) -> NDArray[np.int32]:
    """The 26 neighbours of each flat index as bits, in the order of ``OFFSETS``."""
    codes = np.zeros(len(points), dtype=np.int32)
    for bit, step in enumerate(steps):
        codes |= alive[points + step].astype(np.int32) << bit
    return codes


def is_simple(codes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether a voxel with these neighbours can go without a change of topology.

    True if its vessel neighbours form one component (26-connected) and the background in its
    18-neighbourhood has one component (6-connected) that touches it by a face.
    """
    near_18, near_6, spread_26, spread_6 = _tables()
    outside = ~codes & near_18
    faces = outside & near_6
    simple = (codes != 0) & (faces != 0)
    some = np.flatnonzero(simple)
    one_vessel = _flood(codes[some], codes[some], spread_26) == codes[some]
    some_faces = faces[some]
    one_outside = _flood(some_faces, outside[some], spread_6) & near_6 == some_faces
    simple[some] = one_vessel & one_outside
    return simple


def _flood(start: NDArray[np.int32], within: NDArray[np.int32], spread: NDArray) -> NDArray:
    """What the lowest bit of ``start`` reaches ``within``, each by the adjacency ``spread``."""
    reached = start & -start
    while True:
        more = spread[0][reached & 0x1FFF] | spread[1][reached >> 13] | reached
        more &= within
        if np.array_equal(more, reached):
            return reached
        reached = more


@cache
def _tables() -> tuple[int, int, NDArray[np.int32], NDArray[np.int32]]:
    """Masks of the 18- and 6-neighbourhood, and what each half (13 bits) of a code touches."""
    size = np.abs(OFFSETS).sum(axis=1)
    gap = np.abs(OFFSETS[:, None] - OFFSETS[None])
    near_18 = int(sum(1 << b for b in np.flatnonzero(size <= 2)))
    near_6 = int(sum(1 << b for b in np.flatnonzero(size == 1)))
    spreads = []
    for touches in (gap.max(axis=2) == 1, gap.sum(axis=2) == 1):
        rows = [sum(1 << int(j) for j in np.flatnonzero(row)) for row in touches]
        spread = np.zeros((2, 1 << 13), dtype=np.int32)
        for half, bit in product((0, 1), range(13)):
            has_bit = (np.arange(1 << 13) >> bit & 1).astype(bool)
            spread[half, has_bit] |= rows[13 * half + bit]
        spreads.append(spread)
    return near_18, near_6, spreads[0], spreads[1]
