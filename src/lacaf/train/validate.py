"""Scores on the validation cases, during training, on the working grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lacaf.classes import ARTERY_VEIN, CLASSES, TABLE
from lacaf.facts import skeleton_of
from lacaf.model.inputs import ALL, Region
from lacaf.model.losses import partial_label_loss
from lacaf.model.window import probabilities
from lacaf.params.train import Recipe
from lacaf.train.picture import picture
from lacaf.train.prepared import Prepared
from lacaf.train.processes import Processes

#: Less than in inference: these scores steer, they are not reported.
OVERLAP = 0.25

#: Slices that are counted together: the arrays of a whole CT, a class at a time, are gigabytes.
SLAB = 32

#: The places among the outputs of arteries, and of veins.
OF_VESSEL = [[row.value - 1 for row in TABLE if row.vessel == vessel] for vessel in ARTERY_VEIN]


def validate(
    network: nn.Module,
    cases: Sequence[Prepared],
    recipe: Recipe,
    device: torch.device,
    processes: Processes | None = None,
) -> tuple[dict[str, float | None], NDArray[np.uint8] | None]:
    """Loss, Dice of each class on its valid voxels, and how well artery is told from vein.

    Dice is taken over all cases' voxels together. ``identity_accuracy`` is the fraction of true
    vessel voxels at which the more probable vessel is the true one, whatever the side. The loss
    is that of the training, the mean over the windows that the network saw. Whatever supervision
    and labels it learns from, it is scored on what experts labelled, where that is known. What
    cannot be scored (a class that is nowhere valid) is None. Each process takes its share of the
    cases.

    Returns:
        The scores, and a picture of the first case, see :func:`lacaf.train.picture.picture`.
    """
    processes = processes or Processes()
    count = len(CLASSES)
    sums = np.zeros(3 * count + 4)  # both, predicted, truth of each class; right, vessels, loss, n
    image = None
    for case in cases[processes.rank :: processes.world]:

        def add_loss(region: Region, logits: Tensor, case: Prepared = case) -> None:
            known = (*case.learnt(region), skeleton_of(case.facts(region)))
            targets, valid, line = (torch.from_numpy(a)[None].to(logits.device) for a in known)
            loss = partial_label_loss(logits[None], targets, valid, recipe.loss, skeleton=line)
            sums[-2] += float(loss)
            sums[-1] += 1

        windows = (recipe.hu_window, recipe.blood_window)
        probability = probabilities(network, case, windows, recipe.patch, OVERLAP, device, add_loss)
        for start in range(0, case.shape[0], SLAB):
            slab = slice(start, start + SLAB)
            sums[:-2] += _counted(probability[:, slab], *case.learnt((slab, *ALL[1:])))
        if image is None and processes.first:
            image = picture(case, probability, recipe.hu_window)
    sums = processes.total(torch.from_numpy(sums)).numpy()
    both, predicted, truth = sums[: 3 * count].reshape(3, count)
    right, vessels, loss, windows_seen = (float(v) for v in sums[3 * count :])
    dice: dict[str, float | None] = {
        f"val_dice_{name}": float(2 * b / (p + t)) if t else None
        for name, b, p, t in zip(CLASSES, both, predicted, truth, strict=True)
    }
    scored = [value for value in dice.values() if value is not None]
    scores = {
        "val_loss": loss / windows_seen if windows_seen else None,
        "val_dice": float(np.mean(scored)) if scored else None,
        **dice,
        "identity_accuracy": right / vessels if vessels else None,
    }
    return scores, image


def _counted(probability: NDArray, targets: NDArray, valid: NDArray) -> NDArray[np.float64]:
    """Voxels of a slab: both, predicted, true of each class; right vessel, vessel."""
    answer = (probability > 0.5) & valid
    kind = np.stack([probability[own].max(0) for own in OF_VESSEL]).argmax(0)
    true_kind = np.stack([targets[own].any(0) for own in OF_VESSEL])
    vessel = true_kind.any(0)
    axes = (1, 2, 3)
    return np.concatenate(
        [
            (answer & targets).sum(axes),
            answer.sum(axes),
            targets.sum(axes),
            [(kind == true_kind.argmax(0))[vessel].sum(), vessel.sum()],
        ]
    ).astype(np.float64)
