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


@dataclass(frozen=True)
class Known:
    """What a loss is given, of every class, with nothing in it of voxels that are not valid.

    Attributes:
        logits: ``(B, K, Z, Y, X)``, 0 where not valid.
        truth: the same shape, 0 or 1, 0 where not valid.
        valid: the same shape, bool.
        count: ``(K,)`` valid voxels of each class in the whole batch.
        foreground: ``(K,)`` those of them that are the class.
        pool: adds to sums ``(K,)`` of these patches those of the rest of the batch.
    """

    logits: Tensor
    truth: Tensor
    valid: Tensor
    count: Tensor
    foreground: Tensor
    pool: Pool

    def total(self, voxels: Tensor) -> Tensor:
        """Sums ``(K,)`` over the whole batch's volume: per slice, a perfect prediction of a vessel
        that is absent in some slices would be punished; per patch, a scrap of a vessel at its
        edge would count as much as a trunk."""
        return self.pool(voxels.sum((0, *range(2, voxels.ndim))))


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
    from torch.nn import functional

    entropy = functional.binary_cross_entropy_with_logits(
        known.logits, known.truth, reduction="none"
    )
    return known.total(entropy.masked_fill(~known.valid, 0.0)) / known.count.clamp(min=1)


def dice(known: Known) -> Tensor:
    """1 - soft Dice over valid voxels.

    0 for a class without foreground among them: Dice of nothing has no meaning, and its gradient
    would be that of chance.
    """
    probability = known.logits.sigmoid().masked_fill(~known.valid, 0.0)
    both = known.total(probability) + known.foreground
    score = 2 * known.total(probability * known.truth) / both.clamp(min=1e-6)
    return (1 - score).where(known.foreground > 0, 0.0)


LOSSES = {
    "bce": Loss(cross_entropy, "binary cross-entropy, the mean over valid voxels"),
    "dice": Loss(dice, "1 - soft Dice over the whole batch's valid voxels"),
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
) -> Tensor:
    """A weighted sum of losses, a class at a time, on its valid voxels alone.

    Voxels that are not valid have no part in any sum: the loss equals that of the valid region
    cut out, and its gradient there is exactly zero. A class without a valid voxel contributes
    nothing.

    Args:
        logits: ``(B, K, Z, Y, X)``.
        targets: the same shape, 0 or 1; ignored where not valid.
        valid: the same shape, bool.
        weights: names in ``LOSSES`` and the weight of each.
        pool: adds to sums ``(K,)`` over these patches those over the rest of the batch, where
            that lies elsewhere; see :mod:`lacaf.train.pooled`.

    Returns:
        The mean over classes with a valid voxel; 0, with zero gradients, if there is none.
    """
    axes = (0, *range(2, logits.ndim))
    logits = logits.float().masked_fill(~valid, 0.0)
    truth = targets.to(logits.dtype).masked_fill(~valid, 0.0)
    count = pool(valid.sum(axes))
    known = Known(logits, truth, valid, count, pool(truth.sum(axes)), pool)
    loss = sum(weight * LOSSES[name].of(known) for name, weight in weights.items() if weight)
    return loss.where(count > 0, 0.0).sum() / (count > 0).sum().clamp(min=1)  # type: ignore[union-attr]
