"""The pictures of docs/walk.md, from what a run left behind.

python docs/walk_pictures.py . phantom014 lacaf-s0     # in a folder where `make demo` ran
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pydicom
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray
from pydicom.misc import is_dicom

from lacaf.classes import TABLE, UNKNOWN
from lacaf.volume import Volume, read

OUT = Path(__file__).parent / "walk"
COLOURS = {row.value: row.colours["safe"] for row in TABLE}
LUNGS = {1: "#8fd19e", 2: "#c6a5e0"}
CODED = {1: "#bbbbbb", 2: "#555555"}
UNSAID = {UNKNOWN: "#f4d35e"}
WINDOW_HU = (-1000, 400)


def main() -> None:
    """Read the arguments and draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("case")
    parser.add_argument("run")
    given = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    data = given.project / "data"
    places = {s: data / s / given.case for s in ("raw", "truth", "convert", "crop", "harmonize")}
    raw(places["raw"] / "dicom")
    convert(places["convert"])
    crop(places["crop"])
    harmonize(places["crop"], places["harmonize"])
    train(data / "train" / given.run / "history.csv")
    infer(places["convert"], data / "infer" / given.run / given.case, places["truth"])
    evaluate(data / "evaluate" / given.run / given.case / "scores.json")


def raw(folder: Path) -> None:
    """The first files by name, with the place in the patient that each has."""
    found = (file for file in sorted(folder.rglob("*")) if file.is_file())
    files = [file for file in found if is_dicom(file)][:5]
    figure, axes = plt.subplots(1, len(files), figsize=(10, 2.4))
    for axis, file in zip(axes, files, strict=True):
        slice_ = pydicom.dcmread(file)
        place = float(slice_.ImagePositionPatient[2])
        axis.imshow(slice_.pixel_array, cmap="gray")
        axis.set_title(f"{file.name}\nz = {place:.1f} mm", fontsize=9)
    keep(figure, "1_raw")


def convert(folder: Path) -> None:
    """The CT in HU and the labels as they came, in the coding of the file."""
    image, labels = read(folder / "image.nii.gz"), read(folder / "labels.nii.gz")
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6))
    coronal(axes[0], image, labels, {}, "image.nii.gz, HU")
    coronal(axes[1], image, labels, CODED, "labels.nii.gz, values as they came")
    keep(figure, "2_convert")


def crop(folder: Path) -> None:
    """Left and right lung on the working grid."""
    image, lungs = read(folder / "image.nii.gz"), read(folder / "lungs.nii.gz")
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6))
    coronal(axes[0], image, lungs, {}, "image.nii.gz, working grid", deep=False)
    coronal(axes[1], image, lungs, LUNGS, "lungs.nii.gz, left and right", deep=False)
    keep(figure, "3_crop")


def harmonize(crop_folder: Path, folder: Path) -> None:
    """The canonical classes, and what is unknown."""
    image, labels = read(crop_folder / "image.nii.gz"), read(folder / "labels_working.nii.gz")
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6))
    coronal(axes[0], image, labels, COLOURS, "labels_working.nii.gz")
    known = Volume((labels.array == UNKNOWN).astype(np.uint8) * UNKNOWN, labels.grid)
    coronal(axes[1], image, known, UNSAID, "unknown (255) in this slice", deep=False)
    keep(figure, "4_harmonize")


def train(history: Path) -> None:
    """Loss and validation Dice over the steps."""
    rows = list(csv.DictReader(history.read_text().splitlines()))
    figure, axis = plt.subplots(figsize=(6, 3))
    for column in ("train_loss", "val_loss", "val_dice"):
        points = [(int(row["step"]), float(row[column])) for row in rows]
        axis.plot(*zip(*points, strict=True), marker="o", label=column)
    axis.set(xlabel="step", ylim=(0, None))
    axis.legend(frameon=False)
    keep(figure, "5_train", bare=False)


def infer(convert_folder: Path, folder: Path, truth_folder: Path) -> None:
    """What the model found, beside the whole truth of the synthetic case."""
    image = read(convert_folder / "image.nii.gz")
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6))
    coronal(axes[0], image, read(folder / "labels.nii.gz"), COLOURS, "labels.nii.gz, prediction")
    truth = read(truth_folder / "labels.nii.gz")
    coronal(axes[1], image, truth, COLOURS, "the hidden truth")
    keep(figure, "6_infer")


def evaluate(scores: Path) -> None:
    """DSC of each class against the labels and, for this synthetic case, against the truth."""
    against = json.loads(scores.read_text())["against"]
    names = [row.name for row in TABLE]
    figure, axis = plt.subplots(figsize=(6, 2.6))
    for shift, (reference, found) in enumerate(against.items()):
        values = [found["classes"][name]["dsc"] for name in names]
        places = np.arange(len(names)) + 0.35 * shift
        axis.bar(places, [v or 0 for v in values], width=0.33, label=f"against {reference}")
        for place, value in zip(places, values, strict=True):
            text = "unknown" if value is None else f"{value:.2f}"
            axis.text(place, (value or 0) + 0.02, text, ha="center", fontsize=8)
    axis.set_xticks(np.arange(len(names)) + 0.17, [n.replace("_", " ") for n in names])
    axis.set(ylim=(0, 1.15), ylabel="DSC")
    axis.legend(frameon=False, ncol=2, fontsize=8)
    keep(figure, "7_evaluate", bare=False)


def coronal(
    axis: Axes, image: Volume, labels: Volume, colours: dict, title: str, deep: bool = True
) -> None:
    """A coronal slice through the middle, the patient's right on the left as in radiology.

    Labels are drawn from the slice, or (``deep``) projected from front to back.
    """
    ct, values = facing(image), facing(labels)
    middle = ct.shape[1] // 2
    tall = image.grid.spacing_mm[0] / image.grid.spacing_mm[2]
    axis.imshow(ct[:, middle], cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], aspect=tall)
    for value, colour in colours.items():
        mask = (values == value).any(axis=1) if deep else values[:, middle] == value
        layer = np.zeros((*mask.shape, 4))
        layer[mask] = (*matplotlib.colors.to_rgb(colour), 0.85 if deep else 0.45)
        axis.imshow(layer, aspect=tall)
    axis.set_title(title, fontsize=9)


def facing(volume: Volume) -> NDArray:
    """The array with its first axis to the feet, the second to the back, the third to the left."""
    directions = volume.grid.affine[:3, :3] / np.linalg.norm(volume.grid.affine[:3, :3], axis=0)
    lps = np.abs(directions).argmax(axis=0)[::-1]  # which of x, y, z each array axis runs along
    array = np.transpose(volume.array, [list(lps).index(a) for a in (2, 1, 0)])
    for axis, (world, wanted) in enumerate(((2, -1), (1, 1), (0, 1))):
        column = 2 - list(lps).index(world)
        if np.sign(directions[world, column]) != wanted:
            array = np.flip(array, axis)
    return array


def keep(figure: plt.Figure, name: str, bare: bool = True) -> None:
    """Write a picture for the page."""
    for axis in figure.axes if bare else ():
        axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(OUT / f"{name}.jpg", dpi=90, pil_kwargs={"quality": 80})
    plt.close(figure)


if __name__ == "__main__":
    main()
