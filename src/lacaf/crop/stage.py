"""The stage: find the lungs, check them, and sample the CT on the working grid around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lacaf import volume
from lacaf.coding import Coding
from lacaf.crop import backends, labelled, orientation, plausible
from lacaf.crop.coarse import coarse
from lacaf.crop.sampling import integer_hu, sample
from lacaf.crop.working import inverse_transform, on_working, working_grid
from lacaf.grid import Grid
from lacaf.params.crop import Crop
from lacaf.volume import Volume


def crop(
    params: Crop,
    coding: Coding | None,
    converted: Path,
    folder: Path,
    masks: Sequence[Path] = (),
) -> dict[str, Any]:
    """Find the lungs in ``converted/image.nii.gz`` and write the working images.

    Writes ``image.nii.gz`` (int16, HU) and ``lungs.nii.gz`` (uint8, 0, 1 left, 2 right: the
    patient's) on the working grid: upright, isotropic, around both lungs and all labelled
    vessels with a margin. ``coding`` says what the case's labels mean (None if
    it has none); ``masks`` are lung masks that came with the data, for the backend ``given``.

    Returns:
        Details for the record: the volume of each lung in ml, how the lungs were found, what
        the anatomy says of the file's orientation, the box in mm and in original voxels, both
        grids (the exact inverse transform), flags.

    Raises:
        Refusal: no two whole lungs in plausible HU, or a body that lies as no body can.
        ParamsError: the package that ``crop.lungs`` needs is not installed.
    """
    image = volume.read(converted / "image.nii.gz")
    copy = coarse(image)
    orientation.check_axes(copy)
    lungs = backends.find(params, image, copy, list(masks))
    flags = lungs.flags + plausible.check(lungs, copy.unseen, params.min_lung_ml)
    facts, doubts = orientation.check(lungs, copy)
    labels_mm = labelled.corners_mm(coding, converted, image.grid)
    spacing_mm, margin_mm = params.spacing_mm, params.margin_mm
    grid = working_grid(lungs, spacing_mm, margin_mm, labels_mm)
    wider = _widening(grid, working_grid(lungs, spacing_mm, margin_mm, np.empty((0, 3))))
    if wider:
        doubts.append(f"labelled vessels lie outside the lungs' box: it is {wider:.0f} mm wider")
    working = integer_hu(sample(image, grid))
    mask = on_working(lungs, working)
    volume.write(working, folder / "image.nii.gz")
    volume.write(Volume(mask, grid), folder / "lungs.nii.gz")
    ml = np.bincount(mask.ravel(), minlength=3) * grid.voxel_ml
    return {
        "lungs_ml": {"left": round(float(ml[1]), 1), "right": round(float(ml[2]), 1)},
        "flags": flags + doubts,
        "method": lungs.method,
        "orientation": facts,
        **inverse_transform(image.grid, grid),
    }


def _widening(grid: Grid, without: Grid) -> float:
    """How far a grid reaches beyond another one, mm; 0 within a voxel."""
    ends, inner = (
        np.stack([c.min(axis=0), c.max(axis=0)]) for c in (grid.corners_mm(), without.corners_mm())
    )
    most = float(max((inner[0] - ends[0]).max(), (ends[1] - inner[1]).max()))
    return most if most > grid.spacing_mm[0] else 0.0
