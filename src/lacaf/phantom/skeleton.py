"""Ribs and shoulder blades as rows of short tubes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.phantom.thorax import Thorax

#: Ribs that a chest CT shows, and their distance from each other along the spine, adult mm.
RIBS, RIB_PITCH_MM = 11, 25.0
RIB_RADIUS_MM = 5.0


def ribs(body: Thorax) -> list[NDArray[np.float64]]:
    """Centre lines ``(N, 3)`` of the ribs, LPS mm.

    A rib leaves the spine, runs round the chest wall just outside the lung and falls towards
    the front; the upper ones are short and steep.
    """
    a, b, h = body.lung_half
    top = body.base_z + h
    lines = []
    for number in range(RIBS):
        back_z = top + 14 - RIB_PITCH_MM * number
        fall = 38 + 5 * min(number, 7)
        turn = np.linspace(-0.47, 0.42 if number < 7 else 0.30 - 0.08 * (number - 7), 44) * np.pi
        progress = (turn - turn[0]) / (0.89 * np.pi)
        z = back_z - fall * progress**1.2
        t = np.clip((z - body.base_z) / h, -1, 1)
        # the chest's own contour at that height, never narrower than the first rib's ring
        shrink = np.maximum((1 - np.abs(t) ** 2.4), 0.02) ** (1 / 2.4)
        shrink = np.where(t < 0, 1.0, shrink)
        power = 2 / 2.4
        across = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
        along = -np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power
        x = body.lung_x * (0.3 + 0.7 * np.sqrt(shrink)) * np.ones_like(z)
        x = x + (a * shrink + RIB_RADIUS_MM + 2) * across
        y = body.lung_y + (b * shrink + RIB_RADIUS_MM + 2) * along
        near = np.clip(1 - progress / 0.12, 0, 1)  # towards the spine
        x, y = x * (1 - 0.55 * near), y * (1 - near) + near * np.maximum(y, 80.0)
        for sign in (1, -1):
            lines.append(np.stack([sign * x, y, z], axis=1) * body.scale)
    return lines


def shoulder_blades(body: Thorax) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Both shoulder blades, as upright rods side by side: their ends, LPS mm."""
    _, b, _ = body.lung_half
    rods = []
    for across in np.linspace(0, 1, 22):
        x, y = 58 + 40 * across, body.lung_y + b + 15 - 13 * across**1.5
        low, high = np.array([x, y, -15 + 60 * across]), np.array([x - 4, y - 3, 82 + 6 * across])
        for sign in (1, -1):
            mirror = np.array([sign, 1, 1]) * body.scale
            rods.append((low * mirror, high * mirror))
    return rods
