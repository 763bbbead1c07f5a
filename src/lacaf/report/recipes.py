"""What tells experiments apart: the keys of their recipes in which they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lacaf.params.train import Recipe
from lacaf.report.decisions import flat

#: Said of every run anyway, in words.
SAID = ("network", "encoder")


def differences(models: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Run to what it was trained with that not every run was, ``loss.dice 0.5, steps 800``.

    Args:
        models: run to the content of its ``model.json``, whose ``params`` are the recipe of
            its experiment and the section ``crop``.

    Returns:
        Empty texts where there is no difference but those of network and encoder.
    """
    told = {name: _recipe(model) for name, model in models.items()}
    keys = dict.fromkeys(key for recipe in told.values() for key in recipe)
    kept = [recipe for recipe in told.values() if recipe]
    differing = [key for key in keys if len({recipe.get(key) for recipe in kept}) > 1]
    return {
        name: ", ".join(f"{key} {recipe[key]}" for key in differing if key in recipe)
        for name, recipe in told.items()
    }


def _recipe(model: Mapping[str, Any]) -> dict[str, str]:
    """What a model was trained with, by dotted key."""
    wanted = {*Recipe.model_fields, "crop"} - set(SAID)
    params = model.get("params") or {}
    return dict(flat({key: value for key, value in params.items() if key in wanted}))
