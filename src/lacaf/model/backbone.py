"""The 3-D U-Net under both networks, and the plain network that serves as baseline.

Most of its work is done at half resolution and below; at full resolution it sees the image
through one convolution on the way in and one on the way out, so that two CPU cores can train
it in minutes and still get labels as fine as the grid.
"""

from __future__ import annotations

from itertools import pairwise

import torch
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
    """Image to features.

    ``(B, C, Z, Y, X)`` -> ``(B, width, Z, Y, X)`` at full resolution and
    ``(B, 8 * width, Z/8, Y/8, X/8)`` at the bottleneck, rounded up.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        sizes = [width, 2 * width, 4 * width, 8 * width]
        self.bottleneck_channels = sizes[-1]
        self.stem = nn.Conv3d(channels, width, 3, 1, 1, bias=False)
        self.stem_norm = norm(width)
        self.down = nn.ModuleList(Block(a, b, 2) for a, b in pairwise(sizes))
        self.narrow = nn.ModuleList(nn.Conv3d(b, a, 1, bias=False) for a, b in pairwise(sizes))
        self.up = nn.ModuleList(Block(a, a) for a in sizes[1:-1])
        self.last = nn.Conv3d(width, width, 3, 1, 1, bias=False)
        self.last_norm = norm(width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features at full resolution, and at the bottleneck."""
        x = functional.leaky_relu(self.stem_norm(self.stem(x)), 0.01)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        bottleneck = x
        for level in reversed(range(len(self.down))):
            x = functional.interpolate(
                self.narrow[level](x), size=skips[level].shape[2:], mode="trilinear"
            )
            x = x + skips[level]
            if level:
                x = self.up[level - 1](x)
        return functional.leaky_relu(self.last_norm(self.last(x)), 0.01), bottleneck


class PlainUNet(nn.Module):
    """The baseline: the backbone and one 1x1x1 convolution, ``(B, C, ...)`` -> ``(B, K, ...)``."""

    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(channels, width)
        self.head = nn.Conv3d(width, classes, 1)
        with torch.no_grad():
            self.head.bias.fill_(PRIOR_LOGIT)  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        """Logits, one sigmoid a class."""
        features, _ = self.backbone(x)
        return self.head(features)
