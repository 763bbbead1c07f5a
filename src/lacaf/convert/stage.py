"""The stage: find the CT, check it, write it; the record says what came in and why."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lacaf import nifti, volume
from lacaf.cases import Case
from lacaf.coding import Coding
from lacaf.convert import choice, declared, labels, sources, tilt, volumes
from lacaf.convert.labels import Identity
from lacaf.convert.sources import Source
from lacaf.dicom import pixels, reading, stacking
from lacaf.dicom.header import Header
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.params.convert import Convert
from lacaf.volume import Volume

#: Voxels of clinical CT are within these bounds; others show a wrong unit.
SPACING_RANGE_MM = (0.1, 10.0)


def convert(case: Case, params: Convert, coding: Coding | None, folder: Path) -> dict[str, Any]:
    """Convert a case into ``folder``: ``image.nii.gz`` (int16 HU) and ``labels*.nii.gz``.

    ``coding`` says what the case's labels mean; None if it has none.

    Returns:
        Details for ``source.json``: kind, image (size, spacing, orientation, HU range), what was
        chosen and why, what was left aside, labels, flags. No identifier, name or date.

    Raises:
        Refusal: the case cannot be used.
    """
    # Libraries quote header values in warnings and logs; those may be a patient's.
    for library in ("pydicom", "nibabel.global"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), sources.opened(case.source) as source:
        warnings.simplefilter("ignore")
        image, details, identity = _image(source, params, case.series, folder)
        details["archive"] = source.archive
    details["image"] = _described(image)
    details["labels"] = None
    if case.labels is not None and coding is not None:
        found = labels.convert_labels(case.labels, coding, image, identity, folder)
        details["flags"] += found.pop("flags")
        details["labels"] = {"coding": case.coding, **found}
    return details


def _image(
    source: Source, params: Convert, named: str, folder: Path
) -> tuple[Volume, dict[str, Any], Identity | None]:
    """Write the CT among the files: the DICOM series if there is any, else the one volume file.

    Returns it with the details for the record and, of a DICOM series, its UIDs.
    """
    found, others, unreadable = reading.read(source.files)
    volume_files = [p for p in others if sources.volume_kind(p)]
    aside = {"not DICOM": len(others) - len(volume_files), "unreadable DICOM": unreadable}
    if found:
        aside["volume file"] = len(volume_files)
        return _from_dicom(choice.choose(found, params, named), aside, params, folder)
    if len(volume_files) != 1:
        raise Refusal(
            f"it holds no DICOM file, {len(volume_files)} volume files and "
            f"{aside['not DICOM'] + unreadable} other files",
            expectation="DICOM files, or one NIfTI, NRRD, MHA or .npz file",
            remedy="name the CT itself as source in the case table; unpack archives in the folder",
            file="the source",
        )
    geometry = next((p for p in others if p.name.lower() == declared.GEOMETRY), None)
    aside["not DICOM"] -= geometry is not None
    image, kind, facts, flags = volumes.read_image(
        volume_files[0], "the image file", params.tilt, geometry
    )
    _check_size(image.grid, params.min_slices)
    volume.write(image, folder / "image.nii.gz")
    details = {
        "kind": kind,
        "chosen": {"why": "the only image", **facts},
        "left_aside": _counted(aside),
        "flags": flags,
    }
    return image, details, None


def _from_dicom(
    chosen: choice.Choice, aside: dict[str, int], params: Convert, folder: Path
) -> tuple[Volume, dict[str, Any], Identity]:
    ordered, grid, degrees = stacking.stack(
        chosen.series.headers, params.spacing_tolerance, params.tilt
    )
    _check_size(grid, params.min_slices)
    pixels.check(ordered)
    if degrees:
        array, facts, flags = pixels.decode(ordered)
        image = tilt.upright(Volume(array, grid))
        volume.write(image, folder / "image.nii.gz")
        flags.append(tilt.flag(degrees))
    else:
        with nifti.writing(folder / "image.nii.gz", grid, np.int16) as add:
            array, facts, flags = pixels.decode(ordered, add)
        image = Volume(array, grid)
    first = ordered[0]
    details = {
        "kind": "dicom",
        "chosen": {
            "why": chosen.why,
            "series": chosen.series.number,
            "candidates": chosen.candidates,
            "slices": len(ordered),
            "modality": first.modality,
            "kernel": first.kernel or None,
            "slice_thickness_mm": first.thickness,
            **facts,
        },
        "left_aside": _counted({**chosen.left_aside, **aside}),
        "flags": chosen.flags + _series_flags(first, grid, degrees, aside) + flags,
    }
    return image, details, Identity(first.series, first.frame_of_reference)


def _series_flags(first: Header, grid: Grid, degrees: float, aside: dict[str, int]) -> list[str]:
    flags = []
    if aside.get("unreadable DICOM"):
        flags.append("some DICOM files cannot be read; slices may be among them")
    if first.tilt and not degrees:
        flags.append("the header names a gantry tilt, the slices show none")
    if first.thickness and grid.spacing_mm[0] > 1.5 * first.thickness:
        flags.append("slices lie further apart than they are thick: gaps between them")
    return flags


def _counted(aside: dict[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in sorted(aside.items()) if count}


def _check_size(grid: Grid, min_slices: int) -> None:
    """Voxels of a plausible size, and enough of them from feet to head."""
    if not all(SPACING_RANGE_MM[0] <= s <= SPACING_RANGE_MM[1] for s in grid.spacing_mm):
        raise Refusal(
            f"its voxels measure {' x '.join(f'{s:g}' for s in grid.spacing_mm)} mm (z, y, x)",
            expectation="0.1 to 10 mm; the unit of the file may be wrong",
            remedy="correct the file's spacing",
            file="the image",
        )
    along = int(np.abs(grid.affine[2, :3]).argmax())
    slices = grid.shape[2 - along]
    if slices < min_slices:
        raise Refusal(
            f"too few slices: {slices} from feet to head",
            expectation=f"at least {min_slices}",
            remedy="hand over the whole scan, or lower convert.min_slices if so few are meant",
            file="the image",
        )


def _described(image: Volume) -> dict[str, Any]:
    return {
        "shape_zyx": list(image.grid.shape),
        "spacing_mm_zyx": [round(s, 5) for s in image.grid.spacing_mm],
        "orientation": orientation(image.grid),
        "oblique_degrees": _obliqueness(image.grid),
        "hu_range": [int(image.array.min()), int(image.array.max())],
    }


def orientation(grid: Grid) -> str:
    """Where the x, y and z index grow to, in the patient: ``LPS`` for an upright grid."""
    letters = (("R", "L"), ("A", "P"), ("I", "S"))
    main = np.abs(grid.affine[:3, :3]).argmax(axis=0)
    return "".join(letters[w][int(grid.affine[w, i] > 0)] for i, w in enumerate(main))


def _obliqueness(grid: Grid) -> float:
    """The largest angle between an axis of the grid and the nearest axis of the patient."""
    axes = np.abs(grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0))
    return round(float(np.degrees(np.arccos(np.clip(axes.max(axis=0), 0, 1))).max()), 3)
