"""One training: an experiment, a seed, a model that needs nothing but its own folder."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lacaf import records
from lacaf.cases import Case, CasesError, leakage
from lacaf.coverage import CLASSES
from lacaf.fault import Fault
from lacaf.model import build
from lacaf.model.device import choose, describe, precision
from lacaf.model.inputs import CHANNELS
from lacaf.model.loss import partial_label_loss
from lacaf.params import Params, Train
from lacaf.train.augment import augment
from lacaf.train.samples import Patch, Sample, Sampler, counts, load
from lacaf.train.validate import validate

#: Length to which a step's gradient is cut: one odd patch must not undo many steps.
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
    params: Params,
    cases: Mapping[str, Case],
    data: Path,
    folder: Path,
    tracker: Tracker,
    device: str | None = None,
) -> dict[str, float | None]:
    """Train one experiment and write the model into ``folder``.

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
        records.Missing: an earlier stage has not been run.
    """
    if faults := leakage(cases):
        raise CasesError("\n".join(faults))
    chosen = params.train.experiments[experiment]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    where = choose(device)
    learn, check = (_load(cases, split, params.train, data, rng) for split in ("train", "val"))
    if not learn:
        raise TrainingFailed("no usable case in split train; see the refused cases' records")
    embedding = _embedding(data, chosen.encoder)
    vectors = None if embedding is None else torch.tensor(embedding["vectors"])
    network = build(chosen.network, params.train.width, vectors).to(where)
    network = network.to(memory_format=torch.channels_last_3d)
    about = {
        "network": chosen.network,
        "experiment": experiment,
        "seed": seed,
        "width": params.train.width,
        "patch": list(params.train.patch),
        "hu_window": list(params.train.hu_window),
        "blood_window": list(params.train.blood_window),
        "working_spacing_mm": learn[0].spacing_mm,
        "channels": list(CHANNELS),
        "classes": list(CLASSES),
        "embedding": embedding,
        "params": params.train.model_dump(mode="json") | {"crop": params.crop.model_dump()},
        "cases": {
            split: {"count": len(group), "coverage": counts(group)}
            for split, group in (("train", learn), ("val", check))
        },
        "versions": {name: version(name) for name in PACKAGES},
        "device": describe(where),
        "mlflow_run_id": tracker.run_id,
    }
    sampler = Sampler(learn, rng)
    return _run(network, sampler, check, params.train, where, folder, about, tracker)


def _load(
    cases: Mapping[str, Case], split: str, params: Train, data: Path, rng: np.random.Generator
) -> list[Sample]:
    """The cases of a split that no stage refused."""
    usable = [
        case.case
        for case in cases.values()
        if case.split == split
        and records.read(data / "harmonize" / case.case, "harmonize")["status"] == "ok"
    ]
    samples = [load(name, data, params, rng) for name in usable]
    if len({round(s.spacing_mm, 6) for s in samples}) > 1:
        raise TrainingFailed("the cases have different working grids; run crop again for all")
    return samples


def _embedding(data: Path, encoder: str | None) -> dict[str, Any] | None:
    """The stored vectors, with prompts and hash."""
    if encoder is None:
        return None
    path = data / "embed" / encoder / "embedding.json"
    if not path.exists():
        raise records.Missing(f"{path} is missing: run `lacaf embed {encoder}` first")
    content = json.loads(path.read_text())
    if list(content["prompts"]) != list(CLASSES):
        raise TrainingFailed(f"{path} is not in the order {', '.join(CLASSES)}; embed again")
    return content


def _run(
    network: nn.Module,
    sampler: Sampler,
    check: Sequence[Sample],
    params: Train,
    device: torch.device,
    folder: Path,
    about: Mapping[str, Any],
    tracker: Tracker,
) -> dict[str, float | None]:
    """The steps, with validation between them; the best weights are kept."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, params))
    history: list[dict[str, float | None]] = []
    losses: list[Tensor] = []
    best = -math.inf
    begin = time.monotonic()
    for step in range(1, params.steps + 1):
        size = params.early if step <= params.early.steps else params
        patches = [sampler.draw(size.patch) for _ in range(size.batch)]
        if params.augment:
            patches = [augment(patch, sampler.rng) for patch in patches]
        losses.append(_step(network, optimizer, patches, device))
        rate = float(schedule.get_last_lr()[0])
        schedule.step()
        if step % params.validate_every and step != params.steps:
            continue
        train_loss = float(torch.stack(losses).mean())
        if not math.isfinite(train_loss):
            raise TrainingFailed(
                f"the loss is {train_loss} before step {step}; lower train.learning_rate"
            )
        losses.clear()
        scores = validate(network, check, params.patch, device)
        row: dict[str, float | None] = {"step": step, "train_loss": train_loss, **scores}
        row |= {"learning_rate": rate, "seconds": round(time.monotonic() - begin, 2)}
        history.append(row)
        _write_history(history, folder / "history.csv")
        score = scores["val_dice"]
        if score is None or score >= best:  # without validation the last weights are kept
            best = best if score is None else score
            _write_model(network, {**about, "step": step, "scores": scores}, folder)
        tracker.metrics({k: v for k, v in row.items() if k != "step"}, step)
        print(_progress(row, params.steps), flush=True)
    return {**history[-1], "best_val_dice": None if best == -math.inf else best}


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    patches: Sequence[Patch],
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
    loss = partial_label_loss(logits, targets, valid)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
    optimizer.step()
    return loss.detach()


def _rate(step: int, params: Train) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < params.warmup_steps:
        return (step + 1) / params.warmup_steps
    share = (step - params.warmup_steps) / max(1, params.steps - params.warmup_steps)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share))


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
    records.write_json(folder / "model.json", {**about, "weights_sha256": digest})
