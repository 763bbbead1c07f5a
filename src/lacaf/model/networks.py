"""The networks by name: one entry each, found by training and inference alike.

A network takes ``(B, channels, Z, Y, X)`` and gives logits ``(B, K, Z, Y, X)``, one sigmoid a
class, in the order of ``classes.TABLE``. Naming one must not load torch, so each is built by a
function that imports what it needs. With text vectors any of them is guided by language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lacaf.classes import CLASSES
from lacaf.fault import Fault
from lacaf.model import monai_networks
from lacaf.model.arguments import ArgumentError, check
from lacaf.model.shape import FUSIONS, Fusion, Patch, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


class Unbuildable(Fault, ValueError):
    """There is no such network, or it cannot be built so; the message says what is allowed."""


@dataclass(frozen=True)
class Network:
    """An entry of the registry.

    Attributes:
        build: makes it, with fresh weights; what it takes beside the shape is ``train.arguments``.
        about: one line for the reference page.
        language: whether language guides it by nature, so that it must have text vectors.
        multiple: patches must be so many voxels along each axis, or a multiple of it; or a
            function that tells this from ``train.patch``.
        smallest: patches have at least so many voxels along each axis.
        patch: the only patch that it takes, voxels ``(z, y, x)``.
        one_patch: whether it takes no patch but the one that it was built for.
        guided: makes it with a language head, where it hands its bottleneck over itself; the
            others are searched for it, see :mod:`lacaf.model.guided`.
        bottleneck: name of the module whose output is the bottleneck, where it is not the one
            with the fewest voxels.
        coarse: whether it gives coarser logits too, in training, where its shape asks for them.
        choices: values that an argument may have, by its name, where they are few.
        revision: counted up whenever the same weights would give other logits than before.
    """

    build: Callable[..., nn.Module]
    about: str
    language: bool = False
    multiple: int | Callable[[Sequence[int]], Patch] = 1
    smallest: int = 1
    patch: Patch | None = None
    one_patch: bool = False
    guided: Callable[..., nn.Module] | None = None
    bottleneck: str = ""
    coarse: bool = False
    choices: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    revision: int = 1

    def multiples(self, patch: Sequence[int]) -> Patch:
        """What patches must be a multiple of along ``(z, y, x)``, if ``patch`` is the largest."""
        if callable(self.multiple):
            return self.multiple(patch)
        return self.multiple, self.multiple, self.multiple


def _lacaf(shape: Shape, *, adapter: bool = True, fusion: Fusion = "both") -> nn.Module:
    from lacaf.model.fusion import LanguageGuidedUNet

    assert shape.embedding is not None  # build saw to it
    return LanguageGuidedUNet(
        shape.channels, shape.width, shape.embedding, adapter, fusion, shape.coarse
    )


def _unet(shape: Shape) -> nn.Module:
    from lacaf.model.backbone import PlainUNet

    return PlainUNet(shape.channels, shape.width, shape.classes, shape.coarse)


def _released(shape: Shape, *, image_only: bool = False) -> nn.Module:
    from lacaf.model.published import Released

    assert shape.embedding is not None
    return Released(shape.channels, shape.width, shape.embedding, image_only)


def _clip_driven(shape: Shape, *, image_only: bool = False) -> nn.Module:
    from lacaf.model.published import ClipDriven

    assert shape.embedding is not None
    return ClipDriven(shape.channels, shape.width, shape.embedding, image_only)


NETWORKS = {
    "lacaf": Network(
        _lacaf,
        "our U-Net, in which text and image attend to each other",
        language=True,
        coarse=True,
        choices={"fusion": FUSIONS},
        revision=2,
    ),
    "unet": Network(_unet, "our plain U-Net", guided=_lacaf, coarse=True, revision=2),
    "released": Network(
        _released,
        "LA-CAF as its public code behaves: attention of text alone, patches of 96³; width 64 "
        "there",
        language=True,
        patch=(96, 96, 96),
        one_patch=True,
    ),
    "clip_driven": Network(
        _clip_driven,
        "its parent, the CLIP-driven universal model on a U-Net; width 64 there",
        language=True,
        multiple=8,
    ),
    "dynunet": Network(
        monai_networks.dynunet,
        "MONAI's DynUNet, nnU-Net's architecture: levels by its rules from the patch, "
        "width doubled at each, up to 320",
        multiple=monai_networks.multiples_of_dynunet,
        smallest=8,
    ),
    "monai_unet": Network(
        monai_networks.unet,
        "MONAI's residual UNet: five levels, width doubled at each",
        multiple=16,
        smallest=32,
    ),
    "attention_unet": Network(
        monai_networks.attention_unet,
        "MONAI's AttentionUnet: five levels, width doubled at each",
        multiple=16,
        smallest=32,  # one voxel at the bottom would have no spread to normalise by
    ),
    "segresnet": Network(
        monai_networks.segresnet,
        "MONAI's SegResNet: four levels, width doubled at each",
        multiple=8,
    ),
    "swin_unetr": Network(
        monai_networks.swin_unetr,
        "MONAI's SwinUNETR: features of the first stage are width, rounded up to a multiple of 12",
        multiple=32,
        smallest=64,
    ),
    "unetr": Network(
        monai_networks.unetr,
        "MONAI's UNETR: width features at full resolution (16 in the paper), tokens of 48 times "
        "as many",
        multiple=16,
        smallest=32,
        one_patch=True,
        bottleneck="decoder5.transp_conv",
    ),
}


def build(
    network: str,
    width: int,
    embedding: Tensor | None = None,
    channels: int | None = None,
    *,
    arguments: Mapping[str, Any] | None = None,
    patch: Sequence[int] | None = None,
    coarse: bool = False,
) -> nn.Module:
    """A network by its name, with fresh weights.

    Args:
        network: a name in ``NETWORKS``.
        width: feature channels at full resolution.
        embedding: ``(K, D)`` one text vector a class, frozen; with it language guides the network.
        channels: input channels; None for those of :mod:`lacaf.model.inputs`.
        arguments: what its builder takes beside these, by name.
        patch: voxels ``(z, y, x)`` of what it will see at once; some networks are built for it.
        coarse: whether it is to give coarser logits as well in training, if it can.

    Raises:
        Unbuildable: an unknown network or argument, or one that does not fit it.
    """
    if network not in NETWORKS:
        raise Unbuildable(f"network {network!r} is unknown; known are {', '.join(NETWORKS)}")
    _check_embedding(network, embedding)
    from lacaf.model.inputs import CHANNELS

    size = None if patch is None else (patch[0], patch[1], patch[2])
    shape = Shape(channels or len(CHANNELS), len(CLASSES), width, embedding, size, coarse)
    given = dict(arguments or {})
    try:
        check(NETWORKS[network].build, given, NETWORKS[network].choices)
        return _built(NETWORKS[network], shape, given)
    except ArgumentError as error:
        raise Unbuildable(f"network `{network}` {error}") from None
    except Exception as error:
        if not given or isinstance(error, Fault):
            raise
        # What a network of others makes of a value that it does not take is its own affair.
        raise Unbuildable(
            f"network `{network}` cannot be built with {_told(given)}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_embedding(network: str, embedding: Tensor | None) -> None:
    """Those that language guides by nature have vectors, and vectors fit the classes."""
    fits = embedding is not None and embedding.ndim == 2 and len(embedding) == len(CLASSES)
    if fits or (embedding is None and not NETWORKS[network].language):
        return
    given = None if embedding is None else tuple(embedding.shape)
    raise Unbuildable(f"network `{network}` needs an embedding ({len(CLASSES)}, D), given {given}")


def _built(entry: Network, shape: Shape, arguments: Mapping[str, Any]) -> nn.Module:
    if shape.embedding is None or entry.language:
        return entry.build(shape, **arguments)
    if entry.guided is not None:
        return entry.guided(shape, **arguments)
    from lacaf.model.guided import Guided

    plain = replace(shape, classes=shape.width, embedding=None)
    backbone = entry.build(plain, **arguments)
    return Guided(backbone, shape.channels, shape.embedding, shape.patch, entry.bottleneck)


def arguments_of(about: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a model was built with, by the content of its ``model.json``.

    Before there were any, ``dynunet`` had three halvings whatever the patch.
    """
    if "arguments" in about or about["network"] != "dynunet":
        return dict(about.get("arguments", {}))
    return {
        "strides": [1, 2, 2, 2],
        "filters": [about["width"] * 2**level for level in range(4)],
    }


def try_out(network: str, built: nn.Module, arguments: Mapping[str, Any], patch: Patch) -> None:
    """See, without values and in no time, whether a network that was given arguments still does
    what a network must.

    Raises:
        Unbuildable: it does not run on the patch, or gives something else than logits.
    """
    from lacaf.model.guided import trial
    from lacaf.model.inputs import CHANNELS

    expected = (2, len(CLASSES), *patch)
    try:
        made = trial(built, len(CHANNELS), patch, batch=2, training=True)
    except NotImplementedError:
        return  # it does not run without values; the first step will tell
    except Exception as error:
        raise Unbuildable(
            f"network `{network}` does not run with {_told(arguments)} on patches of "
            f"{list(patch)}: {type(error).__name__}: {error}"
        ) from error
    finest = made[0] if isinstance(made, list) else made
    found = getattr(finest, "shape", None)
    if found != expected:
        raise Unbuildable(
            f"network `{network}` with {_told(arguments)} gives "
            f"{'no tensor' if found is None else f'a tensor {tuple(found)}'}; logits {expected} "
            "are needed"
        )


def _told(arguments: Mapping[str, Any]) -> str:
    return "arguments " + ", ".join(f"{name}: {value!r}" for name, value in arguments.items())
