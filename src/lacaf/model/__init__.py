"""The networks: a 3-D U-Net, alone or guided by language.

Tensors in, tensors out: this room knows no file, no DICOM, no MLflow. Training and inference
both build their network here, and make its input here, so they cannot drift apart.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from lacaf.coverage import CLASSES
from lacaf.model.backbone import PlainUNet
from lacaf.model.fusion import LanguageGuidedUNet
from lacaf.model.inputs import CHANNELS


def build(
    network: Literal["lacaf", "unet"],
    width: int,
    embedding: Tensor | None = None,
    channels: int = len(CHANNELS),
) -> nn.Module:
    """A network ``(B, channels, Z, Y, X)`` -> logits ``(B, 4, Z, Y, X)``, any Z, Y, X.

    One sigmoid a class, classes in the order of ``coverage.CLASSES``.

    Args:
        network: ``lacaf``, guided by language, or ``unet``, the same backbone without.
        width: feature channels at full resolution; doubled at every level below.
        embedding: ``(K, D)`` one text vector a class, frozen; for ``lacaf`` only.
        channels: input channels, see :mod:`lacaf.model.inputs`.

    Raises:
        ValueError: an unknown network, or an embedding that does not fit it.
    """
    if network == "unet":
        if embedding is not None:
            raise ValueError("network `unet` takes no embedding")
        return PlainUNet(channels, width, len(CLASSES))
    if network != "lacaf":
        raise ValueError(f"network {network!r} is unknown; known are lacaf, unet")
    if embedding is None or embedding.ndim != 2 or len(embedding) != len(CLASSES):
        given = None if embedding is None else tuple(embedding.shape)
        raise ValueError(f"network `lacaf` needs an embedding ({len(CLASSES)}, D), given {given}")
    return LanguageGuidedUNet(channels, width, embedding)
