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
    """Where a mask ``(Z, Y, X)`` with an empty rim of one voxel has a boundary.

    Work is by the voxel of the vessel, not of the box.

    Returns:
        ``(N, 3)`` corners between eight voxels that are not all alike, corner (z, y, x) before
        voxel (z + 1, y + 1, x + 1); ``(N,)`` their patterns: bit ``4z + 2y + x`` is the voxel
        (z, y, x) of the eight.
    """
    codes = np.zeros(mask.size, dtype=np.uint8)
    own = np.flatnonzero(mask)
    _, rows, columns = mask.shape
    for bit, (z, y, x) in enumerate(CORNERS):
        # No two voxels have the same place at the same corner: none is written twice.
        codes[own - ((z * rows + y) * columns + x)] |= np.uint8(1 << bit)
    touched = np.flatnonzero(codes.view(bool))
    passes = touched[codes[touched] != FULL]
    return np.stack(np.unravel_index(passes, mask.shape), axis=1), codes[passes]
