"""What a network sees: two windows of the image, and the place of each voxel in the lungs."""

import numpy as np
import pytest
import torch
from tubes import GRID, case_arrays

from lacaf.model.inputs import ALL, CHANNELS, channels, network_input, padded

IMAGE, LUNGS, _ = case_arrays(np.random.default_rng(0))
WINDOWS = ([-1000.0, 400.0], [0.0, 450.0])


def seen(source, region=ALL):
    """The channels of a part, as a network gets them."""
    cut = source.cut(region)
    return channels(*(torch.from_numpy(part.copy())[None] for part in cut), *WINDOWS)[0].numpy()


def channel(name, image=IMAGE, lungs=LUNGS):
    return seen(network_input(image, lungs, GRID))[CHANNELS.index(name)]


def test_windows_run_from_zero_to_one_and_clip():
    image = np.full(GRID.shape, -300.0)
    image[0], image[1], image[2] = -1024, 225, 3000
    assert channel("image", image)[3, 0, 0] == pytest.approx(0.5, abs=1e-3)
    assert channel("image", image)[[0, 2], 0, 0].tolist() == [0, 1]
    assert channel("blood", image)[[0, 1, 2, 3], 0, 0].tolist() == pytest.approx(
        [0, 0.5, 1, 0], abs=1e-3
    )


def test_side_is_positive_in_the_patients_left_lung():
    side = channel("side")
    assert (side[LUNGS == 1] > 0).all()
    assert (side[LUNGS == 2] < 0).all()


def test_height_and_depth_span_the_lungs():
    inside = LUNGS > 0
    for name in ("height", "depth"):
        values = channel(name)[inside]
        assert (values.min(), values.max()) == (-1, 1)
    assert (np.diff(channel("height")[:, 5, 5]) >= 0).all()


def test_a_region_is_the_same_as_that_part_of_the_whole():
    source = network_input(IMAGE, LUNGS, GRID)
    region = (slice(3, 9), slice(4, 11), slice(20, 31))
    assert np.array_equal(seen(source, region), seen(source)[(slice(None), *region)])


def test_hu_beyond_what_is_kept_stay_at_its_ends():
    cut = network_input(np.full(GRID.shape, 1e6), LUNGS, GRID).cut()
    assert (cut.hu == np.iinfo(np.int16).max).all()


def test_a_part_that_is_too_small_is_continued_at_its_edges():
    cut, room = padded(network_input(IMAGE, LUNGS, GRID).cut(), (30, 10, 33))
    assert room == [(3, 3), (0, 0), (0, 1)]
    assert cut.hu.shape == cut.side.shape == (30, 20, 33)
    assert (len(cut.height), len(cut.depth)) == (30, 20)
    assert np.array_equal(cut.hu[0, :, :32], IMAGE[0])
    assert cut.height[0] == cut.height[3]


def test_a_missing_lung_is_named():
    with pytest.raises(ValueError, match="no left lung"):
        network_input(IMAGE, np.where(LUNGS == 1, 0, LUNGS), GRID)
