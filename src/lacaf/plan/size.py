"""Width, patch and batch: as much as memory holds and time allows.

The order is nnU-Net's: the patch takes the lungs' proportions and as much of the memory as there
is, with a batch that does not fall below two; only where it holds the lungs whole, the batch grows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

from lacaf.fault import Fault

#: Feature channels at full resolution that are tried, widest first: 32 is nnU-Net's.
WIDTHS = (32, 16, 8)
#: nnU-Net's least batch, and its most: so much of the cohort's voxels, as a fraction.
LEAST_BATCH, MOST_OF_COHORT = 2, 0.05
#: A patch is a multiple of this along each axis, and not less than that.
MULTIPLE, LEAST_EDGE = 16, 32
#: Voxels of a patch for which width, and working through a batch in parts, give way.
WANTED = 96**3
#: Steps for which a smaller patch, and a narrower network, are preferred.
LEAST_STEPS = 5_000

Patch = tuple[int, int, int]


class DoesNotFit(Fault):
    """No training fits into the memory or the time."""


class Cost(Protocol):
    """What training costs on a machine, see :class:`lacaf.plan.cost.Cost`."""

    def gigabytes(self, patch: Sequence[int], patches: int, width: int) -> float:
        """Memory of a step with so many patches at once."""

    def seconds(self, patch: Sequence[int], batch: int, width: int) -> float:
        """Time of a step."""

    def validation_seconds(self, shape: Sequence[int], patch: Sequence[int], width: int) -> float:
        """Time of scoring one case."""


@dataclass(frozen=True)
class Given:
    """What there is to train with.

    Attributes:
        memory_gb: of the GPU, or of a machine that trains on its CPU, in 10^9 bytes.
        hours: of one training.
        gpu: whether there is one.
        step_seconds: a step's time as the user measured it; None to go by the cost.
    """

    memory_gb: float
    hours: float
    gpu: bool = True
    step_seconds: float | None = None

    @property
    def longest_step(self) -> float:
        """Seconds of a step of which ``LEAST_STEPS`` fit beside validation; with small patches in
        half of the time, as on a CPU, a quarter of these steps are whole ones."""
        seconds = 0.9 * self.hours * 3600 / LEAST_STEPS
        return seconds if self.gpu else 2.5 * seconds


@dataclass(frozen=True)
class Size:
    """What is decided together.

    Attributes:
        width: feature channels at full resolution.
        patch: voxels ``(z, y, x)``.
        batch: patches a step.
        accumulate: parts in which a step is worked through.
        by_time: whether time, rather than memory, keeps it from being larger.
    """

    width: int
    patch: Patch
    batch: int = LEAST_BATCH
    accumulate: int = 1
    by_time: bool = False

    @property
    def at_once(self) -> int:
        """Patches that go through the network at once."""
        return self.batch // self.accumulate

    @property
    def voxels(self) -> int:
        """Of a patch."""
        return math.prod(self.patch)


def whole(extent: Sequence[float]) -> Patch:
    """The patch that holds the lungs: their extent ``(z, y, x)`` in voxels, rounded up."""
    z, y, x = (max(LEAST_EDGE, MULTIPLE * math.ceil(n / MULTIPLE)) for n in extent)
    return z, y, x


def sized(extent: Sequence[float], cohort_voxels: float, given: Given, cost: Cost) -> Size:
    """The size that suits lungs, cohort and machine.

    The widest network is taken whose patch is of some worth (``WANTED`` voxels, or the lungs
    whole), if need be with the patches of a step one after the other; then the largest patch.

    Args:
        extent: of the median lungs, voxels ``(z, y, x)``.
        cohort_voxels: of all training cases together.
        given: memory and time.
        cost: of a step.

    Raises:
        DoesNotFit: the memory does not hold the smallest patch.
    """

    def holds(size: Size) -> bool:
        return cost.gigabytes(size.patch, size.at_once, size.width) <= given.memory_gb

    def suits(size: Size) -> bool:
        return holds(size) and cost.seconds(size.patch, size.batch, size.width) <= (
            given.longest_step
        )

    lungs = whole(extent)
    wanted = min(WANTED, math.prod(lungs))
    fitting: list[tuple[Size, Size]] = []
    for width, parts in product(WIDTHS, (1, LEAST_BATCH)):
        start = Size(width, lungs, accumulate=parts)
        size = _shrunk(start, extent, suits)
        if size is not None:
            fitting.append((start, size))
            if size.voxels >= wanted:
                break
    if fitting:
        start, size = max(fitting, key=lambda pair: pair[1].voxels)
        size = replace(size, by_time=size != _shrunk(start, extent, holds))
        return _filled(size, lungs, cohort_voxels, suits)
    z, y, x = (min(n, 2 * LEAST_EDGE) for n in lungs)
    smallest = _shrunk(Size(WIDTHS[-1], (z, y, x), accumulate=LEAST_BATCH), extent, holds)
    if smallest is None:
        needed = cost.gigabytes((LEAST_EDGE,) * 3, 1, WIDTHS[-1])
        raise DoesNotFit(
            f"{given.memory_gb:g} GB are too little: with width {WIDTHS[-1]} a patch of "
            f"{LEAST_EDGE} voxels along each axis needs {needed:.1f} GB; train on a machine "
            "with more"
        )
    return replace(smallest, by_time=True)


def _shrunk(size: Size, extent: Sequence[float], fits: Callable[[Size], bool]) -> Size | None:
    """A smaller patch that fits: less of the axis along which it covers most of the lungs."""
    while not fits(size):
        patch = list(size.patch)
        open_axes = [axis for axis in range(3) if patch[axis] > LEAST_EDGE]
        if not open_axes:
            return None
        patch[max(open_axes, key=lambda axis: patch[axis] / extent[axis])] -= MULTIPLE
        size = replace(size, patch=(patch[0], patch[1], patch[2]))
    return size


def _filled(size: Size, lungs: Patch, cohort_voxels: float, fits: Callable[[Size], bool]) -> Size:
    """More patches a step, where the patch cannot grow any more."""
    if size.patch != lungs or size.accumulate > 1:
        return size
    most = max(LEAST_BATCH, int(MOST_OF_COHORT * cohort_voxels / size.voxels))
    while size.batch < most and fits(replace(size, batch=size.batch + 1)):
        size = replace(size, batch=size.batch + 1)
    return size
