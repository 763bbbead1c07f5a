"""Harmonize one case: meaning, sides, what is known, on the CT's and on the working grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.cases import Case
from lacaf.classes import CLASSES, UNKNOWN
from lacaf.coding import Coding
from lacaf.coverage import lung_distances_mm
from lacaf.grid import Grid
from lacaf.harmonize import chest, evidence, exchange, known, meaning, placement, sampling, sides
from lacaf.harmonize.chest import Rule
from lacaf.params.harmonize import Harmonize
from lacaf.volume import Volume

Float = NDArray[np.float32]


def harmonize(
    case: Case,
    params: Harmonize,
    coding: Coding | None,
    converted: Path,
    cropped: Path,
    folder: Path,
) -> dict[str, Any]:
    """Write a case's canonical labels and say what is known of each class.

    Writes ``labels.nii.gz`` on the CT's own grid (for scores) and ``labels_working.nii.gz`` on
    the working grid (for training), both uint8: 0 background, the classes' values, 255 unknown.
    A case without labels gets no files and a coverage of unknown.

    Returns:
        Details for the record: ``coverage`` (class: labelled, absent, unknown),
        ``labelled_side`` (declared, found), ml a class on the CT's grid, ml of vessels in each
        lung, ``checks`` (the numbers by which the labels were judged), decisions, flags.

    Raises:
        Refusal: the labels cannot be what the case table says; with the numbers.
    """
    if case.labels is None or coding is None:
        return _without_labels()
    image_grid = volume.read_grid(converted / "image.nii.gz")
    codes, checks, flags = _read(converted, coding, image_grid)
    chest_ct = _read_chest(cropped)
    grid = chest_ct.lungs.grid
    coded, fraction = sampling.on_working(codes, grid)
    region = chest.draw(coded, chest_ct.lungs.array, chest_ct.left_mm, chest_ct.right_mm, grid)
    sided = chest.canonical(coded, region, Rule(shared_unknown=False))
    judged, notes = _judged(sided, codes, chest_ct, params)
    checks, flags = checks | judged, flags + notes

    in_lungs = sides.vessels_in_lungs(sided, chest_ct.lungs.array, grid.voxel_ml)
    labelled, found = sides.labelled_sides(case.labelled_side, in_lungs, params.min_vessel_ml)
    central = chest.central_ml(sided, region, grid.voxel_ml)
    rule = Rule(labelled, _middle_known(params, central), params.central == "unknown")
    working = chest.canonical(coded, region, rule)
    laid = chest.laid_on(Volume(region, grid), image_grid)
    on_image = chest.canonical(sampling.on_image(codes, image_grid), laid, rule)
    ml = sides.class_ml(on_image, image_grid.voxel_ml)
    coverage, notes = known.coverage(coding, labelled, ml, params.min_vessel_ml)
    volume.write(Volume(on_image, image_grid), folder / "labels.nii.gz")
    volume.write(Volume(working, grid), folder / "labels_working.nii.gz")
    shared = meaning.is_vessel(sided) & (working == UNKNOWN)
    return {
        "coverage": coverage,
        "labelled_side": {"declared": case.labelled_side, "found": found},
        "ml": ml,
        "ml_working": sides.class_ml(working, grid.voxel_ml),
        "ml_in_lungs": {name: round(value, 3) for name, value in in_lungs.items()},
        "checks": checks,
        "decisions": {
            "coding": case.coding,
            "sides_from": _sides_from(coding),
            "mediastinum": "known" if rule.middle_known else "unknown",
            "central_ml": central,
            "of_neither_side_ml": round(float(shared.sum() * grid.voxel_ml), 3),
            "vessel_share": round(fraction, 3),
            "unknown_share": round(float((working == UNKNOWN).mean()), 4),
        },
        "flags": flags + notes,
    }


def _without_labels() -> dict[str, Any]:
    return {
        "coverage": dict.fromkeys(CLASSES, "unknown"),
        "labelled_side": {"declared": "", "found": ""},
        "ml": {},
        "decisions": {},
        "flags": ["no labels"],
    }


@dataclass(frozen=True, eq=False)
class Chest:
    """What crop left: the lungs and the CT on the working grid, and the distances to the lungs."""

    lungs: Volume
    image: Volume
    left_mm: Float
    right_mm: Float


def _read_chest(cropped: Path) -> Chest:
    lungs = volume.read(cropped / "lungs.nii.gz")
    image = volume.read(cropped / "image.nii.gz")
    return Chest(lungs, image, *lung_distances_mm(lungs.array, lungs.grid))


def _read(converted: Path, coding: Coding, image: Grid) -> tuple[Volume, dict[str, Any], list[str]]:
    """The labels as codes, the first checks' numbers, and flags."""
    codes, checks, flags = meaning.read_codes(converted, coding)
    inside, notes = sampling.check_overlap(codes, image)
    return codes, {**checks, "inside_image_share": inside}, flags + notes


def _judged(
    sided: NDArray[np.uint8], codes: Volume, chest_ct: Chest, params: Harmonize
) -> tuple[dict[str, Any], list[str]]:
    """The numbers by which the labels are judged, and flags; a Refusal if they cannot be right.

    Anatomy and HU judge arteries and veins; labels without any (airways) are not judged.
    """
    all_ml = float(meaning.is_vessel(codes.array).sum() * codes.grid.voxel_ml)
    if not all_ml:
        return {}, []
    refuse = params.doubtful == "refuse"
    lungs, image = chest_ct.lungs, chest_ct.image
    place = placement.find(meaning.is_vessel(sided), lungs.array, image)
    if place.certainly_elsewhere:
        placement.check(place, refuse=refuse)  # the reason for whatever else would be doubtful
    nearest_mm = np.minimum(chest_ct.left_mm, chest_ct.right_mm)
    found = evidence.measured(sided, lungs.array, image, nearest_mm, all_ml)
    flags = evidence.check(found) + placement.check(place, refuse=refuse)
    sides.check_lung_of_side(sided, lungs.array, lungs.grid.voxel_ml)
    above_mm = exchange.heights(sided, lungs.array, lungs.grid)
    flags += exchange.check(above_mm, refuse=refuse)
    return {"placement": place.facts(), "artery_above_vein_mm": above_mm, **found}, flags


def _middle_known(params: Harmonize, central_ml: dict[str, float]) -> bool:
    """Whether the expert's drawing goes on into the middle of the chest.

    Each kind of vessel must: with a trunk but no atrium, central veins would be background.
    """
    if params.mediastinum == "auto":
        return bool(central_ml) and all(ml >= params.min_vessel_ml for ml in central_ml.values())
    return params.mediastinum == "known"


def _sides_from(coding: Coding) -> str:
    later = coding.meanings() & set(meaning.UNSIDED)
    return "the lung that a vessel leads to" if later else "coding"
