"""Weights of another network of the same build, laid on one of ours as far as they fit.

Files of the field name the same tensor differently: with the wrappers around the network that was
saved. Nothing is guessed beyond that: a tensor is taken by its name and shape, or told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lacaf.model.inputs import CHANNELS

#: Keys below which files keep the weights, beside the optimizer and the like.
WRAPPERS = ("state_dict", "model_state_dict", "net", "model", "network")
#: What wrappers put before a name: DataParallel, torch.compile, a network in a network.
PREFIXES = (
    "module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "language.", "swinViT.",
)  # fmt: skip
#: Parts of names that were called otherwise in earlier versions of MONAI's SwinUNETR.
RENAMED = {".mlp.fc1.": ".mlp.linear1.", ".mlp.fc2.": ".mlp.linear2."}
#: Text vectors are those that this training was given, whatever the file holds.
NOT_WEIGHTS = "embedding"


@dataclass(frozen=True, eq=False)
class Fit:
    """How weights fit a network.

    Attributes:
        weights: those that fit, by the network's own names.
        of: tensors that the network has.
        missing: the network's names that the file has nothing for.
        other_shape: the network's names for which it holds something of another shape.
        unused: the file's names that the network has nothing for.
    """

    weights: Mapping[str, Tensor]
    of: int
    missing: list[str]
    other_shape: list[str]
    unused: list[str]


def unwrapped(content: Any) -> dict[str, Tensor]:
    """The tensors by name in what a file holds; empty if there are none."""
    if not isinstance(content, Mapping):
        return {}
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return unwrapped(content[key])
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def bare(name: str) -> str:
    """A tensor's name without the wrappers around its network."""
    for before, now in RENAMED.items():
        name = name.replace(before, now)
    while prefix := next((p for p in PREFIXES if name.startswith(p)), None):
        name = name.removeprefix(prefix)
    return name


def fit(network: nn.Module, found: Mapping[str, Tensor]) -> Fit:
    """See which of the weights found are this network's.

    The first convolution of a network that saw one channel is laid on our channel ``image``, with
    zeros for the others: what it gives is then what it gave.
    """
    own = {n: t for n, t in network.state_dict().items() if not n.endswith(NOT_WEIGHTS)}
    names = _paired(own, found)
    weights, other = {}, []
    for name, theirs in names.items():
        laid = _laid(found[theirs], own[name])
        if laid is None:
            other.append(name)
        else:
            weights[name] = laid
    missing = [name for name in own if name not in names]
    taken = set(names.values())
    unused = [n for n in found if n not in taken and not n.endswith(NOT_WEIGHTS)]
    return Fit(weights, len(own), missing, other, unused)


def _paired(own: Iterable[str], found: Iterable[str]) -> dict[str, str]:
    """The network's names to the file's: the same, or the same without wrappers if that is
    unmistakable."""
    own, found = list(own), set(found)
    ours, theirs = (Counter(bare(name) for name in names) for names in (own, found))
    by_bare = {bare(name): name for name in found}
    pairs = {}
    for name in own:
        short = bare(name)
        if name in found:
            pairs[name] = name
        elif ours[short] == theirs[short] == 1:
            pairs[name] = by_bare[short]
    return pairs


def _laid(theirs: Tensor, own: Tensor) -> Tensor | None:
    """A tensor as the network needs it; None if its shape is another."""
    if theirs.shape == own.shape:
        return theirs.to(own.dtype)
    one_channel = theirs.ndim == 5 and theirs.shape[1] == 1 and own.ndim == 5
    same = one_channel and (theirs.shape[0], *theirs.shape[2:]) == (own.shape[0], *own.shape[2:])
    if not same or own.shape[1] != len(CHANNELS):
        return None
    laid = own.new_zeros(own.shape)
    laid[:, CHANNELS.index("image")] = theirs[:, 0].to(own.dtype)
    return laid
