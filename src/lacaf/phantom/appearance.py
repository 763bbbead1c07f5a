"""What a patient looks like on the day of the scan: contrast, noise, and what ails the lungs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lacaf.phantom import thorax
from lacaf.phantom.thorax import Thorax

Phase = Literal["none", "artery", "vein", "mixed"]

#: Odds of the contrast phases. The demo is CT angiography, timed for the arteries as a rule: the
#: two kinds of vessel differ, so that minutes of training can tell them apart.
ODDS: dict[str, dict[Phase, float]] = {
    "demo": {"none": 0.0, "artery": 0.80, "vein": 0.10, "mixed": 0.10},
    "realistic": {"none": 0.40, "artery": 0.20, "vein": 0.15, "mixed": 0.25},
}
#: Fraction of the realistic cases in the mixed phase whose arteries and veins are alike.
SAME_IN_MIXED = 0.4
BLOOD_HU = (36.0, 52.0)
#: Standard deviation of the noise, HU.
NOISE_HU = {"demo": (10.0, 22.0), "realistic": (12.0, 30.0)}


@dataclass(frozen=True)
class Contrast:
    """HU of the blood by vessel, and in which phase the scan was taken."""

    phase: Phase
    artery_hu: float
    vein_hu: float
    aorta_hu: float
    cava_hu: float


def contrast(kind: str, rng: np.random.Generator) -> Contrast:
    """Draw a contrast phase and what it does to the blood."""
    odds = ODDS[kind]
    phase: Phase = rng.choice(np.array(list(odds)), p=list(odds.values())).item()
    blood, cava = rng.uniform(*BLOOD_HU), rng.uniform(40, 300)
    if phase == "none":
        return Contrast(phase, blood, blood, blood, blood)
    if phase == "artery":
        artery = rng.uniform(300, 400)
        vein = artery - rng.uniform(120, 220)
        return Contrast(phase, artery, vein, 0.8 * vein, min(400.0, artery + 0.3 * cava))
    if phase == "vein":
        vein = rng.uniform(280, 380)
        return Contrast(phase, vein - rng.uniform(120, 200), vein, vein - 15, 0.5 * cava)
    artery = rng.uniform(210, 320)
    alike = kind == "realistic" and rng.random() < SAME_IN_MIXED
    gap = 0.0 if alike else float(rng.choice([-1, 1]) * rng.uniform(30, 80))
    return Contrast(phase, artery, artery - gap, artery - gap - 10, cava)


@dataclass(frozen=True)
class Findings:
    """What ails the lungs: balls as (x, y, z, radius), LPS mm; empty where there is none."""

    nodules: tuple[tuple[float, float, float, float], ...]
    emphysema: tuple[tuple[float, float, float, float], ...]
    consolidation: tuple[tuple[float, float, float, float], ...]

    def names(self) -> list[str]:
        """The findings that are there."""
        there = {
            "nodule": self.nodules,
            "emphysema": self.emphysema,
            "consolidation": self.consolidation,
        }
        return [name for name, balls in there.items() if balls]


def findings(body: Thorax, rng: np.random.Generator) -> Findings:
    """Draw findings: a nodule in two of five, emphysema in a quarter, consolidation in a fifth."""
    nodule, emphysema, consolidation = rng.random(3) < (0.4, 0.25, 0.2)
    side = str(rng.choice(["left", "right"]))
    s = body.scale

    def balls(count: int, radii: tuple[float, float], margin: float, part: str) -> tuple:
        middle = sum(body.height) / 2
        found = []
        for _ in range(count):
            which = side if part != "upper" else str(rng.choice(["left", "right"]))
            places = thorax.sample(body, which, 60, margin * s, rng)
            wanted = {"upper": places[:, 2] > middle, "lower": places[:, 2] < middle}
            places = places[wanted[part]] if part in wanted and wanted[part].any() else places
            found.append((*(float(v) for v in places[0]), float(rng.uniform(*radii)) * s))
        return tuple(found)

    return Findings(
        nodules=balls(int(rng.integers(1, 3)), (5, 12), 12, "any") if nodule else (),
        emphysema=balls(30, (4, 12), 4, "upper") if emphysema else (),
        consolidation=balls(5, (10, 20), 3, "lower")[:5] if consolidation else (),
    )


def ball(x: NDArray, y: NDArray, z: NDArray, centre_radius: tuple) -> NDArray:
    """Signed distance to a ball."""
    cx, cy, cz, radius = centre_radius
    return np.sqrt((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) - radius
