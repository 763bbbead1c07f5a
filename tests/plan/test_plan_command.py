"""`lacaf plan`: prints, and writes only what it is asked to."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner
from whole_cohort import lay_out_whole

from lacaf.cli import app
from lacaf.fault import Unwritable
from lacaf.params import whole

REPOSITORY = Path(__file__).parents[2]
HEAD = "case,patient,source,labels,coding,labelled_side,split\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    splits = {"a": "train", "b": "train", "c": "val", "d": "test"}
    lay_out_whole(Path("data"), splits, {"b": 2})
    rows = [f"{c},{c},ct/{c},labels/{c},four_classes,both,{split}\n" for c, split in splits.items()]
    Path("data/cases.csv").write_text(HEAD + "".join(rows))
    shutil.copy(REPOSITORY / "params" / "demo.yaml", "params.yaml")
    return tmp_path


def plan(*options):
    answer = CliRunner().invoke(
        app, ["plan", "--memory", "24", "--hours", "2", *options], catch_exceptions=True
    )
    if answer.exception and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_it_tells_the_cohort_the_proposal_and_how_sure_it_is_and_writes_nothing(project):
    before = sorted(project.rglob("*"))
    told = plan()
    assert "Cases: 3 (2 train, 1 val); 2 full, 1 half." in told
    assert "Not opened: 1 of test or predict." in told
    assert "train.patch: [" in told
    assert "experiment unet has its own" not in told
    assert "may be off by a factor of three" in told
    assert "\x1b" not in told
    assert "reading cases" not in told
    assert sorted(project.rglob("*")) == before


def test_what_it_writes_is_a_whole_file_that_loads(project):
    told = plan("--write", "params/mine.yaml", "--step-seconds", "0.5")
    assert "cp params/mine.yaml params.yaml" in told
    written = whole.load(Path("params/mine.yaml"))
    assert written.train.early.steps == 0
    assert f"train.steps: {written.train.steps} " in told
    assert written.train.experiments == whole.load().train.experiments


def test_a_file_that_is_there_is_not_overwritten_unless_forced(project):
    with pytest.raises(Unwritable, match="there already"):
        plan("--write", "params.yaml")
    plan("--write", "params.yaml", "--force")
    assert whole.load().train.early.steps == 0


def test_a_cpu_is_timed_here(project):
    told = plan("--device", "cpu", "--network", "unet")
    assert "as in a small step on this machine" in told
    assert "Memory of unet: counted on the network, tensor by tensor; times" in told


def test_an_experiment_that_has_a_key_of_its_own_is_named(project):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("encoder: null}", "encoder: null, width: 4}"))
    assert "experiment unet has its own width: 4" in plan()


@pytest.mark.parametrize(("option", "value"), [("--network", "resnet"), ("--device", "tpu")])
def test_an_unknown_network_or_device_is_told(project, option, value):
    answer = CliRunner().invoke(app, ["plan", "--memory", "24", "--hours", "2", option, value])
    assert answer.exit_code == 2
    assert value in answer.output
