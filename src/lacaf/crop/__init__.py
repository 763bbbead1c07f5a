"""Crop: the lungs, left and right, and the CT on the working grid around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lacaf import volume
from lacaf.crop.coarse import coarse, cut_out, sample_image
from lacaf.crop.lungs import find
from lacaf.crop.working import refine, way_back, working_grid
from lacaf.params import Params


def crop(params: Params, converted: Path, folder: Path) -> dict[str, Any]:
    """Find the lungs in ``converted/image.nii.gz`` and write the working images.

    Writes ``image.nii.gz`` (int16, HU) and ``lungs.nii.gz`` (uint8, 0, 1 left, 2 right: the
    patient's) on the working grid: upright, isotropic, around both lungs with a margin.

    Returns:
        Details for the record: the box in mm and in original voxels, both grids (the exact way
        back), the volume of each lung in ml, how the lungs were told apart, flags.

    Raises:
        Refusal: no two whole lungs in plausible HU.
    """
    image = volume.read(converted / "image.nii.gz")
    lungs = find(coarse(image), params.crop.min_lung_ml)
    grid = working_grid(lungs, params.crop.spacing_mm, params.crop.margin_mm)
    part, cut = cut_out(image, grid.corners_mm(), margin_vox=4)
    working = sample_image(part, grid)
    mask = refine(lungs, working)
    volume.write(working, folder / "image.nii.gz")
    volume.write(volume.Volume(mask, grid), folder / "lungs.nii.gz")
    ml = {side: float((mask == n).sum() * grid.voxel_ml) for n, side in ((1, "left"), (2, "right"))}
    return {
        "lungs_ml": {side: round(value, 1) for side, value in ml.items()},
        "flags": lungs.flags,
        "method": {"lungs": "air threshold", "threshold_hu": -400, **lungs.method},
        **way_back(image, grid, cut),
    }
