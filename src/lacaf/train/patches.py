"""The patches of a training: which they are follows from the seed and their number alone.

So a training that was stopped goes on with the patches that it would have had, whatever number
of workers and processes it goes on with: there is no state of a sampler to keep.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from lacaf.classes import CLASSES
from lacaf.facts import BEYOND
from lacaf.model.inputs import Region, padded
from lacaf.model.supervision import SUPERVISIONS
from lacaf.params.train import Recipe
from lacaf.train.augment import draw
from lacaf.train.failures import TrainingFailed
from lacaf.train.handover import Handover
from lacaf.train.prepared import Prepared
from lacaf.train.processes import REQUESTS

#: Fraction of patches centred on a vessel; the others on any labelled voxel, so that labelled
#: background is seen as well.
VESSEL_FRACTION = 0.75

#: Fraction of the others that are centred in a lung that nobody labelled, if that teaches.
UNLABELLED_FRACTION = 0.5

#: What the random numbers of a patch, and of the order of cases, are seeded with beside the seed.
OF_PATCH, OF_ORDER = 0, 1

#: Batches that each worker reads ahead.
AHEAD = 4

#: Of a patch: HU, side, and what is known.
BYTES_OF_A_VOXEL = 2 + 2 + 1


def of_step(step: int, recipe: Recipe) -> tuple[int, int, Sequence[int]]:
    """A step's first patch, how many it has, and their size; steps count from 1."""
    before = step - 1
    early = recipe.early
    first = min(before, early.steps) * early.batch + max(0, before - early.steps) * recipe.batch
    size = early if before < early.steps else recipe
    return first, size.batch, size.patch


class Patches(Dataset):
    """All patches of a training by their numbers.

    Every case counts the same, however little of it is labelled: cases come in turn, in a new
    order each round. A patch is centred on a voxel of one of the classes that occur in the case,
    each equally likely, or on any labelled voxel, and where the supervision learns from the
    unlabelled lung, half of the latter on a voxel there; it is moved to lie inside the volume,
    and padded as unknown where the volume is smaller.
    """

    def __init__(self, cases: Sequence[Prepared], recipe: Recipe, seed: int) -> None:
        kinds = (*CLASSES, "labelled")
        self.cases = [case for case in cases if any(case.centres[kind] for kind in kinds)]
        if not self.cases:
            raise TrainingFailed("no case of split train holds a labelled voxel in its lungs")
        self.recipe = recipe
        self.seed = seed

    def __getitem__(self, key: tuple[int, tuple[int, int, int]]) -> dict[str, Any]:
        """A patch by its number and size.

        Returns:
            the fields of :class:`lacaf.model.inputs.Cut`; ``facts`` ``(z, y, x)`` uint8, see
            :mod:`lacaf.facts`; ``covered`` ``(K,)`` bool, the classes that are labelled or known
            to be absent; and what :func:`lacaf.train.augment.draw` drew.
        """
        number, size = key
        rng = np.random.default_rng([self.seed, OF_PATCH, number])
        case = self.cases[self._owner(number)]
        kind = self._kind(case, rng)
        centre = case.centre(kind, int(rng.integers(case.centres[kind])))
        region = _region(centre, size, case.shape, rng)
        cut, room = padded(case.cut(region), size)
        facts = case.facts(region)
        if facts.shape != tuple(size):
            facts = np.pad(facts, room, constant_values=BEYOND)
        changes = draw(self.recipe.augment, rng)
        return {**cut._asdict(), "facts": facts, "covered": case.covered, "changes": changes}

    def _kind(self, case: Prepared, rng: np.random.Generator) -> str:
        """What a patch is centred on: a class, ``labelled`` or ``unlabelled``."""
        vessels = [name for name in CLASSES if case.centres[name]]
        if vessels and (rng.random() < VESSEL_FRACTION or not case.centres["labelled"]):
            return vessels[rng.integers(len(vessels))]
        everywhere = SUPERVISIONS[self.recipe.supervision].everywhere
        if everywhere and case.centres["unlabelled"] and rng.random() < UNLABELLED_FRACTION:
            return "unlabelled"
        return "labelled"

    def _owner(self, number: int) -> int:
        """The case of a patch."""
        turn, place = divmod(number, len(self.cases))
        order = np.random.default_rng([self.seed, OF_ORDER, turn]).permutation(len(self.cases))
        return int(order[place])


def _region(
    centre: np.ndarray, wanted: Sequence[int], shape: Sequence[int], rng: np.random.Generator
) -> Region:
    """A patch that holds the centre somewhere in its middle half."""
    slices = []
    for middle, size, length in zip(centre, wanted, shape, strict=True):
        reach = size // 4
        start = int(middle) - size // 2 + int(rng.integers(-reach, reach + 1))
        start = min(max(start, 0), max(length - size, 0))
        slices.append(slice(start, start + size))
    return tuple(slices)  # type: ignore[return-value]


class Portions:
    """What one process reads: its portions of every step's patches, in order.

    A step's patches are dealt out to the processes, and each process's hand to the parts in which
    it works: neighbours in number, so that together they are the step's patches once each.
    """

    def __init__(self, recipe: Recipe, begin: int, rank: int, world: int) -> None:
        self.recipe, self.begin, self.rank, self.world = recipe, begin, rank, world

    def __iter__(self) -> Iterator[list[tuple[int, tuple[int, ...]]]]:
        """Lists of keys of :class:`Patches`, from the step after ``begin`` to the last."""
        for step in range(self.begin + 1, self.recipe.steps + 1):
            first, count, size = of_step(step, self.recipe)
            own = count // self.world
            part = own // parts_of(own, self.recipe)
            start = first + self.rank * own
            for number in range(start, start + own, part):
                yield [(n, tuple(size)) for n in range(number, number + part)]

    def bytes_of_a_batch(self) -> int:
        """As many as the largest takes, and some more."""
        largest = 0
        for step in (1, self.recipe.steps):
            _, count, size = of_step(step, self.recipe)
            own = count // self.world
            voxels = own // parts_of(own, self.recipe) * math.prod(size)
            largest = max(largest, voxels * BYTES_OF_A_VOXEL)
        return largest + 64_000


def parts_of(own: int, recipe: Recipe) -> int:
    """In how many parts a process works through its patches of a step; of few, in fewer."""
    return max(n for n in range(1, recipe.accumulate + 1) if own % n == 0)


def loader(
    patches: Patches, portions: Portions, workers: int, pin: bool
) -> Iterator[dict[str, Any]]:
    """Batches, read ahead by worker processes, or by this process where ``workers`` is 0."""
    if not workers:
        yield from DataLoader(patches, batch_sampler=portions, pin_memory=pin)
        return
    handover = Handover(workers * (AHEAD + 1), portions.bytes_of_a_batch())
    batches = DataLoader(
        patches,
        batch_sampler=portions,
        num_workers=workers,
        collate_fn=handover.put,
        worker_init_fn=_alone,
        prefetch_factor=AHEAD,
    )
    for handed in batches:
        yield handover.take(handed, pin)


def _alone(_worker: int) -> None:
    """A worker computes with one thread, and leaves a request to stop to the process it serves.

    Slurm sends its signals to every process of a job; the training still needs its workers for the
    step that it finishes before it saves.
    """
    import torch

    torch.set_num_threads(1)
    for number in REQUESTS:
        signal.signal(number, signal.SIG_IGN)
