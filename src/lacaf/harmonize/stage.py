"""Harmonize one case: meaning, sides, what is known, on the CT's and on the working grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.cases import Case
from lacaf.coverage import CLASSES, UNKNOWN, distance_mm, lung_distances_mm, nearer
from lacaf.harmonize import known, meaning, sampling, sides
from lacaf.params import Params
from lacaf.records import Refusal
from lacaf.volume import Grid, Volume, resample

#: Vessels are at least this much denser than the lung around them, HU: far less than they are.
VESSEL_ABOVE_LUNG_HU = 100.0
#: What is the lung around them: this far from labelled voxels, mm.
AROUND_MM = (3.0, 8.0)
#: At least this share of the labelled vessels lies in the lungs.
IN_LUNGS_SHARE = 0.2


def harmonize(
    case: Case, params: Params, converted: Path, cropped: Path, folder: Path
) -> dict[str, Any]:
    """Write a case's canonical labels and say what is known of each class.

    Writes ``labels.nii.gz`` on the CT's own grid (for scores) and ``labels_working.nii.gz`` on
    the working grid (for training), both uint8: 0 background, 1 to 4 the classes, 255 unknown.
    A case without labels gets no files and a coverage of unknown.

    Returns:
        Details for the record: ``coverage`` (class: labelled, absent, unknown),
        ``labelled_side`` (declared, found), ml a class on the CT's grid, ml of vessels in each
        lung, decisions, flags.

    Raises:
        Refusal: the labels cannot be what the case table says; with the numbers.
    """
    if case.labels is None or case.coding is None:
        return {
            "coverage": dict.fromkeys(CLASSES, "unknown"),
            "labelled_side": {"declared": "", "found": ""},
            "ml": {},
            "decisions": {},
            "flags": ["no labels"],
        }
    coding = params.codings()[case.coding]
    image_grid = volume.read_grid(converted / "image.nii.gz")
    lungs = volume.read(cropped / "lungs.nii.gz")
    grid, voxel_ml = lungs.grid, lungs.grid.voxel_ml
    codes, flags = meaning.read_codes(converted, coding)
    sampling.check_overlap(codes, image_grid)
    distances = lung_distances_mm(lungs.array, grid)
    coded, share = sampling.on_working(codes, grid)
    labels = sides.with_sides(coded, nearer(*distances))
    _check_on_vessels(labels, lungs.array, volume.read(cropped / "image.nii.gz"))
    sides.check_lung_of_side(labels, lungs.array, voxel_ml)
    in_lungs = sides.vessels_in_lungs(labels, lungs.array, voxel_ml)
    least = params.harmonize.min_vessel_ml
    labelled, found = sides.labelled_sides(case.labelled_side, in_lungs, least)
    region = known.regions(lungs.array, *distances)
    central = known.central_ml(labels, region, voxel_ml)
    central_known = _central_known(params.harmonize.mediastinum, central, least)
    working = known.with_unknown(labels, region, labelled, central_known)
    on_image = _on_image(codes, Volume(region, grid), image_grid, labelled, central_known)
    ml = sides.class_ml(on_image, image_grid.voxel_ml)
    coverage, notes = known.coverage(coding, labelled, ml, least)
    volume.write(Volume(on_image, image_grid), folder / "labels.nii.gz")
    volume.write(Volume(working, grid), folder / "labels_working.nii.gz")
    return {
        "coverage": coverage,
        "labelled_side": {"declared": case.labelled_side, "found": found},
        "ml": ml,
        "ml_working": sides.class_ml(working, voxel_ml),
        "ml_in_lungs": {name: round(value, 3) for name, value in in_lungs.items()},
        "decisions": {
            "coding": case.coding,
            "sides_from": "nearest lung" if {"artery", "vein"} & coding.meanings() else "coding",
            "mediastinum": "known" if central_known else "unknown",
            "central_ml": round(central, 3),
            "vessel_share": round(share, 3),
            "unknown_share": round(float((working == UNKNOWN).mean()), 4),
        },
        "flags": flags + notes,
    }


def _central_known(mediastinum: str, central_ml: float, least_ml: float) -> bool:
    """Whether the expert's drawing goes on into the middle of the chest."""
    return mediastinum == "known" or (mediastinum == "auto" and central_ml >= least_ml)


def _on_image(
    codes: Volume, region: Volume, image: Grid, labelled: tuple[str, ...], central_known: bool
) -> NDArray[np.uint8]:
    """Canonical labels on the CT's grid; sides and regions come from the working grid."""
    on_image = resample(_reaching(region, image), image, "nearest").array
    labels = sampling.on_image(codes, image)
    labels = sides.with_sides(labels, np.where(on_image % 2 == 1, 1, 2).astype(np.uint8))
    return known.with_unknown(labels, on_image, labelled, central_known)


def _reaching(region: Volume, image: Grid) -> Volume:
    """The map of regions, its edge repeated outwards until it covers the whole image."""
    index = region.grid.to_index(image.corners_mm())
    shape = np.array(region.grid.shape)
    before = np.maximum(0, np.ceil(-index.min(axis=0))).astype(int) + 1
    after = np.maximum(0, np.ceil(index.max(axis=0) - shape + 1)).astype(int) + 1
    array = np.pad(region.array, list(zip(before, after, strict=True)), mode="edge")
    affine = region.grid.affine.copy()
    affine[:3, 3] = region.grid.to_mm(-before)
    return Volume(array, Grid(array.shape, affine))


def _check_on_vessels(labels: NDArray[np.uint8], lungs: NDArray, image: Volume) -> None:
    """Refuse labels that do not lie in the lungs, or there not on what is denser than lung."""
    vessel = (labels > 0) & (labels != UNKNOWN)
    inside = vessel & (lungs > 0)
    share = float(inside.sum() / max(int(vessel.sum()), 1))
    remedy = "check that the labels are of this scan, and for mirrored or shifted labels"
    if share < IN_LUNGS_SHARE:
        raise Refusal(
            f"{share:.0%} of the labelled vessels lie in the lungs",
            expectation=f"at least {IN_LUNGS_SHARE:.0%}",
            remedy=remedy,
            file="the label file",
        )
    distance = distance_mm(vessel, image.grid)
    around = (lungs > 0) & (distance > AROUND_MM[0]) & (distance < AROUND_MM[1])
    if not around.any():
        return
    here, there = float(image.array[inside].mean()), float(image.array[around].mean())
    if here - there < VESSEL_ABOVE_LUNG_HU:
        raise Refusal(
            f"labelled vessels in the lungs have {here:.0f} HU, the lung around {there:.0f} HU",
            expectation=f"vessels at least {VESSEL_ABOVE_LUNG_HU:.0f} HU above it",
            remedy=remedy,
            file="the label file",
        )
