"""How a hospital hands a case over: odd but legal geometry, storage and company.

Everything here is exact. Arrays are flipped and transposed, affines turned rigidly; no voxel
is ever interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from lacaf.grid import Grid
from lacaf.volume import Volume

T = TypeVar("T")
Storage = Literal["unsigned -1024", "signed -1024", "signed 0"]
Syntax = Literal["explicit", "implicit", "jpeg-ls"]
Stray = Literal["none", "scout", "text", "both"]


@dataclass(frozen=True)
class Handling:
    """What is odd about one handed-over case.

    Attributes:
        swap: rows run from front to back, columns from side to side.
        flip_x, flip_y: the direction of the (then) x, y index is reversed.
        turn_degrees: the patient lies turned by this rotation vector (LPS).
        offset_mm: table position, added to every place.
        head_first: instance numbers run from head to feet.
        nested: files lie two folders deeper.
        storage: how HU are stored; syntax: how pixels are encoded; stray: what lies beside.
    """

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False
    turn_degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)
    offset_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    head_first: bool = False
    nested: bool = False
    storage: Storage = "unsigned -1024"
    syntax: Syntax = "explicit"
    stray: Stray = "none"


def draw(rng: np.random.Generator) -> Handling:
    """A hospital's way: half the cases plain, the others turned, flipped or transposed."""
    plain = rng.random() < 0.5
    swap, flip_x, flip_y = (not plain and rng.random() < 0.5 for _ in range(3))
    turn = rng.uniform(-4.0, 4.0, 3) if rng.random() < 0.3 else np.zeros(3)
    offset = rng.uniform((-20, -40, -800), (20, 40, 800))
    return Handling(
        swap=bool(swap),
        flip_x=bool(flip_x),
        flip_y=bool(flip_y),
        turn_degrees=_three(np.round(turn, 2)),
        offset_mm=_three(np.round(offset, 1)),
        head_first=bool(rng.random() < 0.5),
        nested=bool(rng.random() < 0.3),
        storage=_one_of(rng, get_args(Storage)),
        syntax=_one_of(rng, get_args(Syntax)),
        stray=_one_of(rng, ("none", *get_args(Stray))),
    )


def lay(upright: Volume, handling: Handling) -> Volume:
    """The volume as the scanner's coordinates have it: same voxels, another order and place.

    The result is right-handed: slices follow one another along row x column, as in any DICOM
    series sorted by position.
    """
    axes = (0, 2, 1) if handling.swap else (0, 1, 2)
    laid = reordered(upright, axes, (False, handling.flip_y, handling.flip_x))
    if np.linalg.det(laid.grid.affine) < 0:
        laid = reordered(laid, (0, 1, 2), (True, False, False))
    return Volume(laid.array, _moved(laid.grid, handling))


def reordered(volume: Volume, axes: Sequence[int], flips: Sequence[bool]) -> Volume:
    """Transpose the array to ``axes`` (as numpy), then flip its axes; every voxel stays put."""
    array = volume.array.transpose(axes)
    affine = volume.grid.affine.copy()
    affine[:3, :3] = affine[:3, [2 - axes[2 - column] for column in range(3)]]
    for axis in (a for a in range(3) if flips[a]):
        column = 2 - axis
        array = np.flip(array, axis)
        affine[:3, 3] += affine[:3, column] * (array.shape[axis] - 1)
        affine[:3, column] *= -1
    return Volume(np.ascontiguousarray(array), Grid(array.shape, affine))


def _moved(grid: Grid, handling: Handling) -> Grid:
    """The grid turned about its middle and shifted."""
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(handling.turn_degrees, degrees=True).as_matrix()
    centre = grid.corners_mm().mean(axis=0)
    affine = grid.affine.copy()
    affine[:3, :3] = turn @ affine[:3, :3]
    affine[:3, 3] = turn @ (affine[:3, 3] - centre) + centre + np.array(handling.offset_mm)
    return Grid(grid.shape, affine)


def _three(values: NDArray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _one_of(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]
