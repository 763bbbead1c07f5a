"""Tiny cases that a network can learn at once: bright tubes are arteries, dim ones veins."""

import json
from pathlib import Path

import numpy as np
import yaml

from lacaf import files, volume
from lacaf.cases import Case
from lacaf.classes import CLASSES, SIDES, TABLE
from lacaf.grid import Grid
from lacaf.params.whole import parse
from lacaf.prepare import prepare
from lacaf.tracking import Tracker
from lacaf.volume import Volume

REPOSITORY = Path(__file__).parents[1]
SPACING_MM = 4.0
GRID = Grid.upright((24, 20, 32), SPACING_MM, (-64.0, -40.0, -48.0))
HU = {1: 400, 2: 150, 3: 400, 4: 150}
PLACE = {1: 25, 2: 20, 3: 6, 4: 11}  # column of each class's tube: x grows to the patient's left


def case_arrays(rng):
    """Image (HU), lungs and full truth ``(Z, Y, X)``: upright tubes three voxels wide."""
    lungs = np.zeros(GRID.shape, np.uint8)
    lungs[2:-2, 2:-2, 2:15] = 2
    lungs[2:-2, 2:-2, 17:30] = 1
    labels = np.zeros(GRID.shape, np.uint8)
    for value, column in PLACE.items():
        y = int(rng.integers(5, 13))
        labels[3:-3, y : y + 3, column : column + 3] = value
    image = np.full(GRID.shape, -850.0, np.float32)
    for value, hu in HU.items():
        image[labels == value] = hu
    image += rng.normal(0, 15, GRID.shape)
    return image.astype(np.int16), lungs, labels


def half(labels, lungs, side):
    """Labels and coverage of a case in which one lung (1 left, 2 right) was drawn."""
    middle = GRID.shape[2] // 2
    known = np.zeros(GRID.shape, bool)
    known[..., slice(middle, None) if side == 1 else slice(0, middle)] = True
    mine = [row.name for row in TABLE if row.side == SIDES[side - 1]]
    states = {name: "labelled" if name in mine else "unknown" for name in CLASSES}
    return np.where(known, labels, 255).astype(np.uint8), states


def lay_out(data, splits, sides=None, whole=False):
    """Write cases as crop, harmonize and prepare do, below ``data``; returns the case table.

    ``splits`` maps names to splits, ``sides`` names to the one labelled lung; ``whole``: as of
    phantoms, their whole truth is at hand.
    """
    cases = {}
    for number, (name, split) in enumerate(splits.items()):
        image, lungs, labels = case_arrays(np.random.default_rng(number))
        states = dict.fromkeys(CLASSES, "labelled")
        truth = labels
        if sides and name in sides:
            labels, states = half(labels, lungs, sides[name])
        for path, array in (
            (f"crop/{name}/image", image),
            (f"crop/{name}/lungs", lungs),
            (f"harmonize/{name}/labels_working", labels),
            *([(f"truth/{name}/labels", truth)] if whole else []),
        ):
            (data / path).parent.mkdir(parents=True, exist_ok=True)
            volume.write(Volume(array, GRID), data / f"{path}.nii.gz")
        record = {"case": name, "status": "ok", "coverage": states}
        files.write_json(data / "harmonize" / name / "coverage.json", record)
        laid_out(data, name)
        cases[name] = Case(name, name, data / name, data / name, "four_classes", "both", split)
    vectors = np.eye(4, 12).tolist()
    (data / "embed" / "onehot" / "paper").mkdir(parents=True, exist_ok=True)
    content = {"encoder": "onehot", "prompts": {c: c for c in CLASSES}, "vectors": vectors}
    files.write_json(
        data / "embed" / "onehot" / "paper" / "embedding.json", content | {"hash": "00"}
    )
    return cases


def laid_out(data, name):
    """What stage prepare makes of a case, and its record."""
    truth = data / "truth" / name / "labels.nii.gz"
    with files.replacing(data / "prepare" / name) as folder:
        details = prepare(
            data / "crop" / name, data / "harmonize" / name, folder,
            truth if truth.exists() else None,
        )  # fmt: skip
        record = {"case": name, "status": "ok", **details}
        files.write_json(folder / "prepare.json", record)


def parameters(train=None):
    """The demo's parameters, shrunk to these cases, with some keys of ``train`` otherwise."""
    content = yaml.safe_load((REPOSITORY / "params" / "demo.yaml").read_text())
    content["crop"]["spacing_mm"] = SPACING_MM
    content["train"] |= {
        "experiments": {
            "guided": {"network": "lacaf", "encoder": "onehot"},
            "plain": {"network": "unet", "encoder": None},
        },
        "width": 4,
        "patch": [16, 16, 16],
        "batch": 2,
        "early": {"patch": [16, 16, 16], "batch": 2, "steps": 0},
        "steps": 4,
        "validate_every": 2,
        "warmup_steps": 2,
        "learning_rate": 0.01,
    } | (train or {})
    return parse(content)


class Log(Tracker):
    """Remembers what was logged."""

    run_id = "run-of-the-test"

    def __init__(self):
        self.steps, self.pictures = {}, {}

    def metrics(self, values, step):
        json.dumps(values)
        self.steps[step] = dict(values)

    def picture(self, pixels, step):
        self.pictures[step] = pixels
