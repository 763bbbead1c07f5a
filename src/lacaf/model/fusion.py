"""Language-guided self-adaptive cross-attention fusion (LA-CAF), arXiv 2501.03722.

One text vector a class, frozen; an adapter fits it to the domain; cross-attention lets it look
at the image; what it saw, with what it is, becomes the weights of that class's segmentation
head. As published the attention weights come from the text alone; here they come from text
queries against image keys, so that a class can look for itself in the volume (which of the two
trees is the bright one, say) and its head can follow what it found.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lacaf.model.backbone import PRIOR_LOGIT, Backbone, norm

DIM = 128  # width of text and image tokens
HIDDEN = 128  # of the text adapter
HEADS = 4
HEAD_WIDTH = 8  # channels inside the dynamic head
SLOPE = 0.1  # of the head's leaky ReLUs: eight channels leave none to die
#: What the condition adds to the head's weights is scaled by this. An optimizer's step moves
#: each of the controller's weights; unscaled, its 256 inputs together would throw a head's
#: weight a hundred times as far as a plain convolution's, and the heads died within ten steps.
ADAPT = 1 / 32


class TextAdapter(nn.Module):
    """Fits frozen vectors to the domain, with weights of its own for each class.

    Linear, GELU, Linear, ReLU: ``(K, D)`` -> ``(K, DIM)``.
    """

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(size, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, DIM), nn.ReLU())
            for _ in range(classes)
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """One token a class."""
        return torch.stack([layer(v) for layer, v in zip(self.layers, vectors, strict=True)])


class ImageAdapter(nn.Module):
    """The bottleneck as tokens, for any size: ``(B, C, z, y, x)`` -> ``(B, z*y*x, DIM)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.project = nn.Linear(channels, DIM)

    def forward(self, x: Tensor) -> Tensor:
        """One token a voxel of the bottleneck."""
        return self.project(functional.relu(self.norm(x)).flatten(2).transpose(1, 2))


class DynamicHead(nn.Module):
    """Three 1x1x1 convolutions a class (8-8, 8-8, 8-1), their 153 weights given from outside."""

    #: Weights and bias of each layer: outputs, inputs.
    LAYERS = ((HEAD_WIDTH, HEAD_WIDTH), (HEAD_WIDTH, HEAD_WIDTH), (1, HEAD_WIDTH))
    PARAMETERS = sum(a * b + a for a, b in LAYERS)

    @classmethod
    def initial(cls) -> Tensor:
        """Weights ``(PARAMETERS,)`` with which every class starts; biases are zero."""
        parts = []
        for outside, inside in cls.LAYERS:
            parts += [torch.randn(outside * inside) / math.sqrt(inside), torch.zeros(outside)]
        return torch.cat(parts)

    def forward(self, features: Tensor, weights: Tensor) -> Tensor:
        """Logits ``(B, K, Z, Y, X)`` of features ``(B, 8, Z, Y, X)``.

        Args:
            features: shared by all classes.
            weights: ``(B, K, PARAMETERS)``.
        """
        batch, classes = weights.shape[:2]
        x = features.flatten(2)[:, None].expand(-1, classes, -1, -1).flatten(0, 1)
        weights = weights.flatten(0, 1)
        start = 0
        for index, (outside, inside) in enumerate(self.LAYERS):
            matrix = weights[:, start : start + outside * inside].unflatten(1, (outside, inside))
            start += outside * inside
            bias = weights[:, start : start + outside, None]
            start += outside
            x = torch.baddbmm(bias, matrix, x if index == 0 else functional.leaky_relu(x, SLOPE))
        return x.reshape(batch, classes, *features.shape[2:])


class LanguageHead(nn.Module):
    """A head for each class that language and image write together, on the features of any
    network."""

    embedding: Tensor

    def __init__(self, width: int, bottleneck_channels: int, embedding: Tensor) -> None:
        super().__init__()
        classes, size = embedding.shape
        # Entries of about 1 whatever the encoder, so that encoders differ in content alone.
        scaled = functional.normalize(embedding.float(), dim=1) * math.sqrt(size)
        self.register_buffer("embedding", scaled)
        self.text = TextAdapter(classes, size)
        self.image = ImageAdapter(bottleneck_channels)
        self.attention = nn.MultiheadAttention(DIM, HEADS, batch_first=True)
        self.seen_norm, self.text_norm = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.controller = nn.Linear(2 * DIM, DynamicHead.PARAMETERS, bias=False)
        self.start = nn.Parameter(DynamicHead.initial())
        self.project = nn.Conv3d(width, HEAD_WIDTH, 1)
        self.head = DynamicHead()
        self.prior = nn.Parameter(torch.full((classes,), PRIOR_LOGIT))

    def condition(self, bottleneck: Tensor) -> Tensor:
        """What each class is and what it saw: ``(B, C, z, y, x)`` -> ``(B, K, 2 * DIM)``."""
        text = self.text(self.embedding).expand(len(bottleneck), -1, -1)
        tokens = self.image(bottleneck)
        seen, _ = self.attention(text, tokens, tokens, need_weights=False)
        return torch.cat([self.seen_norm(seen), self.text_norm(text)], dim=2)

    def forward(self, features: Tensor, bottleneck: Tensor) -> Tensor:
        """Logits ``(B, K, Z, Y, X)``, one sigmoid a class.

        Args:
            features: ``(B, width, Z, Y, X)``.
            bottleneck: ``(B, C, z, y, x)``.
        """
        weights = self.start + ADAPT * self.controller(self.condition(bottleneck))
        logits = self.head(functional.leaky_relu(self.project(features), SLOPE), weights)
        return logits + self.prior[:, None, None, None]


class LanguageGuidedUNet(nn.Module):
    """The backbone with the language head."""

    def __init__(self, channels: int, width: int, embedding: Tensor) -> None:
        super().__init__()
        self.backbone = Backbone(channels, width)
        self.language = LanguageHead(width, self.backbone.bottleneck_channels, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, one sigmoid a class."""
        return self.language(*self.backbone(x))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Weights of version 0.2 are taken too: the head's lay beside the backbone's there."""
        parts = tuple(f"{prefix}{part}." for part in ("backbone", "language"))
        for name in [n for n in state_dict if n.startswith(prefix) and not n.startswith(parts)]:
            renamed = f"{prefix}language.{name.removeprefix(prefix)}"
            state_dict[renamed] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *rest)
