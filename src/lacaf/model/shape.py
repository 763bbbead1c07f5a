"""What a network is built for, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor

Patch = tuple[int, int, int]
#: How text and image meet, where language guides a network: see :mod:`lacaf.model.fusion`.
Fusion = Literal["both", "image", "released", "none"]
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)


@dataclass(frozen=True)
class Shape:
    """What a network is built for.

    Attributes:
        channels: input channels, see :mod:`lacaf.model.inputs`.
        classes: outputs.
        width: feature channels at full resolution; what that scales, each entry says.
        embedding: ``(K, D)`` one frozen text vector a class, where language guides it.
        patch: voxels ``(z, y, x)`` of what it sees at once, None if that is not said.
        coarse: whether it gives coarser logits too, in training, as a list, the finest first.
    """

    channels: int
    classes: int
    width: int
    embedding: Tensor | None = None
    patch: Patch | None = None
    coarse: bool = False
