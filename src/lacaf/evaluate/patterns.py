"""The patterns that eight neighbouring voxels make: what surfaces and topology are read from."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

Boundary = tuple[NDArray[np.intp], NDArray[np.uint8]]

#: The pattern of eight voxels that all belong to the mask.
FULL = 255

#: The eight voxels around a corner, (z, y, x); bit ``4z + 2y + x`` of a pattern is one of them.
CORNERS = tuple(product((0, 1), repeat=3))


def boundary(mask: NDArray[np.bool_]) -> Boundary:
    """Where a mask ``(Z, Y, X)`` with an empty rim has a boundary.

    Returns:
        ``(N, 3)`` corners between eight voxels that are not all alike, ``(N,)`` their patterns.
    """
    codes = patterns(mask)
    # 0 wraps to 255: one comparison for both kinds of uniform pattern.
    passes = np.flatnonzero((codes - np.uint8(1)) < FULL - 1)
    return np.stack(np.unravel_index(passes, codes.shape), axis=1), codes.ravel()[passes]


def patterns(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The pattern at each corner between eight voxels of a mask ``(Z, Y, X)``.

    Returns:
        ``(Z - 1, Y - 1, X - 1)``: bit ``4z + 2y + x`` is the voxel (z, y, x) of the eight.
    """
    voxels = mask.view(np.uint8)
    rows = voxels[:, :, :-1] | (voxels[:, :, 1:] << np.uint8(1))
    planes = rows[:, :-1] | (rows[:, 1:] << np.uint8(2))
    return planes[:-1] | (planes[1:] << np.uint8(4))
