"""Scores on the validation cases, during training, on the working grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from lacaf.classes import ARTERY_VEIN, CLASSES, TABLE
from lacaf.model.losses import partial_label_loss
from lacaf.model.window import probabilities
from lacaf.train.samples import Sample

#: Less than in inference: these scores steer, they are not reported.
OVERLAP = 0.25

#: The places among the outputs of arteries, and of veins.
OF_VESSEL = [[row.value - 1 for row in TABLE if row.vessel == vessel] for vessel in ARTERY_VEIN]


def validate(
    network: nn.Module,
    samples: Sequence[Sample],
    patch: Sequence[int],
    loss: Mapping[str, float],
    device: torch.device,
) -> dict[str, float | None]:
    """Loss, Dice of each class on its valid voxels, and how well artery is told from vein.

    Dice is taken over all cases' voxels together. ``identity_accuracy`` is the fraction of true
    vessel voxels at which the more probable vessel is the true one, whatever the side.
    What cannot be scored (a class that is nowhere valid) is None.
    """
    overlap_, predicted, truth = (np.zeros(len(CLASSES)) for _ in range(3))
    right = vessels = 0
    losses = []
    for sample in samples:
        probability = probabilities(network, sample.input.channels(), patch, OVERLAP, device)
        targets, valid = sample.truth()
        answer = (probability > 0.5) & valid
        overlap_ += (answer & targets).sum((1, 2, 3))
        predicted += answer.sum((1, 2, 3))
        truth += targets.sum((1, 2, 3))
        kind = np.stack([probability[own].max(0) for own in OF_VESSEL]).argmax(0)
        true_kind = np.stack([targets[own].any(0) for own in OF_VESSEL])
        vessel = true_kind.any(0)
        right += int((kind == true_kind.argmax(0))[vessel].sum())
        vessels += int(vessel.sum())
        losses.append(_loss(probability, targets, valid, loss))
    dice: dict[str, float | None] = {
        f"val_dice_{name}": float(2 * o / (p + t)) if t else None
        for name, o, p, t in zip(CLASSES, overlap_, predicted, truth, strict=True)
    }
    scored = [value for value in dice.values() if value is not None]
    return {
        "val_loss": float(np.mean(losses)) if losses else None,
        "val_dice": float(np.mean(scored)) if scored else None,
        **dice,
        "identity_accuracy": right / vessels if vessels else None,
    }


def _loss(
    probability: np.ndarray, targets: np.ndarray, valid: np.ndarray, weights: Mapping[str, float]
) -> float:
    """The training's loss of a blended volume."""
    logits = torch.from_numpy(probability)[None].logit(eps=1e-6)
    truth = torch.from_numpy(targets)[None], torch.from_numpy(valid)[None]
    return float(partial_label_loss(logits, *truth, weights))
