"""The loss for partly labelled cases: what is unknown neither rewards nor punishes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def partial_label_loss(
    logits: Tensor, targets: Tensor, valid: Tensor, dice_weight: float = 1.0
) -> Tensor:
    """Binary cross-entropy plus soft Dice, a class at a time, on its valid voxels alone.

    Each class is scored over the whole batch's volume (per slice, a perfect prediction of a
    vessel that is absent in some slices would be punished). Voxels that are not valid have no
    part in any sum: the loss equals that of the valid region cut out, and its gradient there
    is exactly zero. A class without a valid voxel contributes nothing; one without foreground
    among its valid voxels has no Dice, only cross-entropy (Dice of nothing has no meaning, and
    its gradient would be that of chance).

    Args:
        logits: ``(B, K, Z, Y, X)``.
        targets: the same shape, 0 or 1; ignored where not valid.
        valid: the same shape, bool.
        dice_weight: weight of Dice against cross-entropy.

    Returns:
        The mean over classes with a valid voxel; 0, with zero gradients, if there is none.
    """
    axes = (0, *range(2, logits.ndim))
    logits = logits.float().masked_fill(~valid, 0.0)
    truth = targets.to(logits.dtype).masked_fill(~valid, 0.0)
    count = valid.sum(axes)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    loss = entropy.masked_fill(~valid, 0.0).sum(axes) / count.clamp(min=1)

    chance = torch.sigmoid(logits).masked_fill(~valid, 0.0)
    foreground = truth.sum(axes)
    dice = 2 * (chance * truth).sum(axes) / (chance.sum(axes) + foreground).clamp(min=1e-6)
    loss = loss + torch.where(foreground > 0, dice_weight * (1 - dice), 0.0)
    return torch.where(count > 0, loss, 0.0).sum() / (count > 0).sum().clamp(min=1)
