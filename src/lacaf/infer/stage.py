"""One case: probabilities on the working grid, labels on the original one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import volume
from lacaf.classes import CLASSES, TABLE
from lacaf.coverage import on_the_other_side
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.infer.loading import Model, load
from lacaf.model.device import describe
from lacaf.model.inputs import network_input
from lacaf.model.window import probabilities
from lacaf.params.infer import Infer
from lacaf.volume import Volume

#: A voxel is a vessel where the most probable class is more probable than not.
THRESHOLD = 0.5

#: Interpolation between two grids flattens vessels of few voxels: on the CT's grid a voxel counts
#: from less than that on, not below this, until the vessels have the volume that they had. Stage
#: harmonize brings labels the other way by the same rule.
LEAST_THRESHOLD = 0.3

#: The working grid may differ from the model's by this fraction of its spacing.
SPACING_TOLERANCE = 0.01


def infer(
    model: Model | Path,
    converted: Path,
    cropped: Path,
    folder: Path,
    params: Infer,
    device: str | None = None,
) -> dict[str, Any]:
    """Segment one case with a model, or with that in a folder, which ``device`` is for.

    Reads the image and the lungs on the working grid, and the grid of the CT; writes
    ``labels.nii.gz`` (uint8, 0 and the classes) on the CT's grid into ``folder`` and, if asked for,
    ``probability_<class>.nii.gz`` (uint8, 255 is certain).

    Returns:
        Details for the record: the model's experiment, seed, weights digest and run id,
        millilitres of each class, whether patches were seen mirrored too, the probability from
        which a voxel is vessel, seconds, device.

    Raises:
        Refusal: the working grid is not the model's, or a lung is missing.
        ModelError: the model's folder is not usable.
    """
    begin = time.monotonic()
    if isinstance(model, Path):
        model = load(model, device)
    image = volume.read(cropped / "image.nii.gz")
    lungs = volume.read(cropped / "lungs.nii.gz")
    original = volume.read_grid(converted / "image.nii.gz")
    _check_spacing(image.grid, model.about["working_spacing_mm"])
    try:
        seen = network_input(image.array, lungs.array, image.grid)
    except ValueError as error:
        raise Refusal(
            str(error), expectation="both lungs", remedy="look at the result of crop"
        ) from None
    windows = (model.about["hu_window"], model.about["blood_window"])
    mirror = params.mirror and learnt_mirrored(model.about)
    probability = probabilities(
        model.network, seen, windows, model.about["patch"], params.overlap, model.device,
        mirror=mirror,
    )  # fmt: skip
    probability = side_prior(probability, lungs.array, image.grid)
    keep = folder if params.save_probabilities else None
    labels, threshold = to_original(probability, image.grid, original, keep)
    volume.write(Volume(labels, original), folder / "labels.nii.gz")
    counts = np.bincount(labels.ravel(), minlength=len(CLASSES) + 1)[1:]
    return {
        "model": {key: model.about[key] for key in ("experiment", "seed", "weights_sha256")},
        "mlflow_run_id": model.about["mlflow_run_id"],
        "ml": {
            name: round(float(count) * original.voxel_ml, 3)
            for name, count in zip(CLASSES, counts, strict=True)
        },
        "mirrored": mirror,
        "threshold": round(threshold, 3),
        "seconds": round(time.monotonic() - begin, 2),
        "device": describe(model.device),
    }


def learnt_mirrored(about: Mapping[str, Any]) -> bool:
    """Whether a model learnt from mirrored patches, by its ``model.json``; others would be asked
    for something that they have never seen."""
    augment = (about.get("params") or {}).get("augment")  # once true or false
    return bool(augment.get("mirror") if isinstance(augment, dict) else augment)


def side_prior(probability: NDArray, lungs: NDArray, grid: Grid) -> NDArray:
    """Probabilities with no vessel of one side deep inside the other side's lung.

    Ruled out are the very voxels that validity in training calls certain.
    """
    probability = probability.copy()
    for plane, impossible in zip(probability, on_the_other_side(lungs, grid), strict=True):
        plane[impossible] = 0
    return probability


def to_original(
    probability: NDArray, working: Grid, original: Grid, folder: Path | None = None
) -> tuple[NDArray[np.uint8], float]:
    """Labels ``(Z, Y, X)`` on the original grid of probabilities ``(K, z, y, x)``.

    Probabilities are interpolated, then decided: finer than interpolated labels. One class at
    a time, since a full-resolution CT in all classes does not fit a small memory. Outside the
    working grid is background.

    Returns:
        The labels, and the probability from which a voxel is vessel.
    """
    labels = np.zeros(original.shape, np.uint8)
    highest = np.full(original.shape, LEAST_THRESHOLD, np.float32)
    for row, plane in zip(TABLE, probability, strict=True):
        here = volume.resample(Volume(plane, working), original).array
        labels[here > highest] = row.value
        np.maximum(highest, here, out=highest)
        if folder is not None:
            scaled = np.rint(here * 255).astype(np.uint8)
            volume.write(Volume(scaled, original), folder / f"probability_{row.name}.nii.gz")
    vessel_ml = (probability.max(axis=0) > THRESHOLD).sum() * working.voxel_ml
    threshold = volume.threshold_that_keeps(
        highest[labels > 0], int(vessel_ml / original.voxel_ml), (LEAST_THRESHOLD, THRESHOLD)
    )
    labels[highest <= threshold] = 0
    return labels, threshold


def _check_spacing(grid: Grid, spacing_mm: float) -> None:
    if np.abs(np.array(grid.spacing_mm) / spacing_mm - 1).max() > SPACING_TOLERANCE:
        found = " x ".join(f"{s:g}" for s in grid.spacing_mm)
        raise Refusal(
            f"a working grid of {found} mm",
            expectation=f"{spacing_mm:g} mm, on which the model was trained",
            remedy="set crop.spacing_mm to the model's, or train a model on this grid",
            file="the cropped image",
        )
