"""What a step of training holds in memory, counted on the network itself.

The step runs on PyTorch's ``meta`` device, where tensors have a size and no content: a patch of
any size costs no memory and no time, and every tensor that a real step would hold at one moment
is seen coming and going. What is not seen is what lies below PyTorch: the scratch space of its
libraries, what its allocator loses between tensors, and the process itself.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lacaf.classes import CLASSES
from lacaf.model.inputs import channels
from lacaf.model.losses import DEFAULT, partial_label_loss
from lacaf.model.networks import NETWORKS, build

#: Length of the text vectors that are assumed; of the encoders that ship CLIP's are the longest.
VECTOR = 512
#: The weights themselves and AdamW's two moments; gradients are seen coming and going.
COPIES_OF_WEIGHTS = 3
#: Edge of the patches on which a network runs in earnest that cannot run on ``meta``.
REAL_EDGE = 48


@dataclass(frozen=True)
class Step:
    """What a step costs.

    Attributes:
        bytes: most that is held at one moment, weights and moments included.
        flops: of forward and backward pass together.
        forward_flops: of the forward pass alone.
        seen: where the network ran: ``meta``, or ``cpu`` where it cannot run without content.
        halved: whether a GPU's bfloat16 was counted, and not float32 throughout.
    """

    bytes: int
    flops: int
    forward_flops: int
    seen: str = "meta"
    halved: bool = False


class Held(TorchDispatchMode):
    """Counts the bytes of all tensors that operations made and that are still in use.

    Attributes:
        now: bytes held.
        most: the most that was held at one moment.
    """

    def __init__(self, given: Sequence[Tensor] = ()) -> None:
        """Tensors that were ``given`` are held elsewhere, and not counted."""
        super().__init__()
        self.now = self.most = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in given}

    def __torch_dispatch__(
        self, operation: Callable, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Do it, and look at what it made."""
        made = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._hold(tensor.untyped_storage())
        return made

    def _hold(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place not in self._known:
            self._known.add(place)
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._release, place, size).atexit = False

    def _release(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.now -= size


@dataclass(frozen=True)
class Kind:
    """Which network it is whose steps are counted.

    Attributes:
        network: a name in the registry.
        guided: whether it has text vectors; those that language guides by nature always have.
        arguments: what its builder takes beside width and patch.
    """

    network: str
    guided: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def built(self, width: int, patch: Sequence[int]) -> nn.Module:
        """One of it, on PyTorch's present device."""
        guided = self.guided or NETWORKS[self.network].language
        vectors = torch.rand(len(CLASSES), VECTOR) if guided else None
        return build(self.network, width, vectors, arguments=self.arguments, patch=patch)


def step(
    network: str | Kind,
    width: int,
    patch: Sequence[int],
    patches: int,
    *,
    gpu: bool,
    average: bool = False,
    loss: Mapping[str, float] | None = None,
) -> Step:
    """Count a step.

    Args:
        network: a name in the registry, or what else there is to say of it.
        width: feature channels at full resolution.
        patch: voxels ``(z, y, x)``.
        patches: how many go through the network at once.
        gpu: with the bfloat16 of a GPU, see :func:`lacaf.model.device.precision`; operations that
            a GPU keeps in float32, such as its normalisations, are counted so.
        average: whether a moving average of the weights is kept.
        loss: as in the parameters; without it all that ship.
    """
    shape = (patches, *patch)
    network = Kind(network) if isinstance(network, str) else network
    try:
        held, most, counter = _whole(network, width, shape, loss, "meta")
        seen = "meta"
    except (NotImplementedError, RuntimeError, TypeError):
        # Some operation needs content. In earnest, then, on what a small machine can hold.
        real = (1, *(min(REAL_EDGE, n) for n in patch))
        held, most, counter = _whole(network, width, real, loss, "cpu")
        scale = patches * _product(patch) / _product(real)
        held, most = round(held * scale), round(most * scale)
        counter = tuple(round(n * scale) for n in counter)  # type: ignore[assignment]
        seen = "cpu"
    weights = sum(p.nbytes for p in _network(network, width, patch, "meta").parameters())
    halved = gpu and seen == "meta"
    if halved:
        try:
            most = _forward_on_gpu(network, width, shape, loss) + most - held
        except (NotImplementedError, RuntimeError, TypeError):
            halved = False
    copies = COPIES_OF_WEIGHTS + average
    return Step(most + copies * weights, counter[1], counter[0], seen, halved)


def _product(lengths: Sequence[int]) -> int:
    return int(torch.Size(lengths).numel())


def _network(network: Kind, width: int, patch: Sequence[int], device: str) -> nn.Module:
    with torch.device(device):
        return network.built(width, patch)


def forward(
    network: nn.Module, shape: Sequence[int], loss: Mapping[str, float] | None, device: str
) -> Tensor:
    """The loss of empty patches ``(B, z, y, x)``, as training computes it of those that it has
    augmented."""
    size = (shape[0], len(CLASSES), *shape[1:])
    hu = torch.zeros(tuple(shape), dtype=torch.int16, device=device)
    side = torch.zeros(tuple(shape), dtype=torch.float16, device=device)
    height, depth = (torch.zeros(shape[0], n, device=device) for n in shape[1:3])
    targets, valid = (torch.ones(size, dtype=torch.bool, device=device) for _ in range(2))
    seen = channels(hu.float(), side, height, depth, (-1000, 400), (0, 450))
    logits = network(seen.contiguous(memory_format=torch.channels_last_3d))
    return partial_label_loss(logits, targets, valid, loss or DEFAULT, skeleton=valid[:, 0])


def _whole(
    network: Kind, width: int, shape: Sequence[int], loss: Mapping[str, float] | None, device: str
) -> tuple[int, int, tuple[int, int]]:
    """Bytes held after the forward pass, the most of both, and FLOPs of forward and of both."""
    model = _network(network, width, shape[1:], device)
    given = [*model.parameters(), *model.buffers()]
    with FlopCounterMode(display=False) as counter, Held(given) as tensors:
        value = forward(model, shape, loss, device)
        held, flops = tensors.now, counter.get_total_flops()
        value.backward()
    return held, tensors.most, (flops, counter.get_total_flops())


def _forward_on_gpu(
    network: Kind, width: int, shape: Sequence[int], loss: Mapping[str, float] | None
) -> int:
    """Bytes held after the forward pass with a GPU's mixed precision; no GPU is needed."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with ExitStack() as stack:
        stack.enter_context(FakeTensorMode())
        model = _network(network, width, shape[1:], "cuda")
        stack.enter_context(_autocast())
        tensors = stack.enter_context(Held([*model.parameters(), *model.buffers()]))
        value = forward(model, shape, loss, "cuda")
        held = tensors.now
        del value
    return held


def _autocast() -> AbstractContextManager:
    """``torch.autocast`` for GPUs, which would turn itself off where there is none."""
    stack = ExitStack()
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    stack.callback(torch.set_autocast_dtype, "cuda", before[1])
    stack.callback(torch.set_autocast_enabled, "cuda", before[0])
    stack.callback(torch.clear_autocast_cache)
    return stack
