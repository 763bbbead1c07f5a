"""Language in our network: what it can say, what it cannot, and that silence is the plain one."""

import pytest
import torch

from lacaf.model.backbone import PlainUNet
from lacaf.model.fusion import LanguageGuidedUNet, TextAdapter
from lacaf.model.inputs import CHANNELS
from lacaf.model.networks import build
from lacaf.model.shape import FUSIONS

EMBEDDING = torch.randn(4, 24, generator=torch.Generator().manual_seed(0))
#: Fusions in which the classes see the image.
SEEING = ("both", "image", "released")


def made(embedding=EMBEDDING, learnt=True, **arguments):
    """The network; ``learnt``: what starts as nothing has been moved, as by training."""
    torch.manual_seed(0)
    net = build("lacaf", 4, embedding, arguments=arguments).eval()
    if learnt:
        for _, weight in sorted(net.language.named_parameters()):
            if not weight.any():
                torch.nn.init.normal_(weight, std=0.5)
    return net


def image(*shape, seed=1, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, len(CHANNELS), *(shape or (16, 16, 16)), generator=generator)


def condition(net, seen):
    with torch.no_grad():
        return net.language.meet(net.backbone.encode(seen)[-1])[1]


def logits(net, seen=None):
    with torch.no_grad():
        return net(image() if seen is None else seen)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_before_anything_is_learnt_it_is_the_plain_network(fusion):
    net = made(learnt=False, fusion=fusion)
    plain = PlainUNet(len(CHANNELS), 4, 4).eval()
    plain.backbone.load_state_dict(net.backbone.state_dict())
    with torch.no_grad():
        plain.head.weight.copy_(net.language.head.weight)
    torch.testing.assert_close(logits(net), logits(plain))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_class_sees_the_image_but_where_nothing_is_fused(fusion):
    net = made(fusion=fusion)
    one, two = condition(net, image(seed=1)), condition(net, image(seed=2))
    assert torch.allclose(one, two, atol=1e-5) == (fusion not in SEEING)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_image_hears_the_text_in_both_directions_alone(fusion):
    net = made(fusion=fusion)
    bottleneck = net.backbone.encode(image())[-1]
    with torch.no_grad():
        after, _ = net.language.meet(bottleneck)
    assert after.shape == bottleneck.shape
    assert torch.equal(after, bottleneck) == (fusion != "both")


def test_a_class_looks_for_itself_in_the_places_of_the_image():
    """As published the attention is made from the text alone; here the image enters it."""
    net = made()
    fusion, seen = net.language.fusion, []
    for seed in (1, 2):
        voxels = net.backbone.encode(image(seed=seed))[-1].flatten(2).transpose(1, 2)
        tokens = fusion.project(fusion.image_norm(voxels))
        text = net.language.text(net.language.embedding).expand(2, -1, -1)
        seen.append(fusion.look(fusion.text_norm(text), tokens, tokens)[1])
    assert seen[0].shape == (2, 4, 8)  # each class, over the 2x2x2 places of the bottleneck
    assert not torch.allclose(seen[0], seen[1], atol=1e-5)


def test_the_released_fusion_is_one_number_a_class_times_one_vector():
    net = made(fusion="released")
    bottleneck = net.backbone.encode(image())[-1]
    with torch.no_grad():
        _, after = net.language.meet(bottleneck)
        text = net.language.text(net.language.embedding)
        seen = net.language.fusion.project(bottleneck.mean((2, 3, 4))).relu()
    product = text @ text.T
    weights = (product - product.min()) / (product.max() - product.min())
    for batch in range(2):
        for k in range(4):
            expected = text[k] + weights[k].sum() * seen[batch]
            torch.testing.assert_close(after[batch, k], expected)


def test_what_is_fused_at_the_bottleneck_does_not_depend_on_the_places_order():
    """Attention knows no places, so that any patch will do; where it lies the channels tell."""
    net = made()
    bottleneck = net.backbone.encode(image())[-1].detach()
    with torch.no_grad():
        after, text = net.language.meet(bottleneck)
        turned, same = net.language.meet(bottleneck.flip(2))
    torch.testing.assert_close(text, same)
    torch.testing.assert_close(after.flip(2), turned)


def test_the_adapter_mixes_the_frozen_vector_with_the_adapted_one():
    adapter = TextAdapter(24)
    adapted, plain = adapter.adapter(EMBEDDING), EMBEDDING
    for mix, expected in ((-50.0, plain), (50.0, adapted), (0.0, (plain + adapted) / 2)):
        torch.nn.init.constant_(adapter.mix, mix)
        torch.testing.assert_close(adapter(EMBEDDING), adapter.project(expected))


def test_without_the_adapter_there_is_the_frozen_vector_alone():
    adapter = TextAdapter(24, adapted=False)
    assert [name for name, _ in adapter.named_parameters()] == ["project.weight", "project.bias"]
    assert torch.equal(adapter(EMBEDDING), adapter.project(EMBEDDING))


def test_another_vector_makes_another_class():
    other = EMBEDDING.clone()
    other[2] = -other[2]
    one, two = (logits(made(e, fusion="none")) for e in (EMBEDDING, other))
    assert torch.allclose(one[:, [0, 1, 3]], two[:, [0, 1, 3]])
    assert not torch.allclose(one[:, 2], two[:, 2])


def test_the_length_of_the_vectors_does_not_matter_only_their_content():
    one, two = (logits(made(e)) for e in (EMBEDDING, 7 * EMBEDDING))
    assert torch.allclose(one, two, atol=1e-5)


def test_the_embedding_is_frozen_and_travels_with_the_weights():
    net = made()
    assert "language.embedding" in net.state_dict()
    assert "language.embedding" not in dict(net.named_parameters())


def test_the_plain_network_with_an_encoder_is_the_language_guided_one():
    torch.manual_seed(0)
    plain = build("unet", 4, EMBEDDING).eval()
    assert torch.equal(logits(plain), logits(made(learnt=False)))


def test_a_fusion_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"both, image, released, none.*'cross'"):
        build("lacaf", 4, EMBEDDING, arguments={"fusion": "cross"})


def test_any_fusion_learns_with_every_weight():
    for fusion in FUSIONS:
        net = made(fusion=fusion).train()
        net(image(8, 8, 8)).square().mean().backward()
        assert [n for n, p in net.named_parameters() if p.grad is None] == []
        assert isinstance(net, LanguageGuidedUNet)
