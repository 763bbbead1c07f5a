"""What a step holds and takes: counted, and the same whether there is content or not."""

import pytest
import torch
from torch import nn

from lacaf.model import networks
from lacaf.plan import memory
from lacaf.plan.cost import ADDED_GB, FACTOR, Cost
from lacaf.plan.memory import Held, step

KILOBYTE = 256  # float32


def test_what_is_held_is_counted_once_and_no_longer_than_it_lives():
    given = torch.zeros(KILOBYTE)
    with Held([given]) as tensors:
        view = given[:10]
        assert tensors.now == 0
        one = given + 1
        two = one.view(2, -1)
        assert tensors.now == 1024
        three = one * two.reshape(-1)
        assert tensors.now == 2048
        del one, two, view
        assert tensors.now == 1024
        del three
    assert (tensors.now, tensors.most) == (0, 2048)


def test_what_the_backward_pass_needs_stays_until_it_is_done():
    weight = torch.ones(KILOBYTE, requires_grad=True)
    with Held([weight]) as tensors:
        total = weight.exp().sum()  # the derivative of exp is its result
        assert tensors.now == 1024 + 4
        total.backward()
        del total
    assert tensors.now == 1024  # the gradient
    assert weight.grad is not None


@pytest.mark.parametrize("network", ["unet", "lacaf"])
def test_without_content_as_much_is_held_as_with_it(network):
    shape = (2, 32, 32, 16)
    bare, real = (
        memory._whole(memory.Kind(network), 8, shape, None, device) for device in ("meta", "cpu")
    )
    assert bare[2] == pytest.approx(real[2], rel=0.01)  # a CPU's attention is not counted
    assert bare[0] == pytest.approx(real[0], rel=0.02)
    assert bare[1] == pytest.approx(real[1], rel=0.02)


def test_weights_their_moments_and_their_average_count_four_bytes_each():
    parameters = sum(p.numel() for p in networks.build("unet", 8).parameters())
    plain, averaged = (step("unet", 8, (32,) * 3, 1, gpu=False, average=a) for a in (False, True))
    assert averaged.bytes - plain.bytes == 4 * parameters
    assert plain.bytes > 4 * 4 * parameters


def test_mixed_precision_saves_less_than_half():
    """Normalisations stay in float32 on a GPU, so that halving everything would be too little."""
    full, mixed = (step("lacaf", 8, (64,) * 3, 2, gpu=gpu) for gpu in (False, True))
    assert mixed.halved
    assert 0.5 * full.bytes < mixed.bytes < 0.9 * full.bytes
    assert mixed.flops == full.flops


def test_no_gpus_precision_is_left_behind():
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    step("unet", 8, (32,) * 3, 1, gpu=True)
    assert (torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")) == before


def test_operations_of_a_convolution_are_those_of_the_textbook(monkeypatch):
    """Two for each of kernel × inputs × outputs × voxels, and twice as many backwards but for
    the gradient of the image, which nobody asks for."""
    one = networks.Network(lambda shape: nn.Conv3d(shape.channels, shape.classes, 3, 1, 1), "")
    monkeypatch.setitem(networks.NETWORKS, "one", one)
    counted = step("one", 8, (16,) * 3, 1, gpu=False)
    assert counted.forward_flops == 2 * 27 * 5 * 4 * 16**3
    assert counted.flops == 2 * counted.forward_flops


class Curious(nn.Module):
    """Looks at a value, which ``meta`` tensors do not have."""

    def __init__(self, shape):
        super().__init__()
        self.convolution = nn.Conv3d(shape.channels, shape.classes, 3, 1, 1)

    def forward(self, x):
        logits = self.convolution(x)
        return logits if float(logits.detach().sum()) < 1e9 else -logits


def test_a_network_that_needs_content_runs_on_a_small_patch_and_is_scaled(monkeypatch):
    monkeypatch.setitem(networks.NETWORKS, "curious", networks.Network(Curious, ""))
    plain = networks.Network(lambda shape: Curious(shape).convolution, "")
    monkeypatch.setitem(networks.NETWORKS, "plain", plain)
    there, here = (step(n, 8, (64, 96, 128), 2, gpu=False) for n in ("curious", "plain"))
    assert (there.seen, here.seen) == ("cpu", "meta")
    assert there.bytes == pytest.approx(here.bytes, rel=0.05)
    assert there.flops == here.flops


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("patches", [1, 2])
def test_between_two_cubes_the_cost_of_any_patch_is_known(kind, patches):
    patch = (80, 144, 112)
    cost = Cost("lacaf", kind, 1e12)
    exact = step("lacaf", 16, patch, patches, gpu=kind == "gpu")
    gigabytes = (cost.gigabytes(patch, patches, 16) - ADDED_GB[kind]) / FACTOR[kind]
    assert gigabytes == pytest.approx(exact.bytes / 1e9, rel=0.02)
    assert cost.seconds(patch, patches, 16) == pytest.approx(exact.flops / 1e12, rel=0.02)


def test_a_case_takes_as_many_windows_as_cover_it():
    cost = Cost("unet", "gpu", 1e12)
    one, many = (
        cost.validation_seconds((n, 64, 64), (64, 64, 64), 8) - 0.3 * n * 64**2 / 1e6
        for n in (64, 200)
    )
    assert many == pytest.approx(4 * one)
