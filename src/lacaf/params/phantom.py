"""Section ``phantom``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lacaf.params.section import Positive, Section


class Phantom(Section):
    """The synthetic cohort."""

    kind: Literal["demo", "realistic"]
    """How its vessels look: `demo` has few and wide ones that minutes of training can learn,
    `realistic` the calibres and the number of branches of real trees."""
    seed: int
    """Seed of the whole cohort; a case's own follows from it and the case's name."""
    spacing_mm: Positive
    """In-plane and slice spacing [mm]; they vary around this from case to case."""
    scale: Annotated[float, Field(gt=0.2, le=1.2)]
    """Size of the thorax; 1 is an adult."""
