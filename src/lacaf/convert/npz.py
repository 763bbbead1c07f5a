"""Arrays without a place (HiPaS's .npz): their geometry is the CT's, their order is found.

Documents disagree on the order of the axes, so it is not believed: of all ways to turn the
array into the CT's shape, the one is taken in which the labelled voxels lie on what is denser
than its surroundings. Trees of vessels have no symmetry, so only one way fits, or none.

The head of the array is read before NumPy loads it, which asks for all the memory that it names.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.fault import Refusal, machines_fault
from lacaf.volume import Volume

#: The array's name in the file.
KEY = "data"
#: What lies around a voxel: so many voxels away along each axis.
AROUND_VOX = 4
#: At most so many labelled voxels are looked at, evenly spread.
SAMPLE = 40_000
#: Vessels are at least this much denser than what surrounds them, HU: in the right order of
#: axes they are by several hundred.
LEAST_CONTRAST_HU = 100.0
#: The next best order may reach this fraction of the best one's contrast.
SECOND_FRACTION = 0.6
#: Bone and metal count as dense as a vessel full of contrast medium, HU.
CLIP_HU = (-1000, 200)
#: An array of more voxels is no label volume of a chest.
MOST_VOXELS = 2 * 10**9

Order = tuple[tuple[int, int, int], tuple[bool, bool, bool]]


@dataclass(frozen=True)
class Fit:
    """How an array fits the CT: order of axes, which are reversed, and the contrast of it."""

    axes: tuple[int, int, int]
    reversed: tuple[bool, bool, bool]
    contrast_hu: float
    second_hu: float | None

    def facts(self) -> dict[str, Any]:
        """For the record."""
        return {
            "axes": list(self.axes),
            "reversed": list(self.reversed),
            "contrast_hu": round(self.contrast_hu, 1),
            "next_best_hu": None if self.second_hu is None else round(self.second_hu, 1),
        }


def read_array(path: Path, role: str) -> NDArray:
    """The array of a .npz file: its ``data``, or its only one.

    Raises:
        Refusal: the file is broken, holds several arrays, or none of three axes.
    """
    try:
        name, shape, kind = _announced(path)
        if name is None:
            raise _unusable(f"it holds no array called `{KEY}`, and not one alone", role)
        usable = len(shape) == 3 and kind in "biuf"
        array = _loaded(path, name) if usable and 0 < math.prod(shape) <= MOST_VOXELS else None
    except Refusal:
        raise
    except Exception as error:  # zip and NumPy raise whatever they like on a broken file
        if machines_fault(error):
            raise
        raise _unusable(f"it cannot be read ({type(error).__name__})", role) from None
    if array is None:
        raise _unusable(f"its array has the shape {shape} and the kind `{kind}`", role)
    return array.view(np.uint8) if array.dtype == bool else array


def _announced(path: Path) -> tuple[str | None, tuple[int, ...], str]:
    """Name, shape and kind of the array, before any memory is asked for."""
    with zipfile.ZipFile(path) as held:
        names = [n.removesuffix(".npy") for n in held.namelist() if n.endswith(".npy")]
        name = KEY if KEY in names else names[0] if len(names) == 1 else None
        if name is None:
            return None, (), ""
        with held.open(f"{name}.npy") as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            shape, _, dtype = read(stream)
    return name, tuple(int(n) for n in shape), dtype.kind


def _loaded(path: Path, name: str) -> NDArray:
    with np.load(path, allow_pickle=False) as held:
        return held[f"{name}.npy"]  # a bare name may be another member than the one looked at


def _unusable(finding: str, role: str) -> Refusal:
    return Refusal(
        finding,
        expectation=f"one array of three axes, called `{KEY}`",
        remedy="fetch the file again, or hand the labels over as NIfTI with their geometry",
        file=role,
    )


def fitted(mask: NDArray[np.bool_], image: Volume, role: str) -> Fit:
    """The order of axes in which a mask of vessels lies on what is dense in the CT.

    Raises:
        Refusal: no order has the CT's shape, none fits, or two fit alike.
    """
    orders = _orders(mask.shape, image.grid.shape)
    if not orders:
        raise Refusal(
            f"its shape {mask.shape} is not the CT's {image.grid.shape}, in whatever order",
            expectation="an array of exactly the CT's voxels, as it brings no geometry",
            remedy="hand over the CT that was labelled, or the labels as NIfTI",
            file=role,
        )
    inside, around = _places(mask)
    if not len(inside):
        return Fit(*orders[0], 0.0, None)  # an empty mask: harmonize refuses it
    contrast = [_contrast(inside, around, image.array, order) for order in orders]
    ranked = sorted(range(len(orders)), key=lambda i: -contrast[i])
    best = ranked[0]
    second = contrast[ranked[1]] if len(ranked) > 1 else None
    fit = Fit(*orders[best], contrast[best], second)
    if fit.contrast_hu < LEAST_CONTRAST_HU or (second or 0.0) > SECOND_FRACTION * fit.contrast_hu:
        rest = "" if second is None else f", in the next best {second:.0f} HU"
        raise Refusal(
            f"in the best of {len(orders)} orders of axes the labels are {fit.contrast_hu:.0f} HU "
            f"denser than what surrounds them{rest}",
            expectation=f"at least {LEAST_CONTRAST_HU:.0f} HU, and one order far before all others",
            remedy="check that CT and labels are of one scan; hand over the labels as NIfTI",
            file=role,
        )
    return fit


def arranged(array: NDArray, fit: Fit) -> NDArray:
    """The array in the CT's order of axes."""
    turned = array.transpose(fit.axes)
    flips = tuple(slice(None, None, -1) if back else slice(None) for back in fit.reversed)
    return np.ascontiguousarray(turned[flips])


def _orders(shape: Sequence[int], target: Sequence[int]) -> list[Order]:
    """All transpositions (as numpy) and reversals that give the target's shape."""
    found: list[Order] = []
    for i, j, k in permutations(range(3)):
        if (shape[i], shape[j], shape[k]) == tuple(target):
            found += [((i, j, k), (a, b, c)) for a, b, c in product((False, True), repeat=3)]
    return found


def _places(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labelled voxels ``(N, 3)`` and unlabelled ones near them, in the array's own order."""
    flat = np.flatnonzero(mask)
    flat = flat[:: max(1, len(flat) // SAMPLE)]
    inside = np.stack(np.unravel_index(flat, mask.shape), axis=1)
    steps = AROUND_VOX * np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    near = (inside[:, None] + steps).reshape(-1, 3)
    near = near[((near >= 0) & (near < mask.shape)).all(axis=1)]
    return inside, near[~mask[tuple(near.T)]]


def _contrast(inside: NDArray, around: NDArray, image: NDArray, order: Order) -> float:
    """Mean HU of labelled voxels less that around them, if the array is in this order."""
    axes, flips = order

    def mean(places: NDArray) -> float:
        index = [
            image.shape[to] - 1 - places[:, origin] if back else places[:, origin]
            for to, (origin, back) in enumerate(zip(axes, flips, strict=True))
        ]
        return float(np.clip(image[tuple(index)], *CLIP_HU).mean()) if len(places) else 0.0

    return mean(inside) - mean(around)
