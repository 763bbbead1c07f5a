"""A cohort as stage prepare leaves it, for the benchmarks of training: one chest, many scans.

Every case shows the same synthetic chest, vessels and lungs, with noise of its own. What a disk
keeps, and how fast it is read, does not depend on more than that.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from lacaf import chunked, files
from lacaf.cases import Case
from lacaf.classes import CLASSES
from lacaf.grid import Grid
from lacaf.params.phantom import Phantom
from lacaf.phantom.render import render
from lacaf.prepare import prepare
from lacaf.volume import Volume, resample, write

#: mm at which the chest is drawn, before it is laid on the grid of the cases.
DRAWN_MM = 2.0
NOISE_HU = 25.0
#: What a CT holds where the chest does not reach.
AIR_HU = -1000.0


def chest(shape):
    """Image without noise, lungs and labels on so many voxels (z, y, x) of one size."""
    rendered = render("chest", Phantom(kind="realistic", seed=7, spacing_mm=DRAWN_MM, scale=1.0))
    corners = rendered.image.grid.corners_mm()
    size = np.ptp(corners, axis=0)
    spacing = max(size / (np.array(shape[::-1]) - 1))
    extent = (np.array(shape[::-1]) - 1) * spacing
    grid = Grid.upright(tuple(shape), spacing, tuple(corners.mean(axis=0) - extent / 2))
    image = resample(rendered.image, grid, fill=AIR_HU)
    return image, *(resample(v, grid, "nearest") for v in (rendered.lungs, rendered.labels))


def scan(image, number):
    """The chest with the noise of one case, int16 HU."""
    noise = np.random.default_rng(number).standard_normal(image.array.shape, np.float32)
    noisy = image.array + NOISE_HU * noise
    return Volume(np.rint(noisy).clip(-1024, 3071).astype(np.int16), image.grid)


def lay_out(data, shape, count, val=0, distinct=None):
    """Write cases below ``data`` as prepare does, which lays out the first; the case table.

    Beyond ``distinct`` cases, all that a case has are hard links to the files of one of these.
    The last ``val`` are of split val, the others of train.
    """
    distinct = min(count, distinct or count)
    image, lungs, labels = chest(shape)
    first = folder_of(data, 0)
    for number in range(count):
        folder = folder_of(data, number)
        folder.mkdir(parents=True)
        if number == 0:
            _prepared(scan(image, 0), lungs, labels, folder)
            continue
        source = folder_of(data, number % distinct)
        for path in (first if number < distinct else source).iterdir():
            os.link(path, folder / path.name)
        if number < distinct:
            (folder / "hu.b2nd").unlink()
            chunked.write(scan(image, number).array, folder / "hu.b2nd")
    np.save(data / "labels.npy", labels.array)
    return case_table(data, count, val)


def case_table(data, count, val=0):
    """Of the cases that were laid out; each is a patient of its own."""
    names = [name_of(number) for number in range(count)]
    splits = ["train"] * (count - val) + ["val"] * val
    return {
        name: Case(name, name, data / name, data / name, "four_classes", "both", split)
        for name, split in zip(names, splits, strict=True)
    }


def name_of(number):
    return f"case{number:03d}"


def folder_of(data, number):
    return data / "prepare" / name_of(number)


def _prepared(image, lungs, labels, folder):
    """One case by stage prepare, all labelled."""
    with tempfile.TemporaryDirectory() as name:
        for volume, what in ((image, "image"), (lungs, "lungs"), (labels, "labels_working")):
            write(volume, Path(name) / f"{what}.nii.gz")
        states = {"coverage": dict.fromkeys(CLASSES, "labelled")}
        files.write_json(Path(name) / "coverage.json", states)
        details = prepare(Path(name), Path(name), folder)
    files.write_json(folder / "prepare.json", {"status": "ok", **details})
