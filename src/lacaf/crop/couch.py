"""The scanner's couch: the straight thing beside the body that is the same in every slice."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from lacaf.crop.coarse import Coarse

#: What is denser than this and no part of the body may be couch, HU.
COUCH_HU = -850.0
#: The couch is there in at least this fraction of the slices, at the same place.
PERSISTENT = 0.85
#: A couch that is seen has a section of at least this much, mm², and is as wide as this, mm.
LEAST_MM2, LEAST_WIDTH_MM = 200.0, 60.0
#: Skin, clothes and blankets are left out up to this far from the body, mm.
OFF_BODY_MM = 7.5


def couch_side(copy: Coarse) -> str:
    """Where the couch lies: behind, in front, on the right, on the left, or unknown."""
    spacing = copy.grid.spacing_mm[0]
    body = np.stack([ndimage.binary_fill_holes(plane) for plane in copy.body])
    if not body.any():
        return "unknown"
    grown = ndimage.binary_dilation(body, iterations=round(OFF_BODY_MM / spacing))
    thing = (copy.hu > COUCH_HU) & ~grown & ~copy.unseen
    section = thing.mean(axis=0) >= PERSISTENT
    rows, columns = np.nonzero(section)
    if len(rows) * spacing**2 < LEAST_MM2:
        return "unknown"
    y, x = (
        np.average(np.arange(n), weights=body.sum(axis=axes))
        for n, axes in ((body.shape[1], (0, 2)), (body.shape[2], (0, 1)))
    )
    off_y, off_x = float(rows.mean() - y), float(columns.mean() - x)
    width = np.ptp(columns if abs(off_y) > abs(off_x) else rows) * spacing
    if width < LEAST_WIDTH_MM:
        return "unknown"
    if abs(off_y) > abs(off_x):
        return "behind" if off_y > 0 else "in front"
    return "on the left" if off_x > 0 else "on the right"
