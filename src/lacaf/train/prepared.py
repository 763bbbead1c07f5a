"""Cases as stage prepare laid them out: small in memory, read from the disk a part at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lacaf import chunked
from lacaf.cases import Case
from lacaf.classes import CLASSES
from lacaf.coverage import Coverage
from lacaf.fault import Fault
from lacaf.files import read_json
from lacaf.model.inputs import ALL, Cut, Region

#: Arrays that hold two bits a class, eight to an array.
PLANES = -(-2 * len(CLASSES) // 8)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case that can be learnt from or scored.

    Attributes:
        case: its name.
        folder: what stage prepare wrote.
        shape: voxels ``(Z, Y, X)``.
        spacing_mm: of the working grid.
        coverage: state of each class.
        centres: how many candidate centres it has of each class, and ``labelled`` ones.
        height: ``(Z,)``, see :class:`lacaf.model.inputs.Cut`.
        depth: ``(Y,)``, likewise.
    """

    case: str
    folder: Path
    shape: tuple[int, int, int]
    spacing_mm: float
    coverage: Coverage
    centres: Mapping[str, int]
    height: NDArray[np.float32]
    depth: NDArray[np.float32]

    def cut(self, region: Region = ALL) -> Cut:
        """What a network sees of a part."""
        hu, side = (chunked.read(self.folder / f"{n}.b2nd", region) for n in ("hu", "side"))
        return Cut(hu, side, self.height[region[0]], self.depth[region[1]])

    def known(self, region: Region = ALL) -> NDArray[np.uint8]:
        """Targets and validity of a part, ``(P, z, y, x)``, eight bits to a plane."""
        planes = [chunked.read(self.folder / f"known{i}.b2nd", region) for i in range(PLANES)]
        return np.stack(planes) if PLANES > 1 else planes[0][None]

    def centre(self, kind: str, number: int) -> NDArray[np.int64]:
        """Voxel indices ``(3,)`` of one of the candidate centres of a class, or ``labelled``."""
        before = 0
        for name, count in self.centres.items():
            if name == kind:
                break
            before += count
        behind = sum(self.centres.values()) - before - number
        with (self.folder / "centres.npy").open("rb", buffering=0) as file:
            file.seek(-8 * behind, os.SEEK_END)  # its head is not read: that takes far longer
            flat = int.from_bytes(file.read(8), "little")
        return np.array(np.unravel_index(flat, self.shape))


def unpacked(known: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Targets and validity ``(K, z, y, x)`` of packed planes ``(P, z, y, x)``."""
    count = len(CLASSES)
    bits = np.unpackbits(known, axis=0, count=2 * count, bitorder="little").astype(bool)
    return bits[:count], bits[count:]


def read(cases: Iterable[Case], split: str, data: Path) -> list[Prepared]:
    """The cases of a split that no stage refused.

    Raises:
        Missing: a case has not been prepared.
        Fault: the cases lie on different working grids.
    """
    found = []
    for case in cases:
        if case.split != split:
            continue
        folder = data / "prepare" / case.case
        record = read_json(folder / "prepare.json")
        if record["status"] != "ok":
            continue
        with np.load(folder / "place.npz") as place:
            height, depth = place["height"], place["depth"]
        found.append(
            Prepared(
                case.case, folder, tuple(record["shape"]), record["spacing_mm"],
                record["coverage"], record["centres"], height, depth,
            )
        )  # fmt: skip
    if len({round(case.spacing_mm, 6) for case in found}) > 1:
        raise Fault("the cases have different working grids; run crop again for all")
    return found


def counts(cases: Sequence[Prepared]) -> dict[str, dict[str, int]]:
    """For each class, how many cases have it labelled, absent, unknown."""
    return {
        name: {
            state: sum(case.coverage[name] == state for case in cases)
            for state in ("labelled", "absent", "unknown")
        }
        for name in CLASSES
    }
