"""A case the size of a thumbnail: the lungs seen from the front, and what is labelled in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.classes import UNKNOWN
from lacaf.grid import Grid
from lacaf.report.casevolumes import shown_runs
from lacaf.report.findings import Findings
from lacaf.report.overlay import STRIPES_HEX
from lacaf.report.packing import data_url, webp
from lacaf.report.palette import Palette, rgb

HEIGHT_PX = 96
QUALITY = 50
#: HU of the mean from front to back that is black, and that is white.
GREY_HU = (-850.0, 100.0)


def thumbnail(findings: Findings, case: str, palette: Palette) -> str:
    """A data URL; empty if the case was not cropped.

    The CT's mean from front to back; over it the vessels of the labels (of the first prediction
    where there are none), and stripes where most of the depth is unknown.
    """
    path = findings.data / "crop" / case / "image.nii.gz"
    if not path.exists():
        return ""
    image = volume.read(path)
    low, high = GREY_HU
    grey = np.clip((image.array.mean(axis=1) - low) / (high - low), 0, 1)
    picture = np.repeat(grey[..., None], 3, axis=2)
    labels = _labels(findings, case, image.grid)
    if labels is not None:
        vessel = (labels > 0) & (labels != UNKNOWN)
        front = vessel.argmax(axis=1)  # y grows to the back
        seen = np.take_along_axis(labels, front[:, None], axis=1)[:, 0]
        covered = vessel.any(axis=1)
        picture[covered] = palette.class_table()[seen[covered]]
        rows, columns = np.indices(covered.shape)
        unknown = ((labels == UNKNOWN).mean(axis=1) > 0.5) & ((rows + columns) % 6 == 0)
        picture[unknown & ~covered] = rgb(STRIPES_HEX)
    return data_url(webp(_scaled(picture[::-1]), QUALITY), "image/webp")


def _labels(findings: Findings, case: str, grid: Grid) -> NDArray | None:
    known = findings.data / "harmonize" / case / "labels_working.nii.gz"
    if known.exists():
        return volume.read(known).array
    for run in shown_runs(findings, case):
        path = findings.prediction(run, case)
        if path is not None:
            return volume.resample(volume.read(path), grid, "nearest").array
    return None


def _scaled(picture: NDArray) -> NDArray:
    """Nearest neighbours are enough for a thumbnail."""
    height, width = picture.shape[:2]
    rows = np.arange(HEIGHT_PX) * height // HEIGHT_PX
    columns = round(width * HEIGHT_PX / height)
    return picture[rows][:, np.arange(columns) * width // columns]
