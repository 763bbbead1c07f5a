"""Where the absence of a label means something: known background against unknown (255)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.coding import Coding
from lacaf.coverage import SIDES, UNKNOWN, Coverage, State, nearer

#: Vessels this far outside the lungs are central ones: trunk, main arteries, left atrium's veins.
CENTRAL_MM = 8.0
#: Outside the lungs, where the distances to both differ by less than this, mm, the side of a
#: vessel hangs on the exactness of the lung mask.
EITHER_SIDE_MM = 6.0

#: Values of the map of regions beside 1 and 2; odd ones are the left's, even ones the right's.
MIDDLE, EITHER = 2, 4


def regions(
    lungs: NDArray, left_mm: NDArray[np.float32], right_mm: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """A map of the chest: 1 nearest to the left lung, 2 to the right; odd is always left.

    3 and 4 are the left and right half of the middle of the chest, 5 and 6 the strip between
    these halves in which a voxel's side is uncertain. The middle is what lies between the
    centres of the two lungs, slice by slice, outside the lungs and more than CENTRAL_MM away
    from them: the mediastinum without the hila.
    """
    side = nearer(left_mm, right_mm)
    x = np.arange(lungs.shape[2])
    centre = {}
    for value in (1, 2):
        lung = lungs == value
        count = lung.sum(axis=(1, 2))
        whole = float((lung.sum(axis=(0, 1)) * x).sum() / count.sum())
        mean = (lung.sum(axis=1) * x).sum(axis=1) / np.maximum(count, 1)
        centre[value] = np.where(count > 0, mean, whole)[:, None]
    low, high = np.minimum(centre[1], centre[2]), np.maximum(centre[1], centre[2])
    between = ((x >= low) & (x <= high))[:, None, :]
    middle = between & (np.minimum(left_mm, right_mm) > CENTRAL_MM)
    out = np.where(middle, side + MIDDLE, side)
    strip = (lungs == 0) & (np.abs(left_mm - right_mm) < EITHER_SIDE_MM)
    return np.where(strip, side + EITHER, out).astype(np.uint8)


def central_ml(labels: NDArray[np.uint8], region: NDArray[np.uint8], voxel_ml: float) -> float:
    """ml of labelled vessels in the middle of the chest."""
    return float(((labels > 0) & (labels != UNKNOWN) & (region > MIDDLE)).sum() * voxel_ml)


def with_unknown(
    labels: NDArray[np.uint8],
    region: NDArray[np.uint8],
    sides: tuple[str, ...],
    central_known: bool,
) -> NDArray[np.uint8]:
    """The labels with 255 wherever a missing label says nothing.

    The rule, voxel by voxel:

    - a labelled vessel keeps its label, wherever it lies;
    - nearest to a lung that was not labelled (that lung, its half of the mediastinum, its chest
      wall): unknown;
    - nearest to a labelled lung: background, but
    - in the middle of the chest it is unknown if the expert stopped at the hilum
      (``central_known`` False): a trunk that nobody drew is no background;
    - in the strip about as near to the one lung as to the other it is unknown if only one was
      labelled: a vessel of the other lung may reach in.
    """
    known = np.zeros(7, bool)
    for value, name in enumerate(SIDES, start=1):
        known[value] = name in sides
        known[value + MIDDLE] = name in sides and central_known
        known[value + EITHER] = len(sides) == 2 and central_known
    return np.where((labels == 0) & ~known[region], UNKNOWN, labels).astype(np.uint8)


def coverage(
    coding: Coding, sides: tuple[str, ...], ml: dict[str, float], min_vessel_ml: float
) -> tuple[Coverage, list[str]]:
    """The state of each class, and flags.

    A class is ``labelled`` if the coding can express it, its lung was labelled and there is some
    of it. Every lung has arteries and veins: a class that could have been drawn and was not is
    ``unknown`` (the expert drew one kind of vessel), never ``absent``, which only something
    other than a label file could tell.
    """
    states: Coverage = {}
    flags = []
    for side in SIDES:
        for vessel in ("artery", "vein"):
            name = f"{side}_{vessel}"
            drawn = ml[name] >= min_vessel_ml and ml[name] > 0
            could = side in sides and name in coding.classes(side)
            state: State = "labelled" if could and drawn else "unknown"
            states[name] = state
            if could and not drawn:
                flags.append(
                    f"{name}: only {ml[name]:.2f} ml though the coding has it and the {side} lung "
                    "is labelled; taken as not drawn, so unknown"
                )
    return states, flags
