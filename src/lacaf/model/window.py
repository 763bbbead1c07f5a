"""Probabilities of a whole volume, patch by patch, with patches of the training's size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from numpy.typing import NDArray
from torch import Tensor, nn

from lacaf.model.device import precision


def probabilities(
    network: nn.Module,
    channels: NDArray[np.float32],
    patch: Sequence[int],
    overlap: float,
    device: torch.device,
) -> NDArray[np.float32]:
    """Class probabilities ``(4, Z, Y, X)`` of a volume's channels ``(C, Z, Y, X)``.

    Patches overlap and are blended with Gaussian weights; normalisation sees as many voxels as
    it did in training.
    """

    def predict(patches: Tensor) -> Tensor:
        patches = patches.to(memory_format=torch.channels_last_3d)
        with precision(device):
            return torch.sigmoid(network(patches).float())

    network.eval()
    with torch.inference_mode():
        blended = sliding_window_inference(
            torch.from_numpy(channels)[None].to(device),
            roi_size=tuple(patch),
            sw_batch_size=1,
            predictor=predict,
            overlap=overlap,
            mode="gaussian",
            padding_mode="replicate",
        )
    return blended[0].cpu().numpy()
