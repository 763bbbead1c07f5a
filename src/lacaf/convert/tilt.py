"""Gantry tilt: slices that lean are moved in their own planes until the stack is upright."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.dicom.hounsfield import AIR_HU
from lacaf.grid import Grid
from lacaf.volume import Volume


def upright(image: Volume) -> Volume:
    """A stack of slices that leans off their normal, on a grid at right angles.

    Each slice keeps its plane, pixel size and height; it is moved within its plane by linear
    interpolation. The grid grows sideways so that no voxel is lost; where no slice is, there is
    air (-1024 HU). Where the shift is an integer of pixels, values stay exactly as they are.

    Args:
        image: ``(Z, Y, X)`` int16, HU; x and y axes at right angles, z leaning.
    """
    axes = image.grid.affine[:3, :3]
    x, y = axes[:, 0], axes[:, 1]
    normal = np.cross(x, y) / np.linalg.norm(np.cross(x, y))
    # Pixels by which a slice lies further along x and y than the slice below it.
    per_slice = np.array([axes[:, 2] @ v / (v @ v) for v in (x, y)])
    shift = np.outer(np.arange(image.grid.shape[0]), per_slice)
    low, high = np.floor(shift.min(axis=0)), np.ceil(shift.max(axis=0))
    grow_x, grow_y = (int(n) for n in high - low)
    z, rows, columns = image.grid.shape
    array = np.full((z, rows + grow_y, columns + grow_x), AIR_HU, np.int16)
    for index in range(z):
        along_x, along_y = shift[index] - low
        _put(array[index], image.array[index], along_y, along_x)
    affine = image.grid.affine.copy()
    affine[:3, 2] = normal * (axes[:, 2] @ normal)
    affine[:3, 3] += x * low[0] + y * low[1]
    return Volume(array, Grid(array.shape, affine))


def flag(degrees: float) -> str:
    """What a record says of a stack that was set upright."""
    return f"gantry tilt of {degrees:.1f} degrees: each slice was resampled within its plane"


def _put(target: NDArray, pixels: NDArray, down: float, right: float) -> None:
    """Lay a slice into a larger one, so many pixels (at least 0, with fractions) down and right."""
    rows, columns = (int(np.floor(v + 1e-6)) for v in (down, right))
    weight_y, weight_x = (max(v - n, 0.0) for v, n in ((down, rows), (right, columns)))
    if weight_y < 1e-3 and weight_x < 1e-3:
        target[rows : rows + pixels.shape[0], columns : columns + pixels.shape[1]] = pixels
        return
    framed = np.pad(pixels.astype(np.float32), 1, constant_values=AIR_HU)
    mixed = framed[1:] * (1 - weight_y) + framed[:-1] * weight_y
    mixed = mixed[:, 1:] * (1 - weight_x) + mixed[:, :-1] * weight_x
    height = min(mixed.shape[0], target.shape[0] - rows)
    width = min(mixed.shape[1], target.shape[1] - columns)
    target[rows : rows + height, columns : columns + width] = np.rint(mixed[:height, :width])
