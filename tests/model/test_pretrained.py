"""Weights of another network of the same build: what fits is taken, the rest is told."""

import torch
from torch import nn

from lacaf.model.inputs import CHANNELS
from lacaf.model.networks import build
from lacaf.model.pretrained import bare, fit, unwrapped

EMBEDDING = torch.randn(4, 24, generator=torch.Generator().manual_seed(0))
IMAGE = CHANNELS.index("image")


def clip_driven(seed=0, **arguments):
    torch.manual_seed(seed)
    return build("clip_driven", 4, EMBEDDING, arguments=arguments)


def renamed(network, prefix):
    """A network's weights with something before their names."""
    return {f"{prefix}{name}": value for name, value in network.state_dict().items()}


def test_the_weights_of_a_network_are_its_own():
    other = clip_driven(1)
    fitting = fit(clip_driven(0), other.state_dict())
    assert len(fitting.weights) == fitting.of == len(other.state_dict()) - 1
    assert (fitting.missing, fitting.other_shape, fitting.unused) == ([], [], [])


def test_text_vectors_are_never_taken():
    assert "embedding" not in fit(clip_driven(0), clip_driven(1).state_dict()).weights


def test_wrappers_of_files_and_names_are_taken_off():
    unet = clip_driven(1).backbone
    content = {"epoch": 3, "net": renamed(unet, "module.backbone."), "optimizer": {"state": {}}}
    fitting = fit(clip_driven(0), unwrapped(content))
    assert len(fitting.weights) == len(unet.state_dict())
    assert fitting.unused == []
    assert all(not name.startswith("backbone.") for name in fitting.missing)


def test_a_swin_transformer_by_itself_finds_its_place_and_its_renamed_parts():
    assert bare("module.layers1.0.blocks.0.mlp.fc1.weight") == bare(
        "backbone.swinViT.layers1.0.blocks.0.mlp.linear1.weight"
    )


def test_a_first_convolution_of_one_channel_is_laid_on_the_image():
    """What the network then gives is what it gave, whatever the other channels hold."""
    published = clip_driven(1, image_only=True).eval()
    ours = clip_driven(0).eval()
    ours.load_state_dict(dict(fit(ours, published.state_dict()).weights), strict=False)
    x = torch.rand(1, len(CHANNELS), 16, 16, 16)
    with torch.no_grad():
        assert torch.allclose(ours(x), published(x), atol=1e-6)
    first = ours.backbone.down_tr64.ops[0].conv1.weight
    assert first[:, [n for n in range(len(CHANNELS)) if n != IMAGE]].count_nonzero() == 0


def test_another_shape_is_told_and_not_taken():
    small, large = nn.Linear(3, 4), nn.Linear(3, 5)
    fitting = fit(large, small.state_dict())
    assert (fitting.other_shape, fitting.missing, fitting.unused) == (["weight", "bias"], [], [])
    assert fitting.weights == {}


def test_what_is_missing_and_what_is_unused_is_told():
    found = {"weight": torch.zeros(4, 3), "head.weight": torch.zeros(1)}
    fitting = fit(nn.Linear(3, 4), found)
    assert (list(fitting.weights), fitting.missing) == (["weight"], ["bias"])
    assert fitting.unused == ["head.weight"]


def test_a_name_that_could_be_two_is_not_guessed():
    found = {"module.weight": torch.zeros(4, 3), "net.weight": torch.ones(4, 3)}
    fitting = fit(nn.Linear(3, 4), found)
    assert fitting.missing == ["weight", "bias"]
    assert sorted(fitting.unused) == ["module.weight", "net.weight"]


def test_a_file_without_tensors_has_none():
    assert unwrapped([1, 2]) == unwrapped({"epoch": 3, "net": {}}) == {}
