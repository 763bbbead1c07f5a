"""Section ``crop``."""

from __future__ import annotations

from typing import Literal

from lacaf.params.section import NotNegative, Positive, Section


class Crop(Section):
    """Lungs and the working grid."""

    lungs: Literal["classical", "lungmask", "totalsegmentator", "given"]
    """How the lungs are found: by thresholds, by a network that is installed beside, or from a
    mask that came with the case."""
    spacing_mm: Positive
    """Spacing of the working grid [mm], the same along each axis."""
    margin_mm: NotNegative
    """Room around the lungs [mm]."""
    min_lung_ml: Positive
    """Least volume of each lung [ml]; less is another body region, or a missing lung."""
