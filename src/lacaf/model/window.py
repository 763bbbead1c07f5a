"""Probabilities of a whole volume, patch by patch, with patches of the training's size.

Written here, though MONAI has a sliding window: to import MONAI takes each of a cohort's
inferences ten seconds of processor time, and it wants the whole input in memory. The answer is
MONAI's to rounding, which a test holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lacaf.classes import CLASSES, mirrored
from lacaf.model.device import precision
from lacaf.model.inputs import SIDE, Region, Source, channels, padded

#: Width of the Gaussian by which overlapping patches are blended, as a fraction of the patch.
BLEND = 0.125

#: No voxel of a patch counts less than this fraction of its middle.
LEAST = 1e-3

#: Voxels that go through the network together, at least. A single small patch on a CPU PyTorch
#: leaves to its slow code (``slow_conv3d``); of larger ones, one is enough.
AT_ONCE = 2**17

Windows = tuple[Sequence[float], Sequence[float]]


def regions(shape: Sequence[int], patch: Sequence[int], overlap: float) -> Iterator[Region]:
    """The parts of a volume that patches with that overlap cover, none beyond its end."""
    starts = []
    for length, size in zip(shape, patch, strict=True):
        size = min(size, length)
        step = max(1, int(size * (1 - overlap))) if size < length else size
        count = -(-(length - size) // step) + 1
        starts.append([(min(i * step, length - size), size) for i in range(count)])
    for z, y, x in product(*starts):
        yield slice(z[0], sum(z)), slice(y[0], sum(y)), slice(x[0], sum(x))


def importance(size: Sequence[int]) -> Tensor:
    """What each voxel of a patch counts in the blend: a Gaussian ``(z, y, x)``, 1 at its top."""
    weights = torch.ones(())
    for length in size:
        place = torch.arange(length) - (length - 1) / 2
        weights = weights[..., None] * torch.exp(-0.5 * (place / (BLEND * length)) ** 2)
    return weights.clamp_(min=LEAST)


def probabilities(
    network: nn.Module,
    source: Source,
    windows: Windows,
    patch: Sequence[int],
    overlap: float,
    device: torch.device,
    each: Callable[[Region, Tensor], None] | None = None,
    mirror: bool = False,
) -> NDArray[np.float32]:
    """Class probabilities ``(K, Z, Y, X)`` of a case.

    Patches overlap and are blended with Gaussian weights; normalisation sees as many voxels as
    it did in training. On the device lies one patch at a time, or a few small ones.

    Args:
        network: channels to logits.
        source: the case.
        windows: ``hu_window`` and ``blood_window`` of the training.
        patch: voxels along each axis.
        overlap: fraction by which neighbours overlap.
        device: where the network lies.
        each: told of every region and its logits ``(K, z, y, x)``, before they are blended.
        mirror: whether each patch is seen mirrored as well, and the mean of both answers counts.
    """
    network.eval()
    weights = importance(patch)
    blended = torch.zeros((len(CLASSES), *source.shape))
    total = torch.zeros(tuple(source.shape))
    for together in _batches(regions(source.shape, patch, overlap), math.prod(patch)):
        cuts, rooms = zip(*(padded(source.cut(region), patch) for region in together), strict=True)
        hu, side, height, depth = (
            torch.from_numpy(np.stack(part)).to(device) for part in zip(*cuts, strict=True)
        )
        seen = channels(hu, side, height, depth, *windows)
        seen = seen.contiguous(memory_format=torch.channels_last_3d)
        with torch.inference_mode(), precision(device):
            logits = network(seen).float()
            chances = logits.sigmoid()
            if mirror:
                chances = (chances + _of_mirrored(network, seen).sigmoid()) / 2
        for region, room, own, chance in zip(together, rooms, logits, chances.cpu(), strict=True):
            inside = tuple(slice(b, size - a) for (b, a), size in zip(room, patch, strict=True))
            if each is not None:
                each(region, own[(slice(None), *inside)])
            blended[(slice(None), *region)] += chance[(slice(None), *inside)] * weights[inside]
            total[region] += weights[inside]
    return blended.div_(total).numpy()


def _batches(found: Iterator[Region], voxels: int) -> Iterator[list[Region]]:
    """Regions that are looked at together: small patches several at once."""
    while together := list(islice(found, math.ceil(AT_ONCE / voxels))):
        yield together


def _of_mirrored(network: nn.Module, seen: Tensor) -> Tensor:
    """Logits ``(B, K, z, y, x)`` of patches ``(B, C, z, y, x)``, found in the mirror: left and
    right are exchanged there, in the image and among the classes, and here exchanged back."""
    turned = seen.flip(-1).contiguous(memory_format=torch.channels_last_3d)
    turned[:, SIDE].neg_()
    return network(turned).float().flip(-1)[:, mirrored()]
