"""The great vessels and airways from the heart to the hila, as tables of adult millimetres.

Positions are LPS (x to the patient's left, y to the back, z to the head) with the carina at
(0, 25, 0); the fourth number is the radius (of the lumen, for airways). The arrangement is
the textbook's: the left artery rides over the left main bronchus, the right one passes before
the right main bronchus; the upper veins run in front of arteries and bronchi, the lower
veins enter the atrium below and behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf.phantom import tree

Path = tuple[tuple[float, float, float, float], ...]

#: name: (name of the path it starts from, its own points)
AIRWAYS: dict[str, tuple[str | None, Path]] = {
    "trachea": (None, ((0, 8, 150, 8.5), (0, 18, 60, 8.5), (0, 25, 0, 8.0))),
    "right main": ("trachea", ((-14, 27, -10, 6.6), (-26, 30, -18, 6.2))),
    "right upper": ("right main", ((-38, 30, -9, 4.6), (-46, 29, -2, 4.2))),
    "intermediate": ("right main", ((-31, 32, -30, 5.6), (-34, 33, -40, 5.3))),
    "right middle": ("intermediate", ((-46, 20, -52, 3.4),)),
    "right lower": ("intermediate", ((-42, 44, -56, 4.8),)),
    "left main": ("trachea", ((20, 30, -15, 5.9), (38, 36, -28, 5.6))),
    "left upper": ("left main", ((50, 29, -25, 4.5), (58, 26, -22, 4.2))),
    "left lower": ("left main", ((46, 48, -48, 4.8),)),
}
ARTERIES: dict[str, tuple[str | None, Path]] = {
    "trunk": (None, ((13, -30, -48, 13.0), (18, -16, -30, 12.8), (19, -4, -18, 12.0))),
    "right": ("trunk", ((2, 6, -22, 10.0), (-16, 11, -24, 9.0), (-30, 14, -26, 7.6))),
    "right upper": ("right", ((-37, 17, -12, 5.2), (-46, 20, 0, 4.6))),
    "interlobar": ("right", ((-42, 21, -36, 6.6), (-47, 33, -46, 6.0))),
    "right middle": ("right", ((-43, 15, -38, 4.0), (-53, 12, -46, 3.4))),
    "right lower": ("interlobar", ((-52, 44, -60, 5.2),)),
    "left": ("trunk", ((27, 9, -8, 10.2), (37, 23, -3, 9.0), (47, 33, -8, 7.6))),
    "left upper": ("left", ((53, 27, -6, 5.2), (60, 22, -12, 4.6))),
    "left descending": ("left", ((55, 44, -26, 6.4), (57, 50, -45, 5.4))),
}
#: Each vein starts inside the left atrium.
VEINS: dict[str, tuple[str | None, Path]] = {
    "right superior": (None, ((-14, 24, -45, 6.6), (-34, 8, -40, 6.2), (-44, 4, -35, 5.6))),
    "right upper": ("right superior", ((-52, 2, -20, 4.6),)),
    "right middle": ("right superior", ((-53, -4, -50, 3.2),)),
    "right inferior": (None, ((-14, 36, -58, 6.6), (-34, 49, -67, 6.2), (-45, 56, -76, 5.0))),
    "left superior": (None, ((14, 24, -45, 6.4), (33, 12, -31, 6.0), (45, 8, -23, 5.4))),
    "left upper": ("left superior", ((56, 6, -14, 4.6),)),
    "left inferior": (None, ((14, 36, -58, 6.4), (35, 49, -64, 6.0), (46, 58, -72, 5.0))),
}
#: The end of which path feeds which lobe (side, lobe).
LOBAR = {
    ("left", "upper"): {"airways": "left upper", "arteries": "left upper", "veins": "left upper"},
    ("left", "lower"): {
        "airways": "left lower",
        "arteries": "left descending",
        "veins": "left inferior",
    },
    ("right", "upper"): {
        "airways": "right upper",
        "arteries": "right upper",
        "veins": "right upper",
    },
    ("right", "middle"): {
        "airways": "right middle",
        "arteries": "right middle",
        "veins": "right middle",
    },
    ("right", "lower"): {
        "airways": "right lower",
        "arteries": "right lower",
        "veins": "right inferior",
    },
}
#: Vessels of the body's own circulation, which no label names; blood from the left heart ...
AORTA: Path = (
    (-3, -20, -58, 14.0),
    (-16, -17, -25, 14.0),
    (-14, -12, 5, 13.5),
    (-5, -5, 28, 13.0),
    (11, 5, 36, 12.5),
    (21, 22, 34, 12.0),
    (24, 42, 24, 12.0),
    (23, 57, 6, 11.5),
    (22, 60, -20, 11.0),
    (19, 62, -230, 10.5),
)
#: ... and from the upper body to the right heart.
CAVA: Path = ((-26, -6, 75, 6.5), (-33, -3, 30, 7.5), (-33, -3, -20, 8.0), (-27, -7, -48, 8.5))
#: Chambers: centre and half axes.
LEFT_ATRIUM = ((0.0, 30.0, -54.0), (27.0, 16.0, 19.0))
RIGHT_ATRIUM = ((-22.0, -12.0, -68.0), (18.0, 22.0, 24.0))
RIGHT_VENTRICLE = ((14.0, -38.0, -80.0), (30.0, 17.0, 28.0))
LEFT_VENTRICLE = ((42.0, -14.0, -88.0), (22.0, 24.0, 28.0))


@dataclass(frozen=True, eq=False)
class Stem:
    """A central tree, its radii, and the node at which each named path ends."""

    points: NDArray[np.float64]
    parent: NDArray[np.int64]
    radius: NDArray[np.float64]
    ends: dict[str, int]


def stem(paths: dict[str, tuple[str | None, Path]], scale: float, rng: np.random.Generator) -> Stem:
    """A patient's own version of a table above: scaled, a little shifted, corners rounded off."""
    points: list[NDArray] = []
    parent: list[int] = []
    radius: list[float] = []
    ends: dict[str, int] = {}
    calibre = rng.uniform(0.92, 1.06)
    for name, (origin, path) in paths.items():
        last = -1 if origin is None else ends[origin]
        for x, y, z, r in path:
            shift = rng.uniform(-1.2, 1.2, 3)
            points.append((np.array([x, y, z]) + shift) * scale)
            parent.append(last)
            radius.append(r * scale * calibre)
            last = len(points) - 1
        ends[name] = last
    return _subdivide(np.array(points), np.array(parent), np.array(radius), ends, 4.0 * scale)


def _subdivide(
    points: NDArray, parent: NDArray, radius: NDArray, ends: dict[str, int], step: float
) -> Stem:
    """Short pieces, so that the corners can be rounded off."""
    new: list[NDArray] = []
    up: list[int] = []
    thick: list[float] = []
    place: dict[int, int] = {}
    for node in range(len(points)):
        origin = int(parent[node])
        if origin < 0:
            count, start, start_r, last = 1, points[node], radius[node], -1
        else:
            start, start_r, last = points[origin], radius[origin], place[origin]
            count = max(1, int(np.ceil(np.linalg.norm(points[node] - start) / step)))
        for part in np.arange(1, count + 1) / count:
            new.append(start + (points[node] - start) * part)
            thick.append(start_r + (radius[node] - start_r) * part)
            up.append(last)
            last = len(new) - 1
        place[node] = last
    ends = {name: place[node] for name, node in ends.items()}
    rounded = tree.smooth(tree.plain(np.array(new), np.array(up)), 6)
    return Stem(rounded.points, rounded.parent, np.array(thick), ends)
