"""Training cases in memory, and the patches drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.classes import CLASSES, UNKNOWN
from lacaf.coverage import Coverage, targets_and_validity
from lacaf.files import read_json
from lacaf.model.inputs import NetworkInput, network_input
from lacaf.params.train import Recipe

#: Fraction of patches centred on a vessel; the others on any labelled voxel, so that labelled
#: background is seen as well.
VESSEL_FRACTION = 0.75

#: Candidate centres kept for each class of a case.
CENTRES = 20_000

Patch = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Sample:
    """A case that can be learnt from or scored.

    Attributes:
        case: its name.
        input: what the network sees.
        known: ``(P, Z, Y, X)`` uint8, eight bits to a plane: of K classes bit k is set where
            class k is the target, bit K + k where it is valid.
        coverage: state of each class.
        spacing_mm: of the working grid.
        centres: voxel indices ``(N, 3)`` of each class that occurs, and of labelled voxels.
    """

    case: str
    input: NetworkInput
    known: NDArray[np.uint8]
    coverage: Coverage
    spacing_mm: float
    centres: list[NDArray[np.int64]]
    labelled: NDArray[np.int64]

    def truth(
        self, region: tuple[slice, slice, slice] = (slice(None), slice(None), slice(None))
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Targets and validity ``(K, z, y, x)`` of a region."""
        kept = self.known[(slice(None), *region)]
        count = len(CLASSES)
        bits = np.unpackbits(kept, axis=0, count=2 * count, bitorder="little").astype(bool)
        return bits[:count], bits[count:]


def load(case: str, data: Path, params: Recipe, rng: np.random.Generator) -> Sample:
    """Read a case from what crop and harmonize wrote.

    Raises:
        Missing: a stage has not been run for this case.
        ValueError: the labels do not lie on the working grid.
    """
    coverage = read_json(data / "harmonize" / case / "coverage.json")["coverage"]
    image = volume.read(data / "crop" / case / "image.nii.gz")
    lungs = volume.read(data / "crop" / case / "lungs.nii.gz")
    labels = volume.read(data / "harmonize" / case / "labels_working.nii.gz")
    if not (image.grid.same_as(lungs.grid) and image.grid.same_as(labels.grid)):
        raise ValueError(
            f"case {case}: image, lungs and labels lie on different grids; "
            "run crop and harmonize again for this case"
        )
    targets, valid = targets_and_validity(labels.array, lungs.array, image.grid, coverage)
    return Sample(
        case=case,
        input=network_input(
            image.array, lungs.array, image.grid, params.hu_window, params.blood_window
        ),
        known=np.packbits(np.concatenate([targets, valid]), axis=0, bitorder="little"),
        coverage=coverage,
        spacing_mm=image.grid.spacing_mm[0],
        centres=[_some(target, rng) for target in targets if target.any()],
        labelled=_some((labels.array != UNKNOWN) & (lungs.array > 0), rng),
    )


def _some(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Up to ``CENTRES`` voxel indices ``(N, 3)`` of a mask."""
    flat = np.flatnonzero(mask)
    if len(flat) > CENTRES:
        flat = np.sort(rng.choice(flat, CENTRES, replace=False))
    return np.stack(np.unravel_index(flat, mask.shape), axis=1)


class Sampler:
    """Draws patches so that every case counts the same, however little of it is labelled.

    Cases come in turn, in a new order each round. A patch is centred on a voxel of one of the
    classes that occur in the case, each equally likely, or on any labelled voxel; it is moved
    to lie inside the volume, and padded as not valid where the volume is smaller.
    """

    def __init__(self, samples: Sequence[Sample], rng: np.random.Generator) -> None:
        self.samples = [s for s in samples if s.centres or len(s.labelled)]
        if not self.samples:
            raise ValueError("no training case holds a labelled voxel")
        self.rng = rng
        self._queue: list[int] = []

    def draw(self, size: Sequence[int]) -> Patch:
        """One patch of ``size`` voxels: channels ``(C, z, y, x)``, then targets and validity,
        both ``(K, z, y, x)``."""
        if not self._queue:
            self._queue = self.rng.permutation(len(self.samples)).tolist()
        sample = self.samples[self._queue.pop()]
        if sample.centres and (self.rng.random() < VESSEL_FRACTION or not len(sample.labelled)):
            candidates = sample.centres[self.rng.integers(len(sample.centres))]
        else:
            candidates = sample.labelled
        centre = candidates[self.rng.integers(len(candidates))]
        region = self._region(centre, size, sample.input.shape)
        return _padded(sample.input.channels(region), *sample.truth(region), size)

    def _region(
        self, centre: NDArray[np.int64], wanted: Sequence[int], shape: Sequence[int]
    ) -> tuple[slice, slice, slice]:
        """A patch that holds the centre somewhere in its middle half."""
        slices = []
        for middle, size, length in zip(centre, wanted, shape, strict=True):
            reach = size // 4
            start = int(middle) - size // 2 + int(self.rng.integers(-reach, reach + 1))
            start = min(max(start, 0), max(length - size, 0))
            slices.append(slice(start, start + size))
        return tuple(slices)  # type: ignore[return-value]


def _padded(
    channels: NDArray, targets: NDArray[np.bool_], valid: NDArray[np.bool_], size: Sequence[int]
) -> Patch:
    """A patch from a volume that is too small for it: nothing is valid beyond the volume."""
    missing = [wanted - n for wanted, n in zip(size, targets.shape[1:], strict=True)]
    if any(missing):
        room = [(0, 0), *((m // 2, m - m // 2) for m in missing)]
        channels = np.pad(channels, room, mode="edge")
        targets, valid = np.pad(targets, room), np.pad(valid, room)
    return channels, targets, valid


def counts(samples: Sequence[Sample]) -> dict[str, dict[str, int]]:
    """For each class, how many cases have it labelled, absent, unknown."""
    return {
        name: {
            state: sum(s.coverage[name] == state for s in samples)
            for state in ("labelled", "absent", "unknown")
        }
        for name in CLASSES
    }
