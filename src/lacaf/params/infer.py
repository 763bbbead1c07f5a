"""Section ``infer``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lacaf.params.section import Name, Section


class Infer(Section):
    """Labels on the original grid."""

    models: dict[Name, str]
    """Models trained elsewhere: a name of your choice to the folder of each."""
    overlap: Annotated[float, Field(ge=0, lt=1)]
    """Fraction by which neighbouring patches overlap."""
    mirror: bool
    """Whether each patch is seen mirrored as well, and the mean of both answers counts; by models
    that learnt from mirrored patches alone."""
    save_probabilities: bool
    """Whether to write a volume of probabilities for each class, too."""
