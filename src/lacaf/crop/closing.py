"""Vessels, hilum and small consolidations belong to the lungs: the holes of the air are closed."""

from __future__ import annotations

import cc3d
import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf.crop.coarse import in_slice

#: Radius of the closing that takes vessels of the hilum and small consolidations in, mm.
CLOSING_MM = 10.0
#: What lung surrounds within an axial slice is filled up to this size, mm²: more than the section
#: of the widest pulmonary artery, less than that of the diaphragm's dome, which lung surrounds too.
HOLE_MM2 = 900.0


def close(sides: NDArray[np.uint8], tree: NDArray[np.bool_], spacing: float) -> NDArray[np.uint8]:
    """Both lungs with their holes filled; a voxel that both lungs want stays out.

    Args:
        sides: aerated lung, 1 left, 2 right.
        tree: trachea and bronchi. Inside a lung a bronchus is lung; the trachea and a main
            bronchus on its way in are not.
        spacing: of the isotropic grid, mm.
    """
    closed = [_closed(sides == value, spacing) for value in (1, 2)]
    deep = [edt.edt(lung, parallel=1) > CLOSING_MM / 2 / spacing for lung in closed]
    trunk = tree & ~(deep[0] | deep[1])
    free = (sides == 0) & ~(closed[0] & closed[1]) & ~trunk
    out = sides.copy()
    for value in (1, 2):
        out[free & closed[value - 1]] = value
    return out


def _closed(lung: NDArray[np.bool_], spacing: float) -> NDArray[np.bool_]:
    """Closing with a ball, then holes filled: small ones in a slice, and what is enclosed whole."""
    radius_vox = CLOSING_MM / spacing
    pad = int(radius_vox) + 2
    box = ndimage.find_objects(lung.astype(np.uint8))[0]
    part = np.pad(lung[box], pad)
    wide = edt.edt(~part, parallel=1) <= radius_vox
    shut = (edt.edt(wide, parallel=1) > radius_vox) | part
    shut = _without_small_holes(shut[pad:-pad, pad:-pad, pad:-pad], HOLE_MM2 / spacing**2)
    out = np.zeros_like(lung)
    out[box] = ~_reached_from_outside(~shut)
    return out


def _without_small_holes(lung: NDArray[np.bool_], size_vox: float) -> NDArray[np.bool_]:
    """Lung with the holes of its axial slices filled that have at most so many voxels."""
    free = ~np.pad(lung, ((0, 0), (1, 1), (1, 1)))
    holes, count = ndimage.label(free, structure=in_slice())
    small = np.bincount(holes.ravel(), minlength=count + 1) <= size_vox
    small[0] = False
    small[np.unique(holes[:, 0])] = False
    return lung | small[holes][:, 1:-1, 1:-1]


def _reached_from_outside(free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of ``free`` that is connected to the outside of the array."""
    regions = cc3d.connected_components(np.pad(free, 1, constant_values=True), connectivity=6)
    return (regions == regions[0, 0, 0])[1:-1, 1:-1, 1:-1]
