"""How a mask hangs together: components, loops, cavities (its Betti numbers)."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lacaf.evaluate.masks import Masks
from lacaf.evaluate.patterns import CORNERS

NUMBERS = ("b0", "b1", "b2")


def topology(masks: Masks) -> dict[str, int]:
    """Betti numbers of prediction and reference, and how far they are apart.

    Empty masks have 0 of all three.
    """
    (_, mine), (_, theirs) = masks.boundaries
    found = dict(zip(NUMBERS, betti(masks.prediction, mine), strict=True))
    wanted = dict(zip(NUMBERS, betti(masks.reference, theirs), strict=True))
    return {
        **{f"reference_{name}": wanted[name] for name in NUMBERS},
        **{f"prediction_{name}": found[name] for name in NUMBERS},
        **{f"{name}_error": abs(found[name] - wanted[name]) for name in NUMBERS},
    }


def betti(mask: NDArray[np.bool_], codes: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Components, loops and cavities of a mask ``(Z, Y, X)`` with an empty rim of one voxel.

    Voxels are closed cubes: they hang together by faces, edges and corners (26 neighbours),
    the background by faces (6). Components and cavities are counted, loops follow from the
    Euler characteristic: b1 = b0 + b2 - χ.

    Args:
        mask: bool.
        codes: the patterns along its boundary, see :func:`patterns.boundary`.
    """
    if not mask.any():
        return 0, 0, 0
    components, cavities = _pieces(mask, 26), _pieces(~mask, 6) - 1
    return components, components + cavities - euler(codes), cavities


def _pieces(mask: NDArray[np.bool_], neighbours: Literal[6, 26]) -> int:
    import cc3d

    return cc3d.connected_components(
        mask, connectivity=neighbours, binary_image=True, return_N=True
    )[1]


def euler(codes: NDArray[np.uint8]) -> int:
    """Euler characteristic of the closed cubes of a mask, from the patterns along its boundary."""
    return int(np.bincount(codes, minlength=256) @ _eighths()) // 8


@cache
def _eighths() -> NDArray[np.int64]:
    """What a corner adds to the Euler characteristic, in eighths, for each of the 256 patterns.

    Vertices minus edges plus faces minus cubes (Kovalevsky 1989): the corner itself, if a cube
    touches it; half of each of the six edges that meet there, a quarter of each of the twelve
    faces, an eighth of each of the eight cubes, if a cube of the pattern has them.
    """
    pieces = []
    for dimension in range(4):
        weight = (-1) ** dimension * 8 // 2**dimension
        for axes in combinations(range(3), dimension):
            # Of a piece that extends along these axes, to either side of the corner.
            sides = {tuple(corner[a] for a in axes) for corner in CORNERS}
            for side in sides:
                owners = sum(
                    1 << bit
                    for bit, corner in enumerate(CORNERS)
                    if tuple(corner[a] for a in axes) == side
                )
                pieces.append((weight, owners))
    return np.array([sum(w for w, owners in pieces if pattern & owners) for pattern in range(256)])
