"""Where the case's labels lie, so that the box holds every labelled vessel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf import volume
from lacaf.coding import NO_CLASS, Coding
from lacaf.grid import Grid


def corners_mm(coding: Coding | None, converted: Path, image: Grid) -> NDArray[np.float64]:
    """LPS corners ``(N, 3)`` of the boxes around the labelled vessels, within the image.

    Reads ``labels*.nii.gz``; ``(0, 3)`` if there are none. Whether the labels are any good is not
    decided here.
    """
    corners = [np.empty((0, 3))]
    for path in sorted(converted.glob("labels*.nii.gz")):
        labels = volume.read(path)
        box = _box(_vessel(labels.array, path, coding))
        if box is not None:
            corners.append(_within(labels.grid.to_mm(box), image))
    return np.concatenate(corners)


def _vessel(labels: NDArray, path: Path, coding: Coding | None) -> NDArray[np.bool_]:
    """Voxels that stand for a vessel, as far as the coding tells."""
    meaning = path.name.removesuffix(".nii.gz").removeprefix("labels_")
    if meaning in NO_CLASS:  # a lung that is labelled as other need not be in the box
        return np.zeros(labels.shape, bool)
    vessel = labels != 0
    for value, what in ((coding.values if coding else None) or {}).items():
        if what in NO_CLASS:
            vessel &= labels != value
    return vessel


def _box(mask: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Index corners ``(8, 3)`` of the box around a mask, to the outer faces of its voxels."""
    found = ndimage.find_objects(mask.view(np.uint8))
    if not found:
        return None
    ends = [(part.start - 0.5, part.stop - 0.5) for part in found[0]]
    return np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1).T


def _within(points_mm: NDArray, image: Grid) -> NDArray[np.float64]:
    """Points moved into the image."""
    index = np.clip(image.to_index(points_mm), 0, np.array(image.shape) - 1.0)
    return image.to_mm(index)
