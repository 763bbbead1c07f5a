"""What the numbers in the label files say: codes that still lack a side where the coding does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.classes import ARTERY_VEIN, BY_NAME, SIDES, TABLE, UNKNOWN, VESSELS, values_of
from lacaf.coding import NO_CLASS, Coding
from lacaf.fault import Missing, Refusal
from lacaf.volume import Volume, resample

#: The blood vessels: what anatomy and HU tell of labels, they tell of these alone.
ARTERY, VEIN = ARTERY_VEIN

_LATER = [vessel for vessel in VESSELS if vessel not in BY_NAME]
#: Codes of vessels whose side is not known yet: the last ones before UNKNOWN, so that none is
#: ever the value of a class. No file holds them.
UNSIDED = {vessel: UNKNOWN - len(_LATER) + n for n, vessel in enumerate(_LATER)}
CODE = {
    **{row.name: row.value for row in TABLE},
    **UNSIDED,
    "other": 0,
    "unknown": UNKNOWN,
}
#: Values that reach over a wider range than this are no label values.
MOST_VALUES = 2**16

RIGHT_CODING = "declare the right coding in the case table, or your own under codings"


def is_drawn(codes: NDArray) -> NDArray[np.bool_]:
    """Whether a code, or a canonical label, is of any class."""
    return (codes > 0) & (codes != UNKNOWN)


def is_vessel(codes: NDArray[np.uint8], *vessels: str) -> NDArray[np.bool_]:
    """Whether a code, or a canonical label, is of these vessels, with a side or without.

    Args:
        codes: any shape, see CODE.
        vessels: kinds that have sides; arteries and veins if none is given.
    """
    table = np.zeros(256, bool)
    for vessel in vessels or (ARTERY, VEIN):
        table[[*values_of(vessel=vessel), UNSIDED[vessel]]] = True
    return table.take(codes)


def read_codes(converted: Path, coding: Coding) -> tuple[Volume, dict[str, Any], list[str]]:
    """The case's labels as codes (see CODE), uint8 on their own grid, facts and flags.

    Facts: ``overlap_share`` and ``overlap_ml`` of vessels that claim the same place (files only).

    Raises:
        Refusal: empty labels, values that the coding lacks, fractions, files on different grids,
            a file of the coding that is missing (but not all of one lung's), or vessels that
            overlap by more than the coding's ``overlap_share``.
    """
    facts: dict[str, Any] = {}
    flags: list[str] = []
    if coding.patterns:
        codes, facts, flags = _merged(converted, coding)
    else:
        labels = _integers(volume.read(_existing(converted / "labels.nii.gz")), "the label file")
        if coding.undeclared:
            raise _undeclared(labels, volume.read(_existing(converted / "image.nii.gz")))
        codes = Volume(_decoded(labels.array, coding.values or {}), labels.grid)
    if not is_drawn(codes.array).any():
        raise Refusal(
            "no voxel is labelled as a vessel",
            expectation="labelled arteries or veins",
            remedy="leave labels, coding and labelled_side empty if the case has no labels",
            file="the label file",
        )
    return codes, facts, flags


def _existing(path: Path) -> Path:
    if not path.exists():
        raise Missing(f"{path} is missing: convert writes it for a case with labels")
    return path


def _integers(labels: Volume, file: str) -> Volume:
    """The labels as integers."""
    if np.issubdtype(labels.array.dtype, np.integer):
        return labels
    rounded = np.rint(labels.array)
    worst = float(np.abs(labels.array - rounded).max())
    if not worst < 1e-3:
        raise Refusal(
            f"values are no integers (off by up to {worst:.2f})",
            expectation="one integer for each voxel",
            remedy="export labels, not probabilities, without interpolation",
            file=file,
        )
    return Volume(rounded.astype(np.int64), labels.grid)


def _numbers(array: NDArray) -> dict[int, int]:
    """How many voxels each value has; a plane at a time, for counting needs eight bytes a voxel.

    Raises:
        Refusal: the values reach over more than MOST_VALUES.
    """
    low, high = int(array.min()), int(array.max())
    if high - low >= MOST_VALUES:
        raise Refusal(
            f"its values reach from {low} to {high}",
            expectation="label values",
            remedy="hand over labels, not an image",
            file="the label file",
        )
    counts = np.zeros(high - low + 1, np.int64)
    for plane in array:
        counts += np.bincount(plane.ravel().astype(np.int64) - low, minlength=len(counts))
    return {int(v) + low: int(counts[v]) for v in np.flatnonzero(counts)}


def _decoded(array: NDArray, meaning: Mapping[int, str]) -> NDArray[np.uint8]:
    """Codes for the values of a label file."""
    found = _numbers(array)
    strange = [v for v in found if v != 0 and v not in meaning]
    if strange:
        named = ", ".join(f"{v} ({found[v]} voxels)" for v in strange[:10])
        raise Refusal(
            f"values that are not in the coding: {named}{', …' if len(strange) > 10 else ''}",
            expectation=f"0 and {', '.join(map(str, sorted(meaning)))}",
            remedy=RIGHT_CODING,
            file="the label file",
        )
    low = min(found)
    table = np.zeros(max(found) - low + 1, np.uint8)
    for value in found:
        table[value - low] = CODE[meaning.get(value, "other")]
    out = np.empty(array.shape, np.uint8)
    for number, plane in enumerate(array):
        table.take(plane.astype(np.int64) - low, out=out[number])
    return out


def _undeclared(labels: Volume, image: Volume) -> Refusal:
    """What a file of undocumented values holds, so that a person can tell what they mean."""
    found = _numbers(labels.array)
    hu = resample(image, labels.grid, "nearest", fill=-1024).array
    told = [
        f"{value}: {count * labels.grid.voxel_ml:.1f} ml of {hu[labels.array == value].mean():.0f}"
        " HU on average"
        for value, count in found.items()
        if value
    ][:12]
    return Refusal(
        f"the values of this set are not documented; the file holds {'; '.join(told) or 'only 0'}",
        expectation="a declaration of what each value means",
        remedy="look at the file in a viewer (a lung has litres and some -800 HU) and declare the "
        "coding, under the same name, in codings: {values: {1: artery, …}}",
        file="the label file",
    )


def _merged(converted: Path, coding: Coding) -> tuple[Volume, dict[str, Any], list[str]]:
    """One volume of codes from one file a meaning; what two vessels claim is unknown."""
    meanings = sorted(set(coding.patterns.values()))
    absent, flags = _sides_left_out(converted, coding)
    codes: Volume | None = None
    facts: dict[str, Any] = {}
    order = sorted(meanings, key=lambda meaning: meaning not in NO_CLASS)
    for meaning in (one for one in order if one not in absent):
        part, file = _part(converted, meaning)
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
        drawn = is_drawn(codes.array)
        clash = mask & drawn
        smaller = min(int(mask.sum()), int(drawn.sum()))
        if meaning not in NO_CLASS and smaller:
            ml = round(float(clash.sum() * part.grid.voxel_ml), 3)
            fraction = float(clash.sum() / smaller)
            facts = _wider(facts, {"overlap_share": round(fraction, 5), "overlap_ml": ml})
            flags += _overlap(fraction, ml, coding.overlap_share, file)
        codes.array[mask] = CODE[meaning]
        codes.array[clash] = UNKNOWN
    assert codes is not None  # a coding has at least one file
    return codes, facts, flags


def _sides_left_out(converted: Path, coding: Coding) -> tuple[set[str], list[str]]:
    """Classes of a lung of which nothing was handed over: that lung was not labelled.

    If a part of a lung's files is there, the others are missed; so are those of both lungs.
    """
    lists = {side: coding.classes(side) & coding.meanings() for side in SIDES}
    empty = {
        side
        for side, classes in lists.items()
        if classes and not any(_file(converted, c).exists() for c in classes)
    }
    if len(empty) != 1 or not all(lists.values()):
        return set(), []
    side = empty.pop()
    return lists[side], [f"no {side} vessels are among the label files: the {side} is unknown"]


def _file(converted: Path, meaning: str) -> Path:
    return converted / f"labels_{meaning}.nii.gz"


def _part(converted: Path, meaning: str) -> tuple[Volume, str]:
    path, file = _file(converted, meaning), f"the {meaning} file"
    if not path.exists():
        raise Refusal(
            "it is not among the label files that were handed over",
            expectation="a file for each meaning of the coding",
            remedy="fetch it, or declare a coding without it under codings",
            file=file,
        )
    return _integers(volume.read(path), file), file


def _wider(facts: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The facts of the larger overlap."""
    return new if new["overlap_share"] >= facts.get("overlap_share", 0) else facts


def _overlap(fraction: float, ml: float, allowed: float, file: str) -> list[str]:
    """A flag for files that overlap a little; a Refusal if they overlap much."""
    if not fraction:
        return []
    finding = f"{ml:.2f} ml ({fraction:.1%} of the smaller) belong to two vessels"
    if fraction > allowed:
        raise Refusal(
            finding,
            expectation=f"files that overlap by at most {allowed:.0%}, as the coding says",
            remedy="check that no file holds both vessels, or the same vessel twice; a set that "
            "is known for more can say so with `overlap_share` in its coding",
            file=file,
        )
    return [finding + ": unknown there"]
