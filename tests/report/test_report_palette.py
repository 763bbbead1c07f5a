"""The colours: told apart by everybody, in both palettes, on the dark background of a CT."""

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from lacaf.classes import BY_NAME
from lacaf.report.palette import BACKDROP_HEX, PALETTES, rgb

#: Full protanopia, deuteranopia and tritanopia on linear RGB (Machado, Oliveira, Fernandes,
#: IEEE TVCG 2009, table 1, severity 1.0).
SIGHT = {
    "everybody": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
#: CIEDE2000; 2.3 is a just noticeable difference, 10 is seen at a glance.
SEEN_AT_A_GLANCE = 10


def seen(colour: str, sight: str) -> np.ndarray:
    """A colour in CIELAB as somebody with such eyes sees it."""
    value = np.array(rgb(colour))
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SIGHT[sight]) @ linear, 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(shown[None, None])[0, 0]


def closest(colours: dict[str, str], sight: str) -> tuple[float, tuple[str, str]]:
    """The smallest difference between any two colours, and which they are."""
    lab = {name: seen(colour, sight) for name, colour in colours.items()}
    return min((float(deltaE_ciede2000(lab[a], lab[b])), (a, b)) for a, b in combinations(lab, 2))


@pytest.mark.parametrize("sight", SIGHT)
def test_the_default_colours_are_told_apart_under_every_colour_blindness(sight):
    palette = PALETTES["safe"]
    colours = {**palette.classes, **palette.errors, "background": BACKDROP_HEX}
    distance, pair = closest(colours, sight)
    assert distance >= SEEN_AT_A_GLANCE, pair


def test_the_papers_colours_are_told_apart_by_most_and_are_red_and_green():
    palette = PALETTES["paper"]
    colours = {**palette.classes, **palette.errors, "background": BACKDROP_HEX}
    distance, pair = closest(colours, "everybody")
    assert distance >= SEEN_AT_A_GLANCE, pair
    for name, colour in palette.classes.items():
        red, green, _ = rgb(colour)
        if BY_NAME[name].vessel in ("artery", "vein"):
            assert (red > green) == (BY_NAME[name].vessel == "artery")


def test_the_papers_colours_are_not_the_default_because_some_cannot_tell_them_apart():
    assert closest(PALETTES["paper"].classes, "deuteranopia")[0] < SEEN_AT_A_GLANCE
