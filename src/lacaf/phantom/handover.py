"""A rendered phantom becomes what a hospital or a data set would hand over.

Nothing in the raw folder tells that the case is half known: labels of the unlabelled lung are
simply not there. The whole truth goes elsewhere, for the evaluation, and for a
training that asks for it by name.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.cases import Case
from lacaf.classes import SIDES, TABLE
from lacaf.coding import Coding
from lacaf.phantom.handling import Handling, draw, lay, reordered
from lacaf.phantom.identity import fake_identity
from lacaf.volume import Volume

if TYPE_CHECKING:
    from lacaf.phantom.render import Rendered


def hand_over(
    rendered: Rendered,
    case: Case,
    coding: Coding | None,
    seed: int,
    raw: Path,
    truth: Path,
    *,
    handling: Handling | None = None,
) -> dict[str, Any]:
    """Write a case as DICOM and label files into ``raw`` and its whole truth into ``truth``.

    Args:
        rendered: image, labels and lungs on one upright grid, and facts for the record.
        case: names the folders and files (the part of its paths below the case's folder), the
            patient and the labelled side.
        coding: what the label values or files mean; None if the case has no labels.
        seed: decides geometry, storage and order, together with the case's name.
        raw: folder of the case, as ``data/raw/<case>``.
        truth: folder for ``labels.nii.gz`` and ``lungs.nii.gz``, on exactly the CT's grid: in
            the order of slices along row x column.
        handling: a given way to hand over, instead of a drawn one.

    Returns:
        The facts of the rendering and, under ``handed_over``, those of geometry and labels;
        nothing of the fake identity.
    """
    from lacaf.phantom.dicom import write_series

    rng = np.random.default_rng([seed, zlib.crc32(case.case.encode())])
    drawn = draw(rng)
    handling = handling or drawn
    parts = (rendered.image, rendered.labels, rendered.truth, rendered.lungs)
    image, labels, known, lungs = (lay(part, handling) for part in parts)
    series = raw / _below(case.source, case.case)
    write_series(image, fake_identity(case.patient), case.case, handling, series, rng)
    truth.mkdir(parents=True, exist_ok=True)
    volume.write(known, truth / "labels.nii.gz")
    volume.write(lungs, truth / "lungs.nii.gz")
    facts: dict[str, Any] = {**asdict(handling), "labelled_side": None}
    if case.labels is not None and coding is not None:
        side = case.labelled_side
        if side == "auto":
            side = SIDES[int(rng.integers(2))]  # type: ignore[assignment]
        facts["labelled_side"] = side
        _write_labels(labels, coding, side, raw / _below(case.labels, case.case), rng)
    return {**rendered.facts, "handed_over": facts}


def _below(path: Path, case: str) -> Path:
    """The part of a path below the case's folder; the last part if the folder is not in it."""
    parts = path.parts
    if case in parts[:-1]:
        return Path(*parts[parts.index(case) + 1 :])
    return Path(path.name)


def _write_labels(
    truth: Volume, coding: Coding, side: str, path: Path, rng: np.random.Generator
) -> None:
    """Labels as somebody drew them: one side or both, in the coding, with their own axis order.

    What has no side is drawn whole.
    """
    known = np.array([False, *(side == "both" or row.side in ("", side) for row in TABLE)])
    drawn = np.where(known[truth.array], truth.array, 0)
    axes, flips = rng.permutation(3).tolist(), (rng.random(3) < 0.5).tolist()
    if coding.values is not None:
        coded = _coded(drawn, {m: v for v, m in coding.values.items()})
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_as(reordered(Volume(coded, truth.grid), axes, flips), path)
        return
    path.mkdir(parents=True, exist_ok=True)
    for pattern, meaning in (coding.files or {}).items():
        coded = _coded(drawn, {meaning: 1})
        name = pattern.replace("*", "").rstrip(".") + ".nii.gz"
        _write_as(reordered(Volume(coded, truth.grid), axes, flips), path / name)


def _coded(drawn: NDArray, value_of: dict[Any, int]) -> NDArray:
    """Canonical labels in the values of a coding; what it has no word for becomes 0."""
    table = [0, *(value_of.get(row.name, value_of.get(row.vessel, 0)) for row in TABLE)]
    dtype = np.uint8 if min(table) >= 0 and max(table) < 256 else np.int16
    return np.array(table, dtype)[drawn]


def _write_as(labels: Volume, path: Path) -> None:
    """Write labels in the format that the path's end names."""
    if path.name.endswith((".nii", ".nii.gz")):
        volume.write(labels, path)
        return
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(labels.array)
    spacing = np.array(labels.grid.spacing_mm[::-1])
    image.SetSpacing(spacing.tolist())
    image.SetDirection((labels.grid.affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(labels.grid.affine[:3, 3].tolist())
    sitk.WriteImage(image, str(path), useCompression=True)
