"""Soft skeletons, through which gradients flow: what is left of a mask when it is opened.

Shit 2021 (clDice, algorithm 1). A voxel that is not valid is never looked at, as if the volume
ended there: an erosion sees 1 in its place and a dilation 0.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

#: How often a mask is eroded: as many as the widest vessel has voxels in its radius, or it keeps
#: an empty middle. Trunks are wider, but it is the branches that have an axis to lose.
EROSIONS = 4


def soft_skeleton(mask: Tensor, valid: Tensor) -> Tensor:
    """A soft skeleton of each channel.

    Args:
        mask: ``(B, K, Z, Y, X)``, 0 to 1; 0 where not valid.
        valid: the same shape, bool.

    Returns:
        The same shape, 0 to 1, 0 where not valid.
    """
    skeleton = functional.relu(mask - _opened(mask, valid))
    for _ in range(EROSIONS):
        mask = _eroded(mask, valid)
        more = functional.relu(mask - _opened(mask, valid))
        skeleton = skeleton + functional.relu(more - skeleton * more)
    return skeleton


def _opened(mask: Tensor, valid: Tensor) -> Tensor:
    return _dilated(_eroded(mask, valid), valid)


def _eroded(mask: Tensor, valid: Tensor) -> Tensor:
    """The least of a voxel and its six neighbours; 0 where not valid."""
    open_ended = -mask.masked_fill(~valid, 1.0)
    least = -functional.max_pool3d(open_ended, (3, 1, 1), 1, (1, 0, 0))
    for size, room in (((1, 3, 1), (0, 1, 0)), ((1, 1, 3), (0, 0, 1))):
        least = least.minimum(-functional.max_pool3d(open_ended, size, 1, room))
    return least.masked_fill(~valid, 0.0)


def _dilated(mask: Tensor, valid: Tensor) -> Tensor:
    """The most of a voxel and its 26 neighbours; 0 where not valid."""
    return functional.max_pool3d(mask, 3, 1, 1).masked_fill(~valid, 0.0)
