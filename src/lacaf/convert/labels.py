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
from lacaf.convert import volumes
from lacaf.convert.sources import volume_kind
from lacaf.records import Refusal
from lacaf.volume import Grid, Volume


@dataclass(frozen=True)
class Identity:
    """The UIDs by which DICOM objects name a CT; compared, never shown or written."""

    series: str
    frame_of_reference: str


def convert_labels(
    path: Path, coding: Coding, image: Volume, identity: Identity | None, folder: Path
) -> dict[str, Any]:
    """Write a case's labels as NIfTI into ``folder``.

    A coding with ``values`` gives ``labels.nii.gz`` with the original integers, one with
    ``files`` gives ``labels_<meaning>.nii.gz`` (not 0: the meaning) for each meaning found.

    Returns:
        Facts for the record: files, values and voxel counts, whether the grid is the image's.

    Raises:
        Refusal: a file is missing, broken, not whole-numbered or outside the image.
    """
    if not path.exists():
        raise Refusal(
            "there is no such file or folder",
            expectation="the labels that the case table names",
            remedy="correct the path in the table or fetch the data",
            file="the labels",
        )
    if coding.files is not None:
        parts = _one_file_a_meaning(path, coding.files)
    else:
        parts = {"labels": (_single_file(path), "the label file")}
    facts: dict[str, Any] = {"files": {}}
    for name, (file, role) in parts.items():
        found, kind = volumes.read(file, role)
        labels = Volume(_whole_numbers(found.array, role), found.grid)
        counts = _counts(labels.array)
        _check_inside(labels, image.grid, role)
        volume.write(labels, folder / f"{name}.nii.gz")
        facts["files"][f"{name}.nii.gz"] = {
            "kind": kind,
            "voxels": counts,
            "spacing_mm": [round(s, 5) for s in labels.grid.spacing_mm],
            "on_image_grid": labels.grid.same_as(image.grid),
        }
    if coding.files is not None:
        facts["missing"] = sorted(set(coding.files.values()) - {n[7:] for n in parts})
    return facts


def _volume_files(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_file() and volume_kind(p))


def _single_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = _volume_files(path)
    if len(files) != 1:
        raise Refusal(
            f"it is a folder with {len(files)} volume files",
            expectation="one label file, as the coding has `values`",
            remedy="name the file in the case table, or use a coding with `files`",
            file="the labels",
        )
    return files[0]


def _one_file_a_meaning(path: Path, patterns: dict[str, Any]) -> dict[str, tuple[Path, str]]:
    if not path.is_dir():
        raise Refusal(
            "it is one file",
            expectation="a folder with one file a vessel, as the coding has `files`",
            remedy="name the folder in the case table, or use a coding with `values`",
            file="the labels",
        )
    files = _volume_files(path)
    parts: dict[str, tuple[Path, str]] = {}
    for pattern, meaning in patterns.items():
        matching = [f for f in files if fnmatch(f.name.lower(), pattern.lower())]
        if len(matching) > 1 or (matching and f"labels_{meaning}" in parts):
            raise _several(meaning)
        if matching:
            parts[f"labels_{meaning}"] = (matching[0], f"the label file of `{meaning}`")
    if not parts:
        raise Refusal(
            f"none of its {len(files)} volume files matches {_listed(list(patterns))}",
            expectation="one file a vessel, named as the coding says",
            remedy="rename the files, or declare a coding under harmonize.codings",
            file="the label folder",
        )
    return parts


def _several(meaning: str) -> Refusal:
    return Refusal(
        f"several files match `{meaning}`",
        expectation="one file a meaning",
        remedy="take out the files that are not meant, or declare narrower patterns",
        file="the label folder",
    )


def _listed(patterns: Sequence[str]) -> str:
    return ", ".join(f"`{p}`" for p in patterns)


def _whole_numbers(array: NDArray, role: str) -> NDArray:
    """Labels in the smallest of uint8, int16, int32 that holds them."""
    finite = np.isfinite(array).all() if np.issubdtype(array.dtype, np.floating) else True
    if not finite or (array != np.rint(array)).any():
        raise Refusal(
            "it holds fractions or NaN",
            expectation="whole numbers, one a class",
            remedy="hand over the labels as drawn, not smoothed or resampled with interpolation",
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
    if labels.dtype == np.uint8:
        counts = np.bincount(labels.ravel(), minlength=1)
        return {str(v): int(counts[v]) for v in np.flatnonzero(counts) if v}
    values, numbers = np.unique(labels, return_counts=True)
    return {str(v): int(n) for v, n in zip(values, numbers, strict=True) if v}


def _check_inside(labels: Volume, image: Grid, role: str) -> None:
    """Labels wholly outside the image belong to another scan or lost their geometry."""
    voxels = np.argwhere(labels.array != 0)
    if not len(voxels):
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
