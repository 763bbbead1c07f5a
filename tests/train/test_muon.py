"""Muon: all directions of a kernel at one length, everything else as AdamW does it."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from lacaf.train.muon import LENGTH, Muon, is_matrix, orthogonal


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 8, 3, bias=False), nn.GroupNorm(1, 8), nn.Conv3d(8, 12, 3), nn.Conv3d(12, 2, 1)
    )


def learnt(net, optimizer, steps, first=0):
    for step in range(first, first + steps):
        seen = torch.randn(2, 3, 7, 7, 7, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad(set_to_none=True)
        net(seen).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [(8, 216), (216, 8), (64, 64)])
def test_every_direction_gets_about_the_same_length_and_keeps_its_place(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    spread = u @ torch.diag(torch.logspace(0, -1.5, len(s))) @ vh
    lengths = torch.diag(u.T @ orthogonal(spread) @ vh.T)
    assert lengths.min() > 0.6
    assert lengths.max() < 1.3


def test_the_length_of_the_gradient_does_not_matter():
    matrix = torch.randn(8, 40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(orthogonal(matrix), orthogonal(1000 * matrix), atol=1e-4, rtol=1e-4)


def test_the_first_step_is_the_gradient_made_orthogonal():
    net = network()
    kernel = net[0].weight
    before = kernel.detach().clone()
    learnt(net, Muon(net.parameters(), 0.01, 0.0), 1)
    direction = LENGTH * 81**0.5 * orthogonal(kernel.grad.flatten(1)).view_as(kernel)
    torch.testing.assert_close(kernel.detach(), before - 0.01 * direction)


def test_a_step_is_about_as_long_as_one_of_adamw():
    """So that one rate serves both: see LENGTH."""
    moved = []
    for kind in (Muon, AdamW):
        net = network()
        before = net[2].weight.detach().clone()
        learnt(net, kind(net.parameters(), lr=0.001, weight_decay=0.0), 20)
        moved.append(float((net[2].weight.detach() - before).square().mean().sqrt()))
    assert 0.2 < moved[0] / moved[1] < 2


def test_all_but_kernels_go_as_adamw_takes_them():
    """After one step; from the second on the kernels' own way is felt."""
    nets = network(), network()
    for net, kind in zip(nets, (Muon, AdamW), strict=True):
        learnt(net, kind(net.parameters(), lr=0.01, weight_decay=0.1), 1)
    one, two = (dict(net.named_parameters()) for net in nets)
    kernels = [name for name, weight in one.items() if is_matrix(weight)]
    assert kernels == ["0.weight", "2.weight"]  # that of two outputs has hardly a direction
    for name in one:
        assert torch.equal(one[name], two[name]) == (name not in kernels)


def test_kernels_decay_as_adamw_lets_them():
    nets = network(), network()
    for net, decay in zip(nets, (0.0, 0.5), strict=True):
        optimizer = Muon(net.parameters(), 0.01, decay)
        learnt(net, optimizer, 1)
    plain, decayed = (net[0].weight.detach() for net in nets)
    torch.testing.assert_close(plain - decayed, 0.01 * 0.5 * network()[0].weight.detach())


def test_gone_on_with_from_its_state_it_takes_the_same_steps():
    net = network()
    optimizer = Muon(net.parameters(), 0.01, 0.0)
    learnt(net, optimizer, 3)
    kept = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
    learnt(net, optimizer, 2, first=3)
    again = network()
    other = Muon(again.parameters(), 0.01, 0.0)
    again.load_state_dict(kept[0])
    other.load_state_dict(kept[1])
    learnt(again, other, 2, first=3)
    assert all(map(torch.equal, net.state_dict().values(), again.state_dict().values()))


def test_weights_without_a_gradient_stay():
    net = network()
    net[0].weight.requires_grad_(False)
    before = net[0].weight.clone()
    learnt(net, Muon(net.parameters(), 0.01, 0.5), 2)
    assert torch.equal(net[0].weight, before)


def test_layers_of_attention_are_matrices_and_embeddings_are_not():
    layer = nn.MultiheadAttention(8, 2)
    found = {name for name, weight in layer.named_parameters() if is_matrix(weight)}
    assert found == {"in_proj_weight", "out_proj.weight"}
    assert not is_matrix(torch.zeros(1, 64, 48))  # places of tokens, as UNETR learns them
