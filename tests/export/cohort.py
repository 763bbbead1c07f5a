"""A cohort with one case of each kind, laid out as the stages leave it."""

import csv
import shutil
from dataclasses import astuple
from pathlib import Path

import numpy as np
from tubes import GRID, lay_out

from lacaf import files, volume
from lacaf.cases import COLUMNS
from lacaf.classes import CLASSES
from lacaf.grid import Grid
from lacaf.volume import Volume

REPOSITORY = Path(__file__).parents[2]
SPLITS = {
    "full": "train", "left": "train", "arteries": "train", "refused": "train", "empty": "train",
    "check": "val", "secret": "test", "new": "predict",
}  # fmt: skip
#: A CT's grid, twice as fine in the plane, x and z running the other way, larger than the crop.
ORIGINAL = Grid(
    (30, 50, 70),
    np.array([[-2.0, 0, 0, 72], [0, 2, 0, -50], [0, 0, -4, 50], [0, 0, 0, 1]]),
)


def lay_out_cohort():
    """Write the cohort, its table and its parameters into the working directory."""
    cases = lay_out(Path("data"), SPLITS, {"left": 1})
    relabel("arteries", lambda labels: np.where(np.isin(labels, (2, 4)), 0, labels))
    change_record("arteries", coverage=dict(zip(CLASSES, ("labelled", "unknown") * 2, strict=True)))
    change_record("refused", status="refused", refusal={"stage": "crop"})
    relabel("empty", lambda labels: np.full_like(labels, 255))
    for case in ("full", "left", "arteries", "empty", "check", "secret"):
        _on_original_grid(case)
    for stage in ("crop", "harmonize"):  # whoever opens these, fails
        shutil.rmtree(Path("data", stage, "new"))
    shutil.copy(REPOSITORY / "params" / "demo.yaml", "params.yaml")
    with Path("data/cases.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([COLUMNS, *(astuple(case)[:7] for case in cases.values())])


def relabel(case, change):
    """Change a case's labels on the working grid by a function of the array."""
    path = Path("data/harmonize", case, "labels_working.nii.gz")
    volume.write(Volume(change(volume.read(path).array).astype(np.uint8), GRID), path)


def change_record(case, **content):
    path = Path("data/harmonize", case, "coverage.json")
    files.write_json(path, files.read_json(path) | content)


def _on_original_grid(case):
    """What convert and harmonize leave on the CT's own grid."""
    image = volume.read(Path("data/crop", case, "image.nii.gz"))
    labels = volume.read(Path("data/harmonize", case, "labels_working.nii.gz"))
    Path("data/convert", case).mkdir(parents=True)
    volume.write(
        volume.resample(image, ORIGINAL, "nearest", fill=-1000),
        Path("data/convert", case, "image.nii.gz"),
    )
    volume.write(
        volume.resample(labels, ORIGINAL, "nearest", fill=255),
        Path("data/harmonize", case, "labels.nii.gz"),
    )
