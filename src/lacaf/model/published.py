"""The published networks, to compare with: LA-CAF as its released code behaves, and its parent.

LA-CAF: arXiv 2501.03722. The parent: Liu 2023, CLIP-Driven Universal Model. In both, a vector
for each class becomes the weights of three 1x1x1 convolutions; they differ in how image and text
come into that vector. Sizes are those of the original at width 64 and scale with it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from lacaf.model.fusion import between_texts
from lacaf.model.genesis import GenesisUNet
from lacaf.model.inputs import CHANNELS

HEAD_WIDTH = 8
#: Weights and then biases of the three layers of a class's head: 8-8, 8-8, 8-1.
SPLITS = (64, 64, 8, 8, 8, 1)
PARAMETERS = sum(SPLITS)
#: An eighth of the patches' 96 voxels, to which the image adapter is tied.
EDGE = 12


class Published(nn.Module, ABC):
    """The U-Net, and heads whose weights a controller makes of text and image."""

    embedding: Tensor

    def __init__(self, channels: int, width: int, embedding: Tensor, image_only: bool) -> None:
        """Build it.

        Args:
            channels: input channels.
            width: features at full resolution; 64 in the original.
            embedding: ``(K, D)`` one text vector a class, as long as it is.
            image_only: look at the channel ``image`` alone, as published.
        """
        super().__init__()
        only = CHANNELS.index("image")
        self.seen = slice(only, only + 1) if image_only else slice(0, channels)
        self.register_buffer("embedding", embedding.float().clone())
        self.backbone = GenesisUNet(1 if image_only else channels, width)
        self.project = nn.Sequential(
            nn.GroupNorm(math.gcd(16, width), width), nn.ReLU(), nn.Conv3d(width, HEAD_WIDTH, 1)
        )
        self.image_norm = nn.GroupNorm(math.gcd(16, 8 * width), 8 * width)
        self.to_vector = nn.Linear(8 * width, 4 * width)  # a 1x1x1 convolution of one voxel
        self.controller = nn.Linear(8 * width, PARAMETERS)

    @abstractmethod
    def text(self) -> Tensor:
        """A vector a class, of text alone: ``(K, 4 * width)``."""

    @abstractmethod
    def image(self, bottleneck: Tensor) -> Tensor:
        """One vector a patch: ``(B, 8 * width, z, y, x)`` -> ``(B, 4 * width)``."""

    def of_classes(self, image: Tensor, text: Tensor) -> Tensor:
        """What each class is given of the image: ``(B, 4 * width)`` -> ``(B, K, 4 * width)``."""
        return image[:, None].expand(-1, len(text), -1)

    def condition(self, bottleneck: Tensor) -> Tensor:
        """Image and text of each class, one behind the other: ``(B, K, 8 * width)``."""
        text = self.text()
        given = self.of_classes(self.image(bottleneck), text)
        return torch.cat([given, text.expand(len(given), -1, -1)], dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, one sigmoid a class."""
        features, bottleneck = self.backbone(x[:, self.seen])
        return heads(self.project(features), self.controller(self.condition(bottleneck)))


class ClipDriven(Published):
    """The parent: one linear layer for all texts, the mean of the image, the same for all."""

    def __init__(self, channels: int, width: int, embedding: Tensor, image_only: bool) -> None:
        super().__init__(channels, width, embedding, image_only)
        self.text_layer = nn.Linear(embedding.shape[1], 4 * width)

    def text(self) -> Tensor:
        """A vector a class: ``(K, 4 * width)``."""
        return functional.relu(self.text_layer(self.embedding))

    def image(self, bottleneck: Tensor) -> Tensor:
        """The mean over the bottleneck: ``(B, 4 * width)``."""
        seen = functional.relu(self.image_norm(bottleneck))
        return self.to_vector(seen.mean(dim=(2, 3, 4)))


class Released(Published):
    """LA-CAF as released: adapters for text and image, and attention between texts alone."""

    def __init__(self, channels: int, width: int, embedding: Tensor, image_only: bool) -> None:
        super().__init__(channels, width, embedding, image_only)
        classes, size = embedding.shape
        self.text_adapters = nn.ModuleList(
            nn.Sequential(nn.Linear(size, 2 * width), nn.GELU(), nn.Linear(2 * width, 4 * width))
            for _ in range(classes)
        )
        self.image_adapter = nn.Sequential(nn.Linear(EDGE, 3), nn.GELU(), nn.Linear(3, 1))

    def text(self) -> Tensor:
        """A vector a class, by an adapter of its own: ``(K, 4 * width)``."""
        adapted = zip(self.text_adapters, self.embedding, strict=True)
        return functional.relu(torch.stack([adapter(vector) for adapter, vector in adapted]))

    def image(self, bottleneck: Tensor) -> Tensor:
        """One adapter along X, then Y, then Z: ``(B, 4 * width)``.

        Raises:
            ValueError: the patch has not the 96 voxels along each axis that it is made for.
        """
        if tuple(bottleneck.shape[2:]) != (EDGE,) * 3:
            given = [8 * n for n in bottleneck.shape[2:]]
            raise ValueError(
                f"network `released` takes patches of 96 × 96 × 96 alone, given {given}"
            )
        seen = functional.relu(self.image_norm(bottleneck))
        for _ in range(3):
            seen = self.image_adapter(seen).squeeze(-1)
        return self.to_vector(functional.relu(seen))

    def of_classes(self, image: Tensor, text: Tensor) -> Tensor:
        """The image's vector, for each class times the sum of its row of the attention: since
        every class is given the same image, nothing else is left of A·[x; …; x]."""
        return between_texts(text) @ super().of_classes(image, text)


def heads(features: Tensor, weights: Tensor) -> Tensor:
    """Logits ``(B, K, Z, Y, X)``: three 1x1x1 convolutions a class, with ReLU between.

    Args:
        features: ``(B, 8, Z, Y, X)``, shared by all classes.
        weights: ``(B, K, 153)``, split by ``SPLITS``.
    """
    batch, classes = weights.shape[:2]
    parts = weights.flatten(0, 1).split(SPLITS, dim=1)
    x = features.flatten(2)[:, None].expand(-1, classes, -1, -1).flatten(0, 1)
    for layer, (matrix, bias) in enumerate(zip(parts[:3], parts[3:], strict=True)):
        square = matrix.unflatten(1, (-1, HEAD_WIDTH))
        x = torch.baddbmm(bias[:, :, None], square, functional.relu(x) if layer else x)
    return x.reshape(batch, classes, *features.shape[2:])
