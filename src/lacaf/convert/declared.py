"""A CT as a bare array (HiPaS's .npz): its geometry is declared in a file beside it.

The array has neither spacing nor orientation, and the documents of the data set disagree on the
order of its axes. Who knows it writes ``geometry.json`` into the same folder:

    {"axes": "SPL", "spacing_mm": [1.0, 0.7, 0.7]}

``axes``: for each axis of the array, in its order, where its index grows to in the patient (R or
L, A or P, I or S); ``spacing_mm``: in the same order. Nothing is guessed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from lacaf.convert import npz
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume

#: The file's name.
GEOMETRY = "geometry.json"
MOST_BYTES = 10_000
#: LPS: the axis of the patient, and whether the index grows along or against it.
DIRECTIONS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}


def read(path: Path, geometry: Path | None, file: str) -> Volume:
    """The array of a .npz file on the grid that ``geometry`` declares; the origin is 0.

    Raises:
        Refusal: nothing is declared, the declaration is none, or the array is no volume.
    """
    if geometry is None:
        raise _refusal("a .npz file states neither spacing nor orientation", file)
    axes, spacing = _declared(geometry)
    array = npz.read_array(path, file)
    affine = np.eye(4)
    affine[:3, :3] = 0
    for place, (letter, step) in enumerate(zip(axes, spacing, strict=True)):
        along, sign = DIRECTIONS[letter]
        affine[along, 2 - place] = sign * step  # columns are x, y, z; array axes z, y, x
    return Volume(array, Grid(array.shape, affine))


def _declared(geometry: Path) -> tuple[str, list[float]]:
    try:
        with geometry.open("rb") as handle:
            content: Any = json.loads(handle.read(MOST_BYTES))
        axes, spacing = str(content["axes"]).upper(), [float(s) for s in content["spacing_mm"]]
    except (ValueError, TypeError, KeyError) as error:
        raise _refusal(f"it cannot be understood ({type(error).__name__})", GEOMETRY) from None
    if sorted(DIRECTIONS.get(letter, (9, 0))[0] for letter in axes) != [0, 1, 2]:
        raise _refusal("its `axes` are not one of R L, one of A P and one of I S", GEOMETRY)
    if len(spacing) != 3 or not all(0 < s < 100 for s in spacing):
        raise _refusal("its `spacing_mm` are not three positive numbers", GEOMETRY)
    return axes, spacing


def _refusal(finding: str, file: str) -> Refusal:
    return Refusal(
        finding,
        expectation=f"a folder with the .npz and a {GEOMETRY} like "
        '{"axes": "SPL", "spacing_mm": [1.0, 0.7, 0.7]}',
        remedy=f"write {GEOMETRY} beside the .npz and name their folder as source, or hand over "
        "NIfTI",
        file=file,
    )
