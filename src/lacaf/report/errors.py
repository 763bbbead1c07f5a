"""What is wrong at a voxel: codes of their own, which share no array with the classes' values.

How many classes there are does not matter to a code: it says how a prediction differs from a
reference, and both are looked up in the table of classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import SIDES, TABLE, UNKNOWN, VESSELS, Class


class Wrong(IntEnum):
    """What can be wrong with a voxel; pages carry these codes, never among label values."""

    NOTHING = 0
    VESSEL = 1
    SIDE = 2
    MISSED = 3
    FALSE = 4
    NOT_KNOWN = 5


#: The errors by name, in the order of their codes; neither of the two ends of ``Wrong`` is one.
ERRORS = tuple(code.name.lower() for code in Wrong)[1:-1]


def _listed(words: tuple[str, ...]) -> str:
    """Words as people list them: artery and vein; artery, vein and airway."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


ERROR_NAME = {
    "vessel": f"{_listed(VESSELS)} confused",
    "side": f"{_listed(SIDES)} confused",
    "missed": "missed",
    "false": "false, no vessel in the reference",
}


def _looked_up(place: Callable[[Class], int]) -> NDArray[np.uint8]:
    """A number from 1 on for each label value ``(256,)``; 0 for what is no class."""
    out = np.zeros(256, np.uint8)
    for row in TABLE:
        out[row.value] = 1 + place(row)
    return out


#: By label value which vessel, and which side (or none) it is of, counted from 1; else 0.
VESSEL_OF = _looked_up(lambda row: VESSELS.index(row.vessel))
SIDE_OF = _looked_up(lambda row: ("", *SIDES).index(row.side))


def errors(
    prediction: NDArray[np.uint8], reference: NDArray[np.uint8], coverage: Mapping[str, str]
) -> NDArray[np.uint8]:
    """What is wrong at each voxel, as :class:`Wrong` numbers it.

    A side is confused where the vessel is right. A vessel that was found where the reference
    names none is false only if its class was labelled in this case: in an artery-only case a
    vein cannot be called wrong.

    Args:
        prediction: label values, 0 background.
        reference: the same, 255 unknown; same shape.
        coverage: state of each class of the reference.
    """
    found = prediction > 0
    named = (reference > 0) & (reference != UNKNOWN)
    other_vessel = VESSEL_OF[prediction] != VESSEL_OF[reference]
    judged = np.zeros(256, bool)
    judged[[row.value for row in TABLE]] = [coverage[row.name] != "unknown" for row in TABLE]
    out = np.zeros(prediction.shape, np.uint8)
    out[found & named & other_vessel] = Wrong.VESSEL
    out[found & named & ~other_vessel & (prediction != reference)] = Wrong.SIDE
    out[~found & named] = Wrong.MISSED
    out[found & (reference == 0) & judged[prediction]] = Wrong.FALSE
    out[found & (reference == 0) & ~judged[prediction]] = Wrong.NOT_KNOWN
    out[reference == UNKNOWN] = Wrong.NOT_KNOWN
    return out
