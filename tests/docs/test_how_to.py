"""The how-to guides: their examples work as they stand."""

import re
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml

from lacaf.classes import CLASSES, Class
from lacaf.model import losses, networks
from lacaf.params import whole

REPOSITORY = Path(__file__).parents[2]
GUIDES = REPOSITORY / "docs" / "how"
DEMO = yaml.safe_load((REPOSITORY / "params" / "demo.yaml").read_text())


def example(page: str, language: str) -> str:
    """The one example of a guide in a language."""
    [found] = re.findall(
        rf"^```{language}\n(.*?)^```$", (GUIDES / page).read_text(), re.MULTILINE | re.DOTALL
    )
    return found


def written_into(module: ModuleType, text: str) -> None:
    """Run an example as if it stood at the end of a module."""
    exec(f"from __future__ import annotations\n{text}", {**vars(module)})


def with_changes(page: str) -> whole.Params:
    """The demo's parameters with the sections that a guide shows."""
    shown = yaml.safe_load(example(page, "yaml"))
    return whole.parse(DEMO | {k: {**DEMO[k], **section} for k, section in shown.items()})


def test_a_network_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "NETWORKS", networks.NETWORKS.copy())
    written_into(networks, example("network.md", "python"))
    vectors = torch.randn(len(CLASSES), 24)
    for embedding in (None, vectors):
        network = networks.build("basic_unet", 1, embedding, arguments={"dropout": 0.1})
        assert network(torch.zeros(1, 5, 32, 32, 32)).shape == (1, len(CLASSES), 32, 32, 32)
    monkeypatch.setattr("lacaf.params.train.NETWORKS", networks.NETWORKS)
    assert set(with_changes("network.md").runs()) == {"basic-s0", "basic_language-s0"}


def test_a_loss_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "LOSSES", losses.LOSSES.copy())
    written_into(losses, example("loss.md", "python"))
    truth = (torch.arange(2 * 64).reshape(1, 2, 4, 4, 4) % 3 == 0).float()
    valid = torch.ones_like(truth, dtype=torch.bool)
    right, wrong = (
        losses.partial_label_loss(sign * 20 * (2 * truth - 1), truth, valid, {"tversky": 1.0})
        for sign in (1, -1)
    )
    assert right == pytest.approx(0, abs=1e-3)
    assert wrong == pytest.approx(1, abs=1e-3)
    monkeypatch.setattr("lacaf.params.train.LOSSES", losses.LOSSES)
    assert with_changes("loss.md").train.recipe("tversky").loss == {"bce": 1.0, "tversky": 1.0}


def test_a_coding_is_data() -> None:
    codings = with_changes("coding.md").all_codings()
    assert codings["ours"].values == {10: "artery", 20: "vein", 30: "other"}
    assert {"two_files", "contours", "artery1_vein2"} <= set(codings)


def test_experiments_change_one_thing_each() -> None:
    params = with_changes("compare.md")
    assert len(params.runs()) == 15
    assert params.train.recipe("entropy").loss == {"bce": 1.0}


def test_a_class_is_a_row() -> None:
    row = eval(example("class.md", "python"), {"Class": Class})
    assert (row.value, row.side, row.mirror) == (5, "", row.name)
