"""The lungs as every backend hands them over, and the classical way of finding them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf.crop.airways import airways
from lacaf.crop.closing import close
from lacaf.crop.coarse import AIR_BELOW_HU, Coarse
from lacaf.crop.parting import into_two, pieces_of_lung, reclaim, sided
from lacaf.volume import Grid, Volume

#: Air is the room's if most of what it shows on the image's rim is darker than this, HU; it is less
#: strict than for bubbles because a lung that is cut off is rare and slivers of room are blurred.
ROOM_HU = -900
#: A region that meets the rim over more than this share of the image's width is no single lung.
ROOM_WIDTH = 0.6


@dataclass
class Lungs:
    """What was found on the coarse grid.

    Attributes:
        mask: ``(Z, Y, X)`` uint8, 1 left, 2 right, vessels and hilum filled in.
        filled: voxels of the mask that are no air (vessels, hilum, consolidation).
        airways: trachea and large bronchi outside the lungs.
        grid: upright coarse grid.
        own: the mask (1 left, 2 right) of a backend that works at a resolution of its own.
        flags: what a reader should know.
        method: how the lungs were found and told apart.
    """

    mask: NDArray[np.uint8]
    filled: NDArray[np.bool_]
    airways: NDArray[np.bool_]
    grid: Grid
    own: Volume | None = None
    flags: list[str] = field(default_factory=list)
    method: dict[str, Any] = field(default_factory=dict)

    def volumes_ml(self) -> dict[str, float]:
        """Volume of each lung, ml."""
        ml = np.bincount(self.mask.ravel(), minlength=3) * self.grid.voxel_ml
        return {"left": float(ml[1]), "right": float(ml[2])}


def find(copy: Coarse, min_lung_ml: float) -> Lungs:
    """Find both lungs by their air, in a CT on the coarse upright grid.

    Raises:
        Refusal: there are no two lungs of at least ``min_lung_ml`` together, or they do not lie
            side by side.
    """
    spacing = copy.grid.spacing_mm[0]
    air = (copy.hu < AIR_BELOW_HU) & ~copy.unseen
    inside = inside_air(copy, air)
    tree = airways(copy.hu, inside, spacing, copy.midline_index())
    flags = [] if tree is not None else ["no trachea found: bronchi may count as lung"]
    tree = np.zeros_like(air) if tree is None else tree
    enclosed = enclosed_by_body(copy, air & ~inside)
    pieces = pieces_of_lung(copy.hu, inside & ~tree, enclosed, copy.grid.voxel_ml)
    parts, parting = into_two(pieces, copy.grid, copy.midline_index(), min_lung_ml)
    sides = reclaim(sided(parts, copy.grid), pieces, spacing)
    mask = close(sides, tree, spacing)
    method = {"lungs": "classical", "threshold_hu": AIR_BELOW_HU, "parting": parting}
    return Lungs(mask, (mask > 0) & ~air, tree & (mask == 0), copy.grid, flags=flags, method=method)


def inside_air(copy: Coarse, air: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Air that is not the air around the patient.

    Slice by slice, so that the trachea of a patient whose mouth is in the image does not join
    lungs and room. A region is the room's if it is dark where it meets the rim of what the
    scanner saw, or meets it over much of the image's width (a couch of foam); one that is as
    light as lung there stays: a lung may be cut off.
    """
    flat = _in_slice()
    regions, count = ndimage.label(air, structure=flat)
    rim = np.zeros_like(air)
    if copy.unseen.any():  # a ring of it; what lies next to the padding is a blend of both
        near = ndimage.binary_dilation(copy.unseen, flat, iterations=2)
        rim = ndimage.binary_dilation(near, flat) & ~near
    rim[:, [0, -1]] = rim[:, :, [0, -1]] = True
    met = regions[rim]
    seen = np.bincount(met, minlength=count + 1)
    dark = np.bincount(met, copy.hu[rim] < ROOM_HU, minlength=count + 1)
    x = np.nonzero(rim)[2]
    first, last = np.full(count + 1, air.shape[2]), np.zeros(count + 1, int)
    np.minimum.at(first, met, x)
    np.maximum.at(last, met, x)
    wide = last - first > ROOM_WIDTH * air.shape[2]
    room = (seen > 0) & ((dark > 0.5 * seen) | wide)
    room[0] = True
    return air & ~room[regions]


def enclosed_by_body(copy: Coarse, room: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The body and all that is not joined to the room within its axial slice.

    What was not seen joins nothing: a lung that a round field of view cuts stays enclosed.
    """
    wall = copy.body
    if copy.unseen.any():
        wall = wall | ndimage.binary_dilation(copy.unseen, _in_slice(), iterations=2)
    regions, count = ndimage.label(~wall, structure=_in_slice())
    open_air = np.zeros(count + 1, bool)
    open_air[np.unique(regions[room])] = True
    open_air[0] = False
    return ~open_air[regions]


def _in_slice() -> NDArray[np.bool_]:
    """Neighbours within an axial slice only."""
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = ndimage.generate_binary_structure(2, 1)
    return structure
