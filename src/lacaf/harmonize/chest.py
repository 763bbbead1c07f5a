"""A map of the chest: for each voxel whose a vessel there is, and what a missing label means.

The map is made once on the working grid, a byte a voxel, and laid on the CT's grid; with it and
a table, codes become canonical labels on either grid in one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import SIDES, TABLE, UNKNOWN, class_value
from lacaf.coverage import distance_mm
from lacaf.grid import Grid
from lacaf.harmonize.central import NEITHER, belonging
from lacaf.harmonize.meaning import ARTERY, UNSIDED, VEIN, is_vessel
from lacaf.volume import Volume, resample

#: Vessels this far outside the lungs are central ones: trunk, main arteries, atrium.
CENTRAL_MM = 8.0
#: Outside the lungs, where the distances to both differ by less than this, mm, the nearer lung
#: hangs on the exactness of the lung mask.
EITHER_SIDE_MM = 6.0
#: So near to a central artery the other lung's main artery may begin, mm.
ROOT_MM = 20.0
#: The map's word on a vessel holds this many voxels around it: grids do not meet exactly.
AROUND_VOX = 2

#: Bits of the map: nearer to the right lung; the middle of the chest; about as near to either
#: lung; near a central artery. Then two bits each for an artery and a vein that lies there:
#: 0 the nearest lung's, 1 left, 2 right, 3 of neither side alone.
NEARER_RIGHT, MIDDLE, EITHER, ROOT = 1, 2, 4, 8
SHIFT = {ARTERY: 4, VEIN: 6}

Float = NDArray[np.float32]


def draw(
    codes: NDArray[np.uint8], lungs: NDArray, left_mm: Float, right_mm: Float, grid: Grid
) -> NDArray[np.uint8]:
    """The map of a case on its working grid.

    The middle is what lies between the centres of the two lungs, slice by slice, outside the
    lungs and more than CENTRAL_MM away from them: the mediastinum without the hila.

    Args:
        codes: ``(Z, Y, X)`` what was drawn, see ``meaning.CODE``.
        lungs: 0, 1 left, 2 right.
        left_mm, right_mm: distance of each voxel to either lung.
        grid: grid of all.
    """
    out = np.where(left_mm <= right_mm, 0, NEARER_RIGHT).astype(np.uint8)
    outside = lungs == 0
    middle = _between(lungs) & (np.minimum(left_mm, right_mm) > CENTRAL_MM)
    out |= np.where(middle, MIDDLE, 0).astype(np.uint8)
    strip = outside & (np.abs(left_mm - right_mm) < EITHER_SIDE_MM)
    out |= np.where(strip, EITHER, 0).astype(np.uint8)
    central_arteries = is_vessel(codes, ARTERY) & middle
    out |= np.where(_near(central_arteries, grid), ROOT, 0).astype(np.uint8)
    for name, shift in SHIFT.items():
        vessel = is_vessel(codes, name)
        whose = belonging(vessel, lungs, left_mm, right_mm, grid, arteries=name == ARTERY)
        out |= _spread(whose) << shift
    return out


@dataclass(frozen=True)
class Rule:
    """What is known of a case.

    Attributes:
        sides: the lungs that an expert labelled.
        middle_known: whether the middle of the chest was labelled.
        shared_unknown: whether trunk, bifurcation and atrium are unknown.
    """

    sides: tuple[str, ...] = SIDES
    middle_known: bool = True
    shared_unknown: bool = True


def canonical(codes: NDArray[np.uint8], chest: NDArray[np.uint8], rule: Rule) -> NDArray[np.uint8]:
    """Codes as canonical labels: 0 background, the values of the classes, 255 unknown.

    - A vessel has the side that was drawn, or else that of the lung it leads to; what belongs
      to neither side alone is unknown (not if ``shared_unknown`` is False: then it has the side
      that was drawn, or the nearest lung's). A class without a side stays what was drawn.
    - No label, nearest to a lung that was not labelled (that lung, its half of the mediastinum,
      its chest wall): unknown.
    - No label, nearest to a labelled lung: background, but in the middle of the chest unknown
      if the expert stopped at the hilum (``middle_known`` False).
    - If one lung was labelled: unknown in the strip about as near to the one as to the other,
      and in the middle near a central artery, where the other lung's main artery begins.

    Args:
        codes: ``(Z, Y, X)``, see ``meaning.CODE``.
        chest: the map, see :func:`draw`, on the same grid.
        rule: what is known of the case.
    """
    table = _table(rule).ravel()
    out = np.empty(codes.shape, np.uint8)
    for number, (plane, here) in enumerate(zip(codes, chest, strict=True)):
        table.take(plane.astype(np.uint16) << 8 | here, out=out[number])
    return out


def laid_on(chest: Volume, image: Grid) -> NDArray[np.uint8]:
    """The map on the CT's grid, its edge repeated outwards until it covers the whole image."""
    index = chest.grid.to_index(image.corners_mm())
    shape = np.array(chest.grid.shape)
    before = np.maximum(0, np.ceil(-index.min(axis=0))).astype(int) + 1
    after = np.maximum(0, np.ceil(index.max(axis=0) - shape + 1)).astype(int) + 1
    array = np.pad(chest.array, list(zip(before, after, strict=True)), mode="edge")
    affine = chest.grid.affine.copy()
    affine[:3, 3] = chest.grid.to_mm(-before)
    return resample(Volume(array, Grid(array.shape, affine)), image, "nearest").array


def _table(rule: Rule) -> NDArray[np.uint8]:
    """The canonical label for each code and each byte of the map, ``(256, 256)``."""
    table = np.full((256, 256), UNKNOWN, np.uint8)
    for here in range(256):
        nearest = 2 if here & NEARER_RIGHT else 1
        known = SIDES[nearest - 1] in rule.sides and (rule.middle_known or not here & MIDDLE)
        if here & EITHER:
            known &= len(rule.sides) == 2 and rule.middle_known
        if here & ROOT and here & MIDDLE:
            known &= len(rule.sides) == 2
        table[0, here] = 0 if known else UNKNOWN
        whose = {vessel: here >> shift & 3 for vessel, shift in SHIFT.items()}
        hidden = {v for v, lung in whose.items() if lung == NEITHER and rule.shared_unknown}
        for vessel, code in UNSIDED.items():
            lung = whose.get(vessel, 0)
            side = nearest if lung in (0, NEITHER) else lung
            drawn = class_value(vessel, SIDES[side - 1])
            table[code, here] = UNKNOWN if vessel in hidden else drawn
        for row in TABLE:
            table[row.value, here] = UNKNOWN if row.vessel in hidden else row.value
    return table


def _between(lungs: NDArray) -> NDArray[np.bool_]:
    """What lies between the centres of the two lungs, slice by slice, ``(Z, 1, X)``."""
    x = np.arange(lungs.shape[2])
    centre = []
    for value in (1, 2):
        lung = lungs == value
        count = lung.sum(axis=(1, 2))
        whole = float((lung.sum(axis=(0, 1)) * x).sum() / count.sum())
        mean = (lung.sum(axis=1) * x).sum(axis=1) / np.maximum(count, 1)
        centre.append(np.where(count > 0, mean, whole)[:, None])
    low, high = np.minimum(*centre), np.maximum(*centre)
    return ((x >= low) & (x <= high))[:, None, :]


def _near(vessel: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Where a central artery is within ROOT_MM."""
    return distance_mm(vessel, grid) < ROOT_MM if vessel.any() else vessel


def _spread(whose: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is said of a vessel, said a few voxels around it, too."""
    from scipy import ndimage

    found = ndimage.find_objects((whose > 0).astype(np.uint8))
    if not found:
        return whose
    box = tuple(slice(max(p.start - AROUND_VOX, 0), p.stop + AROUND_VOX) for p in found[0])
    out = whose.copy()
    around = ndimage.maximum_filter(whose[box], 2 * AROUND_VOX + 1)
    out[box] = np.where(whose[box] > 0, whose[box], around)
    return out


def central_ml(labels: NDArray, chest: NDArray[np.uint8], voxel_ml: float) -> dict[str, float]:
    """ml in the middle of the chest of each kind of vessel (artery, vein) that was drawn."""
    middle = chest & (MIDDLE | EITHER) > 0
    return {
        name: round(float((vessel & middle).sum() * voxel_ml), 3)
        for name, vessel in ((name, is_vessel(labels, name)) for name in SHIFT)
        if vessel.any()
    }
