"""Left and right: which lung was labelled, and does the case table say the same?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import SIDES, TABLE, values_of
from lacaf.fault import Refusal
from lacaf.harmonize.meaning import is_drawn, is_vessel

#: Vessels of less than this fraction of the other lung's are strays: the lung is not labelled.
#: So are those of less than this fraction of the same lung's other kind: the kind is not labelled.
STRAY_FRACTION = 0.1
#: From this fraction on both lungs are labelled; between the two, only the table can tell.
BOTH_FRACTION = 0.3
#: Vessels drawn with a side may lie so much in the other lung (a rough mask near the hilum).
WRONG_LUNG_FRACTION = 0.1

Ml = dict[str, float]


def vessels_in_lungs(labels: NDArray[np.uint8], lungs: NDArray, voxel_ml: float) -> Ml:
    """ml of labelled vessels inside each lung; of whatever is labelled if no vessel is."""
    vessel = is_vessel(labels)
    if not vessel.any():
        vessel = is_drawn(labels)
    return {
        name: float((vessel & (lungs == value)).sum() * voxel_ml)
        for value, name in enumerate(SIDES, start=1)
    }


def check_lung_of_side(labels: NDArray[np.uint8], lungs: NDArray, voxel_ml: float) -> None:
    """Refuse classes with a side that lie in the other lung: mirrored or swapped labels."""
    for lung, (name, other) in enumerate(zip(SIDES, reversed(SIDES), strict=True), start=1):
        drawn = np.isin(labels, values_of(side=name))
        here = float((drawn & (lungs == lung)).sum() * voxel_ml)
        there = float((drawn & (lungs > 0) & (lungs != lung)).sum() * voxel_ml)
        if there > WRONG_LUNG_FRACTION * (here + there):
            raise Refusal(
                f"of the {name} vessels {there:.1f} ml lie in the {other} lung and "
                f"{here:.1f} ml in the {name}",
                expectation=f"{name} vessels in the patient's {name} lung",
                remedy="check for a mirrored label file or a coding with sides swapped",
                file="the label file",
            )


def labelled_sides(declared: str, ml: Ml, min_vessel_ml: float) -> tuple[tuple[str, ...], str]:
    """The sides that an expert labelled, and what was found: left, right, both.

    Args:
        declared: left, right, both or auto, from the case table.
        ml: labelled vessels inside each lung.
        min_vessel_ml: less in a lung is no labelled lung.

    Raises:
        Refusal: no lung has enough, the table says otherwise, or ``auto`` cannot tell.
    """
    more = max(ml.values())
    found = [s for s in SIDES if ml[s] >= max(min_vessel_ml, STRAY_FRACTION * more)]
    told = f"{ml['left']:.2f} ml of vessels in the left lung, {ml['right']:.2f} ml in the right"
    if not found or more < min_vessel_ml:
        raise _refusal(told, f"at least {min_vessel_ml} ml in a labelled lung", "")
    name = "both" if len(found) == 2 else found[0]
    if declared == "auto":
        if name == "both" and min(ml.values()) < BOTH_FRACTION * more:
            raise _refusal(
                told, "one lung labelled or both", "; say in the table which: left, right, both"
            )
        return tuple(found), name
    if declared != name:
        expected = "both lungs labelled" if declared == "both" else f"only the {declared} labelled"
        raise _refusal(told, f"{expected}, as the case table says", "")
    return tuple(found), name


def _refusal(finding: str, expectation: str, more: str) -> Refusal:
    return Refusal(
        finding,
        expectation=expectation,
        remedy="check labelled_side in the case table, and for mirrored or shifted labels" + more,
        file="the label file",
    )


def class_ml(labels: NDArray[np.uint8], voxel_ml: float) -> dict[str, Any]:
    """Volume of each class, ml."""
    count = np.zeros(256, np.int64)
    for plane in labels:  # counting needs eight bytes a voxel
        count += np.bincount(plane.ravel(), minlength=256)
    return {row.name: round(float(count[row.value] * voxel_ml), 3) for row in TABLE}
