"""Two label volumes made comparable: same grid, known voxels only, one box a class."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.coverage import CLASSES, UNKNOWN
from lacaf.records import Refusal

Spacing = tuple[float, float, float]
Box = tuple[slice, slice, slice]

#: Cosine between two axes of a grid above which distances along its axes would be wrong.
SHEAR_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Masks:
    """One class in prediction and reference, cropped to where either has it.

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


def read_labels(path: Path, role: str, unknown_allowed: bool) -> volume.Volume:
    """Read canonical labels as uint8.

    Raises:
        Refusal: the file is no label volume, or holds a value that no class has.
    """
    allowed = f"0 to {len(CLASSES)}" + (f" and {UNKNOWN} (unknown)" if unknown_allowed else "")
    from nibabel.filebasedimages import ImageFileError

    try:
        labels = volume.read(path)
    except FileNotFoundError:
        raise
    except (ValueError, ImageFileError, OSError, EOFError, zlib.error) as error:
        plain = isinstance(error, ValueError)
        finding = str(error).replace(str(path), "the volume") if plain else "it cannot be read"
        raise Refusal(
            finding,
            expectation="one three-dimensional NIfTI volume of labels",
            remedy="convert it",
            file=role,
        ) from None
    array = labels.array
    wrong = array > len(CLASSES)
    if unknown_allowed:
        wrong &= array != UNKNOWN
    if array.dtype != np.uint8:
        wrong |= (array < 0) | (array != np.floor(array))
    if wrong.any():
        found = ", ".join(f"{value:g}" for value in np.unique(array[wrong])[:5])
        raise Refusal(
            f"holds the value(s) {found}",
            expectation=f"canonical labels {allowed}",
            remedy="translate it first (stage harmonize, or declare its coding)",
            file=role,
        )
    return volume.Volume(array.astype(np.uint8, copy=False), labels.grid)


def require_same_grid(prediction: volume.Grid, reference: volume.Grid) -> None:
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


def describe(grid: volume.Grid) -> str:
    """A grid in words: shape, spacing, origin and direction, axes in array order z, y, x."""
    spacing = " × ".join(f"{s:.4g}" for s in grid.spacing_mm)
    origin = ", ".join(f"{o:.2f}" for o in grid.affine[:3, 3])
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    axes = "; ".join(" ".join(f"{d:.3g}" for d in column) for column in directions.T[::-1])
    shape = " × ".join(str(n) for n in grid.shape)
    return f"{shape} voxels of {spacing} mm (z, y, x), origin {origin} mm LPS, axes {axes}"


def diagonal_mm(grid: volume.Grid) -> float:
    """The longest distance that two voxels of the image can have: the price of a miss."""
    extent = (np.array(grid.shape) - 1) * np.array(grid.spacing_mm)
    return float(np.linalg.norm(extent))


def only_known(prediction: NDArray, reference: NDArray) -> tuple[NDArray, NDArray]:
    """Both with background where the reference is unknown, so that nothing is scored there."""
    unknown = reference == UNKNOWN
    if not unknown.any():
        return prediction, reference
    return np.where(unknown, 0, prediction), np.where(unknown, 0, reference)


def by_class(
    prediction: NDArray[np.uint8], reference: NDArray[np.uint8], spacing_mm: Spacing
) -> Iterator[tuple[str, Masks]]:
    """The four classes, each on its box. Both arrays hold 0 to 4 only (see only_known)."""
    from scipy import ndimage

    boxes = [ndimage.find_objects(a, max_label=len(CLASSES)) for a in (prediction, reference)]
    for value, name in enumerate(CLASSES, start=1):
        box = _union([found[value - 1] for found in boxes])
        yield (
            name,
            Masks(
                np.pad(prediction[box] == value, 1),
                np.pad(reference[box] == value, 1),
                spacing_mm,
                tuple(s.start - 1 for s in box),
            ),
        )


def _union(boxes: list[Box | None]) -> Box:
    present = [box for box in boxes if box is not None]
    if not present:
        return (slice(0, 0),) * 3
    return tuple(  # type: ignore[return-value]
        slice(min(box[a].start for box in present), max(box[a].stop for box in present))
        for a in range(3)
    )
