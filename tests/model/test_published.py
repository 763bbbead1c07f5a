"""The published networks do what their code does, no more and no less."""

import pytest
import torch
from torch.nn import functional

from lacaf.model.fusion import between_texts
from lacaf.model.inputs import CHANNELS
from lacaf.model.networks import build
from lacaf.model.published import PARAMETERS, heads

WIDTH = 2


def vectors(size=24, seed=0):
    return torch.randn(4, size, generator=torch.Generator().manual_seed(seed))


def made(network, embedding=None, **arguments):
    torch.manual_seed(0)
    return build(
        network, WIDTH, vectors() if embedding is None else embedding, arguments=arguments
    ).eval()


def image(edge, seed=1):
    return torch.rand(1, len(CHANNELS), *(edge,) * 3, generator=torch.Generator().manual_seed(seed))


def bottleneck(seed=1, edge=12):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 8 * WIDTH, *(edge,) * 3, generator=generator)


def test_a_class_is_given_the_images_vector_times_the_sum_of_its_row():
    net = made("released")
    with torch.no_grad():
        text, x = net.text(), net.image(bottleneck())
        given = net.of_classes(x, text)
        products = text @ text.T
        attention = (products - products.min()) / (products.max() - products.min())
    assert given.shape == (3, 4, 4 * WIDTH)
    for k in range(4):
        assert torch.allclose(given[:, k], attention[k].sum() * x, atol=1e-5)


def test_the_image_never_enters_the_attention():
    net = made("released")
    with torch.no_grad():
        ratios = [
            net.of_classes(x, net.text()) / x[:, None]
            for x in (net.image(bottleneck(seed)) for seed in (1, 2))
        ]
    assert torch.allclose(ratios[0], ratios[1], atol=1e-4)


def test_the_attention_lies_between_0_and_1_over_the_whole_matrix():
    net = made("released")
    with torch.no_grad():
        attention = between_texts(net.text())
        alike = between_texts(torch.ones(4, 8))
    assert (attention.min().item(), attention.max().item()) == (0.0, 1.0)
    assert torch.isfinite(alike).all()


def test_texts_have_adapters_of_their_own_without_a_skip():
    net = made("released")
    adapter = net.text_adapters[2]
    with torch.no_grad():
        hidden = functional.gelu(adapter[0](vectors()[2]))
        assert torch.allclose(net.text()[2], functional.relu(adapter[2](hidden)))
    assert [layer.out_features for layer in adapter if hasattr(layer, "out_features")] == [4, 8]


def test_one_adapter_shrinks_the_image_along_x_then_y_then_z():
    net = made("released")
    first, _, second = net.image_adapter
    shrink = lambda rows: second(functional.gelu(first(rows)))  # noqa: E731
    with torch.no_grad():
        seen = functional.relu(net.image_norm(bottleneck()))
        along_x = torch.stack([shrink(seen[..., y, :]) for y in range(12)], dim=-2)[..., 0]
        along_y = shrink(along_x)[..., 0]
        along_z = shrink(along_y)[..., 0]
        expected = net.to_vector(functional.relu(along_z))
    assert torch.allclose(net.image(bottleneck()), expected, atol=1e-5)


def test_the_condition_is_image_then_text():
    for name, edge in (("released", 12), ("clip_driven", 5)):
        net = made(name)
        with torch.no_grad():
            condition, text = net.condition(bottleneck(edge=edge)), net.text()
        assert condition.shape == (3, 4, 8 * WIDTH)
        assert torch.equal(condition[0, :, 4 * WIDTH :], text)


def test_the_parent_takes_the_mean_of_the_image_and_the_same_for_every_class():
    net = made("clip_driven")
    deep = bottleneck(edge=5)
    with torch.no_grad():
        seen = functional.relu(net.image_norm(deep)).mean(dim=(2, 3, 4))
        condition = net.condition(deep)
    assert torch.allclose(condition[:, 0, : 4 * WIDTH], net.to_vector(seen), atol=1e-6)
    assert torch.equal(condition[:, 0, : 4 * WIDTH], condition[:, 3, : 4 * WIDTH])


def test_153_numbers_are_three_convolutions_with_relu_between():
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(2, 8, 3, 4, 5, generator=generator)
    weights = torch.randn(2, 4, PARAMETERS, generator=generator)
    mine, x = weights[1, 2], features[1, :, 2, 3, 4]
    x = functional.relu(mine[:64].view(8, 8) @ x + mine[136:144])
    x = functional.relu(mine[64:128].view(8, 8) @ x + mine[144:152])
    x = mine[128:136] @ x + mine[152]
    assert PARAMETERS == 153
    assert heads(features, weights)[1, 2, 2, 3, 4].item() == pytest.approx(x.item(), rel=1e-4)


def test_a_patch_of_another_size_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"patches of 96 × 96 × 96 alone, given \[64, 64, 64\]"):
        made("released")(image(64))


@pytest.mark.parametrize(("network", "edge"), [("released", 96), ("clip_driven", 24)])
def test_image_only_looks_at_the_image_alone(network, edge):
    one, two = image(edge), image(edge)
    two[:, 1:] = 0
    with torch.no_grad():
        alone, all_of_it = made(network, image_only=True), made(network)
        assert torch.equal(alone(one), alone(two))
        seen = [all_of_it.backbone.train()(x)[0] for x in (one, two)]
        assert not torch.allclose(*seen)
    assert alone.backbone.down_tr64.ops[0].conv1.in_channels == 1


@pytest.mark.parametrize("size", [24, 512])
def test_sizes_follow_the_vectors(size):
    assert made("released", vectors(size)).text_adapters[0][0].in_features == size
    assert made("clip_driven", vectors(size)).text_layer.in_features == size


def test_the_vectors_are_taken_as_long_as_they_are():
    assert torch.equal(made("released", 7 * vectors()).embedding, 7 * vectors())


def test_the_original_has_its_19_million_weights():
    """The released file holds 20.5 million, with 0.8 million of parts that are never used."""
    with torch.device("meta"):
        net = build("released", 64, torch.zeros(4, 512), arguments={"image_only": True})
    count = sum(p.numel() for p in net.parameters()) / 1e6
    assert sum(p.numel() for p in net.backbone.parameters()) / 1e6 == pytest.approx(19.07, abs=0.01)
    assert count == pytest.approx(19.68, abs=0.01)
