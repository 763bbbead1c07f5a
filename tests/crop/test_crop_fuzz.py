"""Whatever an image holds: lungs or a refusal, never a traceback."""

import json
import warnings

import numpy as np
import pytest
from chest import image
from scipy import ndimage

from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume


def spoilt(seed):
    """A chest, or what is left of it after some accidents."""
    rng = np.random.default_rng(seed)
    array = image(5.0).array
    for accident in rng.choice(8, size=rng.integers(1, 4), replace=False):
        shape = np.array(array.shape)
        low = rng.integers(0, np.maximum(shape - 2, 1))
        high = low + 1 + rng.integers(1, np.maximum(shape - low, 2))
        place = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        if accident == 0:
            array = array[place].copy()
        elif accident == 1:
            array[place] = rng.integers(-3000, 3000)
        elif accident == 2:
            array[place] = rng.integers(-1024, 500, array[place].shape)
        elif accident == 3:
            array = np.moveaxis(array, rng.permutation(3), (0, 1, 2))
        elif accident == 4:
            array = ndimage.zoom(array, rng.uniform(0.2, 0.9), order=0)
        elif accident == 5:
            array = np.roll(array, rng.integers(0, 40), axis=int(rng.integers(3)))
        elif accident == 6:
            array = np.clip(array, rng.integers(-1000, -300), rng.integers(-200, 300))
        else:
            array = array * np.float32(rng.uniform(0.3, 1.5))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = (turn if rng.random() < 0.3 else np.eye(3)) * rng.uniform(1, 7, 3)
    affine[:3, 3] = rng.normal(0, 200, 3)
    array = np.ascontiguousarray(np.rint(array).astype(np.int16))
    return Volume(array, Grid(array.shape, affine))


@pytest.mark.parametrize("seed", range(12))
def test_a_spoilt_image_gives_lungs_or_a_refusal(cropped, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            details, working, lungs = cropped(spoilt(seed), spacing_mm=6.0)
        except Refusal:
            return
    json.dumps(details, allow_nan=False)
    assert working.grid.same_as(lungs.grid)
    assert set(np.unique(lungs.array)) <= {0, 1, 2}
    assert min(details["lungs_ml"].values()) > 0
