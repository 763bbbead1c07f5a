"""The classes: one table, and everything that tells one class from another reads it.

A class is one row. What has a side is of the patient's left or right lung; a class without one
(an airway) is possible, and then ``side`` is empty and the class is its own mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["left", "right", ""]


@dataclass(frozen=True)
class Class:
    """One class.

    Attributes:
        value: its value in canonical labels, and from 1 on its place among the networks' outputs.
        name: how it is called in parameters, records and tables.
        vessel: what it is, whatever the side.
        side: the patient's side, empty for a class without one.
        mirror: name of the class that it becomes when left and right change places.
        phrase: what a prompt calls it.
        colours: ``#rrggbb`` by the name of a palette (``safe``: told apart by the colour-blind;
            ``paper``: red arteries, green veins).
        snomed: code and meaning in SNOMED CT for DICOM; a side goes into a modifier.
    """

    value: int
    name: str
    vessel: str
    side: Side
    mirror: str
    phrase: str
    colours: dict[str, str]
    snomed: tuple[str, str]


ARTERY = ("81040000", "Pulmonary artery")
VEIN = ("122972007", "Pulmonary vein")

#: Values are 1, 2, … in this order.
TABLE = (
    Class(
        1, "left_artery", "artery", "left", "right_artery", "left pulmonary artery",
        {"safe": "#ffa366", "paper": "#ff8080"}, ARTERY,
    ),
    Class(
        2, "left_vein", "vein", "left", "right_vein", "left pulmonary vein",
        {"safe": "#74c8f7", "paper": "#7fdc86"}, VEIN,
    ),
    Class(
        3, "right_artery", "artery", "right", "left_artery", "right pulmonary artery",
        {"safe": "#d55e00", "paper": "#cc2222"}, ARTERY,
    ),
    Class(
        4, "right_vein", "vein", "right", "left_vein", "right pulmonary vein",
        {"safe": "#0079bf", "paper": "#1f9140"}, VEIN,
    ),
)  # fmt: skip

#: SNOMED CT's modifiers of laterality.
LATERALITY = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}

CLASSES = tuple(row.name for row in TABLE)
SIDES = ("left", "right")  # of the patient; values 1, 2 in a lung mask
#: The kinds of vessel, whatever the side, in the order of the table.
VESSELS = tuple(dict.fromkeys(row.vessel for row in TABLE))
#: The two kinds that carry blood, which must be told from each other.
ARTERY_VEIN = ("artery", "vein")
#: The value of voxels about which a label says nothing.
UNKNOWN = 255

BY_NAME = {row.name: row for row in TABLE}


def class_value(vessel: str, side: str) -> int:
    """The canonical label value of a vessel (artery, vein) and a patient's side.

    Raises:
        KeyError: there is no such class.
    """
    found = {(row.vessel, str(row.side)): row.value for row in TABLE}
    return found[vessel, side]


def values_of(*, vessel: str | None = None, side: str | None = None) -> tuple[int, ...]:
    """The label values of a kind of vessel, of a side, or of both; of all classes for neither."""
    return tuple(
        row.value
        for row in TABLE
        if (vessel is None or row.vessel == vessel) and (side is None or row.side == side)
    )


def mirrored() -> list[int]:
    """For each place among the outputs the place whose content it gets in the mirror."""
    return [BY_NAME[row.mirror].value - 1 for row in TABLE]
