"""The partial-label loss: what is unknown neither rewards nor punishes."""

from pathlib import Path

import pytest
import torch
import yaml

from lacaf.model.losses import LOSSES, Loss, partial_label_loss
from lacaf.params.whole import parse
from lacaf.train.pooled import Pooled
from lacaf.train.processes import Processes

SHAPE = (2, 4, 9, 8, 10)


def random_case(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(SHAPE, generator=generator)
    targets = torch.rand(SHAPE, generator=generator) > 0.8
    return logits, targets


def perfect(targets):
    return torch.where(targets, 25.0, -25.0)


def test_it_equals_the_loss_on_the_valid_region_alone():
    logits, targets = random_case()
    valid = torch.zeros(SHAPE, dtype=torch.bool)
    valid[:, :, 2:7, 1:5, 3:9] = True
    cut = (slice(None), slice(None), slice(2, 7), slice(1, 5), slice(3, 9))
    alone = partial_label_loss(logits[cut], targets[cut], torch.ones_like(targets[cut]))
    assert partial_label_loss(logits, targets & valid, valid).item() == pytest.approx(alone.item())


def test_a_class_may_be_valid_where_another_is_not():
    logits, targets = random_case()
    valid = torch.zeros(SHAPE, dtype=torch.bool)
    valid[:, 0, :5], valid[:, 1, 5:], valid[:, 2], valid[:, 3, :, 4:] = True, True, True, True
    regions = [(0, slice(0, 5)), (1, slice(5, 9)), (2, slice(None))]
    each = [
        partial_label_loss(
            logits[:, k : k + 1, z], targets[:, k : k + 1, z], torch.ones_like(targets[:, :1, z])
        )
        for k, z in regions
    ]
    last = logits[:, 3:, :, 4:], targets[:, 3:, :, 4:]
    each.append(partial_label_loss(*last, torch.ones_like(last[1])))
    together = partial_label_loss(logits, targets, valid)
    assert together.item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)


def test_a_perfect_prediction_costs_nothing():
    _, targets = random_case()
    loss = partial_label_loss(perfect(targets), targets, torch.ones_like(targets))
    assert loss.item() < 1e-3


def test_a_perfect_prediction_of_a_vessel_absent_from_most_slices_costs_nothing():
    targets = torch.zeros(SHAPE, dtype=torch.bool)
    targets[:, :, 4, 2:4, 2:4] = True
    assert partial_label_loss(perfect(targets), targets, torch.ones_like(targets)).item() < 1e-3


def test_a_worse_prediction_costs_more():
    _, targets = random_case()
    everywhere = torch.ones_like(targets)
    losses = [
        partial_label_loss(scale * perfect(targets) / 25, targets, everywhere).item()
        for scale in (4, 1, -1, -4)
    ]
    assert losses == sorted(losses)


def test_gradients_are_exactly_zero_where_nothing_is_known_and_only_there():
    logits, targets = random_case()
    valid = torch.rand(SHAPE, generator=torch.Generator().manual_seed(3)) > 0.5
    logits.requires_grad_(True)
    partial_label_loss(logits, targets, valid).backward()
    assert (logits.grad[~valid] == 0).all()
    assert (logits.grad[valid] != 0).all()


def test_what_stands_in_the_targets_of_unknown_voxels_does_not_matter():
    logits, targets = random_case()
    valid = torch.rand(SHAPE, generator=torch.Generator().manual_seed(4)) > 0.5
    marked = torch.where(valid, targets.float(), 255.0)
    with_markers = partial_label_loss(logits, marked, valid)
    assert with_markers.item() == partial_label_loss(logits, targets & valid, valid).item()


def test_infinite_logits_at_unknown_voxels_do_no_harm():
    logits, targets = random_case()
    valid = torch.ones_like(targets)
    valid[0, 0, 0] = False
    logits[0, 0, 0] = float("inf")
    logits.requires_grad_(True)
    loss = partial_label_loss(logits, targets, valid)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_a_class_of_which_nothing_is_known_contributes_nothing():
    logits, targets = random_case()
    valid = torch.ones_like(targets)
    valid[:, 2] = False
    others = [0, 1, 3]
    known = partial_label_loss(logits[:, others], targets[:, others], valid[:, others])
    assert partial_label_loss(logits, targets, valid).item() == pytest.approx(known.item())


def test_where_nothing_at_all_is_known_the_loss_is_zero_and_teaches_nothing():
    logits, targets = random_case()
    logits.requires_grad_(True)
    loss = partial_label_loss(logits, targets, torch.zeros_like(targets))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_a_known_class_without_foreground_is_judged_by_cross_entropy_alone():
    logits, _ = random_case()
    nothing = torch.zeros(SHAPE, dtype=torch.bool)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, nothing.float())
    loss = partial_label_loss(logits, nothing, torch.ones_like(nothing))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert partial_label_loss(perfect(nothing), nothing, torch.ones_like(nothing)).item() < 1e-3


class TestEveryLoss:
    """What the supervision promises holds for each entry of the registry alone."""

    @pytest.fixture(params=LOSSES)
    def loss(self, request):
        def of(logits, targets, valid, pool=alone):
            line = targets.any(1) & (torch.arange(targets.shape[-1]) % 2 == 0)
            weights = {request.param: 1.0}
            return partial_label_loss(logits, targets, valid, weights, pool, line)

        of.name = request.param
        return of

    def test_it_equals_that_of_the_valid_region_alone(self, loss):
        logits, targets = random_case()
        valid = torch.zeros(SHAPE, dtype=torch.bool)
        valid[:, :, 2:7, 1:5, 4:10] = True
        cut = (slice(None), slice(None), slice(2, 7), slice(1, 5), slice(4, 10))
        alone = loss(logits[cut], targets[cut], torch.ones_like(targets[cut]))
        assert loss(logits, targets, valid).item() == pytest.approx(alone.item(), rel=1e-5)

    def test_it_is_zero_for_a_perfect_prediction(self, loss):
        if loss.name == "dice_by_slice":
            pytest.skip("that it is not, is what it is kept for")
        _, targets = random_case()
        assert loss(perfect(targets), targets, torch.ones_like(targets)).item() < 1e-3

    def test_it_is_less_for_a_better_prediction(self, loss):
        _, targets = random_case()
        valid = torch.ones_like(targets)
        costs = [loss(s * perfect(targets) / 25, targets, valid).item() for s in (4, 1, -1, -4)]
        assert costs == sorted(costs)

    def test_the_unknown_gives_no_gradient(self, loss):
        logits, targets = random_case()
        valid = torch.rand(SHAPE, generator=torch.Generator().manual_seed(3)) > 0.5
        logits[~valid] = float("inf")
        logits.requires_grad_()
        loss(logits, targets, valid).backward()
        assert torch.equal(logits.grad[~valid], torch.zeros_like(logits.grad[~valid]))
        assert logits.grad[valid].isfinite().all()
        assert logits.grad[valid].abs().sum() > 0

    def test_a_class_without_a_vessel_does_no_harm(self, loss):
        logits, targets = random_case()
        targets[:, 1] = False
        logits.requires_grad_()
        value = loss(logits, targets, torch.ones_like(targets))
        value.backward()
        assert value.isfinite()
        assert logits.grad.isfinite().all()

    def test_two_parts_are_the_whole(self, loss):
        """In value and in gradient, the sums of the other part at hand."""
        logits, targets = random_case()
        valid = torch.rand(SHAPE, generator=torch.Generator().manual_seed(5)) > 0.3
        whole = logits.clone().requires_grad_()
        at_once = loss(whole, targets, valid)
        at_once.backward()
        parts = logits.clone().requires_grad_()
        pooled = Pooled(Processes(), 2)
        for part in (0, 1):
            own = slice(part, part + 1)
            loss(logits[own], targets[own], valid[own], pooled.noting(part))
        for part in (0, 1):
            own = slice(part, part + 1)
            value = loss(parts[own], targets[own], valid[own], pooled.adding(part))
            value.backward()
            assert value.item() == pytest.approx(at_once.item(), rel=1e-5)
        assert torch.allclose(parts.grad, whole.grad, atol=1e-7)


def alone(sums):
    return sums


def test_dice_by_slice_punishes_a_perfect_prediction_of_a_short_vessel():
    """The defect for which it is kept: 66 of 96 slices without the vessel cost 1 each."""
    targets = torch.zeros(1, 4, 96, 16, 16, dtype=torch.bool)
    targets[:, :, 33:63, 4:8, 4:8] = True
    loss = partial_label_loss(
        perfect(targets), targets, torch.ones_like(targets), {"dice_by_slice": 1.0}
    )
    assert loss.item() == pytest.approx((66 + 30 / 33) / 96, abs=1e-4)
    assert loss.item() == pytest.approx(0.697, abs=1e-3)


def test_skeleton_recall_asks_for_the_line_and_not_for_the_wall():
    targets = torch.zeros(1, 4, 8, 8, 8, dtype=torch.bool)
    targets[..., 2:5, 2:5] = True
    line = torch.zeros(1, 8, 8, 8, dtype=torch.bool)
    line[..., 3, 3] = True
    valid, weights = torch.ones_like(targets), {"skeleton_recall": 1.0}
    thin = line[:, None].expand_as(targets)
    found = partial_label_loss(perfect(thin), targets, valid, weights, skeleton=line)
    assert found.item() < 1e-3
    wall = partial_label_loss(perfect(targets & ~thin), targets, valid, weights, skeleton=line)
    assert wall.item() > 0.999
    with pytest.raises(ValueError, match="on a skeleton"):
        partial_label_loss(perfect(thin), targets, valid, weights)


def test_cldice_forgives_a_thinner_vessel_and_not_a_broken_one():
    targets = torch.zeros(1, 4, 24, 9, 9, dtype=torch.bool)
    targets[:, :, :, 2:7, 2:7] = True
    thin, broken = torch.zeros_like(targets), targets.clone()
    thin[:, :, :, 3:6, 3:6] = True
    broken[:, :, 8:16] = False
    valid = torch.ones_like(targets)
    kept, lost = (
        partial_label_loss(perfect(answer), targets, valid, {"cldice": 1.0}).item()
        for answer in (thin, broken)
    )
    assert kept < 0.15 < lost


def test_a_focal_loss_looks_at_what_is_wrong():
    targets = torch.zeros(SHAPE, dtype=torch.bool)
    valid = torch.ones_like(targets)
    for logit in (-4.0, 3.0):
        logits = torch.full(SHAPE, logit)
        bce, focal = (
            partial_label_loss(logits, targets, valid, {name: 1.0}).item()
            for name in ("bce", "focal")
        )
        assert focal == pytest.approx(bce * torch.tensor(logit).sigmoid().item() ** 2, rel=1e-4)


def test_losses_are_summed_by_their_weights():
    logits, targets = random_case()
    valid = torch.ones_like(targets)
    bce, dice, both = (
        partial_label_loss(logits, targets, valid, weights).item()
        for weights in ({"bce": 1.0}, {"dice": 1.0}, {"bce": 0.5, "dice": 2.0})
    )
    assert both == pytest.approx(0.5 * bce + 2 * dice)


def test_a_new_loss_is_one_function_and_one_entry(monkeypatch):
    """Brier's score, named in params.yaml without a line changed elsewhere."""

    def brier(known):
        wrong = (known.logits.sigmoid() - known.truth).square().masked_fill(~known.valid, 0.0)
        return known.total(wrong) / known.count.clamp(min=1)

    monkeypatch.setitem(LOSSES, "brier", Loss(brier, "mean squared error of the probability"))
    content = yaml.safe_load((Path(__file__).parents[2] / "params" / "demo.yaml").read_text())
    content["train"]["experiments"]["new"] = {"loss": {"brier": 1.0}}
    weights = parse(content).train.recipe("new").loss
    _, targets = random_case()
    valid = torch.ones_like(targets)
    assert partial_label_loss(torch.zeros(SHAPE), targets, valid, weights).item() == 0.25


def test_dice_is_that_of_the_batch_so_false_alarms_count_where_a_vessel_is_not():
    targets = torch.zeros(2, 4, 6, 6, 6, dtype=torch.bool)
    targets[0, :, 2:4] = True
    valid, false = torch.ones_like(targets), targets.clone()
    false[1, :, 2:4] = True
    right, wrong = (
        partial_label_loss(perfect(answer), targets, valid, {"dice": 1.0}).item()
        for answer in (targets, false)
    )
    assert right < 1e-3
    assert wrong == pytest.approx(1 / 3, abs=1e-3)
