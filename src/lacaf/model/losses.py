"""The losses for partly labelled cases: what is unknown neither rewards nor punishes.

Each is one function and one entry of the registry. Naming one must not load torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    Pool = Callable[[Tensor], Tensor]

#: By how much a focal loss looks away from what is right already (Lin 2017).
FOCUS = 2.0


@dataclass(frozen=True)
class Known:
    """What a loss is given, of every class, with nothing in it of voxels that are not valid.

    Attributes:
        logits: ``(B, K, Z, Y, X)``, 0 where not valid.
        truth: the same shape, 0 or 1 (of a teacher also between), 0 where not valid.
        valid: the same shape, bool.
        count: ``(K,)`` valid voxels of each class in the whole batch.
        foreground: ``(K,)`` those of them that are the class.
        pool: adds to sums ``(K,)`` of these patches those of the rest of the batch.
        skeleton: ``(B, 1, Z, Y, X)`` bool, on the tubed skeleton of a vessel; None where nobody
            said.
    """

    logits: Tensor
    truth: Tensor
    valid: Tensor
    count: Tensor
    foreground: Tensor
    pool: Pool
    skeleton: Tensor | None = None

    def total(self, voxels: Tensor) -> Tensor:
        """Sums ``(K,)`` over the whole batch's volume: per slice, a perfect prediction of a vessel
        that is absent in some slices would be punished; per patch, a scrap of a vessel at its
        edge would count as much as a trunk."""
        return self.pool(voxels.sum((0, *range(2, voxels.ndim))))

    def probability(self) -> Tensor:
        """Probabilities, 0 where not valid."""
        return self.logits.sigmoid().masked_fill(~self.valid, 0.0)


@dataclass(frozen=True)
class Loss:
    """An entry of the registry.

    Attributes:
        of: ``Known`` to a value ``(K,)``, a class at a time; what it says of a class without a
            valid voxel is not looked at.
        about: one line for the reference page.
    """

    of: Callable[[Known], Tensor]
    about: str


def cross_entropy(known: Known) -> Tensor:
    """Binary cross-entropy, the mean over valid voxels."""
    return known.total(_entropy(known)) / known.count.clamp(min=1)


def focal(known: Known) -> Tensor:
    """Cross-entropy times ``(1 - p) ** FOCUS``, p the probability of what is true (Lin 2017, eq. 4,
    without weights of classes); the mean over valid voxels."""
    right = known.logits.sigmoid()
    wrong = (known.truth - right).abs()
    return known.total(_entropy(known) * wrong**FOCUS) / known.count.clamp(min=1)


def _entropy(known: Known) -> Tensor:
    """Binary cross-entropy of each voxel, 0 where not valid."""
    from torch.nn import functional

    entropy = functional.binary_cross_entropy_with_logits(
        known.logits, known.truth, reduction="none"
    )
    return entropy.masked_fill(~known.valid, 0.0)


def dice(known: Known) -> Tensor:
    """1 - soft Dice over valid voxels.

    0 for a class without foreground among them: Dice of nothing has no meaning, and its gradient
    would be that of chance.
    """
    probability = known.probability()
    both = known.total(probability) + known.foreground
    score = 2 * known.total(probability * known.truth) / both.clamp(min=1e-6)
    return (1 - score).where(known.foreground > 0, 0.0)


def dice_by_slice(known: Known) -> Tensor:
    """1 - soft Dice of each slice of each patch along z, the mean over them, as released.

    Only to compare with what was published: in a slice without the vessel a perfect prediction
    costs 1, so that of a vessel in 30 of 96 slices costs 0.69. The sums are pooled before the mean
    is taken, so that parts of a batch, and batches, give what the whole gives.
    """
    axes = (3, 4)
    probability = known.probability()
    both = 2 * (probability * known.truth).sum(axes)
    score = both / (probability.sum(axes) + known.truth.sum(axes) + 1)
    seen = known.valid.any(4).any(3)
    cost = known.total((1 - score).masked_fill(~seen, 0.0))
    return cost / known.total(seen.to(score.dtype)).clamp(min=1)


def skeleton_recall(known: Known) -> Tensor:
    """1 - the fraction of the tubed skeleton that was found (Kirchhoff 2024, eq. 2).

    It asks for thin vessels and says nothing of false alarms: beside another loss, not alone. 0 for
    a class without a skeleton among its valid voxels.
    """
    if known.skeleton is None:
        raise ValueError("skeleton_recall needs to know which voxels are on a skeleton")
    line = known.truth * known.skeleton
    length = known.total(line)
    found = known.total(line * known.probability()) / length.clamp(min=1e-6)
    return (1 - found).where(length > 0, 0.0)


def cldice(known: Known) -> Tensor:
    """1 - soft clDice (Shit 2021, algorithms 1 and 2), each class a channel of its own.

    0 for a class without foreground among its valid voxels.
    """
    from lacaf.model.skeleton import soft_skeleton

    probability, truth = known.probability(), known.truth
    line, true_line = (soft_skeleton(mask, known.valid) for mask in (probability, truth))
    precision = known.total(line * truth) / known.total(line).clamp(min=1e-6)
    recall = known.total(true_line * probability) / known.total(true_line).clamp(min=1e-6)
    score = 2 * precision * recall / (precision + recall).clamp(min=1e-6)
    return (1 - score).where(known.foreground > 0, 0.0)


LOSSES = {
    "bce": Loss(cross_entropy, "binary cross-entropy, the mean over valid voxels"),
    "dice": Loss(dice, "1 - soft Dice over the whole batch's valid voxels"),
    "focal": Loss(focal, "cross-entropy that looks away from what is right already (Lin 2017)"),
    "skeleton_recall": Loss(
        skeleton_recall, "1 - the fraction of the vessels' tubed skeletons found (Kirchhoff 2024)"
    ),
    "cldice": Loss(cldice, "1 - soft clDice, overlap of soft skeletons with masks (Shit 2021)"),
    "dice_by_slice": Loss(
        dice_by_slice,
        "1 - Dice of each slice, as in the released code: a perfect prediction costs about 1 in "
        "each slice without the vessel; to compare with",
    ),
}

#: What is used where nothing else is asked for.
DEFAULT = {"bce": 1.0, "dice": 1.0}


def _alone(sums: Tensor) -> Tensor:
    """Of a batch that is here as a whole."""
    return sums


def partial_label_loss(
    logits: Tensor,
    targets: Tensor,
    valid: Tensor,
    weights: Mapping[str, float] = DEFAULT,
    pool: Pool = _alone,
    skeleton: Tensor | None = None,
) -> Tensor:
    """A weighted sum of losses, a class at a time, on its valid voxels alone.

    Voxels that are not valid have no part in any sum: the loss equals that of the valid region
    cut out, and its gradient there is exactly zero. A class without a valid voxel contributes
    nothing.

    Args:
        logits: ``(B, K, Z, Y, X)``.
        targets: the same shape, 0 or 1, of a teacher a probability; ignored where not valid.
        valid: the same shape, bool.
        weights: names in ``LOSSES`` and the weight of each.
        pool: adds to sums ``(K,)`` over these patches those over the rest of the batch, where
            that lies elsewhere; see :mod:`lacaf.train.pooled`.
        skeleton: ``(B, Z, Y, X)`` bool, on the tubed skeleton of a vessel, for losses that ask.

    Returns:
        The mean over classes with a valid voxel; 0, with zero gradients, if there is none.

    Raises:
        ValueError: a loss asks for a skeleton, and there is none.
    """
    axes = (0, *range(2, logits.ndim))
    logits = logits.float().masked_fill(~valid, 0.0)
    truth = targets.to(logits.dtype).masked_fill(~valid, 0.0)
    count, foreground = pool(valid.sum(axes)), pool(truth.sum(axes))
    line = None if skeleton is None else skeleton[:, None]
    known = Known(logits, truth, valid, count, foreground, pool, line)
    loss = sum(weight * LOSSES[name].of(known) for name, weight in weights.items() if weight)
    return loss.where(count > 0, 0.0).sum() / (count > 0).sum().clamp(min=1)  # type: ignore[union-attr]
