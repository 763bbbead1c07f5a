"""The one configuration: ``params.yaml``, typed, strict, every value explicit.

Snakemake, DVC and the code read the same file. An unknown key or a bad value stops the run
with the key's name, what was given and what is allowed. Settings of a machine (devices,
workers, the MLflow store) are no parameters: they come from the command line or environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lacaf.coding import Coding, builtin
from lacaf.params.convert import Convert
from lacaf.params.crop import Crop
from lacaf.params.embed import Embed
from lacaf.params.evaluate import Evaluate
from lacaf.params.harmonize import Harmonize
from lacaf.params.infer import Infer
from lacaf.params.phantom import Phantom
from lacaf.params.report import Report
from lacaf.params.section import ParamsError, Section
from lacaf.params.study import Study
from lacaf.params.train import Recipe, Train

#: Where a key of an older version went.
MOVED = {"harmonize.codings": "it is a section of its own now, `codings`, at the top level"}


class Params(Section):
    """All of ``params.yaml``."""

    codings: dict[str, Coding]
    """Codings of your own labels by name: what their values, files or contours mean."""
    phantom: Phantom
    convert: Convert
    crop: Crop
    harmonize: Harmonize
    embed: Embed
    train: Train
    infer: Infer
    evaluate: Evaluate
    report: Report
    study: Study

    def all_codings(self) -> dict[str, Coding]:
        """The shipped codings and the user's own; the user's win."""
        return {**builtin(), **self.codings}

    def runs(self) -> dict[str, tuple[str, int]]:
        """Every training: run name (``lacaf-s0``) to experiment and seed."""
        return {
            f"{name}-s{seed}": (name, seed)
            for name in self.train.experiments
            for seed in self.train.seeds
        }

    def of_study(self) -> Params:
        """The same parameters, with the study's experiments and seeds in the place of train's."""
        own = {"experiments": self.study.experiments, "seeds": self.study.seeds}
        return self.model_copy(update={"train": self.train.model_copy(update=own)})

    def embeddings(self) -> list[tuple[str, str]]:
        """Encoder and set of prompts of all experiments that have one, each pair once."""
        experiments = (*self.train.experiments.values(), *self.study.experiments.values())
        recipes = (self.train.changed(changes) for changes in experiments)
        return sorted({(r.encoder, r.prompts) for r in recipes if r.encoder})


def parse(content: Any, origin: str = "params.yaml") -> Params:
    """Check a loaded configuration.

    Raises:
        ParamsError: with one line for each fault: key, what was given, what is allowed.
    """
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        told = [_told(fault, fault["loc"], Params) for fault in error.errors()]
    else:
        told = list(_of_experiments(params))
    if told:
        raise ParamsError("\n".join(f"{origin}: {fault}" for fault in told))
    return params


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check a configuration file.

    Raises:
        ParamsError: the file is missing, is no YAML or does not hold what it should.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ParamsError(
            f"{path}: no such file; run in a folder with a params.yaml (see params/)"
        ) from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path}: not readable as YAML: {error}") from None
    return parse(content, str(path))


def unchanged(config: Any, path: Path = Path("params.yaml")) -> None:
    """Refuse a configuration that differs from the file: the commands read the file.

    Raises:
        ParamsError: a value was overridden on the command line, where DVC and the commands
            would not see it.
    """
    if config != yaml.safe_load(path.read_text()):
        raise ParamsError(
            f"the configuration was overridden on the command line; change {path} instead, so "
            "that Git, DVC and every command see the same"
        )


def _of_experiments(params: Params) -> Iterator[str]:
    """What is wrong with the recipes that the experiments make."""
    named = [
        (("train", "experiments", name), own) for name, own in params.train.experiments.items()
    ]
    named += [
        (("study", "experiments", name), own) for name, own in params.study.experiments.items()
    ]
    for place, changes in named:
        try:
            recipe = params.train.changed(changes)
        except ValidationError as error:
            for fault in error.errors():
                yield _told(fault, (*place, *fault["loc"]), Recipe, len(place))
            continue
        if recipe.prompts not in params.embed.prompts:
            yield (
                f"{'.'.join(place)}: embed.prompts has no {recipe.prompts!r}; "
                f"it has {', '.join(params.embed.prompts)}"
            )


def _told(
    fault: ErrorDetails, location: tuple[int | str, ...], top: type[Section], above: int = 0
) -> str:
    """A fault in a line; ``location`` starts ``above`` steps above the model ``top``."""
    key = ".".join(str(part) for part in location) or "(the whole file)"
    # Of a fault of a whole section its message says what is wrong; the section would hide it.
    whole = fault["type"] == "value_error" and isinstance(fault["input"], dict | Section)
    given = "" if whole or fault["type"] == "missing" else f", given {fault['input']!r}"
    hint = ""
    if fault["type"] == "extra_forbidden":
        hint = f"; allowed here: {', '.join(_siblings(location[above:], top))}"
        if key in MOVED:
            hint = f"; {MOVED[key]}"
    return f"{key}: {fault['msg']}{given}{hint}"


def _siblings(location: tuple, top: type[Section]) -> list[str]:
    """The keys that would be allowed beside an unknown one."""
    model: Any = top
    parts = iter(location[:-1])
    for part in parts:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return ["(see docs)"]
        model = field.annotation
        if getattr(model, "__origin__", None) is dict:
            next(parts, None)  # the name that the user chose
            model = model.__args__[1]
    return list(getattr(model, "model_fields", {"(see docs)": None}))
