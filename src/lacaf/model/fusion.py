"""Language-guided self-adaptive cross-attention fusion, after LA-CAF (arXiv 2501.03722).

One text vector a class, frozen; an adapter fits it to the domain; text and image attend to each
other at the bottleneck: a class looks for itself in the patch, and each place of the image learns
what is looked for; what a class is and what it saw then move the weights of its segmentation head.

As published the attention weights come from the text alone, and each class's head is made of
nothing but its condition. Here the heads are those of a plain network, and the condition moves
them: before anything is learnt, and wherever language has nothing to say, this *is* the plain
network.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lacaf.model.backbone import Backbone, plain_head
from lacaf.model.shape import Fusion

DIM = 64  # width of text and image tokens
HEADS = 4
#: How far what the condition says moves a head: its weights see 64 numbers at once, those of a
#: plain head one, so that a step of the optimizer would move it too far.
ADAPT = 1 / 4
#: Smallest difference by which the published attention is divided, should all of it be the same.
LEAST = 1e-6


class TextAdapter(nn.Module):
    """Fits frozen vectors to the domain: ``(K, D)`` -> ``(K, DIM)``.

    What goes on is a mix of the frozen vector and the adapted one, and how much of each is learnt
    (CLIP-Adapter, Gao 2024, eq. 4, with its ratio as a weight). All classes share the adapter, so
    that nothing but their prompts tells them apart here.
    """

    def __init__(self, size: int, adapted: bool = True) -> None:
        super().__init__()
        self.adapter = (
            nn.Sequential(nn.Linear(size, DIM), nn.GELU(), nn.Linear(DIM, size))
            if adapted
            else None
        )
        self.mix = nn.Parameter(torch.zeros(())) if adapted else None  # half of each
        self.project = nn.Linear(size, DIM)

    def forward(self, vectors: Tensor) -> Tensor:
        """One token a class."""
        if self.adapter is None or self.mix is None:
            return self.project(vectors)
        adapted = self.adapter(vectors).to(vectors.dtype)  # lerp is not cast by autocast
        return self.project(torch.lerp(vectors, adapted, self.mix.sigmoid()))


class CrossAttention(nn.Module):
    """Text and image attend to each other, for an image of any size.

    Each adds what it was told to what it was; what the image is told starts as nothing.
    """

    def __init__(self, channels: int, both: bool) -> None:
        """``both``: whether the image attends to the text as well, or is only looked at."""
        super().__init__()
        self.image_norm, self.text_norm = nn.LayerNorm(channels), nn.LayerNorm(DIM)
        self.project = nn.Linear(channels, DIM)
        self.look = nn.MultiheadAttention(DIM, HEADS, batch_first=True)
        self.hear = nn.MultiheadAttention(DIM, HEADS, batch_first=True) if both else None
        self.back = nn.Linear(DIM, channels) if both else None
        if self.back is not None:
            nn.init.zeros_(self.back.weight)
            nn.init.zeros_(self.back.bias)

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Image ``(B, C, z, y, x)`` and text ``(B, K, DIM)``, each after it has attended."""
        voxels = image.flatten(2).transpose(1, 2)
        tokens = self.project(self.image_norm(voxels))
        text = text + self.look(self.text_norm(text), tokens, tokens, need_weights=False)[0]
        if self.hear is None or self.back is None:
            return image, text
        told = self.text_norm(text)
        voxels = voxels + self.back(self.hear(tokens, told, told, need_weights=False)[0])
        image = voxels.transpose(1, 2).reshape(image.shape)
        return image.contiguous(memory_format=torch.channels_last_3d), text


class TextOnlyAttention(nn.Module):
    """The fusion of LA-CAF's public code, at any size: the text weighs one vector of the image.

    The attention matrix is minmax(T Tᵀ), in which the image has no part, so a class gets the
    image's mean times one number.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels, DIM)

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """The image as it was, and each class with its portion of the image's mean added."""
        seen = functional.relu(self.project(image.mean((2, 3, 4))))
        return image, text + between_texts(text).sum(2, keepdim=True) * seen[:, None]


def between_texts(text: Tensor) -> Tensor:
    """LA-CAF's published attention: products of texts ``(…, K, D)``, over all of them brought to
    0 to 1, ``(…, K, K)``."""
    products = text @ text.transpose(-1, -2)
    low, high = (pick(products, (-1, -2), keepdim=True) for pick in (torch.amin, torch.amax))
    return (products - low) / (high - low).clamp(min=LEAST)


class Silence(nn.Module):
    """No fusion: text and image do not meet before the head."""

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Both as they were."""
        return image, text


def fused(channels: int, fusion: Fusion) -> nn.Module:
    """The module in which text meets an image of so many channels."""
    if fusion == "released":
        return TextOnlyAttention(channels)
    return Silence() if fusion == "none" else CrossAttention(channels, fusion == "both")


class ClassHead(nn.Module):
    """One linear head a class, whose weights the condition moves.

    ``(B, width, Z, Y, X)`` and ``(B, K, DIM)`` -> logits ``(B, K, Z, Y, X)``.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        plain = plain_head(width, classes)  # whose weights a plain network's may replace
        self.weight, self.bias = plain.weight, plain.bias
        self.norm = nn.LayerNorm(DIM)
        self.controller = nn.Linear(DIM, width + 1)
        nn.init.zeros_(self.controller.weight)
        nn.init.zeros_(self.controller.bias)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Logits, one sigmoid a class."""
        moved = ADAPT * self.controller(self.norm(condition))
        weight = self.weight.flatten(1) + moved[..., :-1]
        bias = self.bias + moved[..., -1]
        logits = torch.einsum("bkc,bczyx->bkzyx", weight, features)
        return logits + bias[..., None, None, None]


class Language(nn.Module):
    """The text's part in any network: frozen vectors, adapter, fusion, heads."""

    embedding: Tensor

    def __init__(
        self,
        width: int,
        bottleneck: int,
        embedding: Tensor,
        adapter: bool = True,
        fusion: Fusion = "both",
    ) -> None:
        """Build it.

        Args:
            width: channels of the features that the heads see.
            bottleneck: channels of the image where it meets the text.
            embedding: ``(K, D)`` one text vector a class.
            adapter: whether the vectors are adapted.
            fusion: how text and image meet.
        """
        super().__init__()
        classes, size = embedding.shape
        # Entries of about 1 whatever the encoder, so that encoders differ in content alone.
        scaled = functional.normalize(embedding.float(), dim=1) * math.sqrt(size)
        self.register_buffer("embedding", scaled)
        self.text = TextAdapter(size, adapter)
        self.fusion = fused(bottleneck, fusion)
        self.head = ClassHead(width, classes)

    def meet(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The bottleneck ``(B, C, z, y, x)`` and the classes ``(B, K, DIM)`` after they met."""
        text = self.text(self.embedding).expand(len(image), -1, -1)
        return self.fusion(image, text)


class LanguageHead(Language):
    """A language-guided head for a network of anybody's, whose inside cannot be told anything."""

    def forward(self, features: Tensor, bottleneck: Tensor) -> Tensor:
        """Logits ``(B, K, Z, Y, X)``, one sigmoid a class.

        Args:
            features: ``(B, width, Z, Y, X)``.
            bottleneck: ``(B, C, z, y, x)``.
        """
        _, condition = self.meet(bottleneck)
        return self.head(features, condition)


class LanguageGuidedUNet(nn.Module):
    """The backbone, whose bottleneck and heads language speaks to."""

    def __init__(
        self,
        channels: int,
        width: int,
        embedding: Tensor,
        adapter: bool = True,
        fusion: Fusion = "both",
        coarse: bool = False,
    ) -> None:
        """``coarse``: whether it answers at half of the resolution as well, in training."""
        super().__init__()
        self.backbone = Backbone(channels, width)
        self.language = Language(width, self.backbone.sizes[-1], embedding, adapter, fusion)
        self.coarse = plain_head(2 * width, len(embedding)) if coarse else None

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Logits, one sigmoid a class; or those and the coarser ones."""
        *levels, bottleneck = self.backbone.encode(x)
        bottleneck, condition = self.language.meet(bottleneck)
        features, below = self.backbone.decode([*levels, bottleneck])
        logits = self.language.head(features, condition)
        if self.coarse is None or not self.training:
            return logits
        return [logits, self.coarse(below)]
