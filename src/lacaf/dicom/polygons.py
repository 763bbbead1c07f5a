"""Polygons of one slice as pixels: holes, copies and overlaps told apart.

No library serves: scikit-image's and Pillow's polygons take the pixels on an edge into both
neighbours, so that regions overlap and the strands of a keyhole leave a seam.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]


@dataclass
class Tally:
    """What was met while contours were filled."""

    contours: int = 0
    not_closed: int = 0
    repeated: int = 0
    holes: int = 0
    overlapping: int = 0
    without_voxel: int = 0


def filled(contours: Sequence[tuple[NDArray, bool]], size: tuple[int, int], tally: Tally) -> Bool:
    """The contours of one plane together: from the largest to the smallest.

    A contour inside the region so far is a hole in it, one outside adds to it, one across its
    border joins it; one that was there before is a copy and no hole.
    """
    parts = [(*_polygon(points, size), xor) for points, xor in contours]
    parts.sort(key=lambda part: -int(part[0].sum()))
    out = np.zeros(size, bool)
    seen = set()
    for mask, box, xor in parts:
        here = out[box]
        this = (box[0].start, box[1].start, mask.shape, mask.tobytes())
        if not mask.any():
            tally.without_voxel += 1
        elif xor:
            here ^= mask
        elif this in seen:
            tally.repeated += 1
        elif here[mask].all():
            tally.holes += 1
            here &= ~mask
        else:
            tally.overlapping += bool(here[mask].any())
            here |= mask
        seen.add(this)
    return out


def work(points: NDArray, size: tuple[int, int]) -> float:
    """What it takes to fill a polygon: pixels of its box, and rows that its edges cross."""
    inside = np.clip(points, 0, size)
    rows = inside[:, 0]
    box = np.prod(np.ptp(inside, axis=0) + 1)
    return float(box + np.abs(rows - np.roll(rows, 1)).sum())


def _polygon(points: NDArray, size: tuple[int, int]) -> tuple[Bool, tuple[slice, slice]]:
    """Pixels whose centres lie in a polygon (even-odd rule), and where they lie in the slice.

    Args:
        points: ``(N, 2)`` row and column of the corners, in pixels.
        size: rows and columns of the slice; what lies outside is cut off.

    A centre on an edge counts on one side alone, so polygons that share an edge share no pixel
    and the two strands of a keyhole cancel.
    """
    low = np.clip(np.ceil(points.min(axis=0)).astype(int), 0, size)
    high = np.clip(np.floor(points.max(axis=0)).astype(int) + 1, low, size)
    box = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    rows, columns = high - low
    crossings = np.zeros((rows, columns + 1), np.int64)
    ends = np.stack([points, np.roll(points, -1, axis=0)], axis=1)  # (edge, end, row and column)
    order = np.argsort(ends[:, :, 0], axis=1, kind="stable")
    ends = np.take_along_axis(ends, order[:, :, None], axis=1)  # the same edge, whichever way
    first = np.clip(np.ceil(ends[:, 0, 0]), low[0], high[0]).astype(int)
    last = np.clip(np.ceil(ends[:, 1, 0]), low[0], high[0]).astype(int)
    count = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(ends)), count)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    (y0, x0), (y1, x1) = ends[edge, 0].T, ends[edge, 1].T
    column = np.ceil(x0 + (row - y0) * (x1 - x0) / np.where(y1 > y0, y1 - y0, 1))
    column = np.clip(column, low[1], high[1]).astype(int)
    np.add.at(crossings, (row - low[0], column - low[1]), 1)
    return np.cumsum(crossings, axis=1)[:, :columns] % 2 == 1, box
