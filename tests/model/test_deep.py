"""Deep supervision: coarser answers are judged too, at full size, each for less."""

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional
from trainings import run
from tubes import lay_out

from lacaf.infer import load
from lacaf.model.deep import supervised
from lacaf.model.losses import partial_label_loss
from lacaf.model.networks import NETWORKS, Network
from lacaf.params.section import ParamsError
from lacaf.params.whole import parse


class TwoAnswers(nn.Module):
    """One convolution at full size, one at half of it; in training both are told."""

    def __init__(self, channels, classes):
        super().__init__()
        self.fine = nn.Conv3d(channels, classes, 3, 1, 1)
        self.coarse = nn.Conv3d(channels, classes, 1)

    def forward(self, x):
        fine = self.fine(x)
        return [fine, self.coarse(functional.avg_pool3d(x, 2))] if self.training else fine


def answers():
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 4, 8, 8, 8), (2, 4, 4, 4, 4), (2, 4, 2, 2, 2)]
    targets = torch.rand(shapes[0], generator=generator) > 0.7
    logits = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    return logits, lambda own: partial_label_loss(own, targets, torch.ones_like(targets))


def test_one_answer_is_judged_as_ever():
    logits, loss = answers()
    for output in (logits[0], logits[:1]):
        for weight in (0.0, 0.5):
            total, finest = supervised(output, weight, loss)
            assert torch.equal(total, loss(logits[0]))
            assert finest is logits[0]


def test_each_coarser_answer_counts_less_and_all_together_one():
    logits, loss = answers()
    wide = [functional.interpolate(own, size=(8, 8, 8), mode="trilinear") for own in logits]
    expected = sum(w * loss(own) for w, own in zip((1, 0.5, 0.25), wide, strict=True)) / 1.75
    assert supervised(logits, 0.5, loss)[0].item() == pytest.approx(expected.item())


def test_without_a_weight_the_coarser_answers_are_not_looked_at():
    logits, loss = answers()
    total, _ = supervised(logits, 0.0, loss)
    total.backward()
    assert torch.equal(total, loss(logits[0]))
    assert logits[1].grad is None


def two_answers(shape):
    return TwoAnswers(shape.channels, shape.classes)


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}, {"supervision": "teacher", "ema": 0.5}])
def test_a_network_that_answers_twice_is_trained_by_both(tmp_path, monkeypatch, changes):
    entry = Network(two_answers, "of this test", coarse=True)
    monkeypatch.setitem(NETWORKS, "two", entry)
    project = tmp_path, lay_out(tmp_path / "data", {"full": "train", "check": "val"})
    weights = []
    for weight in (0.0, 0.5):
        settings = {"network": "two", "encoder": None, "deep_supervision": weight, **changes}
        _, out, _ = run(project, "mine", name=f"w{weight}", experiments={"mine": settings})
        weights.append(torch.load(out / "model.pt", weights_only=True))
    first, second = weights
    assert not torch.equal(first["coarse.weight"], second["coarse.weight"])
    assert not torch.equal(first["fine.weight"], second["fine.weight"])


@pytest.mark.parametrize(("network", "encoder"), [("lacaf", "onehot"), ("unet", None)])
def test_ours_answer_twice_in_training_and_once_thereafter(tmp_path, network, encoder):
    project = tmp_path, lay_out(tmp_path / "data", {"full": "train", "check": "val"})
    settings = {"network": network, "encoder": encoder, "deep_supervision": 0.5}
    _, out, _ = run(project, "mine", experiments={"mine": settings})
    net = load(out, "cpu").network
    patch = torch.rand(1, 5, 16, 16, 16)
    assert net(patch).shape == (1, 4, 16, 16, 16)
    assert [tuple(answer.shape[2:]) for answer in net.train()(patch)] == [(16,) * 3, (8,) * 3]


def test_a_network_of_one_answer_is_not_asked_for_more():
    content = yaml.safe_load((Path(__file__).parents[2] / "params" / "demo.yaml").read_text())
    own = {"network": "segresnet", "encoder": None, "deep_supervision": 0.5}
    content["train"]["experiments"] = {"mine": own}
    with pytest.raises(ParamsError, match=r"`segresnet` answers at one resolution.*lacaf, unet"):
        parse(content)
