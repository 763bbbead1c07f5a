"""Section ``embed``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lacaf.classes import CLASSES, TABLE
from lacaf.params.section import Name, Section

Encoder = Literal["clip", "minilm", "file", "onehot", "random"]

#: Where a template names the class.
PLACE = "{class}"


def _whole(prompts: dict[str, str | dict[str, str]]) -> dict[str, str | dict[str, str]]:
    if set(prompts) <= set(CLASSES):
        raise ValueError("holds sets of prompts by name now, such as {paper: {left_artery: …, …}}")
    for name, texts in prompts.items():
        if isinstance(texts, str) and texts.count(PLACE) != 1:
            raise ValueError(f"{name}: a template names the class once, as {PLACE}")
        if isinstance(texts, dict) and list(texts) != list(CLASSES):
            raise ValueError(
                f"{name}: needs one prompt for each of {', '.join(CLASSES)}, in this order"
            )
    return prompts


class Embed(Section):
    """Prompts and the vectors that they become."""

    prompts: Annotated[
        dict[Name, str | dict[str, str]], Field(min_length=1), AfterValidator(_whole)
    ]
    """Sets of prompts by name: a template with `{class}` in it, or a text for each class."""
    file: str | None
    """For the encoder `file`: JSON with stored vectors."""
    clip_model: str
    """For the encoder `clip`: a model that open_clip knows."""
    clip_weights: str
    """For the encoder `clip`: a tag of a hub, or a local file."""
    seed: int
    """For the encoder `random`."""

    def texts(self, prompts: str) -> dict[str, str]:
        """The prompt of each class, of one of the sets."""
        found = self.prompts[prompts]
        if isinstance(found, str):
            return {row.name: found.replace(PLACE, row.phrase) for row in TABLE}
        return dict(found)
