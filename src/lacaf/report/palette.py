"""The colours of the report, defined once: for pictures, trees, pages and 3D Slicer.

Two palettes. ``safe``: artery and vein differ by hue (vermilion and blue of Okabe and Ito's
palette, told apart under every common colour blindness), left and right by lightness. ``paper``:
red arteries and green veins, as in the figures of arXiv 2501.03722. In both, errors have colours
that no class has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import CLASSES

PaletteName = Literal["safe", "paper"]

#: What can be wrong with a voxel, in the order of the codes 1 to 4; 0 is right or background.
ERRORS = ("vessel", "side", "missed", "false")
#: A voxel of which the reference says nothing.
NOT_KNOWN = 5
ERROR_NAME = {
    "vessel": "artery and vein confused",
    "side": "left and right confused",
    "missed": "missed",
    "false": "false, no vessel in the reference",
}
CLASS_NAME = {name: name.replace("_", " ") for name in CLASSES}

#: Behind CT and trees, in light and dark mode alike, as in a reading room.
BACKDROP_HEX = "#0b0d10"
#: Surfaces that are right, and those of which the reference says nothing, where errors are shown.
RIGHT_HEX, NOT_KNOWN_HEX = "#6b7380", "#333840"


@dataclass(frozen=True)
class Palette:
    """Colours of classes and errors as ``#rrggbb``, by name."""

    name: PaletteName
    title: str
    classes: dict[str, str]
    errors: dict[str, str]

    def class_table(self) -> NDArray[np.float64]:
        """Colours ``(5, 3)``, 0 to 1, by canonical label value; row 0 is not used."""
        return np.array([(0, 0, 0), *(rgb(self.classes[name]) for name in CLASSES)])

    def error_table(self) -> NDArray[np.float64]:
        """Colours ``(5, 3)``, 0 to 1, by error code; row 0 is not used."""
        return np.array([(0, 0, 0), *(rgb(self.errors[name]) for name in ERRORS)])

    def flag_table(self) -> NDArray[np.float64]:
        """Colours ``(6, 3)``, 0 to 1, of surfaces by error code: right grey, not known darker."""
        errors = (self.errors[name] for name in ERRORS)
        return np.array([rgb(c) for c in (RIGHT_HEX, *errors, NOT_KNOWN_HEX)])


PALETTES: dict[str, Palette] = {
    "safe": Palette(
        "safe",
        "safe for the colour-blind",
        {
            "left_artery": "#ffa366",
            "left_vein": "#74c8f7",
            "right_artery": "#d55e00",
            "right_vein": "#0079bf",
        },
        {"vessel": "#ffffff", "side": "#00a67e", "missed": "#f2ea18", "false": "#c2307f"},
    ),
    "paper": Palette(
        "paper",
        "red arteries, green veins",
        {
            "left_artery": "#ff8080",
            "left_vein": "#7fdc86",
            "right_artery": "#cc2222",
            "right_vein": "#1f9140",
        },
        {"vessel": "#ffffff", "side": "#56b4e9", "missed": "#f0e442", "false": "#d06ff0"},
    ),
}


def rgb(hex_colour: str) -> tuple[float, float, float]:
    """Red, green and blue, each 0 to 1."""
    value = hex_colour.lstrip("#")
    red, green, blue = (int(value[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue
