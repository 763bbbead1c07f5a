"""The colours of the report, defined once: for the pictures, the 3D view and the page.

Artery and vein differ by hue (vermilion and blue of Okabe and Ito's palette, told apart under
every common colour blindness), left and right by lightness. Errors use colours that no class has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.coverage import CLASSES

CLASS_HEX = {
    "left_artery": "#ffa366",
    "left_vein": "#74c8f7",
    "right_artery": "#d55e00",
    "right_vein": "#0079bf",
}

#: What can be wrong with a voxel, in the order of the codes 1, 2, 3; 0 is right or background.
ERROR_HEX = {"other class": "#ffffff", "missed": "#f0e442", "false": "#e06fb4"}
#: A voxel of which the reference says nothing.
NOT_KNOWN = 4
#: Surfaces that are right, and those of which the reference says nothing, where errors are shown.
RIGHT_HEX, NOT_KNOWN_HEX = "#6b7380", "#333840"

CLASS_NAME = {name: name.replace("_", " ") for name in CLASSES}
ERROR_NAME = {
    "other class": "another vessel or side than the reference",
    "missed": "vessel of the reference, not found",
    "false": "vessel found, none in the reference",
}

#: Behind CT and trees, in light and dark mode alike, as in a reading room.
BACKDROP_HEX = "#0b0d10"


def rgb(hex_colour: str) -> tuple[float, float, float]:
    """Red, green and blue, each 0 to 1."""
    value = hex_colour.lstrip("#")
    red, green, blue = (int(value[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def class_table() -> NDArray[np.float64]:
    """Colours ``(5, 3)``, 0 to 1, by canonical label value; row 0 is not used."""
    return np.array([(0, 0, 0), *(rgb(CLASS_HEX[name]) for name in CLASSES)])


def flag_table() -> NDArray[np.float64]:
    """Colours ``(5, 3)``, 0 to 1, of surfaces by error code: right grey, not known darker."""
    return np.array([rgb(RIGHT_HEX), *(rgb(c) for c in ERROR_HEX.values()), rgb(NOT_KNOWN_HEX)])


def error_table() -> NDArray[np.float64]:
    """Colours ``(4, 3)``, 0 to 1, by error code; row 0 is not used."""
    return np.array([(0, 0, 0), *(rgb(colour) for colour in ERROR_HEX.values())])
