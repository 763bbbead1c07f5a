"""What the numbers in the label files say: codes that still lack a side where the coding does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.coding import Coding
from lacaf.coverage import CLASSES, UNKNOWN
from lacaf.records import Missing, Refusal
from lacaf.volume import Volume

#: Vessels whose side is not known yet, beside the canonical values 1 to 4 and 255.
ARTERY, VEIN = 5, 6
CODE = {
    **{name: value for value, name in enumerate(CLASSES, start=1)},
    "artery": ARTERY,
    "vein": VEIN,
    "other": 0,
    "unknown": UNKNOWN,
}

#: Files of different vessels may share this much of the smaller one; those voxels are unknown.
OVERLAP_SHARE = 0.05

RIGHT_CODING = "declare the right coding in the case table, or your own under harmonize.codings"


def read_codes(converted: Path, coding: Coding) -> tuple[Volume, list[str]]:
    """The case's labels as codes (see CODE), uint8 on their own grid, and flags.

    Raises:
        Refusal: empty labels, values that the coding lacks, fractions, files on different grids
            a file of the coding that is missing, or vessels that overlap by more than
            OVERLAP_SHARE.
    """
    if coding.values is not None:
        labels = _whole(volume.read(_existing(converted / "labels.nii.gz")), "the label file")
        codes, flags = Volume(_decoded(labels.array, coding.values), labels.grid), list[str]()
    else:
        codes, flags = _merged(converted, sorted(set(coding.patterns.values())))
    if not ((codes.array > 0) & (codes.array != UNKNOWN)).any():
        raise Refusal(
            "no voxel is labelled as a vessel",
            expectation="labelled arteries or veins",
            remedy="leave labels, coding and labelled_side empty if the case has no labels",
            file="the label file",
        )
    return codes, flags


def _existing(path: Path) -> Path:
    if not path.exists():
        raise Missing(f"{path} is missing: convert writes it for a case with labels")
    return path


def _whole(labels: Volume, file: str) -> Volume:
    """The labels as integers."""
    if np.issubdtype(labels.array.dtype, np.integer):
        return labels
    rounded = np.rint(labels.array)
    worst = float(np.abs(labels.array - rounded).max())
    if not worst < 1e-3:
        raise Refusal(
            f"values are no whole numbers (off by up to {worst:.2f})",
            expectation="one whole number for each voxel",
            remedy="export labels, not probabilities, without interpolation",
            file=file,
        )
    return Volume(rounded.astype(np.int64), labels.grid)


def _decoded(array: NDArray, meaning: Mapping[int, str]) -> NDArray[np.uint8]:
    """Codes for the values of a label file."""
    values, place = np.unique(array, return_inverse=True)
    strange = [int(v) for v in values if v != 0 and int(v) not in meaning]
    if strange:
        raise Refusal(
            f"values {', '.join(map(str, strange[:10]))} are not in the coding",
            expectation=f"0 and {', '.join(map(str, sorted(meaning)))}",
            remedy=RIGHT_CODING,
            file="the label file",
        )
    table = np.array([CODE[meaning.get(int(v), "other")] for v in values], np.uint8)
    return table[place].reshape(array.shape)


def _merged(converted: Path, meanings: list[str]) -> tuple[Volume, list[str]]:
    """One volume of codes from one file a meaning; what two vessels claim is unknown."""
    codes: Volume | None = None
    flags = []
    order = sorted(meanings, key=lambda meaning: meaning not in ("other", "unknown"))
    for meaning in order:
        path, file = converted / f"labels_{meaning}.nii.gz", f"the {meaning} file"
        if not path.exists():
            raise Refusal(
                "it is not among the label files that were handed over",
                expectation="a file for each meaning of the coding",
                remedy="fetch it, or declare a coding without it under harmonize.codings",
                file=file,
            )
        part = _whole(volume.read(path), file)
        mask = part.array != 0
        if codes is None:
            codes = Volume(np.zeros(mask.shape, np.uint8), part.grid)
        if not part.grid.same_as(codes.grid):
            raise Refusal(
                f"lies on a grid of its own, {part.grid.shape} voxels",
                expectation=f"the grid of the case's other label files, {codes.grid.shape}",
                remedy="export all label files of a case on the same grid",
                file=file,
            )
        clash = mask & (codes.array > 0) & (codes.array != UNKNOWN)
        if clash.any():
            smaller = min(int(mask.sum()), int((codes.array > 0).sum()))
            flags.append(_overlap(int(clash.sum()), smaller, part.grid.voxel_ml, file))
        codes.array[mask] = CODE[meaning]
        codes.array[clash] = UNKNOWN
    assert codes is not None  # a coding has at least one file
    return codes, flags


def _overlap(voxels: int, smaller: int, voxel_ml: float, file: str) -> str:
    """A flag for files that overlap a little; a Refusal if they overlap much."""
    share = voxels / smaller
    finding = f"{voxels * voxel_ml:.2f} ml ({share:.1%} of the smaller) belong to two vessels"
    if share > OVERLAP_SHARE:
        raise Refusal(
            finding,
            expectation=f"files that overlap by at most {OVERLAP_SHARE:.0%}",
            remedy="check that no file holds both vessels, or the same vessel twice",
            file=file,
        )
    return finding + ": unknown there"
