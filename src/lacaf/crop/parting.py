"""Pieces of lung become two lungs: left and right by the patient's own axes."""

from __future__ import annotations

import cc3d
import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from lacaf.fault import Refusal
from lacaf.grid import Grid

#: The inside of a gas bubble, of the air under a table top or around the body is as dark as this.
FREE_AIR_HU = -955
#: From this fraction of such darkness on, the inside of a piece is free air. Emphysema may darken a
#: large part of a lung; a piece of more than LARGE_ML is held to be lung unless it is darker still.
FREE_AIR_FRACTION, LARGE_FREE_AIR_FRACTION, LARGE_ML = 0.5, 0.85, 600.0
#: A small core as even as this (standard deviation) and darker than this mean is gas, HU: a lung
#: has vessels.
PLAIN_HU, PLAIN_SPREAD_HU = -930.0, 20.0
#: The inside of a piece of air: this far from its border, in voxels of the coarse grid.
CORE_VOX = 1.5
#: At least this fraction of a piece of lung is enclosed by the body within its slices.
IN_BODY_FRACTION = 0.5
#: A piece smaller than this fraction of all lung is no lung of its own.
SECOND_LUNG_FRACTION = 0.15
#: A piece with at least this fraction of its volume on either side of the middle may be both lungs.
BOTH_SIDES_FRACTION = 0.25
#: Loose pieces of lung (behind a fissure, beyond a tumour) come back if they are this close, mm.
LOOSE_PIECE_MM = 8.0
#: Lungs lie at least this far apart, centre to centre across the body, mm.
APART_MM = 25.0
#: What joins touching lungs is at most twice this thick, mm.
NECK_MM = 15.0

MISSING = "leave the case out if a lung is missing or collapsed; check the orientation"


def pieces_of_lung(
    hu: NDArray[np.float32],
    air: NDArray[np.bool_],
    enclosed: NDArray[np.bool_],
    voxel_ml: float,
) -> NDArray[np.uint32]:
    """Connected pieces of aerated lung, 1 the largest.

    Free gas, specks, and what the body does not enclose (the foam of a couch) are left out.
    """
    air = air & ~_free_gas(hu, air, voxel_ml)
    pieces, count = cc3d.connected_components(air, connectivity=6, return_N=True)
    size = np.bincount(pieces.ravel(), minlength=count + 1)
    within = np.bincount(pieces[enclosed], minlength=count + 1)
    core = edt.edt(air, parallel=1) > CORE_VOX
    lung = (np.bincount(pieces[core], minlength=count + 1) > 0) & (within > IN_BODY_FRACTION * size)
    lung[0] = False
    order = [n for n in np.argsort(-size) if lung[n]]
    rank = np.zeros(count + 1, np.uint32)
    rank[order] = np.arange(1, len(order) + 1)
    return rank[pieces]


def _free_gas(
    hu: NDArray[np.float32], air: NDArray[np.bool_], voxel_ml: float
) -> NDArray[np.bool_]:
    """Gas of stomach and bowel, and enclosed room air.

    Judged core by core, since a thin wall may have vanished on the coarse grid: what hangs on a
    lung by a neck is no part of it.
    """
    cores, count = cc3d.connected_components(
        edt.edt(air, parallel=1) > CORE_VOX, connectivity=6, return_N=True
    )
    size = np.bincount(cores.ravel(), minlength=count + 1)
    dark = np.bincount(cores[hu < FREE_AIR_HU], minlength=count + 1)
    limit = np.where(size * voxel_ml > LARGE_ML, LARGE_FREE_AIR_FRACTION, FREE_AIR_FRACTION)
    free = dark >= limit * np.maximum(size, 1)
    where = np.nonzero(cores)
    number, value = cores[where], hu[where].astype(np.float64)
    mean = np.bincount(number, value, minlength=count + 1) / np.maximum(size, 1)
    square = np.bincount(number, value**2, minlength=count + 1)
    spread = np.sqrt(np.maximum(square / np.maximum(size, 1) - mean**2, 0))
    plain = (mean < PLAIN_HU) & (spread < PLAIN_SPREAD_HU) & (size * voxel_ml <= LARGE_ML)
    free |= plain
    free[0] = False
    around = air & ((cores == 0) | free[cores])
    return ndimage.binary_dilation(free[cores], iterations=2, mask=around)


def into_two(
    pieces: NDArray[np.uint32], grid: Grid, midline_index: float, min_lung_ml: float
) -> tuple[NDArray[np.uint8], str]:
    """Both lungs as 1 and 2 in no order yet, and how they were told apart.

    Raises:
        Refusal: too little lung, or one piece that does not part.
    """
    size_ml = np.bincount(pieces.ravel())[1:] * grid.voxel_ml
    total = float(size_ml.sum())
    if total < min_lung_ml:
        raise Refusal(
            f"{total:.0f} ml of lung in the image",
            expectation=f"two lungs of at least {min_lung_ml:.0f} ml each",
            remedy="check that this is a CT of the chest (crop.min_lung_ml sets the limit)",
        )
    large = [n for n, ml in enumerate(size_ml, 1) if ml >= SECOND_LUNG_FRACTION * total]
    centre = _centres(pieces)
    if len(large) == 1 or _spans(pieces == 1, midline_index):
        parts, width_mm = _parted(pieces == 1, grid.spacing_mm[0])
        if width_mm:
            one, other = _centres(parts)[1:]
            for n in large[1:]:
                parts[pieces == n] = 1 if abs(centre[n] - one) < abs(centre[n] - other) else 2
            return parts, f"parted where {width_mm:.0f} mm wide"
    if len(large) == 1:
        raise Refusal(
            f"one piece of lung ({size_ml[0]:.0f} ml) that does not part in two",
            expectation="a left and a right lung",
            remedy=MISSING,
        )
    low = [n for n in large if centre[n] < midline_index]
    high = [n for n in large if n not in low]
    if len(large) == 2 or not low or not high:  # whether two pieces are two lungs: see `sided`
        low, high = [large[0]], [large[1]]
    table = np.zeros(int(pieces.max()) + 1, np.uint8)
    table[low], table[high] = 1, 2
    return table[pieces], "separate"


def _centres(pieces: NDArray) -> NDArray[np.float64]:
    """The x index of each piece's centre, by its number."""
    found = np.nonzero(pieces)
    number = pieces[found].astype(np.int64)
    count = np.bincount(number)
    return np.bincount(number, found[2]) / np.maximum(count, 1)


def _spans(piece: NDArray[np.bool_], midline_index: float) -> bool:
    """Whether a piece lies on both sides of the midline with a large fraction of its volume."""
    across = piece.sum(axis=(0, 1))
    fraction = across[np.arange(len(across)) < midline_index].sum() / across.sum()
    return bool(BOTH_SIDES_FRACTION <= fraction <= 1 - BOTH_SIDES_FRACTION)


def _parted(lung: NDArray[np.bool_], spacing: float) -> tuple[NDArray[np.uint8], float]:
    """Lungs that touch, cut where the join is thinnest, and its width in mm; 0 if they do not part.

    Eroded until two large cores are left, then flooded from the cores in the order of depth: the
    fronts meet in the neck (marker-controlled watershed; Beucher and Meyer, 1993).
    """
    depth = edt.edt(lung, parallel=1)
    for radius in np.arange(1.0, NECK_MM / spacing + 0.1, 0.5):
        cores, count = cc3d.connected_components(depth > radius, connectivity=6, return_N=True)
        core_size = np.bincount(cores.ravel(), minlength=3)
        core_size[0] = 0
        first, second = np.argsort(-core_size)[:2]
        if count > 1 and core_size[second] >= SECOND_LUNG_FRACTION * core_size.sum():
            markers = (cores == first).astype(np.int8) + 2 * (cores == second).astype(np.int8)
            parts = watershed(-depth, markers, mask=lung)
            return parts.astype(np.uint8), 2 * radius * spacing
    return lung.astype(np.uint8), 0.0


def sided(parts: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """The same with 1 left and 2 right, by the patient's x: left is where LPS x is larger.

    Raises:
        Refusal: the parts do not lie side by side.
    """
    centre = [grid.to_mm(np.argwhere(parts == n).mean(axis=0)) for n in (1, 2)]
    apart = centre[0] - centre[1]
    if abs(apart[0]) < APART_MM or abs(apart[0]) < 0.7 * np.linalg.norm(apart):
        raise Refusal(
            "the two largest pieces of lung do not lie side by side: their centres are "
            f"{abs(apart[0]):.0f} mm apart across the body, {abs(apart[1]):.0f} mm front to back, "
            f"{abs(apart[2]):.0f} mm along it",
            expectation="a left and a right lung",
            remedy=MISSING,
        )
    swap = np.array([0, 1, 2] if apart[0] > 0 else [0, 2, 1], np.uint8)
    return swap[parts]


def reclaim(
    sides: NDArray[np.uint8], pieces: NDArray[np.uint32], spacing: float
) -> NDArray[np.uint8]:
    """Give pieces of lung that lie close to a lung to that lung."""
    loose = (pieces > 0) & (sides == 0)
    if not loose.any():
        return sides
    left, right = (edt.edt(sides != value, parallel=1) * spacing for value in (1, 2))
    nearest = np.minimum(left, right)
    gap = np.full(int(pieces.max()) + 1, np.inf)
    np.minimum.at(gap, pieces[loose], nearest[loose])
    close = loose & (gap[pieces] <= LOOSE_PIECE_MM)
    return np.where(close, np.where(left <= right, 1, 2), sides).astype(np.uint8)
