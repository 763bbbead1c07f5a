"""Axial, coronal and sagittal planes through a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.classes import UNKNOWN
from lacaf.grid import Grid
from lacaf.volume import Volume

PIXEL_MM = 0.8
#: Shown around the lungs, mm.
MARGIN_MM = 8.0
#: Slices are chosen by what lies within this distance, mm.
SLAB_MM = 4.0


@dataclass(frozen=True)
class Plane:
    """A flat grid along the patient's axes.

    Attributes:
        name: axial, coronal or sagittal.
        grid: upright grid, one voxel thick along ``axis``.
        axis: array axis across the plane: 0 axial, 1 coronal, 2 sagittal.
        edges: letters at the left, right, top and bottom edge of the picture.
        flip: whether rows of the picture run against the array (the head is at the top).
    """

    name: str
    grid: Grid
    axis: int
    edges: tuple[str, str, str, str]
    flip: bool

    def sample(self, source: Volume, interpolation: str = "nearest", fill: float = 0) -> NDArray:
        """The plane's picture ``(rows, columns)``, the patient's left on the right-hand side."""
        close = near(source, self.grid)
        flat = volume.resample(close, self.grid, interpolation, fill).array  # type: ignore[arg-type]
        picture = flat.take(0, axis=self.axis)
        return picture[::-1] if self.flip else picture


def choose(labels: Sequence[Volume], lungs: Volume | None, image: Grid) -> list[Plane]:
    """Three planes around the lungs, there where most vessels of most classes are seen.

    Args:
        labels: label volumes (255 unknown) that the planes should show.
        lungs: on the working grid; the whole image is shown if there are none.
        image: grid of the CT.
    """
    box = (lungs.grid if lungs else image).corners_mm()
    low, high = box.min(axis=0) - MARGIN_MM, box.max(axis=0) + MARGIN_MM
    limits = image.corners_mm()
    low, high = np.maximum(low, limits.min(axis=0)), np.minimum(high, limits.max(axis=0))
    centre = (low + high) / 2
    points, values = _vessel_points(labels, lungs)
    for axis in range(3):
        if len(points):
            centre[axis] = _fullest(points[:, axis], values, low[axis], high[axis])
    names = {2: "axial", 1: "coronal", 0: "sagittal"}  # by world axis across the plane
    edges = {2: ("R", "L", "A", "P"), 1: ("R", "L", "H", "F"), 0: ("A", "P", "H", "F")}
    planes = []
    for world in (2, 1, 0):
        x, y, z = (
            1 if axis == world else max(1, int(np.ceil((high[axis] - low[axis]) / PIXEL_MM)))
            for axis in range(3)
        )
        origin = low.copy()
        origin[world] = centre[world]
        grid = Grid.upright((z, y, x), PIXEL_MM, tuple(origin))
        planes.append(Plane(names[world], grid, 2 - world, edges[world], world != 2))
    return planes


def _vessel_points(
    labels: Sequence[Volume], lungs: Volume | None
) -> tuple[NDArray[np.float64], NDArray]:
    """LPS positions ``(N, 3)`` of vessel voxels, inside the lungs if any are, and classes."""
    points, values = [np.empty((0, 3))], [np.empty(0, np.uint8)]
    for part in labels:
        index = np.argwhere((part.array > 0) & (part.array != UNKNOWN))
        points.append(part.grid.to_mm(index))
        values.append(part.array[tuple(index.T)])
    all_points, all_values = np.concatenate(points), np.concatenate(values)
    if lungs is None or not len(all_points):
        return all_points, all_values
    index = np.rint(lungs.grid.to_index(all_points)).astype(int)
    inside = np.all((index >= 0) & (index < lungs.array.shape), axis=1)
    inside[inside] = lungs.array[tuple(index[inside].T)] > 0
    return (all_points[inside], all_values[inside]) if inside.any() else (all_points, all_values)


def _fullest(position: NDArray, values: NDArray, low: float, high: float) -> float:
    """Where along an axis most vessel is seen; roots, so that every class has its say."""
    bins = np.arange(low, max(high, low + 1) + 1.0)
    width = max(1, round(SLAB_MM))
    score = np.zeros(len(bins) - 1)
    for value in np.unique(values):
        count, _ = np.histogram(position[values == value], bins)
        score += np.sqrt(np.convolve(count, np.ones(width) / width, mode="same"))
    return float(bins[score.argmax()] + 0.5)


def near(source: Volume, grid: Grid) -> Volume:
    """The part of a volume that a grid needs, so that a plane costs a plane."""
    index = source.grid.to_index(grid.corners_mm())
    last = np.array(source.array.shape)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - 2, 0, last - 1)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 3, low + 1, last)
    affine = source.grid.affine.copy()
    affine[:3, 3] = source.grid.to_mm(low)
    array = source.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return Volume(array, Grid(array.shape, affine))
