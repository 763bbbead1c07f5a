"""What a cohort is like: spacings, lungs, calibres, HU and what is labelled.

Read case by case, from training and validation cases alone: parameters that were chosen by a
look at the test cases would flatter their scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.cases import Case
from lacaf.classes import ARTERY_VEIN, CLASSES, TABLE, UNKNOWN, values_of
from lacaf.coverage import Coverage
from lacaf.fault import Fault
from lacaf.files import read_json
from lacaf.plan.histogram import Histogram

#: The splits that a plan may follow from.
SPLITS = ("train", "val")
STATES = ("labelled", "absent", "unknown")
LUNG = "lung"
CORE = " core"


class Centreline(Protocol):
    """What is asked of a centreline, see :class:`lacaf.evaluate.centreline.Centreline`."""

    @property
    def length_mm(self) -> NDArray:
        """The length that each of its points stands for."""

    @property
    def radius_mm(self) -> NDArray:
        """The vessel's radius at each of them."""


#: A centreline of a mask ``(Z, Y, X)`` with an empty rim and a spacing ``(z, y, x)``.
Tracing = Callable[[NDArray[np.bool_], tuple[float, float, float]], Centreline]


class NothingToPlan(Fault):
    """There is no case to plan from."""


def _hu() -> dict[str, Histogram]:
    kinds = [*ARTERY_VEIN, *(vessel + CORE for vessel in ARTERY_VEIN), LUNG]
    return {kind: Histogram(-1100, 4000, 1) for kind in kinds}


@dataclass(eq=False)
class Fingerprint:
    """What the training and validation cases are like.

    Attributes:
        cases: how many were read, of each of ``SPLITS``.
        refused: how many of these splits a stage refused.
        unopened: how many belong to other splits, of which nothing was read.
        spacing_mm: ``(z, y, x)`` of each CT as it came.
        lungs_mm: extent ``(z, y, x)`` of both lungs together of each case.
        grid_mm: extent ``(z, y, x)`` of each working grid.
        diameter_mm: of the vessels, by the length of labelled centreline.
        hu: on the working grid, of labelled arteries and veins, of their cores (voxels whose six
            neighbours are of the same vessel, so that no lung is mixed in), and in the lungs of
            all that is not labelled as a vessel.
        coverage: for each class how many cases have it labelled, absent, unknown.
        full: cases in which no class is unknown.
    """

    cases: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    refused: int = 0
    unopened: int = 0
    spacing_mm: list[tuple[float, float, float]] = field(default_factory=list)
    lungs_mm: list[tuple[float, float, float]] = field(default_factory=list)
    grid_mm: list[tuple[float, float, float]] = field(default_factory=list)
    diameter_mm: Histogram = field(default_factory=lambda: Histogram(0, 60, 0.01))
    hu: dict[str, Histogram] = field(default_factory=_hu)
    coverage: dict[str, dict[str, int]] = field(
        default_factory=lambda: {name: dict.fromkeys(STATES, 0) for name in CLASSES}
    )
    full: int = 0

    @property
    def half(self) -> int:
        """Cases in which something is unknown."""
        return sum(self.cases.values()) - self.full


def fingerprint(
    cases: Iterable[Case],
    data: Path,
    centreline: Tracing,
    shown: Callable[[Sequence[Case]], Iterable[Case]] = iter,
) -> Fingerprint:
    """Read the cohort, a volume at a time; memory does not grow with the number of cases.

    Args:
        cases: the case table; of a case whose split is not one of ``SPLITS`` no file is opened.
        data: the folder of all stages.
        centreline: finds a vessel's.
        shown: goes through the cases that are read, and may show how far it is.

    Raises:
        Missing: an earlier stage has not been run for a case.
        NothingToPlan: no case is left.
    """
    cases = list(cases)
    read = [case for case in cases if case.split in SPLITS]
    found = Fingerprint(unopened=len(cases) - len(read))
    for case in shown(read):
        record = read_json(data / "harmonize" / case.case / "coverage.json")
        if record["status"] != "ok":
            found.refused += 1
            continue
        found.cases[case.split] += 1
        _add_coverage(found, record["coverage"])
        grid = volume.read_grid(data / "convert" / case.case / "image.nii.gz")
        found.spacing_mm.append(grid.spacing_mm)
        _add_calibres(
            found.diameter_mm, data / "harmonize" / case.case / "labels.nii.gz", centreline
        )
        _add_working_grid(found, data / "crop" / case.case, data / "harmonize" / case.case)
    if not sum(found.cases.values()):
        raise NothingToPlan(
            f"no case of split {' or '.join(SPLITS)} can be used ({found.refused} refused); a "
            "plan needs harmonized cases to follow from"
        )
    return found


def _add_coverage(found: Fingerprint, coverage: Coverage) -> None:
    for name, state in coverage.items():
        found.coverage[name][state] += 1
    found.full += "unknown" not in coverage.values()


def _add_calibres(diameter_mm: Histogram, path: Path, centreline: Tracing) -> None:
    """Add the diameters of a case's labelled vessels, on the grid on which they were drawn."""
    labels = volume.read(path)
    for row in TABLE:
        mask = labels.array == row.value
        if row.vessel in ARTERY_VEIN and mask.any():
            line = centreline(boxed(mask), labels.grid.spacing_mm)
            diameter_mm.add(2 * line.radius_mm, line.length_mm)


def _add_working_grid(found: Fingerprint, cropped: Path, harmonized: Path) -> None:
    """Add the lungs' extent and the HU of vessels and lung."""
    lungs = volume.read(cropped / "lungs.nii.gz")
    voxels = [last - first + 1 for first, last in _ends(lungs.array > 0)]
    found.lungs_mm.append(_extent(voxels, lungs.grid.spacing_mm))
    found.grid_mm.append(_extent(lungs.grid.shape, lungs.grid.spacing_mm))
    labels = volume.read(harmonized / "labels_working.nii.gz").array
    image = volume.read(cropped / "image.nii.gz").array
    vessels = np.zeros(labels.shape, bool)
    for vessel in ARTERY_VEIN:
        mask = np.isin(labels, values_of(vessel=vessel))
        vessels |= mask
        found.hu[vessel].add(image[mask])
        found.hu[vessel + CORE].add(image[core(mask)])
    found.hu[LUNG].add(image[(lungs.array > 0) & ~vessels & (labels != UNKNOWN)])


def _extent(voxels: Sequence[int], spacing_mm: Sequence[float]) -> tuple[float, float, float]:
    z, y, x = (n * mm for n, mm in zip(voxels, spacing_mm, strict=True))
    return z, y, x


def _ends(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of what is True, along each axis; of an empty mask all of it."""
    ends = []
    for axis in range(3):
        across = tuple(other for other in range(3) if other != axis)
        inside = np.flatnonzero(mask.any(axis=across))
        ends.append((int(inside[0]), int(inside[-1])) if len(inside) else (0, mask.shape[axis] - 1))
    return ends


def boxed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of a mask that holds all that is True, with an empty rim of one voxel."""
    return np.pad(mask[tuple(slice(first, last + 1) for first, last in _ends(mask))], 1)


def core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The voxels of a mask all of whose six neighbours belong to it; none on the array's edge."""
    inner = np.zeros(mask.shape, bool)
    middle = (slice(1, -1),) * 3
    inner[middle] = mask[middle]
    for axis in range(3):
        for ahead in (slice(2, None), slice(None, -2)):
            beside = tuple(ahead if a == axis else slice(1, -1) for a in range(3))
            inner[middle] &= mask[beside]
    return inner


def medians(triples: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """The median along each axis ``(z, y, x)``."""
    z, y, x = np.median(np.asarray(triples, float), axis=0).tolist()
    return z, y, x
