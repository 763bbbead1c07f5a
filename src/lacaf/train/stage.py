"""One training: an experiment, a seed, a model that needs nothing but its own folder."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lacaf.cases import Case, CasesError, leakage
from lacaf.classes import CLASSES
from lacaf.fault import Missing
from lacaf.files import read_json, replacing, write_json
from lacaf.model.device import describe
from lacaf.model.inputs import CHANNELS
from lacaf.model.networks import NETWORKS, build, try_out
from lacaf.params.crop import Crop
from lacaf.params.train import Recipe, is_full
from lacaf.train.checkpoint import Checkpoint
from lacaf.train.failures import TrainingFailed, told
from lacaf.train.learner import Learner
from lacaf.train.patches import Patches
from lacaf.train.prepared import counts, read
from lacaf.train.pretrained import load_pretrained
from lacaf.train.run import Machine, Run, Tracker

PACKAGES = ("lacaf", "torch", "monai", "numpy")


def train(
    experiment: str,
    seed: int,
    recipe: Recipe,
    crop: Crop,
    cases: Mapping[str, Case],
    data: Path,
    folder: Path,
    tracker: Tracker,
    machine: Machine,
    checkpoint: Checkpoint,
) -> dict[str, float | None]:
    """Train one experiment and leave the model in ``folder``.

    ``recipe`` is the experiment's own, resolved; the model keeps it, with the parameters of the
    working grid (``crop``).

    Reads what prepare and embed wrote below ``data`` for cases whose split is train or val; cases
    that a stage refused are left out, and no test case is ever opened. On one CPU the same seed
    gives the same numbers, however often the training was stopped and gone on with.

    Writes ``model.pt`` (weights of the best validation), ``model.json`` (all else that inference
    needs) and ``history.csv``; until then, all lies in the checkpoint.

    Returns:
        The last and best validation scores, the number of steps and seconds.

    Raises:
        CasesError: a patient is in more than one split.
        TrainingFailed: no case to learn from, or the loss is no longer a number, or the machine
            does not suffice.
        Stopped: it was asked to, and has saved.
        Missing: an earlier stage has not been run.
    """
    if faults := leakage(cases):
        raise CasesError("\n".join(faults))
    _check_shares(recipe, machine.processes.world)
    used = _used(recipe, cases, data)
    learn = read((cases[name] for name in used), "train", data, recipe.labels)
    check = read(cases.values(), "val", data)  # scored on labels, whatever is learnt from
    if not learn:
        raise TrainingFailed(
            "no usable case in split train; see the refused cases' records, and train.cases"
        )
    embedding = _embedding(data, recipe)
    vectors = None if embedding is None else torch.tensor(embedding["vectors"])
    torch.manual_seed(seed)
    network = _network(recipe, vectors)
    loaded = load_pretrained(recipe, network, quiet=not machine.processes.first)
    with told():
        learner = Learner(
            network, recipe, seed, machine.device, machine.processes, machine.compiled
        )
        patches = Patches(learn, recipe, seed)
        run = Run(experiment, learner, patches, check, machine, checkpoint, tracker)
        run.go()
    about = {
        "network": recipe.network,
        "experiment": experiment,
        "seed": seed,
        "width": recipe.width,
        "revision": NETWORKS[recipe.network].revision,
        "arguments": recipe.arguments,
        "coarse": bool(recipe.deep_supervision),
        "pretrained": loaded,
        "patch": list(recipe.patch),
        "hu_window": list(recipe.hu_window),
        "blood_window": list(recipe.blood_window),
        "working_spacing_mm": learn[0].spacing_mm,
        "channels": list(CHANNELS),
        "classes": list(CLASSES),
        "embedding": embedding,
        "params": recipe.model_dump(mode="json") | {"crop": crop.model_dump()},
        "cases": {
            split: {
                "count": len(group),
                "full": sum(is_full(case.coverage) for case in group),
                "coverage": counts(group),
            }
            for split, group in (("train", learn), ("val", check))
        },
        "versions": {name: version(name) for name in PACKAGES},
        "device": describe(machine.device),
        "mlflow_run_id": tracker.run_id,
    }
    if machine.processes.first:
        _write_model(run, about, folder)
    best = run.best["score"]
    return {**run.history[-1], "best_val_dice": best}


def _network(recipe: Recipe, vectors: torch.Tensor | None) -> torch.nn.Module:
    """With fresh weights; arguments are tried before hours are spent on them."""
    patch = recipe.patch[0], recipe.patch[1], recipe.patch[2]
    arguments, coarse = recipe.arguments, bool(recipe.deep_supervision)
    network = build(
        recipe.network, recipe.width, vectors, arguments=arguments, patch=patch, coarse=coarse
    )
    if arguments:
        try_out(recipe.network, network, arguments, patch)
    return network


def _used(recipe: Recipe, cases: Mapping[str, Case], data: Path) -> list[str]:
    """The cases that ``train.cases`` asks for, full or half by what was labelled."""
    labelled = read(cases.values(), "train", data)
    return recipe.cases.chosen({case.case: case.coverage for case in labelled})


def _check_shares(recipe: Recipe, world: int) -> None:
    """Every process must get as many patches of a step as any other."""
    for key, batch in (("batch", recipe.batch), ("early.batch", recipe.early.batch)):
        used = key == "batch" or recipe.early.steps
        if used and batch % world:
            raise TrainingFailed(
                f"train.{key} is {batch}, which {world} processes cannot share; make it a "
                "multiple of their number, or train with fewer"
            )


def _embedding(data: Path, recipe: Recipe) -> dict[str, Any] | None:
    """The stored vectors, with prompts and hash."""
    if recipe.encoder is None:
        return None
    path = data / "embed" / recipe.encoder / recipe.prompts / "embedding.json"
    if not path.exists():
        command = f"lacaf embed {recipe.encoder} {recipe.prompts}"
        raise Missing(f"{path} is missing: run `{command}` first")
    content = read_json(path)
    if list(content["prompts"]) != list(CLASSES):
        raise TrainingFailed(f"{path} is not in the order {', '.join(CLASSES)}; embed again")
    return content


def _write_model(run: Run, about: Mapping[str, Any], folder: Path) -> None:
    """Weights, and beside them all that is needed to use them; whole or not at all."""
    with replacing(folder) as temporary:
        weights = {k: v.contiguous() for k, v in run.best["weights"].items()}
        torch.save(weights, temporary / "model.pt")
        digest = hashlib.sha256((temporary / "model.pt").read_bytes()).hexdigest()
        kept = {"step": run.best["step"], "scores": run.best["scores"]}
        write_json(temporary / "model.json", {**about, **kept, "weights_sha256": digest})
        with (temporary / "history.csv").open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(run.history[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(run.history)
