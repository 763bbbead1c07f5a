"""The U-Net on which the published language-guided networks stand (Zhou 2019, Models Genesis).

Its weights are published under the names of its parts, by Models Genesis, the CLIP-driven
universal model and SuPreM; so its parts have those names here, which say nothing of a width but
64.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Unit(nn.Module):
    """A 3x3x3 convolution, batch norm and ReLU: ``(B, C, ...)`` -> ``(B, D, ...)``."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(inside, outside, 3, padding=1)
        self.bn1 = nn.BatchNorm3d(outside)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same size."""
        return functional.relu(self.bn1(self.conv1(x)))


class Level(nn.Module):
    """Two units on the way down."""

    def __init__(self, inside: int, middle: int, outside: int) -> None:
        super().__init__()
        self.ops = nn.Sequential(Unit(inside, middle), Unit(middle, outside))

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same size."""
        return self.ops(x)


class Up(nn.Module):
    """Doubled in size by a transposed convolution, joined with the skip, two units."""

    def __init__(self, inside: int, skip: int) -> None:
        super().__init__()
        self.up_conv = nn.ConvTranspose3d(inside, inside, 2, 2)
        self.ops = nn.Sequential(Unit(inside + skip, skip), Unit(skip, skip))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Features ``(B, skip channels, ...)`` of the skip's size."""
        return self.ops(torch.cat([self.up_conv(x), skip], dim=1))


class GenesisUNet(nn.Module):
    """Image to features.

    ``(B, C, Z, Y, X)`` -> ``(B, width, Z, Y, X)`` at full resolution and
    ``(B, 8 * width, Z/8, Y/8, X/8)`` at the bottleneck; axes are multiples of 8 voxels.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        half = max(1, width // 2)
        self.down_tr64 = Level(channels, half, width)
        self.down_tr128 = Level(width, width, 2 * width)
        self.down_tr256 = Level(2 * width, 2 * width, 4 * width)
        self.down_tr512 = Level(4 * width, 4 * width, 8 * width)
        self.up_tr256 = Up(8 * width, 4 * width)
        self.up_tr128 = Up(4 * width, 2 * width)
        self.up_tr64 = Up(2 * width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features at full resolution, and at the bottleneck."""
        full = self.down_tr64(x)
        second = self.down_tr128(functional.max_pool3d(full, 2))
        fourth = self.down_tr256(functional.max_pool3d(second, 2))
        bottleneck = self.down_tr512(functional.max_pool3d(fourth, 2))
        x = self.up_tr256(bottleneck, fourth)
        x = self.up_tr128(x, second)
        return self.up_tr64(x, full), bottleneck
