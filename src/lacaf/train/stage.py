"""One training: an experiment, a seed, a model that needs nothing but its own folder."""

from __future__ import annotations

import csv
import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lacaf.cases import Case, CasesError, leakage
from lacaf.classes import CLASSES
from lacaf.fault import Fault, Missing
from lacaf.files import read_json, write_json
from lacaf.model.device import choose, describe, precision
from lacaf.model.inputs import CHANNELS
from lacaf.model.losses import partial_label_loss
from lacaf.model.networks import build
from lacaf.params.crop import Crop
from lacaf.params.train import Recipe
from lacaf.train.augment import augment
from lacaf.train.samples import Patch, Sample, Sampler, counts, load
from lacaf.train.validate import validate

#: Length to which a step's gradient is cut: one strange patch must not undo many steps.
LARGEST_GRADIENT = 5.0

PACKAGES = ("lacaf", "torch", "monai", "numpy")


class Tracker(Protocol):
    """Where numbers are logged while the training runs."""

    run_id: str | None

    def metrics(self, values: Mapping[str, float | None], step: int) -> None:
        """Log numbers at a step."""


class TrainingFailed(Fault):
    """The training cannot start or went astray; the message says why and what to do."""


def train(
    experiment: str,
    seed: int,
    recipe: Recipe,
    crop: Crop,
    cases: Mapping[str, Case],
    data: Path,
    folder: Path,
    tracker: Tracker,
    device: str | None = None,
) -> dict[str, float | None]:
    """Train one experiment and write the model into ``folder``.

    ``recipe`` is the experiment's own, resolved; the model keeps it, with the parameters of the
    working grid (``crop``).

    Reads what crop, harmonize and embed wrote below ``data`` for cases whose split is train or
    val; cases that a stage refused are left out, and no test case is ever opened. On one CPU
    the same seed gives the same numbers.

    Writes ``model.pt`` (weights of the best validation so far), ``model.json`` (all else that
    inference needs) and ``history.csv``.

    Returns:
        The last and best validation scores, the number of steps and seconds.

    Raises:
        CasesError: a patient is in more than one split.
        TrainingFailed: no case to learn from, or the loss is no longer a number.
        Missing: an earlier stage has not been run.
    """
    if faults := leakage(cases):
        raise CasesError("\n".join(faults))
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    where = choose(device)
    learn, check = (_load(cases, split, recipe, data, rng) for split in ("train", "val"))
    if not learn:
        raise TrainingFailed("no usable case in split train; see the refused cases' records")
    embedding = _embedding(data, recipe)
    vectors = None if embedding is None else torch.tensor(embedding["vectors"])
    network = build(recipe.network, recipe.width, vectors).to(where)
    network = network.to(memory_format=torch.channels_last_3d)
    about = {
        "network": recipe.network,
        "experiment": experiment,
        "seed": seed,
        "width": recipe.width,
        "patch": list(recipe.patch),
        "hu_window": list(recipe.hu_window),
        "blood_window": list(recipe.blood_window),
        "working_spacing_mm": learn[0].spacing_mm,
        "channels": list(CHANNELS),
        "classes": list(CLASSES),
        "embedding": embedding,
        "params": recipe.model_dump(mode="json") | {"crop": crop.model_dump()},
        "cases": {
            split: {"count": len(group), "coverage": counts(group)}
            for split, group in (("train", learn), ("val", check))
        },
        "versions": {name: version(name) for name in PACKAGES},
        "device": describe(where),
        "mlflow_run_id": tracker.run_id,
    }
    sampler = Sampler(learn, rng)
    return _run(network, sampler, check, recipe, where, folder, about, tracker)


def _load(
    cases: Mapping[str, Case], split: str, recipe: Recipe, data: Path, rng: np.random.Generator
) -> list[Sample]:
    """The cases of a split that no stage refused."""
    usable = [
        case.case
        for case in cases.values()
        if case.split == split
        and read_json(data / "harmonize" / case.case / "coverage.json")["status"] == "ok"
    ]
    samples = [load(name, data, recipe, rng) for name in usable]
    if len({round(s.spacing_mm, 6) for s in samples}) > 1:
        raise TrainingFailed("the cases have different working grids; run crop again for all")
    return samples


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


def _run(
    network: nn.Module,
    sampler: Sampler,
    check: Sequence[Sample],
    recipe: Recipe,
    device: torch.device,
    folder: Path,
    about: Mapping[str, Any],
    tracker: Tracker,
) -> dict[str, float | None]:
    """The steps, with validation between them; the best weights are kept."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    history: list[dict[str, float | None]] = []
    losses: list[Tensor] = []
    best = -math.inf
    begin = time.monotonic()
    for step in range(1, recipe.steps + 1):
        size = recipe.early if step <= recipe.early.steps else recipe
        patches = [sampler.draw(size.patch) for _ in range(size.batch)]
        if recipe.augment:
            patches = [augment(patch, sampler.rng) for patch in patches]
        losses.append(_step(network, optimizer, patches, recipe.loss, device))
        rate = float(schedule.get_last_lr()[0])
        schedule.step()
        if step % recipe.validate_every and step != recipe.steps:
            continue
        train_loss = float(torch.stack(losses).mean())
        if not math.isfinite(train_loss):
            raise TrainingFailed(
                f"the loss is {train_loss} before step {step}; lower train.learning_rate"
            )
        losses.clear()
        scores = validate(network, check, recipe.patch, recipe.loss, device)
        row: dict[str, float | None] = {"step": step, "train_loss": train_loss, **scores}
        row |= {"learning_rate": rate, "seconds": round(time.monotonic() - begin, 2)}
        history.append(row)
        _write_history(history, folder / "history.csv")
        score = scores["val_dice"]
        if score is None or score >= best:  # without validation the last weights are kept
            best = best if score is None else score
            _write_model(network, {**about, "step": step, "scores": scores}, folder)
        tracker.metrics({k: v for k, v in row.items() if k != "step"}, step)
        print(_progress(row, recipe.steps), flush=True)
    return {**history[-1], "best_val_dice": None if best == -math.inf else best}


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    patches: Sequence[Patch],
    weights: Mapping[str, float],
    device: torch.device,
) -> Tensor:
    """One update; returns its loss."""
    channels, targets, valid = (
        torch.from_numpy(np.stack(group)).to(device) for group in zip(*patches, strict=True)
    )
    network.train()
    optimizer.zero_grad(set_to_none=True)
    with precision(device):
        logits = network(channels.to(memory_format=torch.channels_last_3d))
    loss = partial_label_loss(logits, targets, valid, weights)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
    optimizer.step()
    return loss.detach()


def _rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    fraction = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction))


def _progress(row: Mapping[str, float | None], steps: int) -> str:
    """One line for the log."""
    known = {k: v for k, v in row.items() if v is not None and k != "step"}
    return f"step {row['step']} of {steps}: " + ", ".join(f"{k} {v:.4g}" for k, v in known.items())


def _write_history(rows: Sequence[Mapping[str, float | None]], path: Path) -> None:
    """One row a validation; an empty field is a score that does not exist."""
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_model(network: nn.Module, about: Mapping[str, Any], folder: Path) -> None:
    """Weights, and beside them all that is needed to use them."""
    weights = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    torch.save(weights, folder / "model.pt")
    digest = hashlib.sha256((folder / "model.pt").read_bytes()).hexdigest()
    write_json(folder / "model.json", {**about, "weights_sha256": digest})
