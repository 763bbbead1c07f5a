"""Section ``evaluate``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lacaf.params.section import Count, Positive, Section


def _rising(lengths_mm: list[float]) -> list[float]:
    if lengths_mm != sorted(set(lengths_mm)):
        raise ValueError("each value must be larger than the one before")
    return lengths_mm


Lengths = Annotated[list[Positive], Field(min_length=1), AfterValidator(_rising)]


class Evaluate(Section):
    """Scores."""

    nsd_tolerances_mm: Lengths
    """Tolerances of the normalised surface distance [mm], rising; the first is the headline."""
    calibre_edges_mm: Lengths
    """Radius at which one band of vessels ends and the next begins [mm], rising."""
    bootstrap: Count
    """Number of draws of patients for the intervals."""
