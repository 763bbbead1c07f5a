"""The networks: any size in, one logit a class out, and language that looks at the image."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from lacaf.classes import CLASSES
from lacaf.model.fusion import DynamicHead
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


def tensors(network):
    return network.state_dict().values()


def test_the_embedding_is_frozen_and_travels_with_the_weights():
    net = made("lacaf")
    assert "language.embedding" in net.state_dict()
    assert "language.embedding" not in dict(net.named_parameters())


def test_the_dynamic_head_of_a_class_has_153_weights():
    assert DynamicHead.PARAMETERS == 153


def test_the_dynamic_head_is_three_1x1x1_convolutions_a_class():
    generator = torch.Generator().manual_seed(2)
    features = torch.rand(2, 8, 3, 4, 5, generator=generator) + 0.1
    weights = torch.rand(2, 4, 153, generator=generator)  # positive: no ReLU cuts anything
    logits = DynamicHead()(features, weights)
    mine = weights[1, 2]
    x = features[1, :, 2, 3, 4]
    x = mine[:64].view(8, 8) @ x + mine[64:72]
    x = mine[72:136].view(8, 8) @ x + mine[136:144]
    x = mine[144:152] @ x + mine[152]
    assert logits[1, 2, 2, 3, 4].item() == pytest.approx(x.item(), rel=1e-5)


def test_what_a_class_attends_to_depends_on_the_image():
    """As published the attention is made from the text alone; here the image enters it."""
    net = made("lacaf")
    seen = []
    for seed in (1, 2):
        with torch.no_grad():
            _, bottleneck = net.backbone(image(16, 16, 16, seed=seed))
            head = net.language
            tokens = head.image(bottleneck)
            text = head.text(head.embedding).expand(len(tokens), -1, -1)
            _, weights = head.attention(text, tokens, tokens)
        seen.append(weights)
    assert weights.shape == (2, 4, 8)  # each class, over the 2x2x2 places of the bottleneck
    assert not torch.allclose(seen[0], seen[1], atol=1e-5)


def test_a_class_is_segmented_by_its_own_vector():
    first, other = EMBEDDING, EMBEDDING.clone()
    other[2] = -other[2]
    with torch.no_grad():
        one, two = (made("lacaf", embedding=e)(image(16, 16, 16)) for e in (first, other))
    assert torch.allclose(one[:, [0, 1, 3]], two[:, [0, 1, 3]])
    assert not torch.allclose(one[:, 2], two[:, 2])


def test_the_length_of_the_vectors_does_not_matter_only_their_content():
    with torch.no_grad():
        one, two = (made("lacaf", embedding=e)(image(8, 8, 8)) for e in (EMBEDDING, 7 * EMBEDDING))
    assert torch.allclose(one, two, atol=1e-5)


def test_the_plain_network_with_an_encoder_is_the_language_guided_one():
    torch.manual_seed(0)
    assert torch.equal(*(made_of(name)(image(8, 8, 8)) for name in ("lacaf", "unet")))


def made_of(network):
    torch.manual_seed(0)
    return build(network, 4, EMBEDDING).eval()


def test_weights_of_a_model_from_before_the_head_was_a_part_of_its_own_are_taken():
    net = made("lacaf")
    old = {name.removeprefix("language."): value for name, value in net.state_dict().items()}
    again = made("lacaf", seed=3)
    again.load_state_dict(old)
    assert torch.equal(net(image(8, 8, 8)), again(image(8, 8, 8)))


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
