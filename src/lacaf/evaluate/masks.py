"""Two label volumes made comparable: one grid, and for each subject one box with two masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.evaluate.patterns import Boundary, boundary
from lacaf.evaluate.subjects import Classes, values
from lacaf.fault import Refusal
from lacaf.grid import SAME_GRID_TOLERANCE_VOX, Grid

Spacing = tuple[float, float, float]
Box = tuple[slice, slice, slice]

#: Cosine between two axes of a grid above which distances along its axes would be wrong.
SHEAR_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Masks:
    """One subject in prediction and reference, cropped to where either has it.

    Attributes:
        prediction: ``(Z, Y, X)`` bool.
        reference: ``(Z, Y, X)`` bool, same shape. Both have a rim of one empty voxel, also at
            the border of the image: what lies outside the image is background.
        spacing_mm: along ``(z, y, x)``.
        origin: index in the image of the voxel ``[0, 0, 0]``; -1 where the rim sticks out.
    """

    prediction: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    spacing_mm: Spacing
    origin: tuple[int, int, int]

    @cached_property
    def boundaries(self) -> tuple[Boundary, Boundary]:
        """The boundary of the prediction and of the reference, see :func:`patterns.boundary`."""
        return boundary(self.prediction), boundary(self.reference)


def in_order_of(labels: volume.Volume, grid: Grid) -> volume.Volume:
    """The same voxels, stored in the order of another grid's axes.

    Programs store one image in different orders: from feet to head or from head to feet, x first
    or z first. No voxel changes its place. Where the axes of both grids do not run along each
    other, the volume comes back as it is.
    """
    turn = np.linalg.inv(labels.grid.affine[:3, :3]) @ grid.affine[:3, :3]
    steps = np.rint(turn)
    drift_vox = np.abs(turn - steps).max() * max(grid.shape)
    if drift_vox > SAME_GRID_TOLERANCE_VOX or not _is_turn(steps):
        return labels
    source = np.abs(steps).argmax(axis=0)  # of each axis of the grid (x, y, z), that of the volume
    backwards = tuple(np.flatnonzero(steps.sum(axis=0) < 0).tolist())
    array = np.flip(labels.array.T.transpose(source), backwards)
    last = np.array([labels.array.T.shape[axis] - 1 for axis in source])
    affine = labels.grid.affine.copy()
    affine[:3, :3] = affine[:3, source] * steps.sum(axis=0)
    affine[:3, 3] -= affine[:3, :3] @ np.where(steps.sum(axis=0) < 0, last, 0)
    array = np.ascontiguousarray(array.T)
    return volume.Volume(array, Grid(array.shape, affine))


def _is_turn(steps: NDArray[np.float64]) -> bool:
    """Whether a matrix only swaps and mirrors axes."""
    ones = np.abs(steps)
    return bool((ones.sum(axis=0) == 1).all() and (ones.sum(axis=1) == 1).all())


def require_same_grid(prediction: Grid, reference: Grid) -> None:
    """Refuse two volumes whose voxels do not lie in the same places.

    Raises:
        Refusal: the grids differ, or their axes are not at right angles.
    """
    if not prediction.same_as(reference):
        raise Refusal(
            f"prediction has {describe(prediction)}, reference has {describe(reference)}",
            expectation="the same grid for both",
            remedy="bring the prediction to the reference's grid (nearest neighbour)",
        )
    directions = reference.affine[:3, :3] / np.linalg.norm(reference.affine[:3, :3], axis=0)
    if np.abs(directions.T @ directions - np.eye(3)).max() > SHEAR_TOLERANCE:
        raise Refusal(
            f"the axes are not at right angles: {describe(reference)}",
            expectation="an orthogonal grid, on which distances in millimetres can be taken",
            remedy="resample both volumes to an orthogonal grid",
        )


def describe(grid: Grid) -> str:
    """A grid in words: shape, spacing, origin and direction, axes in array order z, y, x."""
    spacing = " × ".join(f"{s:.4g}" for s in grid.spacing_mm)
    origin = ", ".join(f"{o:.2f}" for o in grid.affine[:3, 3])
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    axes = "; ".join(" ".join(f"{d:.3g}" for d in column) for column in directions.T[::-1])
    shape = " × ".join(str(n) for n in grid.shape)
    return f"{shape} voxels of {spacing} mm (z, y, x), origin {origin} mm LPS, axes {axes}"


def diagonal_mm(grid: Grid) -> float:
    """The longest distance that two voxels of the image can have: the price of a miss."""
    extent = (np.array(grid.shape) - 1) * np.array(grid.spacing_mm)
    return float(np.linalg.norm(extent))


class Boxes:
    """Where each class lies in prediction and reference, found once for all subjects."""

    def __init__(
        self,
        prediction: NDArray[np.uint8],
        reference: NDArray[np.uint8],
        classes: Classes,
        spacing_mm: Spacing,
    ) -> None:
        """Both arrays hold 0 to the number of classes only (see subjects.only_known)."""
        self.prediction, self.reference = prediction, reference
        self.classes, self.spacing_mm = classes, spacing_mm
        self._found = [_extents(array, len(classes)) for array in (prediction, reference)]

    def masks(self, predicted: Sequence[str], present: Sequence[str]) -> Masks:
        """The masks of some classes together, on the box that holds them all.

        Args:
            predicted: the classes whose voxels make the prediction.
            present: those whose voxels make the reference.
        """
        sides = [values(self.classes, names) for names in (predicted, present)]
        boxes = [found[v - 1] for found, own in zip(self._found, sides, strict=True) for v in own]
        box = _union(boxes)
        prediction, reference = (
            np.pad(_mask(array[box], own), 1)
            for own, array in zip(sides, (self.prediction, self.reference), strict=True)
        )
        z, y, x = (s.start - 1 for s in box)
        return Masks(prediction, reference, self.spacing_mm, (z, y, x))


def _mask(labels: NDArray[np.uint8], wanted: Sequence[int]) -> NDArray[np.bool_]:
    """Where one of some labels is; comparisons take a fraction of a table's time."""
    mask = np.zeros(labels.shape, dtype=bool)
    for value in wanted:
        mask |= labels == value
    return mask


def _extents(labels: NDArray[np.uint8], count: int) -> list[Box | None]:
    from scipy import ndimage

    return ndimage.find_objects(labels, max_label=count)


def _union(boxes: Sequence[Box | None]) -> Box:
    present = [box for box in boxes if box is not None]
    if not present:
        return (slice(0, 0),) * 3
    return tuple(  # type: ignore[return-value]
        slice(min(box[a].start for box in present), max(box[a].stop for box in present))
        for a in range(3)
    )
