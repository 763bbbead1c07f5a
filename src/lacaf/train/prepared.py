"""Cases as stage prepare laid them out: small in memory, read from the disk a part at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import chunked
from lacaf.cases import Case
from lacaf.classes import CLASSES
from lacaf.coverage import Coverage
from lacaf.facts import deep_of, label_of
from lacaf.fault import Fault
from lacaf.files import read_json
from lacaf.model.inputs import ALL, Cut, Region
from lacaf.model.supervision import side
from lacaf.params.train import Labels

#: Of what is learnt from: the file of facts, that of centres, and their counts in the record.
FILES = {
    "labels": ("facts.b2nd", "centres.npy", "centres"),
    "truth": ("truth.b2nd", "truth_centres.npy", "truth_centres"),
}


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case that can be learnt from or scored.

    Attributes:
        case: its name.
        folder: what stage prepare wrote.
        shape: voxels ``(Z, Y, X)``.
        spacing_mm: of the working grid.
        coverage: state of each class.
        centres: how many candidate centres it has of each class, then of ``labelled`` and of
            ``unlabelled`` voxels.
        height: ``(Z,)``, see :class:`lacaf.model.inputs.Cut`.
        depth: ``(Y,)``, likewise.
        labels: whether it is known from its labels, or from a phantom's whole truth.
    """

    case: str
    folder: Path
    shape: tuple[int, int, int]
    spacing_mm: float
    coverage: Coverage
    centres: Mapping[str, int]
    height: NDArray[np.float32]
    depth: NDArray[np.float32]
    labels: Labels = "labels"

    @property
    def covered(self) -> NDArray[np.bool_]:
        """``(K,)``: which classes are labelled or known to be absent."""
        return np.array([self.coverage[name] != "unknown" for name in CLASSES])

    def cut(self, region: Region = ALL) -> Cut:
        """What a network sees of a part."""
        hu, side = (chunked.read(self.folder / f"{n}.b2nd", region) for n in ("hu", "side"))
        return Cut(hu, side, self.height[region[0]], self.depth[region[1]])

    def facts(self, region: Region = ALL) -> NDArray[np.uint8]:
        """What is known of each voxel of a part, see :mod:`lacaf.facts`."""
        return chunked.read(self.folder / FILES[self.labels][0], region)

    def learnt(self, region: Region = ALL) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Targets and validity ``(K, z, y, x)`` of a part, by what is certain (``side``)."""
        import torch

        facts = torch.from_numpy(self.facts(region))[None]
        covered = torch.from_numpy(self.covered)[None]
        targets, valid = side(label_of(facts), deep_of(facts), covered)
        return targets[0].numpy(), valid[0].numpy()

    def centre(self, kind: str, number: int) -> NDArray[np.int64]:
        """Voxel indices ``(3,)`` of one of the candidate centres, by what they are centres of."""
        before = 0
        for name, count in self.centres.items():
            if name == kind:
                break
            before += count
        behind = sum(self.centres.values()) - before - number
        with (self.folder / FILES[self.labels][1]).open("rb", buffering=0) as file:
            file.seek(-8 * behind, os.SEEK_END)  # its head is not read: that takes far longer
            flat = int.from_bytes(file.read(8), "little")
        return np.array(np.unravel_index(flat, self.shape))


def read(
    cases: Iterable[Case], split: str, data: Path, labels: Labels = "labels"
) -> list[Prepared]:
    """The cases of a split that no stage refused, known from their labels or from their truth.

    Raises:
        Missing: a case has not been prepared.
        Fault: the cases lie on different working grids, or one has no truth.
    """
    found = []
    for case in cases:
        if case.split != split:
            continue
        folder = data / "prepare" / case.case
        record = read_json(folder / "prepare.json")
        if record["status"] == "ok":
            found.append(_prepared(case.case, folder, record, labels))
    if len({round(case.spacing_mm, 6) for case in found}) > 1:
        raise Fault("the cases have different working grids; run crop again for all")
    return found


def _prepared(name: str, folder: Path, record: Mapping[str, Any], labels: Labels) -> Prepared:
    counted = FILES[labels][2]
    if counted not in record:
        raise Fault(
            f"case {name} has no whole truth to learn from, as phantoms have; set train.labels to "
            "labels, or leave the case out of split train"
        )
    coverage: Coverage = record["coverage"]
    if labels == "truth":
        coverage = dict.fromkeys(CLASSES, "labelled")
    with np.load(folder / "place.npz") as place:
        height, depth = place["height"], place["depth"]
    return Prepared(
        name, folder, tuple(record["shape"]), record["spacing_mm"], coverage, record[counted],
        height, depth, labels,
    )  # fmt: skip


def counts(cases: Sequence[Prepared]) -> dict[str, dict[str, int]]:
    """For each class, how many cases have it labelled, absent, unknown."""
    return {
        name: {
            state: sum(case.coverage[name] == state for case in cases)
            for state in ("labelled", "absent", "unknown")
        }
        for name in CLASSES
    }
