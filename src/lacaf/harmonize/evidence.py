"""Do the labels lie on vessels at all? HU under them and around them, and where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import SIDES, TABLE
from lacaf.coverage import distance_mm
from lacaf.fault import Refusal
from lacaf.harmonize.meaning import ARTERY, VEIN, is_vessel
from lacaf.volume import Volume

#: Vessels in the lungs are at least this much denser than the lung around them, HU: far less
#: than the 300 to 600 of thin slices, for a CT of 4 mm voxels shows 80.
VESSEL_ABOVE_LUNG_HU = 50.0
#: A class with less in the lungs is too little for a mean, ml.
LEAST_CLASS_ML = 0.5
#: A voxel is dense if it is this much above the median of the lung around, HU.
DENSE_HU = 100.0
#: Flagged if fewer of the labelled voxels are dense; true labels have 0.7 to 1. Refused if it is
#: not so many times the fraction of the lung around: then they lie on vessels by accident.
DENSE_FLAGGED, DENSE_TIMES = 0.6, 1.5
#: What is the lung around them: this far from labelled voxels, mm.
AROUND_MM = (3.0, 8.0)
#: At least this fraction of the labelled vessels lies in the lungs.
IN_LUNGS_FRACTION = 0.2
#: Vessels fill a few hundredths of a lung; what fills more than this is a lobe or a lung.
FILL_FRACTION = 0.3
#: Blood is never this thin, HU. Where labels outside the lungs are, they lie in air ...
AIR_HU = -500.0
#: ... this far from the lungs, mm, to allow for the exactness of their mask.
OFF_LUNG_MM = 3.0
#: Refused from this fraction of the labelled vessels in air, or beyond the chest; flagged from the
#: second.
ASTRAY_REFUSED, ASTRAY_FLAGGED = 0.1, 0.01

_REMEDY = "check that the labels are of this scan and of its vessels"


def measured(
    labels: NDArray[np.uint8], lungs: NDArray, image: Volume, to_lungs_mm: NDArray, all_ml: float
) -> dict[str, Any]:
    """The numbers by which the labels are judged.

    Args:
        labels: ``(Z, Y, X)`` canonical labels on the working grid.
        lungs: the lungs on it.
        image: the CT on it, HU.
        to_lungs_mm: distance of each voxel to the nearer lung, mm.
        all_ml: ml of labelled vessels on their own grid, wherever they lie.

    Returns:
        ``in_lungs_share``; ``fill_share`` of each lung; ``hu``: mean of each kind in the lungs,
        of all, and of the lung around them; ``contrast_hu``, the difference, of each class and
        of all; ``dense_share`` of the labelled voxels and of the lung around; ``in_air_share``
        (outside the lungs) and ``beyond_chest_share`` (outside the working grid) of all labelled
        vessels. What has (almost) no voxels is None.
    """
    vessel = is_vessel(labels)
    inside = vessel & (lungs > 0)
    distance = distance_mm(vessel, image.grid)
    around = (lungs > 0) & (distance > AROUND_MM[0]) & (distance < AROUND_MM[1])
    lung_hu = _mean(image.array, around)
    hu = {}
    for row in (row for row in TABLE if row.vessel in (ARTERY, VEIN)):
        mask = inside & (labels == row.value)
        enough = mask.sum() * image.grid.voxel_ml >= LEAST_CLASS_ML
        hu[row.name] = _mean(image.array, mask) if enough else None
    hu["all"] = _mean(image.array, inside)
    dense = image.array > (np.median(image.array[around]) if around.any() else 0) + DENSE_HU
    here_ml = float(vessel.sum() * image.grid.voxel_ml)
    air = vessel & (to_lungs_mm > OFF_LUNG_MM) & (image.array < AIR_HU)
    all_ml = max(all_ml, here_ml, 1e-6)
    return {
        "in_lungs_share": _fraction(inside.sum(), vessel.sum()),
        "fill_share": {
            side: _fraction((inside & (lungs == value)).sum(), (lungs == value).sum())
            for value, side in enumerate(SIDES, start=1)
        },
        "hu": {**hu, "lung_around": lung_hu},
        "contrast_hu": {
            name: None if value is None or lung_hu is None else round(value - lung_hu, 1)
            for name, value in hu.items()
        },
        "dense_share": {
            "labels": _fraction((inside & dense).sum(), inside.sum()),
            "lung_around": _fraction((around & dense).sum(), around.sum()),
        },
        "in_air_share": round(float(air.sum() * image.grid.voxel_ml) / all_ml, 4),
        "beyond_chest_share": round((all_ml - here_ml) / all_ml, 4),
    }


def check(found: dict[str, Any]) -> list[str]:
    """Flags of labels that are doubtful; a Refusal of labels that cannot be vessels.

    Raises:
        Refusal: labels outside the lungs, in air, beyond the chest, of whole lungs, or no
            denser than the lung around them.
    """
    flags = _astray(found)
    fraction = found["in_lungs_share"]
    if fraction < IN_LUNGS_FRACTION:
        raise _refusal(
            f"{fraction:.0%} of the labelled vessels lie in the lungs",
            f"at least {IN_LUNGS_FRACTION:.0%}",
        )
    full = {side: fill for side, fill in found["fill_share"].items() if fill > FILL_FRACTION}
    if full:
        told = ", ".join(f"{fill:.0%} of the {side} lung" for side, fill in full.items())
        raise _refusal(
            f"the labels fill {told}: a lung or a lobe, no vessels",
            f"at most {FILL_FRACTION:.0%}; vessels fill some 5 %",
        )
    _check_contrast(found)
    return flags + _sparse(found["dense_share"])


def _check_contrast(found: dict[str, Any]) -> None:
    contrast, hu = found["contrast_hu"], found["hu"]
    for name, value in contrast.items():
        if value is not None and value < VESSEL_ABOVE_LUNG_HU:
            told = "labelled vessels" if name == "all" else f"the {name.replace('_', ' ')} labels"
            darker = " (darker than lung: airways?)" if value < 0 else ""
            raise _refusal(
                f"{told} in the lungs have {hu[name]:.0f} HU, the lung around "
                f"{hu['lung_around']:.0f} HU{darker}: they do not lie on vessels",
                f"vessels at least {VESSEL_ABOVE_LUNG_HU:.0f} HU above it",
            )


def _sparse(dense: dict[str, float]) -> list[str]:
    """Labels of which only a part lies on what is dense."""
    told = (
        f"{dense['labels']:.0%} of the labelled voxels in the lungs are dense, of the lung around "
        f"{dense['lung_around']:.0%}"
    )
    if dense["labels"] < DENSE_TIMES * dense["lung_around"]:
        raise _refusal(
            f"{told}: they lie on vessels by chance alone",
            f"at least {DENSE_TIMES:g} times as many",
        )
    if dense["labels"] < DENSE_FLAGGED:
        return [f"{told}: drawn too wide, a coarse CT, or the labels of another scan"]
    return []


def _astray(found: dict[str, Any]) -> list[str]:
    """What lies in air, or beyond the box around the lungs."""
    places = (
        ("in_air_share", "in air outside the lungs: outside the body or in the windpipe"),
        ("beyond_chest_share", "beyond the chest, above, below or beside both lungs"),
    )
    flags = []
    for name, where in places:
        if found[name] > ASTRAY_REFUSED:
            raise _refusal(
                f"{found[name]:.0%} of the labelled vessels lie {where}",
                f"vessels in the chest, at most {ASTRAY_REFUSED:.0%} astray",
            )
        if found[name] > ASTRAY_FLAGGED:
            flags.append(f"{found[name]:.1%} of the labelled vessels lie {where}")
    return flags


def _refusal(finding: str, expectation: str) -> Refusal:
    return Refusal(finding, expectation=expectation, remedy=_REMEDY, file="the label file")


def _mean(hu: NDArray, mask: NDArray[np.bool_]) -> float | None:
    return round(float(hu[mask].mean()), 1) if mask.any() else None


def _fraction(part: int, of: int) -> float:
    return round(float(part) / max(int(of), 1), 4)
