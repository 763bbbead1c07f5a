"""The language head on any network: the network gives features, its deepest layer the image's
tokens."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from lacaf.model.fusion import LanguageHead

#: Patch on which a network is looked at that was built for none.
PATCH = (64, 64, 64)


class Guided(nn.Module):
    """A network of anybody's with a head for each class that language and image write.

    Its bottleneck is found when it is built, by a forward pass without values, and from then on
    kept from each pass until the head has read it.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: int,
        embedding: Tensor,
        patch: tuple[int, int, int] | None = None,
        bottleneck: str = "",
    ) -> None:
        """Put a head on.

        Args:
            backbone: ``(B, channels, Z, Y, X)`` to features ``(B, width, Z, Y, X)``.
            channels: input channels.
            embedding: ``(K, D)`` one text vector a class.
            patch: voxels ``(z, y, x)`` that it is built for.
            bottleneck: name of the module whose output is the bottleneck; empty to look for it.
        """
        super().__init__()
        self.backbone = backbone
        width, deepest, deep = _found(backbone, channels, patch or PATCH, bottleneck)
        # A method and no closure: a copy of the network (the moving average of the weights) then
        # keeps its own bottleneck.
        backbone.get_submodule(deepest).register_forward_hook(self._keep)
        self._bottleneck: Tensor | None = None
        self.language = LanguageHead(width, deep, embedding, fusion="image")

    def _keep(self, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        self._bottleneck = output

    def forward(self, x: Tensor) -> Tensor:
        """Logits, one sigmoid a class."""
        features = self.backbone(x)
        bottleneck, self._bottleneck = self._bottleneck, None
        assert bottleneck is not None
        return self.language(features, bottleneck)


def trial(
    network: nn.Module,
    channels: int,
    patch: tuple[int, int, int],
    batch: int = 1,
    training: bool = False,
) -> Any:
    """What a network gives for a patch, without values (on PyTorch's ``meta`` device).

    The network itself stays as it is.

    Raises:
        NotImplementedError: some operation of it needs values.
    """
    copied = copy.deepcopy(network).to("meta").train(training)
    try:
        with torch.no_grad():
            return copied(torch.empty(batch, channels, *patch, device="meta"))
    except RuntimeError as error:
        if "meta tensor" in str(error):  # as PyTorch says it of a value that is asked for
            raise NotImplementedError(str(error)) from None
        raise


def _found(
    backbone: nn.Module, channels: int, patch: tuple[int, int, int], named: str
) -> tuple[int, str, int]:
    """Features at the end, name of the module that gives the bottleneck, features there.

    It is the one whose output ``(B, C, z, y, x)`` has the fewest voxels; of several the most
    channels; of several the last. One voxel alone is a global mean, of an attention to channels
    for instance, and no bottleneck.
    """
    outputs: list[tuple[str, torch.Size]] = []

    def note(name: str) -> Any:
        def noted(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 5:
                outputs.append((name, output.shape))

        return noted

    handles = [m.register_forward_hook(note(name)) for name, m in backbone.named_modules() if name]
    try:
        features = _passed(backbone, channels, patch)
    finally:
        for handle in handles:
            handle.remove()
    if named:
        [shape] = [shape for name, shape in outputs if name == named]
        return features, named, shape[1]
    places = [(shape[2:].numel(), -shape[1], -n) for n, (_, shape) in enumerate(outputs)]
    _, _, last = min(place for place in places if place[0] > 1)
    name, shape = outputs[-last]
    return features, name, shape[1]


def _passed(backbone: nn.Module, channels: int, patch: tuple[int, int, int]) -> int:
    """Pass a patch through, and tell how many features come out."""
    try:
        return int(trial(backbone, channels, patch).shape[1])
    except NotImplementedError:
        device = next(backbone.parameters()).device
        training = backbone.training
        with torch.no_grad():
            made = backbone.eval()(torch.zeros(1, channels, *patch, device=device))
        backbone.train(training)
        return int(made.shape[1])
