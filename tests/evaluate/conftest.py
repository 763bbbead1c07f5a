"""Small volumes whose scores are known by construction."""

import numpy as np
import pytest

from lacaf.evaluate import evaluate
from lacaf.grid import Grid
from lacaf.volume import Volume, write

SHAPE = (48, 40, 60)
#: Along x, y, z; different on purpose.
SPACING_MM = (0.7, 0.8, 1.2)


@pytest.fixture
def grid():
    return Grid.upright(SHAPE, SPACING_MM, (-20.0, 5.0, 100.0))


@pytest.fixture
def labels():
    """Four straight vessels: artery and vein on either side, 5 voxels wide, 40 long (z)."""
    array = np.zeros(SHAPE, np.uint8)
    for value, x in zip((3, 4, 1, 2), (5, 18, 35, 48), strict=True):  # x grows to the left
        array[4:44, 10:15, x : x + 5] = value
    return array


@pytest.fixture
def score(tmp_path, grid):
    """Scores of a prediction against a reference, both arrays, through files."""

    def run(prediction, reference, coverage=None, **options):
        for name, array in (("prediction", prediction), ("reference", reference)):
            write(Volume(array, options.get("grid", grid)), tmp_path / f"{name}.nii.gz")
        details = evaluate(tmp_path / "prediction.nii.gz", tmp_path / "reference.nii.gz", coverage)
        return details["against"]["labelled"]

    return run


@pytest.fixture
def pair(tmp_path, grid):
    """Writes prediction and reference; returns both paths."""

    def run(prediction, reference):
        paths = tmp_path / "prediction.nii.gz", tmp_path / "reference.nii.gz"
        for path, array in zip(paths, (prediction, reference), strict=True):
            write(Volume(array, grid), path)
        return paths

    return run
