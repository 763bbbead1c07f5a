"""From the coarse lungs to the working grid, and the exact way back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf.crop.coarse import COARSE_MM
from lacaf.crop.lungs import AIR_BELOW_HU, Lungs
from lacaf.volume import Grid, Volume, resample, upright_grid_around


def working_grid(lungs: Lungs, spacing_mm: float, margin_mm: float) -> Grid:
    """The upright grid around both lungs: the mediastinum lies between them, so inside."""
    index = np.argwhere(lungs.mask > 0)
    ends = np.stack([index.min(axis=0) - 0.5, index.max(axis=0) + 0.5])
    return upright_grid_around(lungs.grid.to_mm(ends), spacing_mm, margin_mm)


def refine(lungs: Lungs, image: Volume) -> NDArray[np.uint8]:
    """The lungs on the working grid, ``(Z, Y, X)`` uint8, 1 left, 2 right.

    Within a coarse voxel of the coarse border the CT's own air decides; deeper inside, and where
    vessels or hilum were filled, the coarse mask does.
    """
    grid = image.grid
    air = image.array < AIR_BELOW_HU
    filled = _on(lungs, lungs.filled, grid) >= 0.5
    blocked = _on(lungs, lungs.airways, grid) >= 0.5
    share = [_on(lungs, lungs.mask == value, grid) for value in (1, 2)]
    out = np.zeros(grid.shape, np.uint8)
    ball = ndimage.generate_binary_structure(3, 1)
    for value in (1, 2):
        coarse = lungs.mask == value
        core = _on(lungs, ndimage.binary_erosion(coarse, ball, border_value=1), grid) >= 0.5
        near = _on(lungs, ndimage.binary_dilation(coarse, ball), grid) >= 0.5
        mine = share[value - 1] >= share[2 - value]
        lung = core | (near & air & ~blocked) | ((share[value - 1] >= 0.5) & filled)
        out[lung & mine] = value
    return out


def _on(lungs: Lungs, mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """A coarse mask on another grid, 0 to 1."""
    return resample(Volume(mask.astype(np.float32), lungs.grid), grid).array


def way_back(image: Volume, grid: Grid, cut: list[list[int]]) -> dict[str, Any]:
    """The numbers that place the working grid in the original image and in the patient."""
    corners = grid.corners_mm()
    return {
        "box_mm": {
            "low_xyz": corners.min(axis=0).tolist(),
            "high_xyz": corners.max(axis=0).tolist(),
        },
        "box_vox": {"first_zyx": cut[0], "past_last_zyx": cut[1]},
        "original": {
            "shape_zyx": list(image.grid.shape),
            "affine_lps_xyz": image.grid.affine.tolist(),
        },
        "working": {"shape_zyx": list(grid.shape), "affine_lps_xyz": grid.affine.tolist()},
        "coarse_mm": COARSE_MM,
    }
