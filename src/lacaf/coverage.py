"""What is known of each class: the coverage of a case.

A half-labelled case is one in which an expert drew the vessels of one lung only. What a
voxel's label says, and whether it says anything at all, is decided here once, for the loss,
the sampler and the scores alike. Unknown is never background.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import CLASSES, SIDES, TABLE, UNKNOWN
from lacaf.grid import Grid

State = Literal["labelled", "absent", "unknown"]
Coverage = dict[str, State]  # one state for each of classes.CLASSES

#: How deep a voxel must lie in one lung, in mm, before we say that no vessel of the other side
#: can be there: near the hilum a rough lung mask must not overrule anatomy.
DEEP_IN_LUNG_MM = 10.0


def distance_mm(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """Distance of each voxel to the nearest voxel of a mask, mm; infinite for an empty mask.

    By ``edt``, in a fraction of SciPy's time; by SciPy where that is not installed, as may be on
    a GPU node that only trains.
    """
    try:
        import edt
    except ImportError:
        return exact_distance_mm(mask, grid).astype(np.float32)
    return edt.edt(~mask, anisotropy=grid.spacing_mm, parallel=1)


def exact_distance_mm(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """The same in double precision, for what a network learns from: it sees the last digit."""
    from scipy import ndimage

    if not mask.any():
        return np.full(mask.shape, np.inf)
    return ndimage.distance_transform_edt(~mask, sampling=grid.spacing_mm)


def nearest_side(lungs: NDArray, grid: Grid) -> NDArray[np.uint8]:
    """The side (1 left, 2 right) of each voxel: that of the lung nearest in millimetres.

    A voxel inside a lung has the side of that lung. Of a vessel outside the lungs this is not
    the side (the trunk is nearest to the left lung and belongs to neither): see
    ``lacaf.harmonize.central``.

    Raises:
        ValueError: one of the lungs is missing.
    """
    return nearer(*lung_distances_mm(lungs, grid))


def nearer(left_mm: NDArray, right_mm: NDArray) -> NDArray[np.uint8]:
    """The rule of :func:`nearest_side` from the distances to both lungs; a tie goes left."""
    return np.where(left_mm <= right_mm, 1, 2).astype(np.uint8)


def lung_distances_mm(
    lungs: NDArray, grid: Grid, distance: Callable[[NDArray, Grid], NDArray] = distance_mm
) -> tuple[NDArray, NDArray]:
    """Distance of each voxel to the left and to the right lung, mm, by one of the two functions.

    Raises:
        ValueError: one of the lungs is missing.
    """
    for value, side in enumerate(SIDES, start=1):
        if not (lungs == value).any():
            raise ValueError(f"the lung mask holds no {side} lung")
    return distance(lungs == 1, grid), distance(lungs == 2, grid)


def deep_in_lung(lungs: NDArray, grid: Grid) -> NDArray[np.uint8]:
    """In which lung each voxel lies deep: 0 in neither, 1 in the left, 2 in the right one.

    Lung masks are rough at the hilum, and the great vessels cross the midline: so only voxels
    deeper than ``DEEP_IN_LUNG_MM`` count.
    """
    deep = np.zeros(lungs.shape, np.uint8)
    for value, _ in enumerate(SIDES, start=1):
        deep[distance_mm(lungs != value, grid) > DEEP_IN_LUNG_MM] = value
    return deep


def on_the_other_side(lungs: NDArray, grid: Grid) -> list[NDArray[np.bool_]]:
    """For each class, where it cannot be: deep in the lung of the other side.

    A class without a side can be anywhere.
    """
    deep = deep_in_lung(lungs, grid)
    other = {"left": deep == 2, "right": deep == 1, "": np.zeros(lungs.shape, bool)}
    return [other[row.side] for row in TABLE]


def targets_and_validity(
    labels: NDArray, lungs: NDArray, grid: Grid, coverage: Coverage
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What each class's target is, and where it may be learnt from or scored.

    Args:
        labels: ``(Z, Y, X)`` canonical labels: 0, the classes' values, 255 unknown.
        lungs: ``(Z, Y, X)`` 0, 1 left, 2 right.
        grid: grid of both.
        coverage: state of each class.

    Returns:
        ``targets`` and ``valid``, both ``(K, Z, Y, X)`` bool. A class is valid at a voxel
        - where the voxel is labelled as another class (it cannot be this one),
        - deep inside the other lung (a left vessel cannot be there),
        - and, if the class is labelled or known to be absent, wherever the label is known.
        Where ``valid`` is False, ``targets`` is False too: no marker leaks into a loss.
    """
    known = labels != UNKNOWN
    vessel = known & (labels > 0)
    targets = np.stack([labels == row.value for row in TABLE])
    valid = np.empty_like(targets)
    for index, (name, impossible) in enumerate(
        zip(CLASSES, on_the_other_side(lungs, grid), strict=True)
    ):
        valid[index] = vessel | impossible
        if coverage[name] != "unknown":
            valid[index] |= known
    # A label that contradicts the anatomy (a left vessel deep in the right lung) stays a label.
    return targets & valid, valid
