"""One case: probabilities on the working grid, labels on the original one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf import records, volume
from lacaf.coverage import CLASSES, DEEP_IN_LUNG_MM
from lacaf.infer.loading import load
from lacaf.model.device import describe
from lacaf.model.inputs import network_input
from lacaf.model.window import probabilities
from lacaf.params import Infer
from lacaf.volume import Grid, Volume

#: A voxel is a vessel where the most probable class is more probable than not.
THRESHOLD = 0.5

#: The working grid may differ from the model's by this share of its spacing.
SPACING_TOLERANCE = 0.01


def infer(
    model_folder: Path,
    converted: Path,
    cropped: Path,
    folder: Path,
    params: Infer,
    device: str | None = None,
) -> dict[str, Any]:
    """Segment one case.

    Reads the image and the lungs on the working grid, and the grid of the CT; writes
    ``labels.nii.gz`` (uint8, 0 to 4) on the CT's grid into ``folder`` and, if asked for,
    ``probability_<class>.nii.gz`` (uint8, 255 is certain).

    Returns:
        Details for the record: the model's experiment, seed, weights digest and run id,
        millilitres of each class, seconds, device.

    Raises:
        records.Refusal: the working grid is not the model's, or a lung is missing.
        ModelError: the model's folder is not usable.
    """
    begin = time.monotonic()
    model = load(model_folder, device)
    image = volume.read(cropped / "image.nii.gz")
    lungs = volume.read(cropped / "lungs.nii.gz")
    original = volume.read(converted / "image.nii.gz").grid
    _check_spacing(image.grid, model.about["working_spacing_mm"])
    try:
        seen = network_input(
            image.array,
            lungs.array,
            image.grid,
            model.about["hu_window"],
            model.about["blood_window"],
        )
    except ValueError as error:
        raise records.Refusal(
            str(error), expectation="both lungs", remedy="look at the result of crop"
        ) from None
    chance = probabilities(
        model.network, seen.channels(), model.about["patch"], params.overlap, model.device
    )
    chance = side_prior(chance, lungs.array, image.grid)
    keep = folder if params.save_probabilities else None
    labels = to_original(chance, image.grid, original, keep)
    volume.write(Volume(labels, original), folder / "labels.nii.gz")
    counts = np.bincount(labels.ravel(), minlength=len(CLASSES) + 1)[1:]
    return {
        "model": {key: model.about[key] for key in ("experiment", "seed", "weights_sha256")},
        "mlflow_run_id": model.about["mlflow_run_id"],
        "ml": {
            name: round(float(count) * original.voxel_ml, 3)
            for name, count in zip(CLASSES, counts, strict=True)
        },
        "seconds": round(time.monotonic() - begin, 2),
        "device": describe(model.device),
    }


def side_prior(chance: NDArray, lungs: NDArray, grid: Grid) -> NDArray:
    """Probabilities with no vessel of one side deep inside the other side's lung.

    A left vessel cannot be in the right lung, but lung masks are rough at the hilum, and the
    great vessels cross the midline: so only voxels deeper than ``coverage.DEEP_IN_LUNG_MM``
    inside the other lung are ruled out, the very ones that validity in training calls certain.
    """
    from scipy import ndimage

    chance = chance.copy()
    for first, other_lung in ((0, 2), (2, 1)):  # left classes, right classes
        depth = ndimage.distance_transform_edt(lungs == other_lung, sampling=grid.spacing_mm)
        chance[first : first + 2, depth > DEEP_IN_LUNG_MM] = 0
    return chance


def to_original(
    chance: NDArray, working: Grid, original: Grid, folder: Path | None = None
) -> NDArray[np.uint8]:
    """Labels ``(Z, Y, X)`` on the original grid of probabilities ``(4, z, y, x)``.

    Probabilities are interpolated, then decided: finer than interpolated labels. One class at
    a time, since a full-resolution CT in four classes does not fit a small memory. Outside the
    working grid is background.
    """
    labels = np.zeros(original.shape, np.uint8)
    highest = np.full(original.shape, THRESHOLD, np.float32)
    for value, (name, plane) in enumerate(zip(CLASSES, chance, strict=True), start=1):
        here = volume.resample(Volume(plane, working), original).array
        labels[here > highest] = value
        np.maximum(highest, here, out=highest)
        if folder is not None:
            scaled = np.rint(here * 255).astype(np.uint8)
            volume.write(Volume(scaled, original), folder / f"probability_{name}.nii.gz")
    return labels


def _check_spacing(grid: Grid, spacing_mm: float) -> None:
    if np.abs(np.array(grid.spacing_mm) / spacing_mm - 1).max() > SPACING_TOLERANCE:
        found = " x ".join(f"{s:g}" for s in grid.spacing_mm)
        raise records.Refusal(
            f"a working grid of {found} mm",
            expectation=f"{spacing_mm:g} mm, on which the model was trained",
            remedy="set crop.spacing_mm to the model's, or train a model on this grid",
            file="the cropped image",
        )
