"""The mean teacher: it teaches what is unknown, and is never a label itself."""

import numpy as np
import pytest
import torch
from torch import nn
from trainings import history, run, together, without_time
from tubes import lay_out, parameters

from lacaf.classes import CLASSES
from lacaf.params.section import ParamsError
from lacaf.train import Stopped
from lacaf.train import learner as learning
from lacaf.train.learner import Learner
from lacaf.train.patches import Patches, Portions, loader
from lacaf.train.prepared import read
from lacaf.train.processes import Processes
from lacaf.train.teacher import guess, sure, weight_at

SPLITS = {"full": "train", "half": "train", "check": "val", "part": "val"}
PLAN = {
    "experiment": "plain", "steps": 8, "validate_every": 4, "supervision": "teacher", "ema": 0.5,
    "teacher_weight": 5.0, "batch": 4,
}  # fmt: skip


class Voxelwise(nn.Module):
    """The least network: each voxel by itself, of some classes sure from the start."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.only = nn.Conv3d(5, len(CLASSES), 1)
        with torch.no_grad():
            self.only.bias.copy_(torch.tensor([0.0, -5.0, 2.0, 5.0]))

    def forward(self, x):
        return self.only(x)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    return folder, lay_out(folder / "data", SPLITS, {"half": 2, "part": 1})


@pytest.fixture(scope="module")
def undisturbed(project):
    return run(project, name="undisturbed", **PLAN)[1]


def recipe(**changes):
    settings = {k: v for k, v in PLAN.items() if k != "experiment"}
    return parameters(settings).train.recipe("plain").model_copy(update=changes)


def a_learner(**changes):
    return Learner(Voxelwise(), recipe(**changes), 0, torch.device("cpu"), Processes())


def a_batch(project, **changes):
    folder, table = project
    plan = recipe(**changes)
    cases = [c for c in read(table.values(), "train", folder / "data") if c.case == "half"]
    return next(loader(Patches(cases, plan, 0), Portions(plan, 0, 0, 1), 0, False))


def test_it_changes_what_is_learnt(project, undisturbed):
    others = run(project, name="side", **PLAN | {"supervision": "side"})[1]
    assert (others / "model.pt").read_bytes() != (undisturbed / "model.pt").read_bytes()


def test_stopped_and_gone_on_with_it_gives_the_same(project, undisturbed, monkeypatch):
    taken = Learner.step

    def interrupted(self, step, batches):
        if step == 5:
            raise Stopped("as if killed")
        return taken(self, step, batches)

    with monkeypatch.context() as patched:
        patched.setattr(learning.Learner, "step", interrupted)
        with pytest.raises(Stopped):
            run(project, name="stopped", machine={"save_every": 0.0}, **PLAN)
    _, out, _ = run(project, name="stopped", **PLAN)
    assert without_time(history(out)) == without_time(history(undisturbed))
    assert (out / "model.pt").read_bytes() == (undisturbed / "model.pt").read_bytes()


def test_parts_and_processes_are_taught_as_one(project, undisturbed):
    run(project, name="parts", **PLAN, accumulate=2)
    assert together(project, 2, name="two", **PLAN) == [0, 0]
    one = history(undisturbed)
    for name in ("parts", "two"):
        for row, other in zip(history(project[0] / name), one, strict=True):
            assert float(row["train_loss"]) == pytest.approx(float(other["train_loss"]), rel=1e-4)
            assert float(row["val_loss"]) == pytest.approx(float(other["val_loss"]), rel=2e-3)


def test_it_teaches_only_where_it_is_sure_and_the_labels_are_silent(project):
    learner = a_learner()
    seen = learner._seen(a_batch(project))
    assert seen.guess is not None
    assert not seen.valid.all()
    taught = sure(seen.guess) & ~seen.valid
    gradients = []
    for weight in (0.0, 5.0):
        learner.recipe = recipe(teacher_weight=weight)
        logits = seen.inputs.new_zeros(seen.targets.shape).requires_grad_()
        learner.parallel = lambda _, logits=logits: logits
        learner._loss(8, seen, lambda sums: sums).backward()
        gradients.append(logits.grad)
    assert (gradients[0][~seen.valid] == 0).all()
    assert torch.equal(gradients[0][seen.valid], gradients[1][seen.valid])
    assert torch.equal(gradients[1] != gradients[0], taught)


def test_it_is_asked_without_gradient_and_left_as_it_was():
    network = nn.Sequential(Voxelwise(), nn.Dropout(0.5)).train()
    inputs = torch.ones(1, 5, 4, 4, 4)
    one, two = guess(network, inputs), guess(network, inputs)
    assert torch.equal(one, two)  # nothing is dropped
    assert not one.requires_grad
    assert network.training
    assert all(p.grad is None for p in network.parameters())


def test_it_sees_the_student_s_place_without_the_changes_of_the_image(project):
    """A network that hands its input on shows what it was given."""
    every = {"mirror": 1.0, "noise": 1.0, "blur": 1.0, "gamma": 1.0}
    augment = recipe().augment.model_copy(update=every)
    batch = a_batch(project, augment=augment)
    learner = a_learner(augment=augment)
    shown = []
    learner.average.module.register_forward_hook(lambda _m, given, _o: shown.append(given[0]))
    seen = learner._seen(batch)
    assert torch.equal(shown[0][:, 2:], seen.inputs[:, 2:])
    assert not torch.allclose(shown[0][:, :2], seen.inputs[:, :2], atol=0.01)
    hu = batch["hu"].flip(-1).float()
    assert torch.allclose(shown[0][:, 0], ((hu + 1000) / 1400).clamp(0, 1), atol=1e-6)


def test_its_weight_rises_over_the_first_third():
    weights = [weight_at(step, 300) for step in range(1, 301)]
    assert weights == sorted(weights)
    assert weights[0] == pytest.approx(np.exp(-5))
    assert weights[50] == pytest.approx(np.exp(-5 / 4))
    assert set(weights[100:]) == {1.0}
    assert weight_at(1, 1) < 1


def test_what_it_says_and_the_truth_never_enter_validation(project):
    """The validation's targets are the experts', whatever is learnt from."""
    folder, table = project
    data = folder / "data"
    scores = {}
    for supervision in ("as_background", "masked", "side", "teacher"):
        _, _, log = run(
            project, name=f"still-{supervision}",
            **PLAN | {"supervision": supervision, "learning_rate": 1e-12},
        )  # fmt: skip
        scores[supervision] = {k: v for k, v in log.steps[8].items() if k.startswith("val_")}
    first = scores["side"]
    for name, other in scores.items():
        assert other == pytest.approx(first, rel=1e-4), name
    [part] = [case for case in read(table.values(), "val", data) if case.case == "part"]
    assert not part.learnt()[1].all()


def test_without_an_average_there_is_no_teacher():
    with pytest.raises(ParamsError, match=r"learns from the average of the weights.*0\.999"):
        parameters({"supervision": "teacher", "ema": 0.0})
