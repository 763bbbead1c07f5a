"""An upper bound: what a training would learn, were the whole truth of every case drawn."""

import json

import numpy as np
import pytest
from trainings import history, run
from tubes import case_arrays, lay_out

from lacaf import fault
from lacaf.classes import CLASSES
from lacaf.train.patches import Patches
from lacaf.train.prepared import read

SPLITS = {"full": "train", "half": "train", "check": "val"}
SIDES = {"half": 2, "check": 1}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    return folder, lay_out(folder / "data", SPLITS, SIDES, whole=True)


def half(project, labels):
    folder, cases = project
    found = read(cases.values(), "train", folder / "data", labels)
    return next(case for case in found if case.case == "half")


def test_it_knows_the_lung_that_nobody_drew(project):
    _, _, whole = case_arrays(np.random.default_rng(1))
    for labels, known in (("labels", False), ("truth", True)):
        targets, valid = half(project, labels).learnt()
        assert valid.all() == known
        assert targets[CLASSES.index("left_vein")].any() == known
    assert np.array_equal(targets, np.stack([whole == k for k in range(1, 5)]))


def test_its_patches_are_centred_on_all_of_it(project):
    case = half(project, "truth")
    targets, _ = case.learnt()
    for index, name in enumerate(CLASSES):
        assert case.centres[name] == targets[index].sum()
        assert targets[index][tuple(case.centre(name, 5))]
    assert Patches([case], None, 0).cases == [case]


def test_a_training_is_told_all_and_scored_on_the_labels(project):
    _, out, log = run(project, "plain", labels="truth", learning_rate=1e-12)
    about = json.loads((out / "model.json").read_text())
    assert about["cases"]["train"]["coverage"]["left_vein"]["labelled"] == 2
    assert about["cases"]["val"]["coverage"]["right_vein"]["unknown"] == 1
    _, _, plain = run(project, "plain", name="plain", learning_rate=1e-12)
    assert log.steps[4]["val_loss"] == pytest.approx(plain.steps[4]["val_loss"], rel=1e-4)
    assert len(history(out)) == 2


def test_a_case_without_a_truth_is_named(tmp_path):
    cases = lay_out(tmp_path / "data", SPLITS)
    with pytest.raises(fault.Fault, match=r"full has no whole truth.*train\.labels"):
        run((tmp_path, cases), "plain", labels="truth")
