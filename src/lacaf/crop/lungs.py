"""The lungs as every backend hands them over, and the classical way of finding them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.crop.airways import airways
from lacaf.crop.closing import close
from lacaf.crop.coarse import AIR_BELOW_HU, Coarse
from lacaf.crop.parting import into_two, pieces_of_lung, reclaim, sided
from lacaf.grid import Grid
from lacaf.volume import Volume


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
    tree = airways_of(copy)
    flags = [] if tree is not None else ["no trachea found: bronchi may count as lung"]
    tree = np.zeros_like(copy.air) if tree is None else tree
    pieces = pieces_of_lung(copy.hu, copy.inside & ~tree, copy.enclosed, copy.grid.voxel_ml)
    parts, parting = into_two(pieces, copy.grid, copy.midline_index(), min_lung_ml)
    sides = reclaim(sided(parts, copy.grid), pieces, spacing)
    mask = close(sides, tree, spacing)
    method = {"lungs": "classical", "threshold_hu": AIR_BELOW_HU, "parting": parting}
    return Lungs(
        mask, (mask > 0) & ~copy.air, tree & (mask == 0), copy.grid, flags=flags, method=method
    )


def airways_of(copy: Coarse) -> NDArray[np.bool_] | None:
    """Trachea and large bronchi, or None.

    They have the body on all four sides; the slit of air over a couch has not.
    """
    surrounded = copy.inside & copy.enclosed
    for axis in (1, 2):
        body = np.maximum.accumulate(copy.body, axis)
        surrounded &= body & np.flip(np.maximum.accumulate(np.flip(copy.body, axis), axis), axis)
    return airways(copy.hu, surrounded, copy.grid.spacing_mm[0], copy.midline_index())
