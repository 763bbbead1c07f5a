"""The language head on a network of anybody's: it finds the bottleneck and looks at it."""

import copy

import pytest
import torch
from torch import nn

from lacaf.model.guided import Guided
from lacaf.model.networks import build

EMBEDDING = torch.randn(4, 24, generator=torch.Generator().manual_seed(0))
PATCH = (16, 16, 16)


class Narrow(nn.Module):
    """Halved twice, with an attention to channels at the bottom, and back at once."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv3d(5, 6, 3, 2, 1)
        self.deep = nn.Conv3d(6, 12, 3, 2, 1)
        self.mean = nn.AdaptiveAvgPool3d(1)
        self.narrow = nn.Conv3d(12, 3, 1)
        self.up = nn.Upsample(scale_factor=4)

    def forward(self, x):
        deep = self.deep(self.down(x))
        return self.up(self.narrow(deep * self.mean(deep)))


class Asking(Narrow):
    """Looks at a value, which tensors without content do not have."""

    def forward(self, x):
        return super().forward(x) if float(x.sum()) > -1 else x


def image(seed=1, batch=2):
    return torch.rand(batch, 5, *PATCH, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("backbone", [Narrow, Asking])
def test_the_bottleneck_has_fewest_voxels_and_most_channels(backbone):
    net = Guided(backbone(), 5, EMBEDDING, PATCH)
    [hooked] = [name for name, part in net.backbone.named_modules() if part._forward_hooks]
    assert hooked == "deep"
    assert net(image()).shape == (2, 4, *PATCH)


def test_what_is_attended_to_is_the_bottleneck():
    net = Guided(Narrow(), 5, EMBEDDING, PATCH).eval()
    seen = []
    net.language.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs))
    with torch.no_grad():
        net(image())
        deep = net.backbone.deep(net.backbone.down(image()))
    assert torch.equal(seen[0][1], deep)
    assert seen[0][0].shape == (2, 3, *PATCH)


def test_a_copy_has_a_bottleneck_of_its_own():
    """The moving average of the weights is a copy, and is asked while the network trains."""
    net = Guided(Narrow(), 5, EMBEDDING, PATCH).eval()
    other = copy.deepcopy(net)
    with torch.no_grad():
        for weights in other.backbone.parameters():
            weights.mul_(2)
        one, two = net(image()), other(image())
        assert not torch.allclose(one, two)
        assert torch.equal(net(image()), one)


def test_looking_for_the_bottleneck_changes_nothing():
    torch.manual_seed(3)
    before = Narrow().train()
    torch.manual_seed(3)
    after = Narrow().train()
    draws = torch.rand(1)
    Guided(after, 5, EMBEDDING, PATCH)
    torch.manual_seed(3)
    Narrow()
    assert after.training
    assert torch.equal(draws, torch.rand(1))
    assert all(
        torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("network", "patch", "bottleneck"),
    [
        ("dynunet", 32, "bottleneck"),
        ("segresnet", 32, "down_layers.3"),
        ("swin_unetr", 64, "encoder10"),
    ],
)
def test_the_bottleneck_of_known_networks(network, patch, bottleneck):
    with torch.device("meta"):
        net = build(network, 4, EMBEDDING, patch=(patch,) * 3)
    [hooked] = [name for name, part in net.backbone.named_modules() if part._forward_hooks]
    assert hooked == bottleneck
