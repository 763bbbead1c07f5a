"""Codings: what the numbers, or the file names, of somebody's label files mean.

Three label orders for one anatomy are in use in the field, so a coding is declared as data,
never guessed: the shipped ones in ``codings.yaml``, a user's own under ``harmonize.codings``
in ``params.yaml``.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from lacaf.coverage import CLASSES, VESSELS

Meaning = Literal[
    "artery", "vein", "left_artery", "left_vein", "right_artery", "right_vein", "other", "unknown"
]


def _not_empty(value: dict | None) -> dict | None:
    if value is not None and not value:
        raise ValueError("needs at least one entry")
    return value


class Coding(BaseModel):
    """One coding: ``values`` for a single label file, ``files`` for one file a vessel.

    ``values`` maps a label value to its meaning (0 is always background); ``files`` maps a
    file-name pattern (``artery*``) to the meaning of that file's non-zero voxels. ``other`` is
    something that is labelled but no vessel (a lung, an airway wall): background here.
    ``unknown`` marks voxels about which nothing is said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    values: Annotated[dict[int, Meaning] | None, AfterValidator(_not_empty)] = None
    files: Annotated[dict[str, Meaning] | None, AfterValidator(_not_empty)] = None
    about: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Coding:
        if (self.values is None) == (self.files is None):
            raise ValueError("a coding has either `values` or `files`, not both and not neither")
        if 0 in (self.values or {}):
            raise ValueError("0 is always background and cannot have another meaning")
        return self

    def meanings(self) -> set[str]:
        """All meanings that this coding can express."""
        return set((self.values or {}).values()) | set((self.files or {}).values())

    def classes(self, side: str) -> set[str]:
        """The classes of one side (left, right) that this coding can express."""
        found = {f"{side}_{vessel}" for vessel in VESSELS if vessel in self.meanings()}
        return found | {c for c in self.meanings() & set(CLASSES) if c.startswith(side)}


@cache
def builtin() -> dict[str, Coding]:
    """The codings that are shipped, by name."""
    text = resources.files("lacaf").joinpath("codings.yaml").read_text()
    return {name: Coding(**entry) for name, entry in yaml.safe_load(text).items()}
