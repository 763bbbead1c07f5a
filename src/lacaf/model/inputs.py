"""What a network sees of a case: the image, twice, and where in the lungs each voxel lies.

As on a reading station the image is shown in two windows: a wide one for vessels against lung,
a narrow one for blood against blood, in which contrast phases tell artery from vein.

The lungs tell left from right and top from bottom; given as channels, this need not be learnt
from a few cases, and every patch knows its place in the chest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf.coverage import exact_distance_mm, lung_distances_mm
from lacaf.grid import Grid

CHANNELS = ("image", "blood", "side", "height", "depth")
IMAGES = (CHANNELS.index("image"), CHANNELS.index("blood"))
SIDE = CHANNELS.index("side")

#: How far from the midline between the lungs, in mm, a voxel is plainly on one side.
SIDE_SCALE_MM = 20.0


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """The channels of one case, kept small: six bytes a voxel.

    Attributes:
        image: ``(Z, Y, X)`` float16, 0 to 1 over the HU window.
        blood: the same over the window of contrasted blood.
        side: ``(Z, Y, X)`` float16, from -1 in the right to 1 in the left lung.
        height: ``(Z,)`` float32, -1 to 1 over the lungs' extent from feet to head.
        depth: ``(Y,)`` float32, -1 to 1 over the lungs' extent from front to back.
    """

    image: NDArray[np.float16]
    blood: NDArray[np.float16]
    side: NDArray[np.float16]
    height: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels ``(Z, Y, X)``."""
        return self.image.shape

    def channels(
        self, region: tuple[slice, slice, slice] = (slice(None), slice(None), slice(None))
    ) -> NDArray[np.float32]:
        """The stacked channels ``(C, z, y, x)`` of a region, in the order of ``CHANNELS``."""
        image = self.image[region]
        stack = np.empty((len(CHANNELS), *image.shape), np.float32)
        stack[0], stack[1], stack[2] = image, self.blood[region], self.side[region]
        stack[3] = self.height[region[0], None, None]
        stack[4] = self.depth[region[1], None]
        return stack


def network_input(
    image: NDArray,
    lungs: NDArray,
    grid: Grid,
    hu_window: Sequence[float],
    blood_window: Sequence[float],
) -> NetworkInput:
    """The input that the networks take of a case.

    Args:
        image: ``(Z, Y, X)`` HU on an upright grid.
        lungs: ``(Z, Y, X)`` 0, 1 left, 2 right.
        grid: grid of both.
        hu_window: HU that become 0 and 1 in ``image``; what lies outside is clipped.
        blood_window: the same for ``blood``.

    Raises:
        ValueError: one of the lungs is missing.
    """
    to_left, to_right = lung_distances_mm(lungs, grid, exact_distance_mm)
    return NetworkInput(
        image=_window(image, hu_window),
        blood=_window(image, blood_window),
        side=np.tanh((to_right - to_left) / SIDE_SCALE_MM).astype(np.float16),
        height=_extent(lungs, 0),
        depth=_extent(lungs, 1),
    )


def _window(image: NDArray, window: Sequence[float]) -> NDArray[np.float16]:
    low, high = window
    return np.clip((image.astype(np.float32) - low) / (high - low), 0, 1).astype(np.float16)


def _extent(lungs: NDArray, axis: int) -> NDArray[np.float32]:
    """-1 to 1 along an axis over the extent of the lungs, level beyond."""
    others = tuple(a for a in range(3) if a != axis)
    inside = np.flatnonzero((lungs > 0).any(axis=others))
    place = np.interp(np.arange(lungs.shape[axis]), [inside[0], inside[-1]], [-1, 1])
    return place.astype(np.float32)
