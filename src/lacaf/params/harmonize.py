"""Section ``harmonize``."""

from __future__ import annotations

from typing import Literal

from lacaf.params.section import NotNegative, Section


class Harmonize(Section):
    """Labels of any coding to the canonical classes."""

    min_vessel_ml: NotNegative
    """With fewer vessels than this in a lung [ml] that lung is not labelled."""
    mediastinum: Literal["auto", "known", "unknown"]
    """Whether the middle of the chest is background where it has no label; `auto`: if central
    vessels are drawn there."""
    central: Literal["unknown", "nearest"]
    """Trunk, bifurcation and atrium belong to neither side: unknown, or the nearest lung's."""
    doubtful: Literal["refuse", "flag"]
    """Labels that look mirrored, shifted, or with artery and vein exchanged: refuse the case, or
    flag it alone."""
