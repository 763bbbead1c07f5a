"""Section ``convert``."""

from __future__ import annotations

from typing import Literal

from lacaf.params.section import Count, NotNegative, Positive, Section


class Convert(Section):
    """DICOM, NIfTI, NRRD or MHA to HU with true geometry."""

    min_slices: Count
    """Fewer slices from feet to head are no chest CT, and the case is refused."""
    spacing_tolerance: Positive
    """Fraction of the slice spacing by which slices may stray from even steps."""
    tilt: Literal["refuse", "resample"]
    """What to do with a gantry tilt."""
    prefer_kernels: list[str]
    """Of several series the one with the first of these convolution kernels is taken; patterns
    with `*`."""
    prefer_thickness_mm: NotNegative | None
    """Then the one nearest to this slice thickness [mm]; 0.0 for the thinnest, null for none."""
