"""What a training costs on a machine: gigabytes and seconds, for any patch, batch and width."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cache

import torch

from lacaf.model.networks import NETWORKS
from lacaf.model.window import regions
from lacaf.plan import memory

#: Edges of the cubes between which bytes and FLOPs are interpolated; both grow with the voxels.
EDGES = (96, 192)
#: Patches at once of which a step is counted. Of one alone it is counted apart: some copies are
#: not made then.
PAIR = 2
#: What is needed beyond what was counted, as a factor: gaps between tensors, scratch space of
#: convolutions, augmentation; and in GB: the process on a CPU, the driver on a GPU. Those of a CPU
#: are measured (benchmarks/plan_memory.py); those of a GPU are a cautious guess.
FACTOR = {"gpu": 1.2, "cpu": 1.7}
ADDED_GB = {"gpu": 1.0, "cpu": 1.2}
#: Edge of the patches in the real step that tells how fast a CPU is.
MEASURED_EDGE = 48
#: By which neighbouring windows overlap when :mod:`lacaf.train.validate` scores a case.
VALIDATION_OVERLAP = 0.25
#: Blending and counting a validation case on one core, seconds a million voxels.
COUNTING_SECONDS = 0.3


class Cost:
    """What training one network costs on one machine.

    Attributes:
        network: its name in the registry, and what else there is to say of it.
        kind: ``gpu`` or ``cpu``.
        flops_per_second: what the machine does of a step's floating-point operations.
        timed: whether that was measured on this machine.
    """

    def __init__(
        self,
        network: str | memory.Kind,
        kind: str,
        flops_per_second: float,
        timed: bool = False,
        loss: Mapping[str, float] | None = None,
        average: bool = False,
    ) -> None:
        self.network = memory.Kind(network) if isinstance(network, str) else network
        self.kind, self.flops_per_second = kind, flops_per_second
        self.timed = timed
        self._loss, self._average = loss, average
        self.count = cache(self._count)

    def gigabytes(self, patch: Sequence[int], patches: int, width: int) -> float:
        """Memory that a step needs, GB of 10^9 bytes: counted, times ``FACTOR``, and
        ``ADDED_GB``.

        Args:
            patch: voxels ``(z, y, x)``.
            patches: how many go through the network at once.
            width: feature channels at full resolution.
        """
        together = min(patches, PAIR)
        low, high = (self.count(edge, together, width).bytes for edge in EDGES)
        counted = self._between(low, high, patch, patches, together)
        return counted / 1e9 * FACTOR[self.kind] + ADDED_GB[self.kind]

    def seconds(self, patch: Sequence[int], batch: int, width: int) -> float:
        """Time of a step, forward and backward."""
        low, high = (self.count(edge, PAIR, width).flops for edge in EDGES)
        return self._between(low, high, patch, batch, PAIR) / self.flops_per_second

    def validation_seconds(self, shape: Sequence[int], patch: Sequence[int], width: int) -> float:
        """Time of scoring one case ``(z, y, x)``."""
        windows = sum(1 for _ in regions(shape, patch, VALIDATION_OVERLAP))
        low, high = (self.count(edge, PAIR, width).forward_flops for edge in EDGES)
        window = self._between(low, high, patch, 1, PAIR) / self.flops_per_second
        return windows * window + COUNTING_SECONDS * _voxels(shape) / 1e6

    def _between(
        self, low: float, high: float, patch: Sequence[int], patches: int, counted: int
    ) -> float:
        """A value that grows with the voxels, from those of the two cubes."""
        small, large = (counted * edge**3 for edge in EDGES)
        return low + (high - low) * (patches * _voxels(patch) - small) / (large - small)

    def _count(self, edge: int, patches: int, width: int) -> memory.Step:
        return memory.step(
            self.network, width, (edge,) * 3, patches,
            gpu=self.kind == "gpu", average=self._average, loss=self._loss,
        )  # fmt: skip


def measured_flops_per_second(network: str | memory.Kind, width: int) -> float:
    """What this machine's CPU does of a step's operations in a second: two real steps of a small
    patch, the second of which counts."""
    whole = memory.Kind(network) if isinstance(network, str) else network
    entry = NETWORKS[whole.network]
    edge = max(MEASURED_EDGE, entry.smallest)
    shape = (2, *(-(-edge // n) * n for n in entry.multiples((edge,) * 3)))
    built = whole.built(width, shape[1:])
    model = built.to(memory_format=torch.channels_last_3d)
    for _ in range(2):
        begin = time.perf_counter()
        memory.forward(model, shape, None, "cpu").backward()
        seconds = time.perf_counter() - begin
    return memory.step(whole, width, shape[1:], 2, gpu=False).flops / seconds


def _voxels(lengths: Sequence[int]) -> int:
    return int(torch.Size(lengths).numel())
