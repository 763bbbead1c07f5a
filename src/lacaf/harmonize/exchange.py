"""Are arteries and veins exchanged? What anatomy can tell without knowing which is which.

Where the vessels enter the lung, the arteries lie above the veins: on the left the artery rides
over the main bronchus, on the right it passes before it, and on both sides the lower vein is
the lowest of all. So the innermost part of the arteries in a lung must not lie far below that
of the veins. HU tell nothing: by the time after the injection either may be the brighter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import SIDES, class_value
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.harmonize.meaning import ARTERY, VEIN

#: The innermost tenth of a lung's arteries, and of its veins, is compared.
INNERMOST = 0.1
#: A class with less in a lung is too little to judge by, ml.
LEAST_ML = 2.0
#: Arteries so far below the veins, mm, are exchanged if both lungs say so, or the only labelled
#: one does. Phantoms built after the textbook have them 24 to 52 mm above.
REFUSED_MM = -15.0
#: From here on down it is flagged, mm.
FLAGGED_MM = -5.0


def heights(labels: NDArray[np.uint8], lungs: NDArray, grid: Grid) -> dict[str, Any]:
    """How far the arteries lie above the veins where they enter each lung, mm.

    None where the lung has too little of either to tell.
    """
    middle = float(grid.to_mm(np.argwhere(lungs > 0))[:, 0].mean()) if lungs.any() else 0.0
    found: dict[str, Any] = {}
    for number, side in enumerate(SIDES, start=1):
        height = []
        for vessel in (ARTERY, VEIN):
            mask = (labels == class_value(vessel, side)) & (lungs == number)
            if mask.sum() * grid.voxel_ml < LEAST_ML:
                break
            place = grid.to_mm(np.argwhere(mask))
            off = np.abs(place[:, 0] - middle)
            height.append(float(place[off <= np.quantile(off, INNERMOST), 2].mean()))
        found[side] = round(height[0] - height[1], 1) if len(height) == 2 else None
    return found


def check(above_mm: dict[str, Any], *, refuse: bool) -> list[str]:
    """Flags of arteries below the veins; a Refusal if far below wherever it can be told.

    Raises:
        Refusal: exchanged, as far as anatomy can tell, and ``refuse`` says so.
    """
    told = {side: value for side, value in above_mm.items() if value is not None}
    if not told or min(told.values()) > FLAGGED_MM:
        return []
    finding = "where they enter the lung, the arteries lie " + " and ".join(
        f"{abs(value):.0f} mm {'above' if value > 0 else 'below'} the veins on the {side}"
        for side, value in told.items()
    )
    if max(told.values()) > REFUSED_MM or not refuse:
        return [f"artery and vein exchanged? {finding}"]
    raise Refusal(
        f"artery and vein exchanged: {finding}",
        expectation="arteries above the veins at the hilum",
        remedy="declare the coding with the other order; where the drawing is right all the same "
        "(part of a lung, odd anatomy), set harmonize.doubtful to flag",
        file="the label file",
    )
