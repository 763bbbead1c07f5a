"""A training: reproducible, blind to the test cases, and whole in its folder."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from trainings import history, run, without_split, without_time
from tubes import lay_out, parameters

from lacaf import fault, files, layout
from lacaf.cases import CasesError
from lacaf.classes import CLASSES
from lacaf.infer import load
from lacaf.model.inputs import CHANNELS
from lacaf.model.networks import NETWORKS
from lacaf.train.failures import TrainingFailed

SPLITS = {"full": "train", "half": "train", "check": "val", "secret": "test", "new": "predict"}


@pytest.fixture
def project(tmp_path):
    cases = lay_out(tmp_path / "data", SPLITS, {"half": 2})
    for name in ("secret", "new"):  # whoever opens these, fails
        for stage in ("crop", "harmonize", "prepare"):
            shutil.rmtree(tmp_path / "data" / stage / name)
    return tmp_path, cases


def test_the_same_seed_gives_the_same_history_and_weights(project):
    _, one, _ = run(project, name="one")
    _, two, _ = run(project, name="two")
    _, other, _ = run(project, name="other", seed=1)
    assert without_time(history(one)) == without_time(history(two))
    assert (one / "model.pt").read_bytes() == (two / "model.pt").read_bytes()
    assert without_time(history(one)) != without_time(history(other))


@pytest.mark.parametrize("experiment", ["guided", "plain"])
def test_tubes_are_learnt_in_seconds(project, experiment):
    """Bright tubes are arteries and dim ones veins, half of one case unknown."""
    numbers, _, _ = run(project, experiment, steps=300, validate_every=300)
    assert numbers["val_dice"] > 0.6
    assert numbers["identity_accuracy"] > 0.6


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_of_the_registry_is_trained_and_loaded_by_its_name(project, network):
    entry = NETWORKS[network]
    patch = list(entry.patch or (max(16, entry.smallest),) * 3)
    own = {"network": network, "encoder": "onehot" if entry.language else None, "width": 4}
    own |= {"patch": patch, "batch": 1, "early": {"steps": 0}, "steps": 1, "validate_every": 1}
    _, out, _ = run(project, "any", experiments={"any": own})
    loaded = load(out, "cpu")
    assert loaded.about["network"] == network
    with torch.inference_mode():
        logits = loaded.network(torch.zeros(1, len(CHANNELS), *patch))
    assert logits.shape == (1, len(CLASSES), *patch)


def test_an_experiment_changes_what_it_names_and_the_model_keeps_the_whole_recipe(project):
    changes = {"encoder": "onehot", "loss": {"dice": 1.0}, "early": {"steps": 1}, "width": 5}
    _, out, _ = run(project, "mine", experiments={"mine": changes})
    frozen = json.loads((out / "model.json").read_text())["params"]
    assert frozen["loss"] == {"dice": 1.0}
    assert frozen["early"] == {"patch": [16, 16, 16], "batch": 2, "steps": 1}
    assert frozen["width"] == 5
    assert frozen["steps"] == 4
    assert "experiments" not in frozen
    assert "seeds" not in frozen


def test_history_and_log_tell_the_same(project):
    numbers, out, log = run(project)
    rows = history(out)
    assert list(rows[0]) == [
        "step", "train_loss", "val_loss", "val_dice", *(f"val_dice_{c}" for c in CLASSES),
        "identity_accuracy", "learning_rate", "seconds",
    ]  # fmt: skip
    assert [row["step"] for row in rows] == ["2", "4"]
    for row in rows:
        logged = log.steps[int(row["step"])]
        assert float(row["train_loss"]) == logged["train_loss"]
    assert numbers["train_loss"] == log.steps[4]["train_loss"]


def test_the_model_needs_nothing_but_its_folder(project):
    _, out, _ = run(project)
    about = json.loads((out / "model.json").read_text())
    assert about["network"] == "lacaf"
    assert about["classes"] == list(CLASSES)
    assert about["working_spacing_mm"] == 4.0
    assert about["embedding"]["hash"] == "00"
    assert len(about["embedding"]["vectors"]) == 4
    assert about["cases"]["train"]["count"] == 2
    assert about["cases"]["train"]["coverage"]["left_artery"]["unknown"] == 1
    assert about["cases"]["val"]["count"] == 1
    assert about["mlflow_run_id"] == "run-of-the-test"
    assert about["seed"] == 0
    assert str(project[0]) not in json.dumps(about)
    weights = torch.load(out / "model.pt", weights_only=True)
    assert all(torch.isfinite(w).all() for w in weights.values())


def test_so_many_full_and_half_labelled_cases_are_learnt_from(project):
    _, out, _ = run(project, cases={"full": None, "half": 0})
    learnt = json.loads((out / "model.json").read_text())["cases"]["train"]
    assert (learnt["count"], learnt["full"]) == (1, 1)
    with pytest.raises(TrainingFailed, match=r"train\.cases"):
        run(project, name="none", cases={"full": 0, "half": 0})


def test_a_case_that_is_not_used_decides_nothing(project, monkeypatch):
    folder, cases = project
    monkeypatch.chdir(folder)
    params = parameters({"cases": {"full": None, "half": 0}})
    before = layout.learnt_from("guided", 0, params, cases.values())
    path = folder / "data/prepare/half/prepare.json"
    files.write_json(path, files.read_json(path) | {"shape": [1, 1, 1]})
    assert layout.learnt_from("guided", 0, params, cases.values()) == before
    assert layout.learnt_from("guided", 0, parameters(), cases.values()) != before


def test_the_baseline_knows_no_language(project):
    _, out, _ = run(project, "plain")
    about = json.loads((out / "model.json").read_text())
    assert about["embedding"] is None
    assert about["network"] == "unet"


def test_the_best_weights_are_kept_though_later_ones_are_worse(project):
    _, out, log = run(project, steps=8, validate_every=2, learning_rate=0.05)
    scores = {step: values["val_dice"] for step, values in log.steps.items()}
    kept = json.loads((out / "model.json").read_text())["step"]
    assert list(scores) == [2, 4, 6, 8]
    assert scores[kept] == max(scores.values())


def test_small_patches_come_first(project):
    early = {"patch": [8, 8, 8], "batch": 1, "steps": 4}
    _, out, log = run(project, early=early)
    assert list(log.steps) == [2, 4]
    assert json.loads((out / "model.json").read_text())["patch"] == [16, 16, 16]


def test_a_patient_in_train_and_val_stops_the_training(project):
    folder, cases = project
    cases["check"] = replace(cases["check"], patient="full")
    with pytest.raises(CasesError, match="full"):
        run((folder, cases))


def test_a_refused_case_is_left_out(project):
    folder, _ = project
    record = {"case": "half", "status": "refused", "refusal": {"finding": "no lung"}}
    files.write_json(folder / "data" / "prepare" / "half" / "prepare.json", record)
    _, out, _ = run(project)
    assert json.loads((out / "model.json").read_text())["cases"]["train"]["count"] == 1


def test_without_a_case_to_learn_from_it_says_so(project):
    folder, cases = project
    with pytest.raises(TrainingFailed, match="train"):
        run((folder, without_split(cases, "train")))


def test_without_validation_cases_the_last_weights_are_kept(project):
    folder, cases = project
    numbers, out, _ = run((folder, without_split(cases, "val")))
    assert numbers["val_dice"] is None
    assert json.loads((out / "model.json").read_text())["step"] == 4


def test_a_missing_embedding_names_the_command(project):
    shutil.rmtree(project[0] / "data" / "embed")
    with pytest.raises(fault.Missing, match="lacaf embed onehot"):
        run(project)


def test_a_loss_that_explodes_stops_the_training(project):
    with pytest.raises(TrainingFailed, match="learning_rate"):
        run(project, learning_rate=1e30, warmup_steps=0)
