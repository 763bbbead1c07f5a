"""The networks: any size in, one logit a class out."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from lacaf.classes import CLASSES
from lacaf.model.inputs import CHANNELS
from lacaf.model.networks import NETWORKS, Network, build
from lacaf.params.whole import parse

EMBEDDING = torch.randn(4, 24, generator=torch.Generator().manual_seed(0))


#: Those that take any size; the others are tried on their smallest patch.
FREE = ("lacaf", "unet")
WITH_AND_WITHOUT = [
    (name, guided)
    for name, entry in NETWORKS.items()
    for guided in ((True,) if entry.language else (False, True))
]


def made(network, seed=0, embedding=EMBEDDING, patch=None):
    torch.manual_seed(seed)
    guiding = embedding if NETWORKS[network].language else None
    return build(network, 4, guiding, patch=patch).eval()


def image(*shape, seed=1, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, len(CHANNELS), *shape, generator=generator)


def smallest(network):
    """The smallest cube that it takes, and that is halved as often as 32 voxels can be."""
    entry = NETWORKS[network]
    return entry.patch or (max(32, entry.smallest),) * 3


@pytest.mark.parametrize("network", FREE)
@pytest.mark.parametrize("shape", [(16, 16, 16), (24, 17, 13), (8, 9, 31)])
def test_any_size_gives_a_logit_a_class_at_full_resolution(network, shape):
    with torch.no_grad():
        logits = made(network)(image(*shape))
    assert logits.shape == (2, len(CLASSES), *shape)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(("network", "guided"), WITH_AND_WITHOUT)
def test_every_network_with_and_without_language_is_learnt_and_kept(network, guided):
    """The right shape, a gradient for every weight that asks for one, and back from its file."""
    patch = smallest(network)
    vectors = EMBEDDING if guided else None
    net = build(network, 2, vectors, patch=patch).train()
    logits = net(image(*patch, batch=1))
    assert logits.shape == (1, len(CLASSES), *patch)
    logits.square().mean().backward()
    learnt = {name: p for name, p in net.named_parameters() if p.requires_grad}
    assert [name for name, p in learnt.items() if p.grad is None] == []
    again = build(network, 2, vectors, patch=patch)
    again.load_state_dict(net.state_dict())
    assert all(torch.equal(one, two) for one, two in zip(*map(tensors, (net, again)), strict=True))


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("network", ["lacaf", "unet", "released", "clip_driven", "segresnet"])
def test_networks_run_in_mixed_precision(network, guided):
    """As on a GPU that has bfloat16; on a CPU that only imitates it, so on small patches."""
    patch = NETWORKS[network].patch or (16, 16, 16)
    vectors = EMBEDDING if guided or NETWORKS[network].language else None
    net = build(network, 2, vectors, patch=patch).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = net(image(*patch, batch=1))
    logits.float().square().mean().backward()
    assert all(weight.grad is not None for weight in net.parameters() if weight.requires_grad)


def tensors(network):
    return network.state_dict().values()


def test_the_same_seed_makes_the_same_network():
    one, two = made("lacaf", 5).state_dict(), made("lacaf", 5).state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize(
    ("network", "embedding"),
    [
        ("lacaf", None),
        ("lacaf", EMBEDDING[:3]),
        ("released", None),
        ("clip_driven", None),
        ("vnet", None),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(network, embedding):
    with pytest.raises(ValueError, match=network):
        build(network, 4, embedding)


def test_naming_the_networks_and_losses_loads_no_torch():
    code = (
        "import sys; from lacaf.params import whole; "
        "print([m for m in ('torch', 'monai') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_new_network_is_one_entry(monkeypatch):
    """It can be named in params.yaml, and is built, without a line changed elsewhere."""

    def pointwise(shape):
        return torch.nn.Conv3d(shape.channels, shape.classes, 1)

    monkeypatch.setitem(NETWORKS, "pointwise", Network(pointwise, "one 1x1x1 convolution"))
    content = yaml.safe_load((Path(__file__).parents[2] / "params" / "demo.yaml").read_text())
    content["train"]["experiments"]["new"] = {"network": "pointwise", "encoder": None}
    recipe = parse(content).train.recipe("new")
    with torch.no_grad():
        logits = build(recipe.network, recipe.width)(image(3, 4, 5))
    assert logits.shape == (2, len(CLASSES), 3, 4, 5)
