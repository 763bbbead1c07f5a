"""A whole volume by patches: without a trace of them, and as MONAI's sliding window does it."""

import numpy as np
import pytest
import torch

from lacaf.classes import CLASSES, mirrored
from lacaf.model import window
from lacaf.model.inputs import NetworkInput, channels
from lacaf.model.networks import build
from lacaf.model.window import probabilities, regions

CPU = torch.device("cpu")
WINDOWS = ([-1000.0, 400.0], [0.0, 450.0])
SHAPES = [(8, 8, 8), (5, 20, 9), (17, 16, 30), (40, 33, 13)]
PATCH = (8, 16, 12)


class Passing(torch.nn.Module):
    """Each class's logit is the image channel."""

    def forward(self, x):
        return x[:, :1].expand(-1, len(CLASSES), -1, -1, -1)


def case(shape):
    rng = np.random.default_rng(0)
    return NetworkInput(
        hu=rng.integers(-1000, 400, shape).astype(np.int16),
        side=rng.uniform(-1, 1, shape).astype(np.float16),
        height=rng.uniform(-1, 1, shape[0]).astype(np.float32),
        depth=rng.uniform(-1, 1, shape[1]).astype(np.float32),
    )


def whole(source):
    return channels(*(torch.from_numpy(part)[None] for part in source.cut()), *WINDOWS)


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_are_blended_without_a_trace(shape):
    source = case(shape)
    chance = probabilities(Passing(), source, WINDOWS, PATCH, 0.5, CPU)
    expected = whole(source)[:, :1].sigmoid().numpy()[0]
    assert chance == pytest.approx(np.broadcast_to(expected, chance.shape), abs=1e-6)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", SHAPES)
def test_patches_cover_everything_and_lie_inside(shape, overlap):
    seen = np.zeros(shape, int)
    for region in regions(shape, PATCH, overlap):
        assert all(0 <= s.start < s.stop <= n for s, n in zip(region, shape, strict=True))
        assert all(
            s.stop - s.start == min(p, n) for s, p, n in zip(region, PATCH, shape, strict=True)
        )
        seen[region] += 1
    assert seen.min() >= 1


@pytest.mark.parametrize("overlap", [0.25, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_answer_is_that_of_monai(shape, overlap):
    from monai.inferers import sliding_window_inference

    torch.manual_seed(0)
    network, source = build("unet", 4).eval(), case(shape)
    ours = probabilities(network, source, WINDOWS, PATCH, overlap, CPU)
    with torch.inference_mode():
        theirs = sliding_window_inference(
            whole(source), PATCH, 1, lambda x: network(x).sigmoid(), overlap,
            mode="gaussian", padding_mode="replicate",
        )  # fmt: skip
    assert ours == pytest.approx(theirs[0].numpy(), abs=1e-5)


def test_how_many_are_looked_at_together_does_not_matter(monkeypatch):
    torch.manual_seed(0)
    network, source = build("unet", 4).eval(), case((17, 16, 30))
    together = probabilities(network, source, WINDOWS, PATCH, 0.5, CPU)
    monkeypatch.setattr(window, "AT_ONCE", 1)
    alone = probabilities(network, source, WINDOWS, PATCH, 0.5, CPU)
    assert together == pytest.approx(alone, abs=1e-5)


def test_each_window_tells_its_logits():
    source, seen = case((17, 16, 30)), []
    probabilities(
        Passing(), source, WINDOWS, PATCH, 0.5, CPU, lambda r, z: seen.append((r, z.shape))
    )
    assert len(seen) == len(list(regions(source.shape, PATCH, 0.5)))
    assert all(
        tuple(shape) == (len(CLASSES), *(s.stop - s.start for s in region))
        for region, shape in seen
    )


def test_a_patient_and_his_mirror_image_get_mirrored_answers():
    torch.manual_seed(0)
    network, source = build("unet", 4).eval(), case((16, 16, 16))
    turned = NetworkInput(
        source.hu[..., ::-1], -source.side[..., ::-1], source.height, source.depth
    )
    one, other = (
        probabilities(network, s, WINDOWS, PATCH, 0.5, CPU, mirror=True) for s in (source, turned)
    )
    assert other[mirrored()][..., ::-1] == pytest.approx(one, abs=1e-6)
    plain = probabilities(network, source, WINDOWS, PATCH, 0.5, CPU)
    assert np.abs(plain - one).max() > 1e-3
