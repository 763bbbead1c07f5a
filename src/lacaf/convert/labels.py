"""Label files to NIfTI: the same values, in the same place, on their own grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.coding import Coding
from lacaf.convert import dicom_labels, npz, volumes
from lacaf.convert.dicom_labels import Identity
from lacaf.convert.sources import volume_kind
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume

__all__ = ["Identity", "convert_labels"]


@dataclass
class Found:
    """What was found: volumes by the meaning of their file ("" for one file of values).

    ``kinds`` is the format of each, ``facts`` and ``flags`` go into the record.
    """

    parts: dict[str, Volume]
    kinds: dict[str, str]
    facts: dict[str, Any]
    flags: list[str]


def convert_labels(
    path: Path, coding: Coding, image: Volume, identity: Identity | None, folder: Path
) -> dict[str, Any]:
    """Write a case's labels as NIfTI into ``folder``.

    A coding with ``values`` gives ``labels.nii.gz`` with the original integers, one with
    ``files`` or ``names`` gives ``labels_<meaning>.nii.gz`` (not 0: the meaning) for each
    meaning found.

    Args:
        path: label file, folder of files, or what holds an RTSTRUCT or DICOM-SEG.
        coding: what the labels mean.
        image: the CT in HU; gives a grid to labels that bring none.
        identity: the CT's UIDs, if it came as DICOM.
        folder: where the files go.

    Returns:
        Facts for the record: files, values and voxel counts, whether the grid is the image's,
        flags.

    Raises:
        Refusal: a file is missing, broken, not of integers or outside the image.
    """
    if not path.exists():
        raise Refusal(
            "there is no such file or folder",
            expectation="the labels that the case table names",
            remedy="correct the path in the table or fetch the data",
            file="the labels",
        )
    if coding.names is not None:
        found = _from_dicom(path, coding, image, identity)
    else:
        found = _from_files(path, coding, image)
    files = {}
    for meaning, labels in found.parts.items():
        role = _role(meaning)
        _check_inside(labels, image.grid, role)
        name = f"labels_{meaning}.nii.gz" if meaning else "labels.nii.gz"
        volume.write(labels, folder / name)
        files[name] = {
            "kind": found.kinds[meaning],
            "voxels": _counts(labels.array),
            "spacing_mm": [round(s, 5) for s in labels.grid.spacing_mm],
            "on_image_grid": labels.grid.same_as(image.grid),
        }
    facts = {"files": files, **found.facts, "flags": found.flags}
    if coding.patterns:
        facts["missing"] = sorted(set(coding.patterns.values()) - set(found.parts))
    return facts


def _role(meaning: str) -> str:
    return f"the label file of `{meaning}`" if meaning else "the label file"


def _from_dicom(path: Path, coding: Coding, image: Volume, identity: Identity | None) -> Found:
    parts, facts, flags = dicom_labels.read(path, coding.names or {}, image.grid, identity)
    return Found(dict(parts), dict.fromkeys(parts, "dicom"), facts, flags)


def _from_files(path: Path, coding: Coding, image: Volume) -> Found:
    """Volume files as they are; those that bring no geometry get the CT's, all in one way."""
    chosen = _one_file_a_meaning(path, coding.files) if coding.files else {"": _single_file(path)}
    found = Found({}, {}, {}, [])
    bare: dict[str, NDArray] = {}
    for meaning, file in chosen.items():
        role = _role(meaning)
        if file.name.lower().endswith(".npz"):
            bare[meaning] = _integers(npz.read_array(file, role), role)
            continue
        read, found.kinds[meaning] = volumes.read(file, role)
        found.parts[meaning] = Volume(_integers(read.array, role), read.grid)
    if bare:
        _place(bare, image, found)
    return found


def _place(bare: dict[str, NDArray], image: Volume, found: Found) -> None:
    """Give the arrays of a case their place in the CT: the same for all of them."""
    arrays = list(bare.values())
    if len({a.shape for a in arrays}) > 1:
        raise Refusal(
            f"the arrays have the shapes {', '.join(str(a.shape) for a in arrays)}",
            expectation="one shape, that of the CT",
            remedy="hand over the arrays of one case",
            file="the label files",
        )
    mask = np.logical_or.reduce([a != 0 for a in arrays])
    fit = npz.fitted(mask, image, "the .npz labels")
    for meaning, array in bare.items():
        found.parts[meaning] = Volume(npz.arranged(array, fit), image.grid)
        found.kinds[meaning] = "npz"
    found.facts["arrangement"] = fit.facts()
    found.flags.append(
        "the .npz labels bring no geometry: they lie on the CT's voxels, axes "
        f"{fit.axes}, reversed {fit.reversed}, as their contrast to it tells"
    )


def _volume_files(path: Path) -> list[Path]:
    """Label files in a folder and the folders below it, by name."""
    return sorted(
        p
        for p in path.rglob("*")
        if p.is_file() and (volume_kind(p) or p.name.lower().endswith(".npz"))
    )


def _single_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = _volume_files(path)
    if len(files) != 1:
        raise Refusal(
            f"it is a folder with {len(files)} volume files",
            expectation="one label file, as the coding has `values`",
            remedy="name the file in the case table, or use a coding with `files` or `names`",
            file="the labels",
        )
    return files[0]


def _one_file_a_meaning(path: Path, patterns: dict[str, Any]) -> dict[str, Path]:
    """The file of each meaning; patterns fit a file's name or its path below the folder."""
    if not path.is_dir():
        raise Refusal(
            "it is one file",
            expectation="a folder with one file a vessel, as the coding has `files`",
            remedy="name the folder in the case table, or use a coding with `values`",
            file="the labels",
        )
    files = _volume_files(path)
    parts: dict[str, Path] = {}
    for pattern, meaning in patterns.items():
        matching = [f for f in files if _fits(f, path, pattern.lower())]
        if len(matching) > 1 or (matching and meaning in parts):
            raise _several(meaning)
        if matching and matching[0] in parts.values():
            raise _several(meaning, "one file matches several patterns")
        if matching:
            parts[meaning] = matching[0]
    if not parts:
        raise Refusal(
            f"none of its {len(files)} volume files matches {_listed(list(patterns))}",
            expectation="one file a vessel, named as the coding says",
            remedy="rename the files, or declare a coding under codings",
            file="the label folder",
        )
    return parts


def _fits(file: Path, folder: Path, pattern: str) -> bool:
    below = file.relative_to(folder).as_posix().lower()
    return fnmatch(file.name.lower(), pattern) or fnmatch(below, pattern)


def _several(meaning: str, finding: str = "") -> Refusal:
    return Refusal(
        finding or f"several files match `{meaning}`",
        expectation="one file a meaning",
        remedy="take out the files that are not meant, or declare narrower patterns",
        file="the label folder",
    )


def _listed(patterns: Sequence[str]) -> str:
    return ", ".join(f"`{p}`" for p in patterns)


def _integers(array: NDArray, role: str) -> NDArray:
    """Labels in the smallest of uint8, int16, int32 that holds them."""
    off = volume.non_integers(array)
    if off:
        raise Refusal(
            f"it holds fractions or NaN in {off} voxels ({off / array.size:.2%})",
            expectation="integers, one a class",
            remedy="hand over the labels as drawn, not smoothed, no probabilities and not "
            "resampled with interpolation",
            file=role,
        )
    low, high = int(array.min()), int(array.max())
    for dtype in (np.uint8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return array.astype(dtype, copy=False)
    raise Refusal(
        f"its values reach from {low} to {high}",
        expectation="label values",
        remedy="hand over labels, not an image",
        file=role,
    )


def _counts(labels: NDArray) -> dict[str, int]:
    """Voxels of each value but 0."""
    low, high = int(labels.min()), int(labels.max())
    if high - low >= 2**16:
        values, numbers = np.unique(labels, return_counts=True)
        return {str(v): int(n) for v, n in zip(values, numbers, strict=True) if v}
    counts = np.zeros(high - low + 1, np.int64)
    for plane in labels:  # counting is many times as fast as sorting, and a plane at a time small
        counts += np.bincount(plane.ravel().astype(np.int64) - low, minlength=len(counts))
    return {str(v + low): int(counts[v]) for v in np.flatnonzero(counts) if v + low}


def _check_inside(labels: Volume, image: Grid, role: str) -> None:
    """Labels wholly outside the image belong to another scan or lost their geometry."""
    voxels = np.argwhere(labels.array != 0)
    if not len(voxels) or labels.grid.same_as(image):
        return
    index = image.to_index(labels.grid.to_mm(voxels))
    inside = ((index > -0.5) & (index < np.array(image.shape) - 0.5)).all(axis=1).mean()
    if inside < 0.5:
        raise Refusal(
            f"only {100 * inside:.0f} % of the labelled voxels lie inside the image",
            expectation="labels of this image, in its place",
            remedy="check that both are of the same scan and that the labels kept their geometry",
            file=role,
        )
