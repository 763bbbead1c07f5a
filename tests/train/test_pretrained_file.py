"""``train.pretrained``: a file of weights to start from."""

import hashlib
import json

import pytest
import torch
from torch import nn
from trainings import run
from tubes import lay_out

from lacaf.params.train import Recipe
from lacaf.train.failures import TrainingFailed
from lacaf.train.pretrained import load_pretrained


def recipe(path, network="unet"):
    return Recipe.model_construct(network=network, pretrained=str(path))


@pytest.fixture
def project(tmp_path):
    return tmp_path, lay_out(tmp_path / "data", {"learnt": "train", "check": "val"})


def saved(path, content):
    torch.save(content, path)
    return path


def test_without_a_file_weights_are_fresh():
    assert load_pretrained(Recipe.model_construct(network="unet", pretrained=None), None) is None


def test_a_model_of_ours_starts_another_and_the_model_says_so(project, capsys):
    _, first, _ = run(project, "plain", name="first", steps=2, warmup_steps=0)
    capsys.readouterr()
    weights = str(first / "model.pt")
    _, second, _ = run(project, "guided", name="second", steps=2, pretrained=weights)
    told = json.loads((second / "model.json").read_text())["pretrained"]
    assert (told["file"], told["other_shape"]) == ("model.pt", [])
    assert told["sha256"] == hashlib.sha256((first / "model.pt").read_bytes()).hexdigest()
    assert told["matched"] == len(torch.load(weights, weights_only=True))  # the head's, too
    assert told["of"] == told["matched"] + len(told["missing"])
    assert all(name.startswith("language.") for name in told["missing"])
    assert told["unused"] == []
    shown = capsys.readouterr().out
    assert f"model.pt: {told['matched']} of {told['of']} tensors of `lacaf` are taken" in shown


def test_the_weights_are_those_of_the_file(tmp_path):
    one, two = nn.Linear(3, 4), nn.Linear(3, 4)
    load_pretrained(recipe(saved(tmp_path / "a.pt", {"state_dict": one.state_dict()})), two)
    assert torch.equal(one.weight, two.weight)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"conv.weight": torch.zeros(2)}, "holds 0 of the 2 tensors.*conv.weight.*weight, bias"),
        ({"epoch": 3}, "no tensors by name"),
        ({"net": nn.Linear(3, 4)}, "save its state_dict"),
    ],
)
def test_a_file_of_something_else_is_told(tmp_path, content, told):
    with pytest.raises(TrainingFailed, match=told):
        load_pretrained(recipe(saved(tmp_path / "a.pt", content)), nn.Linear(3, 4))


def test_a_file_that_is_no_such_file_is_told(tmp_path):
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(TrainingFailed, match=r"text\.pt does not open"):
        load_pretrained(recipe(tmp_path / "text.pt"), nn.Linear(3, 4))
    with pytest.raises(TrainingFailed, match="no such file"):
        load_pretrained(recipe(tmp_path / "none.pt"), nn.Linear(3, 4))
