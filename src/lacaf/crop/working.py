"""From the coarse lungs to the working grid, and the exact inverse transform."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf.crop.coarse import AIR_BELOW_HU, COARSE_MM
from lacaf.crop.lungs import Lungs
from lacaf.crop.sampling import sample
from lacaf.grid import Grid
from lacaf.volume import Volume, resample, upright_grid_around

#: Slices of the working grid that are decided at a time, so that memory stays small.
SLAB = 32
#: Room beyond the working grid in the box of original voxels: what interpolation reaches.
BOX_MARGIN_VOX = 4


def working_grid(lungs: Lungs, spacing_mm: float, margin_mm: float, more_mm: NDArray) -> Grid:
    """The upright grid around both lungs and the points ``more_mm`` ``(N, 3)``, with a margin.

    Heart and great vessels lie between the lungs, so inside.
    """
    index = np.argwhere(lungs.mask > 0)
    ends = np.stack([index.min(axis=0) - 0.5, index.max(axis=0) + 0.5])
    points = np.concatenate([lungs.grid.to_mm(ends), more_mm])
    return upright_grid_around(points, spacing_mm, margin_mm)


def on_working(lungs: Lungs, image: Volume) -> NDArray[np.uint8]:
    """The lungs on the image's grid, ``(Z, Y, X)`` uint8, 1 left, 2 right."""
    if lungs.own is not None:
        return own_mask(lungs.own, image.grid)
    coarse = _maps(lungs)
    parts = [_refined(coarse, image, low) for low in range(0, image.grid.shape[0], SLAB)]
    return np.concatenate(parts)


def own_mask(own: Volume, grid: Grid) -> NDArray[np.uint8]:
    """A backend's own mask: a voxel that is at least half lung is lung."""
    out = np.zeros(grid.shape, np.uint8)
    most = np.full(grid.shape, 0.5, np.float32)
    for value in (1, 2):
        fraction = sample(Volume(own.array == value, own.grid), grid, lowest=0).array
        out[fraction >= most] = value
        np.maximum(most, fraction, out=most)
    return out


def _maps(lungs: Lungs) -> dict[str, Volume]:
    """What the coarse grid knows: each lung, its core and its surroundings, what was filled in."""
    ball = ndimage.generate_binary_structure(3, 1)
    masks = {"filled": lungs.filled, "airways": lungs.airways}
    for value in (1, 2):
        lung = lungs.mask == value
        masks[f"lung{value}"] = lung
        masks[f"core{value}"] = ndimage.binary_erosion(lung, ball, border_value=1)
        masks[f"near{value}"] = ndimage.binary_dilation(lung, ball)
    return {name: Volume(mask.astype(np.float32), lungs.grid) for name, mask in masks.items()}


def _refined(coarse: dict[str, Volume], image: Volume, low: int) -> NDArray[np.uint8]:
    """SLAB slices of the lungs from ``low`` on.

    Within a coarse voxel of the coarse border the CT's own air decides; deeper inside, and where
    vessels or hilum were filled, the coarse mask does.
    """
    hu = image.array[low : low + SLAB]
    affine = image.grid.affine.copy()
    affine[:3, 3] = image.grid.to_mm(np.array([low, 0, 0]))
    grid = Grid(hu.shape, affine)
    fraction = {name: resample(mask, grid).array for name, mask in coarse.items()}
    air = (hu < AIR_BELOW_HU) & (fraction["airways"] < 0.5)
    filled = fraction["filled"] >= 0.5
    out = np.zeros(grid.shape, np.uint8)
    for value in (1, 2):
        here = fraction[f"lung{value}"]
        lung = (fraction[f"core{value}"] >= 0.5) | ((fraction[f"near{value}"] >= 0.5) & air)
        lung |= (here >= 0.5) & filled
        out[lung & (here >= fraction[f"lung{3 - value}"])] = value
    return out


def box_of(image: Grid, grid: Grid) -> tuple[list[int], list[int]]:
    """First and past-last voxels (z, y, x) of the original image around the working grid."""
    index = image.to_index(grid.corners_mm())
    shape = np.array(image.shape)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - BOX_MARGIN_VOX, 0, shape - 1)
    high = np.ceil(index.max(axis=0)).astype(int) + BOX_MARGIN_VOX + 1
    return low.tolist(), np.clip(high, low + 1, shape).tolist()


def inverse_transform(image: Grid, grid: Grid) -> dict[str, Any]:
    """The numbers that place the working grid in the original image and in the patient."""
    corners = grid.corners_mm()
    first, past = box_of(image, grid)
    return {
        "box_mm": {
            "low_xyz": corners.min(axis=0).tolist(),
            "high_xyz": corners.max(axis=0).tolist(),
        },
        "box_vox": {"first_zyx": first, "past_last_zyx": past},
        "original": {
            "shape_zyx": list(image.shape),
            "affine_lps_xyz": image.affine.tolist(),
        },
        "working": {
            "shape_zyx": list(grid.shape),
            "affine_lps_xyz": grid.affine.tolist(),
            "coarser_than_ct": round(grid.spacing_mm[0] / min(image.spacing_mm), 2),
        },
        "coarse_mm": COARSE_MM,
    }
