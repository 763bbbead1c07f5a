"""The 3-D U-Net under both networks, and the plain network that serves as baseline.

Most of its work is done at half resolution and below; at full resolution it sees the image
through one convolution on the way in and one on the way out, so that two CPU cores can train
it in minutes and still get labels as fine as the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

#: Fraction of vessel voxels before anything is learnt: the logit with which a class starts.
PRIOR_LOGIT = -3.0


def norm(channels: int) -> nn.Module:
    """GroupNorm: independent of the batch, and with groups less shaken than InstanceNorm when
    training patches and inference windows differ (they have one size here all the same)."""
    return nn.GroupNorm(max(1, channels // 8), channels)


class Block(nn.Module):
    """Two 3x3x3 convolutions with a skip: ``(B, C, ...)`` -> ``(B, D, ...)``, maybe halved."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv3d(inside, outside, 3, stride, 1, bias=False)
        self.first_norm = norm(outside)
        self.second = nn.Conv3d(outside, outside, 3, 1, 1, bias=False)
        self.second_norm = norm(outside)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same size, or half of it."""
        x = functional.leaky_relu(self.first_norm(self.first(x)), 0.01)
        return functional.leaky_relu(x + self.second_norm(self.second(x)), 0.01)


class Backbone(nn.Module):
    """Image to features, in two halves, between which language may speak.

    Voxels are brought to twice their number by repeating them: a convolution of 3x3x3 follows,
    and on a CPU interpolation between them is slow.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.sizes = [width, 2 * width, 4 * width, 8 * width]
        self.stem = nn.Conv3d(channels, width, 3, 1, 1, bias=False)
        self.stem_norm = norm(width)
        self.down = nn.ModuleList(Block(a, b, 2) for a, b in pairwise(self.sizes))
        self.narrow = nn.ModuleList(nn.Conv3d(b, a, 1, bias=False) for a, b in pairwise(self.sizes))
        self.up = nn.ModuleList(Block(a, a) for a in self.sizes[1:-1])
        self.last = nn.Conv3d(width, width, 3, 1, 1, bias=False)
        self.last_norm = norm(width)

    def encode(self, x: Tensor) -> list[Tensor]:
        """``(B, C, Z, Y, X)`` -> features of each level, ``(B, width, Z, Y, X)`` first, then
        twice as many at half of the size, rounded up; the last are the bottleneck."""
        levels = [functional.leaky_relu(self.stem_norm(self.stem(x)), 0.01)]
        for down in self.down:
            levels.append(down(levels[-1]))
        return levels

    def decode(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Features of each level of :meth:`encode` to features ``(B, width, Z, Y, X)``, and after
        them those of the level below, ``(B, 2 * width, Z/2, Y/2, X/2)``."""
        x = levels[-1]
        below = x
        for level in reversed(range(len(self.down))):
            below = x
            x = functional.interpolate(self.narrow[level](x), size=levels[level].shape[2:])
            x = x + levels[level]
            if level:
                x = self.up[level - 1](x)
        return [functional.leaky_relu(self.last_norm(self.last(x)), 0.01), below]


class PlainUNet(nn.Module):
    """The baseline: the backbone and one 1x1x1 convolution, ``(B, C, ...)`` -> ``(B, K, ...)``."""

    def __init__(self, channels: int, width: int, classes: int, coarse: bool = False) -> None:
        """``coarse``: whether it answers at half of the resolution as well, in training."""
        super().__init__()
        self.backbone = Backbone(channels, width)
        self.head = plain_head(width, classes)
        self.coarse = plain_head(2 * width, classes) if coarse else None

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Logits, one sigmoid a class; or those and the coarser ones."""
        features, below = self.backbone.decode(self.backbone.encode(x))
        logits = self.head(features)
        if self.coarse is None or not self.training:
            return logits
        return [logits, self.coarse(below)]


def plain_head(channels: int, classes: int) -> nn.Conv3d:
    """A 1x1x1 convolution to logits that start where vessels are rare."""
    head = nn.Conv3d(channels, classes, 1)
    assert head.bias is not None
    nn.init.constant_(head.bias, PRIOR_LOGIT)
    return head
