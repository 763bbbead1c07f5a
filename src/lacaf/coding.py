"""Codings: what the numbers, the file names or the contour names of somebody's labels mean.

Three label orders for one anatomy are in use in the field, so a coding is declared as data,
never guessed: the shipped ones in ``codings.yaml``, a user's own under ``codings`` in
``params.yaml``.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lacaf.classes import CLASSES, TABLE, VESSELS

#: Meanings that are no class.
NO_CLASS = ("other", "unknown")
#: What a value, a file or a contour can stand for: a class, a vessel whose side is found from
#: the lungs, ``other`` or ``unknown``.
MEANINGS = tuple(dict.fromkeys((*VESSELS, *CLASSES, *NO_CLASS)))


def _known_meaning(meaning: str) -> str:
    if meaning not in MEANINGS:
        raise ValueError(f"a meaning is one of {', '.join(map(repr, MEANINGS))}")
    return meaning


Meaning = Annotated[str, AfterValidator(_known_meaning)]
#: Files or contours of different vessels may share this much of the smaller one, unless the
#: coding says otherwise; those voxels are unknown.
OVERLAP_FRACTION = 0.05


def _not_empty(value: dict | None) -> dict | None:
    if value is not None and not value:
        raise ValueError("needs at least one entry")
    return value


class Coding(BaseModel):
    """One coding: ``values`` for one label file, ``files`` for one file a vessel, ``names``.

    ``values`` maps a label value to its meaning (0 is always background); ``files`` maps a
    pattern of file names (``artery*``) to the meaning of that file's non-zero voxels; ``names``
    maps a pattern of the names of an RTSTRUCT's contours or a DICOM-SEG's segments. ``other`` is
    something that is labelled but no vessel (a lung, an airway wall): background here.
    ``unknown`` marks voxels about which nothing is said. ``undeclared`` stands for a set whose
    values nobody has documented: harmonize refuses and shows what the file holds.

    ``generated`` labels were made by a model: they may train, never score.
    ``overlap_share`` is how much of the smaller vessel two files or contours may share in this
    set. ``about``, ``source``, ``licence`` and ``traps`` are for people.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    values: Annotated[dict[int, Meaning] | None, AfterValidator(_not_empty)] = None
    files: Annotated[dict[str, Meaning] | None, AfterValidator(_not_empty)] = None
    names: Annotated[dict[str, Meaning] | None, AfterValidator(_not_empty)] = None
    undeclared: bool = False
    generated: bool = False
    overlap_share: Annotated[float, Field(ge=0, le=1)] = OVERLAP_FRACTION
    about: str = ""
    source: str = ""
    licence: str = ""
    traps: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Coding:
        kinds = [self.values, self.files, self.names, self.undeclared or None]
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("a coding has one of `values`, `files`, `names` and `undeclared`")
        if 0 in (self.values or {}):
            raise ValueError("0 is always background and cannot have another meaning")
        return self

    @property
    def patterns(self) -> dict[str, Meaning]:
        """Meaning by pattern of a file's, contour's or segment's name; empty for ``values``."""
        return self.files or self.names or {}

    def meaning(self) -> dict[str, Any]:
        """All that labels are read by; without what only tells people about the set."""
        told = {"about", "source", "licence", "traps"}
        return self.model_dump(mode="json", exclude=told)

    def meanings(self) -> set[str]:
        """All meanings that this coding can express."""
        return {*(self.values or {}).values(), *self.patterns.values()}

    def classes(self, side: str) -> set[str]:
        """The classes of one side that this coding can express; ``""`` for those without one."""
        said = self.meanings()
        return {row.name for row in TABLE if row.side == side and {row.name, row.vessel} & said}


@cache
def builtin() -> dict[str, Coding]:
    """The codings that are shipped, by name."""
    return parse(resources.files("lacaf").joinpath("codings.yaml").read_text())


def parse(text: str) -> dict[str, Coding]:
    """Codings by name from YAML, as the shipped ones are written.

    Raises:
        ValidationError: one of them is not clear.
    """
    return {name: Coding(**entry) for name, entry in yaml.safe_load(text).items()}
