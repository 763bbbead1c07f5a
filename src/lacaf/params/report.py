"""Section ``report``."""

from __future__ import annotations

from typing import Literal

from lacaf.params.section import Count, Section


class Report(Section):
    """The pages."""

    title: str
    """Title of the report."""
    overlay_cases: Count | Literal["all"]
    """Segmented cases whose page has slices to scroll and trees to turn: `all`, or how many; the
    others' pages have a picture."""
    palette: Literal["safe", "paper"]
    """Colours: safe for the colour-blind, or red arteries and green veins."""
