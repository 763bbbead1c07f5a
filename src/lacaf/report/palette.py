"""The colours of the report: for pictures, trees, pages and 3D Slicer.

Those of the classes come from the table of classes, those of errors stand here, and no class may
have one of them. Two palettes. ``safe``: artery and vein differ by hue (vermilion and blue of Okabe
and Ito's palette, told apart under every common colour blindness), left and right by lightness.
``paper``: red arteries and green veins, as in the figures of arXiv 2501.03722.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import CLASSES, TABLE
from lacaf.report.errors import ERRORS

CLASS_NAME = {name: name.replace("_", " ") for name in CLASSES}

#: Behind CT and trees, in light and dark mode alike, as in a reading room.
BACKDROP_HEX = "#0b0d10"
#: Surfaces that are right, and those of which the reference says nothing, where errors are shown.
RIGHT_HEX, NOT_KNOWN_HEX = "#6b7380", "#333840"


@dataclass(frozen=True)
class Palette:
    """Colours of classes and errors as ``#rrggbb``, by name."""

    name: str
    title: str
    classes: dict[str, str]
    errors: dict[str, str]

    def class_table(self) -> NDArray[np.float64]:
        """Colours ``(1 + K, 3)``, 0 to 1, by canonical label value; row 0 is not used."""
        return np.array([(0, 0, 0), *(rgb(self.classes[name]) for name in CLASSES)])

    def error_table(self) -> NDArray[np.float64]:
        """Colours ``(5, 3)``, 0 to 1, by code of an error; row 0 is not used."""
        return np.array([(0, 0, 0), *(rgb(self.errors[name]) for name in ERRORS)])

    def flag_table(self) -> NDArray[np.float64]:
        """Colours ``(6, 3)``, 0 to 1, of surfaces by code: right grey, not known darker."""
        errors = (self.errors[name] for name in ERRORS)
        return np.array([rgb(c) for c in (RIGHT_HEX, *errors, NOT_KNOWN_HEX)])


PALETTES: dict[str, Palette] = {
    name: Palette(name, title, {row.name: row.colours[name] for row in TABLE}, errors)
    for name, title, errors in (
        (
            "safe",
            "safe for the colour-blind",
            {"vessel": "#ffffff", "side": "#00a67e", "missed": "#f2ea18", "false": "#c2307f"},
        ),
        (
            "paper",
            "red arteries, green veins",
            {"vessel": "#ffffff", "side": "#56b4e9", "missed": "#f0e442", "false": "#d06ff0"},
        ),
    )
}


def rgb(hex_colour: str) -> tuple[float, float, float]:
    """Red, green and blue, each 0 to 1."""
    value = hex_colour.lstrip("#")
    red, green, blue = (int(value[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue
