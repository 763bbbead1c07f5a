"""A case small enough for a page: CT and labels on one upright grid, a voxel a millimetre or so.

What the page shows of a CT is a preview in eight bits; the volumes themselves are linked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.classes import UNKNOWN
from lacaf.grid import Grid
from lacaf.report.packing import pack_labels, sheets
from lacaf.report.planes import near
from lacaf.volume import Volume

#: No finer than this, mm; axes on which the CT is coarser keep its spacing.
FINEST_MM = 1.0
#: More voxels than this make the grid coarser: about 3 MB of slices.
MOST_VOXELS = 16_000_000
#: Shown around the lungs and the vessels, mm.
MARGIN_MM = 6.0
#: HU of the darkest and the lightest of 256 greys: from air to well above contrast medium.
GREY_HU = (-1000.0, 500.0)
#: Windows that the page offers, HU; the first is shown first.
WINDOWS_HU = {
    "vessels in lung": (-1000.0, 400.0),
    "lung": (-1350.0, 150.0),
    "soft tissue": (-160.0, 240.0),
}


@dataclass(frozen=True)
class Preview:
    """The volumes of a case on the page's grid.

    Attributes:
        grid: upright.
        grey: the CT, ``(Z, Y, X)`` uint8, over ``GREY_HU``.
        labels: label volumes by key, ``(Z, Y, X)`` uint8, 255 unknown.
    """

    grid: Grid
    grey: NDArray[np.uint8]
    labels: dict[str, NDArray[np.uint8]]

    def packed(self) -> dict[str, Any]:
        """What ``slices.js`` reads."""
        z, y, x = self.grid.spacing_mm
        return {
            "shape": list(self.grid.shape),
            "spacing_mm": [round(v, 4) for v in (z, y, x)],
            "origin_mm": [round(float(v), 2) for v in self.grid.affine[[2, 1, 0], 3]],
            "grey_hu": list(GREY_HU),
            "windows_hu": {name: list(window) for name, window in WINDOWS_HU.items()},
            "sheets": sheets(self.grey),
            "labels": {key: pack_labels(part) for key, part in self.labels.items()},
        }


def preview(image: Volume, labels: Mapping[str, Volume], lungs: Volume | None) -> Preview:
    """CT and label volumes on one small grid around lungs and vessels.

    Args:
        image: the CT, HU.
        labels: label volumes by key, 255 unknown, each on a grid of its own.
        lungs: 0, 1 left, 2 right; the whole image is shown without.
    """
    grid = preview_grid(image.grid, labels, lungs)
    low, high = GREY_HU
    image = near(image, grid)
    hu = volume.resample(volume.low_passed(image, grid), grid, "linear", low).array
    grey = np.clip((hu - low) / (high - low) * 255 + 0.5, 0, 255).astype(np.uint8)
    drawn = {
        key: volume.resample(near(part, grid), grid, "nearest").array
        for key, part in labels.items()
    }
    return Preview(grid, grey, drawn)


def preview_grid(image: Grid, labels: Mapping[str, Volume], lungs: Volume | None) -> Grid:
    """The page's grid; voxels of an upright CT that is not finer are kept where they are."""
    low, high = _region(image, labels, lungs)
    own = np.abs(image.affine[:3, :3]).max(axis=1)  # spacing along the patient's x, y, z
    finest = FINEST_MM
    while True:
        step = np.maximum(own, finest)
        count = np.ceil((high - low) / step).astype(int) + 1
        if count.prod() <= MOST_VOXELS:
            break
        finest *= 1.1
    first = image.corners_mm().min(axis=0)
    low = first + np.floor((low - first) / step) * step
    x, y, z = (int(n) for n in count)
    spacing = float(step[0]), float(step[1]), float(step[2])
    return Grid.upright((z, y, x), spacing, (float(low[0]), float(low[1]), float(low[2])))


def _region(
    image: Grid, labels: Mapping[str, Volume], lungs: Volume | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corner (LPS mm) around lungs and labelled vessels, inside the image."""
    limits = image.corners_mm()
    outer = limits.min(axis=0), limits.max(axis=0)
    if lungs is None:
        return outer
    points = [lungs.grid.corners_mm()]
    for part in labels.values():
        index = np.argwhere((part.array > 0) & (part.array != UNKNOWN))
        if len(index):
            ends = np.array([index.min(axis=0), index.max(axis=0)])
            corners = np.array(np.meshgrid(*ends.T, indexing="ij")).reshape(3, -1).T
            points.append(part.grid.to_mm(corners))
    box = np.concatenate(points)
    low, high = box.min(axis=0) - MARGIN_MM, box.max(axis=0) + MARGIN_MM
    return np.maximum(low, outer[0]), np.minimum(high, outer[1])
