"""The solid parts of a thorax as distances: body, lungs, heart, spine, diaphragm.

Each function takes broadcastable positions x, y, z (LPS mm, the carina near the origin) and
returns an approximate signed distance in mm, negative inside. Called with the axes of a grid
the terms of one axis stay one-dimensional, which is what makes a full-resolution case cheap.
Sizes are those of an adult; ``Thorax.scale`` brings them to the patient's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

#: Lung volume of both lungs at scale 1, ml: the range measured in real patients.
LUNG_ML = (4000.0, 5100.0)
#: Width of the left lung's contour as a share of the right one's.
LEFT_SHARE = 0.94
#: The lobes by side; the right middle lobe lies between the two fissures.
LOBES = {"left": ("upper", "lower"), "right": ("upper", "middle", "lower")}


@dataclass(frozen=True)
class Thorax:
    """One patient's shape, in adult mm before ``scale``.

    Attributes:
        scale: patient mm per adult mm.
        lung_half: half width, half depth and height of a lung's outer contour.
        lung_x: distance of a lung's axis from the midline.
        lung_y: its position from front to back.
        base_z: height where a lung is widest.
        dome_z: height of the diaphragm's dome, left and right.
        dome_drop: how far the diaphragm falls from the dome to the chest wall.
        heart: centre and half axes of the heart.
        upper_half: half width and half depth of the upper mediastinum.
        fissure: height of the oblique fissure at the midline of the body, and its slope.
        horizontal_z: height of the right horizontal fissure.
        fat: thickness of the fat under the skin.
        wave: phases of the gentle unevenness of the lungs' surface.
    """

    scale: float
    lung_half: tuple[float, float, float]
    lung_x: float
    lung_y: float
    base_z: float
    dome_z: tuple[float, float]
    dome_drop: float
    heart: tuple[tuple[float, float, float], tuple[float, float, float]]
    upper_half: tuple[float, float]
    fissure: tuple[float, float]
    horizontal_z: float
    fat: float
    wave: tuple[float, float, float]

    @property
    def wall_x(self) -> float:
        """Half width of the body, adult mm: lung, ribs, muscle and fat."""
        return self.lung_x + self.lung_half[0] + 17.0 + self.fat

    @property
    def wall_y(self) -> tuple[float, float]:
        """Front and back of the body, adult mm."""
        front = self.lung_y - self.lung_half[1] - 13.0 - self.fat
        return front, self.lung_y + self.lung_half[1] + 24.0 + self.fat

    @property
    def height(self) -> tuple[float, float]:
        """Lowest and highest point of the lungs, mm."""
        low = min(self.dome_z) - self.dome_drop - 10.0
        return low * self.scale, (self.base_z + self.lung_half[2]) * self.scale


def draw(rng: np.random.Generator, scale: float) -> Thorax:
    """A patient's shape; the lungs are brought to a volume drawn from the measured range."""
    about = lambda value, share=0.06: float(value * (1 + rng.uniform(-share, share)))  # noqa: E731
    target_ml = rng.uniform(*LUNG_ML)
    dome = rng.uniform(-112, -98)
    size = rng.uniform(0.93, 1.06)
    plain = Thorax(
        scale=1.0,
        lung_half=(about(60), about(80), about(206)),
        lung_x=about(66, 0.03),
        lung_y=rng.uniform(1, 8),
        base_z=rng.uniform(-125, -112),
        dome_z=(dome - rng.uniform(8, 18), dome),
        dome_drop=about(66, 0.15),
        heart=(
            (rng.uniform(19, 26), rng.uniform(-22, -14), rng.uniform(-82, -76)),
            (58 * size, 46 * about(size, 0.04), 52 * about(size, 0.05)),
        ),
        upper_half=(about(33), about(60)),
        fissure=(rng.uniform(-44, -30), rng.uniform(0.75, 1.0)),
        horizontal_z=rng.uniform(-36, -24),
        fat=rng.uniform(6, 14),
        wave=tuple(rng.uniform(0, 2 * np.pi, 3)),
    )
    fit = (target_ml / sum(volumes_ml(plain))) ** (1 / 3)
    return Thorax(**{**plain.__dict__, "scale": scale * float(fit)})


def volumes_ml(thorax: Thorax, step_mm: float = 4.0) -> tuple[float, float]:
    """Volumes of the left and right lung, measured on a coarse grid."""
    x, y, z = _lattice(thorax, step_mm * thorax.scale)
    voxel = (step_mm * thorax.scale) ** 3 / 1000
    left, right = ((lung(thorax, side, x, y, z) < 0).sum() * voxel for side in ("left", "right"))
    return float(left), float(right)


def _lattice(thorax: Thorax, step: float) -> tuple[Array, Array, Array]:
    wide, (front, back) = thorax.wall_x * thorax.scale, thorax.wall_y
    low, high = thorax.height
    x = np.arange(-wide, wide, step)
    y = np.arange(front * thorax.scale, back * thorax.scale, step)
    return x[None, None, :], y[None, :, None], np.arange(low, high, step)[:, None, None]


def ellipsoid(x: Array, y: Array, z: Array, centre: tuple, half: tuple, power: float = 2) -> Array:
    """Distance to a (super-)ellipsoid, exact on its surface, in units of its smallest half axis."""
    total = sum(
        np.abs((p - c) / h) ** power for p, c, h in zip((x, y, z), centre, half, strict=True)
    )
    return (total ** (1 / power) - 1) * min(half)


def chest(thorax: Thorax, side: str, x: Array, y: Array, z: Array) -> Array:
    """The bullet-shaped half of the rib cage around one lung, without its floor."""
    s, sign = thorax.scale, 1 if side == "left" else -1
    a, b, h = thorax.lung_half
    a = a * (LEFT_SHARE if side == "left" else 1.0)  # the heart takes room on the left
    centre = (sign * thorax.lung_x, thorax.lung_y, thorax.base_z)
    distance = ellipsoid(x / s, y / s, z / s, centre, (a, b, h), 2.4)
    p, q, r = thorax.wave
    wave = np.sin(x / s / 23 + sign * p) * np.cos(y / s / 29 + q) * np.sin(z / s / 34 + r)
    return (distance + 1.8 * wave) * s


def diaphragm(thorax: Thorax, side: str, x: Array, y: Array, z: Array) -> Array:
    """Negative above the diaphragm; its dome lies in front, its deepest recess behind."""
    s, index, sign = thorax.scale, int(side == "right"), 1 if side == "left" else -1
    a, b, _ = thorax.lung_half
    off = ((x / s - sign * (thorax.lung_x - 8)) / a) ** 2 + ((y / s + 18) / b) ** 2
    return (thorax.dome_z[index] - thorax.dome_drop * off - z / s) * 0.8 * s


def heart(thorax: Thorax, x: Array, y: Array, z: Array) -> Array:
    """The heart with its sac; it leans to the left."""
    s = thorax.scale
    return ellipsoid(x / s, y / s, z / s, *thorax.heart, 2.2) * s


def spine(thorax: Thorax, x: Array, y: Array, z: Array) -> Array:
    """Spine and the soft parts along it, which the lungs lie against."""
    s = thorax.scale
    return ellipsoid(x / s, y / s, 0 * z, (0, 86, 0), (26, 25, 1)) * 25 * s


def mediastinum(thorax: Thorax, x: Array, y: Array, z: Array) -> Array:
    """What lies between the lungs: great vessels, heart, spine, and a thin wall to the front."""
    s = thorax.scale
    u, v, w = x / s, y / s, z / s
    half, depth = thorax.upper_half
    # wide at the great vessels, narrow at the apices where only windpipe and vessels pass
    waist = half * (0.70 + 0.30 / (1 + ((w + 10) / 60) ** 4))
    waist = waist + 6.0 * np.exp(-(((w + 30) / 26) ** 2))  # the hila
    upper = (np.sqrt((u / waist) ** 2 + ((v - 6) / depth) ** 2) - 1) * half
    septum = np.maximum(np.abs(u - 2) - 3.0, v - 90)
    beside, above = np.hypot(u - 21, v - 62) - 14, w - 22
    aorta = np.hypot(np.maximum(beside + 8, 0), np.maximum(above + 8, 0)) - 8
    parts = (upper, septum, aorta, heart(thorax, x, y, z) / s - 2, spine(thorax, x, y, z) / s)
    distance = parts[0]
    for part in parts[1:]:
        distance = np.minimum(distance, part)
    return distance * s


def lung(thorax: Thorax, side: str, x: Array, y: Array, z: Array) -> Array:
    """One lung of the patient (left, right)."""
    sign = 1 if side == "left" else -1
    distance = np.maximum(chest(thorax, side, x, y, z), diaphragm(thorax, side, x, y, z))
    distance = np.maximum(distance, -mediastinum(thorax, x, y, z))
    return np.maximum(distance, -sign * x + 0 * z)


def lobe(thorax: Thorax, side: str, points: Array) -> NDArray[np.int64]:
    """Which of ``LOBES[side]`` each point ``(N, 3)`` belongs to, by the fissures."""
    _, y, z = (points / thorax.scale).T
    height, slope = thorax.fissure
    below = z < height + slope * y
    if side == "left":
        return np.where(below, 1, 0)
    return np.where(below, 2, np.where(z < thorax.horizontal_z, 1, 0))


def fissure(thorax: Thorax, x: Array, y: Array, z: Array) -> Array:
    """Distance to the nearest border between two lobes, never negative."""
    s = thorax.scale
    height, slope = thorax.fissure
    above = z / s - height - slope * y / s
    oblique = np.abs(above) / np.hypot(1, slope) + 0 * x
    horizontal = np.where((x < 0) & (above > 0), np.abs(z / s - thorax.horizontal_z), np.inf)
    return np.minimum(oblique, horizontal) * s


def body(thorax: Thorax, x: Array, y: Array, z: Array, inset_mm: float = 0.0) -> Array:
    """The skin, or a surface ``inset_mm`` (adult mm) below it, narrower towards the neck."""
    s = thorax.scale
    front, back = thorax.wall_y
    narrow = 1 - 0.13 / (1 + np.exp(-(z / s - 75) / 14))
    half = (thorax.wall_x - inset_mm) * narrow
    depth = (back - front) / 2 - inset_mm
    off = np.abs(x / s / half) ** 2.7 + np.abs((y / s - (front + back) / 2) / depth) ** 2.7
    return (off ** (1 / 2.7) - 1) * depth * s


def sample(
    thorax: Thorax, side: str, count: int, margin_mm: float, rng: np.random.Generator
) -> Array:
    """``(count, 3)`` random points of a lung, at least about ``margin_mm`` from its surface."""
    low, high = thorax.height
    sign, wide = (1 if side == "left" else -1), thorax.wall_x * thorax.scale
    front, back = (edge * thorax.scale for edge in thorax.wall_y)
    found, total = [], 0
    while total < count:
        unit = rng.random((4 * count, 3))
        points = unit * [sign * wide, back - front, high - low] + [0, front, low]
        points = points[lung(thorax, side, *points.T) < -margin_mm]
        found.append(points)
        total += len(points)
    return np.concatenate(found)[:count]
