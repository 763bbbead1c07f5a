"""The spacing of the working grid: as coarse as the labelled vessels allow, no finer than the CT.

A coarser grid shows a patch more of the chest; a finer one keeps the thin vessels apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lacaf.params.whole import Params
from lacaf.plan.fingerprint import Fingerprint
from lacaf.plan.line import Line, line

#: A vessel is kept by a grid of which its diameter is so many voxels.
VOXELS_ACROSS = 1.5
#: Fraction of the labelled centreline that should be kept.
KEPT = 0.95
#: Where slices lie further apart than this many times the spacing within them (nnU-Net calls it
#: anisotropic), a grid as fine as the latter would be interpolated most of all.
ANISOTROPIC = 3
#: Spacings are proposed in steps of this, mm.
STEP_MM = 0.05
KEY = "crop.spacing_mm"


def spacing(found: Fingerprint, present: Params) -> Line:
    """The spacing that suits a cohort; the present one where no centreline is labelled."""
    if not found.diameter_mm.total:
        return line(present, KEY, present.crop.spacing_mm, "no vessel is labelled to choose it by")
    finest, coarsest = supported(found)
    least = max(finest, coarsest / ANISOTROPIC)
    thin = found.diameter_mm.quantile(1 - KEPT)
    wished = thin / VOXELS_ACROSS
    if wished >= least:
        value = _stepped(wished, math.floor)
        why = (
            f"{kept(found, value):.0%} of the labelled centreline is at least {VOXELS_ACROSS} "
            f"voxels wide on it; {1 - KEPT:.0%} is thinner than {thin:.2f} mm"
        )
        return line(present, KEY, value, why)
    value = _stepped(least, math.ceil)
    limit = (
        f"the median CT's finest axis has {finest:.2f} mm"
        if least == finest
        else f"the median CT's slices lie {coarsest:.2f} mm apart, and a grid finer than a "
        f"{'third' if ANISOTROPIC == 3 else f'1/{ANISOTROPIC}'} of that is mostly interpolated"
    )
    why = (
        f"to keep {KEPT:.0%} of the labelled centreline {VOXELS_ACROSS} voxels wide would take "
        f"{wished:.2f} mm, but {limit}; {kept(found, value):.0%} is kept"
    )
    return line(present, KEY, value, why)


def supported(found: Fingerprint) -> tuple[float, float]:
    """Spacing of the median CT along its finest and along its coarsest axis, mm."""
    ordered = np.sort(np.asarray(found.spacing_mm), axis=1)
    return float(np.median(ordered[:, 0])), float(np.median(ordered[:, -1]))


def kept(found: Fingerprint, spacing_mm: float, across: float = VOXELS_ACROSS) -> float:
    """Fraction of the labelled centreline with a diameter of so many voxels of a grid or more."""
    return 1 - found.diameter_mm.below(across * spacing_mm)


def _stepped(value: float, towards: Callable[[float], int]) -> float:
    return round(max(1, towards(round(value / STEP_MM, 3))) * STEP_MM, 2)
