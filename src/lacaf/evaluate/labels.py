"""Label volumes as they lie on disk: read from any format, brought from any coding to classes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.classes import CLASSES, TABLE, UNKNOWN, VESSELS
from lacaf.coding import Coding, builtin
from lacaf.evaluate.subjects import Classes, vessel_of
from lacaf.fault import Refusal

#: Marks a value that the coding does not name; no class and no marker has it.
NO_MEANING = 254

#: Values of 16 bits go through a table; a coding may name any.
LARGEST_TABLE = 1 << 16

#: The coding of the pipeline's own volumes.
CANONICAL = Coding.model_validate(
    {"values": {**{row.value: row.name for row in TABLE}, UNKNOWN: "unknown"}}
)


def coding(text: str, declared: Mapping[str, Coding]) -> Coding:
    """A coding by its name, or spelt out: ``1=artery,2=vein,-999=unknown``.

    Raises:
        Refusal: there is no such name, or what is spelt out cannot be understood.
    """
    known = {**builtin(), **declared}
    if text in known:
        return known[text]
    if "=" not in text:
        raise Refusal(
            f"there is no coding {text!r}",
            expectation=f"one of {', '.join(known)}, or values such as 1=artery,2=vein",
            remedy="choose or spell out a coding",
        )
    try:
        pairs = [entry.split("=") for entry in text.replace(" ", "").split(",")]
        return Coding.model_validate({"values": {int(value): what for value, what in pairs}})
    except ValueError:
        raise Refusal(
            f"the coding {text!r} cannot be understood",
            expectation="integers with the meanings artery, vein, left_artery, left_vein, "
            "right_artery, right_vein, other or unknown, such as 1=artery,2=vein,3=other",
            remedy="spell it out so",
        ) from None


def classes_of(*codings: Coding) -> Classes:
    """The classes that volumes of all these codings can be compared by.

    The four, or artery and vein where one of the codings knows vessels without a side.
    """
    sideless = any((set(VESSELS) - set(CLASSES)) & c.meanings() for c in codings)
    return VESSELS if sideless else CLASSES


def said_by(spoken: Coding, classes: Classes) -> set[str]:
    """The classes that a coding can express."""
    meanings = spoken.meanings()
    if classes == VESSELS:
        meanings = {vessel_of(meaning) for meaning in meanings}
    return meanings & set(classes)


def read(
    path: Path, role: str, spoken: Coding, classes: Classes, unknown_allowed: bool
) -> volume.Volume:
    """Read a label volume and bring it to the classes: 0 background, 1, 2, …, 255 unknown.

    Args:
        path: NIfTI, NRRD, MetaImage or whatever ITK reads.
        role: how a message names the volume.
        spoken: what its values mean.
        classes: the classes to bring it to.
        unknown_allowed: whether it may hold unknown voxels; a prediction may not.

    Raises:
        FileNotFoundError: there is no such file.
        Refusal: it is no label volume, or holds a value that has no meaning.
    """
    if spoken.values is None:
        raise Refusal(
            "its coding does not say what label values mean",
            expectation="a coding of one volume with label values",
            remedy="join the files to one volume, or spell its values out",
            file=role,
        )
    meanings = {0: 0}
    for value, meaning in spoken.values.items():
        if meaning != "unknown" or unknown_allowed:
            meanings[value] = _canonical(meaning, classes)
    labels = _read(path, role)
    return volume.Volume(_translate(labels.array, meanings, role), labels.grid)


def _canonical(meaning: str, classes: Classes) -> int:
    if meaning in ("other", "unknown"):
        return UNKNOWN if meaning == "unknown" else 0
    return classes.index(meaning if meaning in classes else vessel_of(meaning)) + 1


def _translate(array: NDArray, meanings: Mapping[int, int], role: str) -> NDArray[np.uint8]:
    """Values to classes through one table; a value that has no meaning is refused."""
    low, high = min(meanings), max(meanings)
    if high - low > LARGEST_TABLE:
        return _looked_up(array, meanings, role)
    if volume.non_integers(array) or array.min(initial=0) < low or array.max(initial=0) > high:
        raise _without_meaning(array[~np.isin(array, list(meanings))], meanings, role)
    plain = array.dtype == np.uint8 and low == 0
    if plain and all(value == label for value, label in meanings.items()):
        if (astray := _strange(array, meanings)).any():
            raise _without_meaning(array[astray], meanings, role)
        return array
    table = np.full(high - low + 1, NO_MEANING, dtype=np.uint8)
    for value, label in meanings.items():
        table[value - low] = label
    labels = table[array if plain else array.astype(np.int32) - low]
    if (astray := labels == NO_MEANING).any():
        raise _without_meaning(array[astray], meanings, role)
    return labels


def _looked_up(array: NDArray, meanings: Mapping[int, int], role: str) -> NDArray[np.uint8]:
    """The same for values too far apart for a table."""
    values = np.array(sorted(meanings))
    place = np.minimum(np.searchsorted(values, array), len(values) - 1)
    if (astray := values[place] != array).any():
        raise _without_meaning(array[astray], meanings, role)
    return np.array([meanings[int(value)] for value in values], np.uint8)[place]


def _strange(array: NDArray[np.uint8], meanings: Mapping[int, int]) -> NDArray[np.bool_]:
    """Which values have no meaning; a few comparisons, where a table would cost ten times more."""
    top = next(value for value in range(256) if value + 1 not in meanings)
    strange = array > top
    for value in meanings:
        if value > top:
            strange &= array != value
    return strange


def _without_meaning(odd: NDArray, meanings: Mapping[int, int], role: str) -> Refusal:
    found = ", ".join(f"{value:g}" for value in np.unique(odd)[:5])
    return Refusal(
        f"holds the value(s) {found}",
        expectation=f"labels {', '.join(str(value) for value in sorted(meanings))}",
        remedy="say what its values mean (--coding, --prediction-coding)",
        file=role,
    )


def _read(path: Path, role: str) -> volume.Volume:
    """The voxels and the grid of a file, whatever its format."""
    from nibabel.filebasedimages import ImageFileError

    if not path.exists():
        raise FileNotFoundError(path)
    try:
        return volume.read(path)
    except (ValueError, ImageFileError, OSError, EOFError, zlib.error, RuntimeError) as error:
        plain = isinstance(error, ValueError)
        finding = str(error).replace(str(path), "the volume") if plain else "it cannot be read"
        raise Refusal(
            finding,
            expectation="one three-dimensional volume of labels (NIfTI, NRRD, MetaImage)",
            remedy="convert it",
            file=role,
        ) from None
