"""What a network sees of a case: the image, twice, and where in the lungs each voxel lies.

As on a reading station the image is shown in two windows: a wide one for vessels against lung,
a narrow one for blood against blood, in which contrast phases tell artery from vein. It is kept
in HU; the windows are laid on it last, on the network's device, so that experiments with windows
of their own share what is kept.

The lungs tell left from right and top from bottom; given as channels, this need not be learnt
from a few cases, and every patch knows its place in the chest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lacaf.coverage import exact_distance_mm, lung_distances_mm
from lacaf.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

#: The order of a network's input channels.
CHANNELS = ("image", "blood", "side", "height", "depth")
IMAGES = tuple(CHANNELS.index(name) for name in ("image", "blood"))
SIDE = CHANNELS.index("side")

#: How far from the midline between the lungs, in mm, a voxel is plainly on one side.
SIDE_SCALE_MM = 20.0

Region = tuple[slice, slice, slice]
ALL: Region = (slice(None), slice(None), slice(None))


class Cut(NamedTuple):
    """A part of a case, as it is kept.

    Attributes:
        hu: ``(z, y, x)`` int16, HU.
        side: ``(z, y, x)`` float16, from -1 in the right to 1 in the left lung.
        height: ``(z,)`` float32, -1 to 1 over the lungs' extent from feet to head.
        depth: ``(y,)`` float32, -1 to 1 over the lungs' extent from front to back.
    """

    hu: NDArray[np.int16]
    side: NDArray[np.float16]
    height: NDArray[np.float32]
    depth: NDArray[np.float32]


class Source(Protocol):
    """A case of which parts can be had, from memory or from a disk."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels ``(Z, Y, X)``."""

    def cut(self, region: Region) -> Cut:
        """A part of it."""


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """A case in memory; axes and units are those of :class:`Cut`."""

    hu: NDArray[np.int16]
    side: NDArray[np.float16]
    height: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels ``(Z, Y, X)``."""
        return self.hu.shape

    def cut(self, region: Region = ALL) -> Cut:
        """A part of it."""
        return Cut(
            self.hu[region], self.side[region], self.height[region[0]], self.depth[region[1]]
        )


def network_input(image: NDArray, lungs: NDArray, grid: Grid) -> NetworkInput:
    """The input that the networks take of a case.

    Args:
        image: ``(Z, Y, X)`` HU on an upright grid.
        lungs: ``(Z, Y, X)`` 0, 1 left, 2 right.
        grid: grid of both.

    Raises:
        ValueError: one of the lungs is missing.
    """
    to_left, to_right = lung_distances_mm(lungs, grid, exact_distance_mm)
    limits = np.iinfo(np.int16)
    return NetworkInput(
        hu=np.clip(np.rint(image), limits.min, limits.max).astype(np.int16),
        side=np.tanh((to_right - to_left) / SIDE_SCALE_MM).astype(np.float16),
        height=_extent(lungs, 0),
        depth=_extent(lungs, 1),
    )


def padded(cut: Cut, size: Sequence[int]) -> tuple[Cut, list[tuple[int, int]]]:
    """A part of at least ``size`` voxels, its edges continued, and what was added at both ends."""
    room = [
        (m // 2, m - m // 2)
        for m in (max(0, s - n) for s, n in zip(size, cut.hu.shape, strict=True))
    ]
    if any(before or after for before, after in room):
        over, across, _ = room
        cut = Cut(
            np.pad(cut.hu, room, "edge"),
            np.pad(cut.side, room, "edge"),
            np.pad(cut.height, over, "edge"),
            np.pad(cut.depth, across, "edge"),
        )
    return cut, room


def channels(
    hu: Tensor,
    side: Tensor,
    height: Tensor,
    depth: Tensor,
    hu_window: Sequence[float],
    blood_window: Sequence[float],
) -> Tensor:
    """A network's input ``(B, C, z, y, x)`` float32, in the order of ``CHANNELS``.

    Args:
        hu: ``(B, z, y, x)`` HU.
        side: ``(B, z, y, x)``.
        height: ``(B, z)``, or ``(B, z, y, x)`` where a patch was turned.
        depth: ``(B, y)``, or ``(B, z, y, x)``.
        hu_window: HU that become 0 and 1 in ``image``; what lies outside is clipped.
        blood_window: the same for ``blood``.
    """
    import torch

    seen = hu.new_empty((len(hu), len(CHANNELS), *hu.shape[1:]), dtype=torch.float32)
    for index, (low, high) in zip(IMAGES, (hu_window, blood_window), strict=True):
        torch.sub(hu, low, out=seen[:, index]).div_(high - low).clamp_(0, 1)
    seen[:, 2] = side
    seen[:, 3] = height if height.ndim == 4 else height[:, :, None, None]
    seen[:, 4] = depth if depth.ndim == 4 else depth[:, None, :, None]
    return seen


def _extent(lungs: NDArray, axis: int) -> NDArray[np.float32]:
    """-1 to 1 along an axis over the extent of the lungs, level beyond."""
    others = tuple(a for a in range(3) if a != axis)
    inside = np.flatnonzero((lungs > 0).any(axis=others))
    place = np.interp(np.arange(lungs.shape[axis]), [inside[0], inside[-1]], [-1, 1])
    return place.astype(np.float32)
