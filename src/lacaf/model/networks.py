"""The networks by name: one entry each, found by training and inference alike.

A network takes ``(B, channels, Z, Y, X)`` and gives logits ``(B, K, Z, Y, X)``, one sigmoid a
class, in the order of ``classes.TABLE``. Naming one must not load torch, so each is built by a
function that imports what it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lacaf.classes import CLASSES

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """What a network is built for.

    Attributes:
        channels: input channels, see :mod:`lacaf.model.inputs`.
        classes: outputs.
        width: feature channels at full resolution; doubled at every level below.
        embedding: ``(K, D)`` one frozen text vector a class, where language guides it.
    """

    channels: int
    classes: int
    width: int
    embedding: Tensor | None = None


@dataclass(frozen=True)
class Network:
    """An entry of the registry.

    Attributes:
        build: makes it, with fresh weights.
        about: one line for the reference page.
        language: whether it is guided by text vectors.
        multiple: patches must be so many voxels along each axis, or a multiple of it.
    """

    build: Callable[[Shape], nn.Module]
    about: str
    language: bool = False
    multiple: int = 1


def _lacaf(shape: Shape) -> nn.Module:
    from lacaf.model.fusion import LanguageGuidedUNet

    assert shape.embedding is not None  # build saw to it
    return LanguageGuidedUNet(shape.channels, shape.width, shape.embedding)


def _unet(shape: Shape) -> nn.Module:
    from lacaf.model.backbone import PlainUNet

    return PlainUNet(shape.channels, shape.width, shape.classes)


def _dynunet(shape: Shape) -> nn.Module:
    from monai.networks.nets import DynUNet

    halvings = (1, 2, 2, 2)
    return DynUNet(
        spatial_dims=3,
        in_channels=shape.channels,
        out_channels=shape.classes,
        kernel_size=[3] * len(halvings),
        strides=list(halvings),
        upsample_kernel_size=list(halvings[1:]),
        filters=[shape.width * 2**level for level in range(len(halvings))],
        norm_name=("group", {"num_groups": 1}),
        res_block=True,
    )


NETWORKS = {
    "lacaf": Network(_lacaf, "the U-Net with a head that text and image write", language=True),
    "unet": Network(_unet, "plain U-Net, no language"),
    "dynunet": Network(_dynunet, "MONAI's DynUNet, nnU-Net's architecture", multiple=8),
}


def build(
    network: str, width: int, embedding: Tensor | None = None, channels: int | None = None
) -> nn.Module:
    """A network by its name, with fresh weights.

    Args:
        network: a name in ``NETWORKS``.
        width: feature channels at full resolution.
        embedding: ``(K, D)`` one text vector a class, frozen; for those guided by language only.
        channels: input channels; None for those of :mod:`lacaf.model.inputs`.

    Raises:
        ValueError: an unknown network, or an embedding that does not fit it.
    """
    if network not in NETWORKS:
        raise ValueError(f"network {network!r} is unknown; known are {', '.join(NETWORKS)}")
    if not NETWORKS[network].language and embedding is not None:
        raise ValueError(f"network `{network}` takes no embedding")
    fits = embedding is not None and embedding.ndim == 2 and len(embedding) == len(CLASSES)
    if NETWORKS[network].language and not fits:
        given = None if embedding is None else tuple(embedding.shape)
        raise ValueError(
            f"network `{network}` needs an embedding ({len(CLASSES)}, D), given {given}"
        )
    from lacaf.model.inputs import CHANNELS

    shape = Shape(channels or len(CHANNELS), len(CLASSES), width, embedding)
    return NETWORKS[network].build(shape)
