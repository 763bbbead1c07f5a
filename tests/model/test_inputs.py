"""What a network sees: two windows of the image, and the place of each voxel in the lungs."""

import numpy as np
import pytest
import torch
from tubes import GRID, case_arrays

from lacaf.model.inputs import CHANNELS, network_input
from lacaf.model.window import probabilities

IMAGE, LUNGS, _ = case_arrays(np.random.default_rng(0))
WINDOWS = ([-1000.0, 400.0], [0.0, 450.0])


def channel(name, image=IMAGE, lungs=LUNGS):
    stack = network_input(image, lungs, GRID, *WINDOWS).channels()
    return stack[CHANNELS.index(name)]


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
    seen = network_input(IMAGE, LUNGS, GRID, *WINDOWS)
    region = (slice(3, 9), slice(4, 11), slice(20, 31))
    assert np.array_equal(seen.channels(region), seen.channels()[(slice(None), *region)])


def test_a_missing_lung_is_named():
    with pytest.raises(ValueError, match="no left lung"):
        network_input(IMAGE, np.where(LUNGS == 1, 0, LUNGS), GRID, *WINDOWS)


class Passing(torch.nn.Module):
    """Each class's logit is the image channel."""

    def forward(self, x):
        return x[:, :1].expand(-1, 4, -1, -1, -1)


@pytest.mark.parametrize("shape", [(8, 8, 8), (5, 20, 9), (17, 16, 30)])
def test_windows_are_blended_without_a_trace(shape):
    rng = np.random.default_rng(0)
    channels = rng.normal(size=(len(CHANNELS), *shape)).astype(np.float32)
    chance = probabilities(Passing(), channels, (8, 16, 12), 0.5, torch.device("cpu"))
    assert chance.shape == (4, *shape)
    assert chance == pytest.approx(np.broadcast_to(1 / (1 + np.exp(-channels[0])), (4, *shape)),
                                   abs=1e-5)  # fmt: skip
