"""MONAI's networks, each with the settings of its paper where this project has no reason for
others.

Each takes MONAI's own arguments beside the shape, by the names that MONAI gives them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lacaf.model.arguments import called

if TYPE_CHECKING:
    from torch import nn

    from lacaf.model.shape import Shape

#: nnU-Net's limits: an axis is halved while it has so many voxels, and at most so often; and its
#: most feature channels.
HALVED_FROM, MOST_HALVINGS, MOST_FEATURES = 8, 5, 320
#: Halvings where no patch is said.
HALVINGS = (3, 3, 3)
#: Feature channels of SwinUNETR come in multiples of this.
SWIN_FEATURES = 12


def halvings(patch: Sequence[int]) -> tuple[int, int, int]:
    """How often nnU-Net halves each axis of a patch on an isotropic grid.

    The rule is that of ``get_pool_and_conv_props`` in nnU-Net v2. Where nnU-Net would enlarge a
    patch whose voxels cannot be halved so often, the axis is halved as often as it can be: the
    patch is the user's.
    """
    found = []
    for length in patch:
        count = 0
        while length >= HALVED_FROM and length % 2 == 0 and count < MOST_HALVINGS:
            length, count = length // 2, count + 1
        found.append(count)
    return found[0], found[1], found[2]


def multiples_of_dynunet(patch: Sequence[int]) -> tuple[int, int, int]:
    """What smaller patches must be a multiple of, and the patch itself at least of 8."""
    z, y, x = (max(8, 2**count) for count in halvings(patch))
    return z, y, x


def _dynunet_levels(shape: Shape, given: Mapping[str, Any]) -> dict[str, Any]:
    """Strides, kernels and features of each level, for the patch or for the strides given."""
    counts = HALVINGS if shape.patch is None else halvings(shape.patch)
    levels = range(1, max(counts) + 1)
    strides = [[1, 1, 1], *([1 + (level <= count) for count in counts] for level in levels)]
    strides = given.get("strides", strides)
    return {
        "strides": strides,
        "kernel_size": [3] * len(strides),
        "upsample_kernel_size": strides[1:],
        "filters": [min(MOST_FEATURES, shape.width * 2**n) for n in range(len(strides))],
    }


def dynunet(shape: Shape, **arguments: Any) -> nn.Module:
    """nnU-Net's architecture, with residual blocks."""
    from monai.networks.nets import DynUNet

    # GroupNorm of one group: independent of the batch and less shaken by a patch's content.
    usual = {"norm_name": ("group", {"num_groups": 1}), "res_block": True}
    usual |= _dynunet_levels(shape, arguments)
    return called(DynUNet, _ends(shape), usual, arguments)


def unet(shape: Shape, **arguments: Any) -> nn.Module:
    """A U-Net of residual units (Kerfoot 2018)."""
    from monai.networks.nets import UNet

    return called(UNet, _ends(shape), _five_levels(shape) | {"num_res_units": 2}, arguments)


def attention_unet(shape: Shape, **arguments: Any) -> nn.Module:
    """A U-Net with gates on its skips (Oktay 2018)."""
    from monai.networks.nets import AttentionUnet

    return called(AttentionUnet, _ends(shape), _five_levels(shape), arguments)


def segresnet(shape: Shape, **arguments: Any) -> nn.Module:
    """A residual encoder with a light decoder (Myronenko 2018, without the autoencoder)."""
    from monai.networks.nets import SegResNet

    groups = math.gcd(8, shape.width)  # 8 in MONAI, which widths below 8 cannot be parted into
    usual = {"init_filters": shape.width, "norm": ("GROUP", {"num_groups": groups})}
    return called(SegResNet, _ends(shape), usual, arguments)


def swin_unetr(shape: Shape, **arguments: Any) -> nn.Module:
    """A shifted-window transformer with a convolutional decoder (Hatamizadeh 2022)."""
    import torch
    from monai.networks.nets import SwinUNETR

    features = -(-shape.width // SWIN_FEATURES) * SWIN_FEATURES
    there = torch.get_default_device()
    with torch.device("cpu"):  # while it is built it reads values, which `meta` tensors lack
        network = called(SwinUNETR, _ends(shape), {"feature_size": features}, arguments)
    return network.to(there)


def unetr(shape: Shape, **arguments: Any) -> nn.Module:
    """A vision transformer with a convolutional decoder (Hatamizadeh 2021), for one patch size."""
    from monai.networks.nets import UNETR

    tokens = 48 * shape.width  # 768 with the paper's 16 features
    usual = {"feature_size": shape.width, "hidden_size": tokens, "mlp_dim": 4 * tokens}
    fixed = {**_ends(shape), "img_size": shape.patch or (96, 96, 96)}
    network = called(UNETR, fixed, usual, arguments)
    for name, weights in network.named_parameters():
        # Its blocks hold norms for a cross-attention that UNETR has not. DistributedDataParallel
        # waits for the gradient of every weight that asks for one.
        if "norm_cross_attn" in name:
            weights.requires_grad_(False)
    return network


def _ends(shape: Shape) -> dict[str, Any]:
    return {"spatial_dims": 3, "in_channels": shape.channels, "out_channels": shape.classes}


def _five_levels(shape: Shape) -> dict[str, Any]:
    return {"channels": [shape.width * 2**n for n in range(5)], "strides": (2, 2, 2, 2)}
