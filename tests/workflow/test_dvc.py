"""`dvc repro`: just what changed, with every cache type, in any clone."""

import json
import shutil
from pathlib import Path

import pytest
from project import NEW_ROW, TABLE, Project, commit

pytestmark = pytest.mark.slow
DATA_STAGES = ("convert", "crop", "harmonize")


@pytest.fixture(scope="module")
def reproduced(project: Project) -> Project:
    """The project after `git init`, `dvc init` and a first `dvc repro`."""
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    project.run("dvc", "config", "core.analytics", "false")
    project.run("dvc", "remote", "add", "-d", "store", str(project.folder.parent / "store"))
    project.run("dvc", "repro")
    commit(project, "first")
    return project


def test_a_second_repro_does_nothing(reproduced: Project) -> None:
    assert "Running stage" not in reproduced.run("dvc", "repro")


def test_metrics_and_plots_are_shown(reproduced: Project) -> None:
    metrics = json.loads(reproduced.run("dvc", "metrics", "show", "--json"))
    shown = metrics[""]["data"]["reports/metrics.json"]["data"]
    assert 0 <= shown["lacaf-s0"]["truth"]["dsc"] <= 1
    reproduced.run("dvc", "plots", "show", "-o", "plots")
    assert (reproduced.folder / "plots/index.html").exists()
    shutil.rmtree(reproduced.folder / "plots")


def test_training_changes_redo_training_and_what_follows(reproduced: Project) -> None:
    before = reproduced.times("logs/[chp]*/*.log")
    model = (reproduced.folder / "data/train/lacaf-s0/model.pt").read_bytes()
    reproduced.change_params(lambda params: params["train"].update(learning_rate=0.003))
    reproduced.run("dvc", "repro")
    assert reproduced.times("logs/[chp]*/*.log") == before
    assert (reproduced.folder / "data/train/lacaf-s0/model.pt").read_bytes() != model
    assert "learning_rate" in reproduced.run("dvc", "params", "diff")


def test_a_clone_has_nothing_to_do_after_pull(reproduced: Project, tmp_path: Path) -> None:
    commit(reproduced, "second")
    reproduced.run("dvc", "push")
    reproduced.run("git", "clone", "-q", str(reproduced.folder), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.run("dvc", "pull")
    assert clone.run("dvc", "status", "--json").strip() == "{}"
    clone.run("snakemake", "--touch", "--cores", "all", "all")
    assert "Running stage" not in clone.run("dvc", "repro")
    assert "Nothing to be done" in clone.run("snakemake", "-n")


@pytest.mark.parametrize("cache_type", ["copy", "hardlink", "symlink"])
def test_a_new_case_is_one_job_a_stage(reproduced: Project, cache_type: str) -> None:
    reproduced.run("dvc", "config", "cache.type", cache_type)
    reproduced.run("dvc", "checkout", "--relink")
    before = reproduced.times("logs/[chp]*/*.log")
    table = reproduced.folder / "data/cases.csv"
    table.write_text(TABLE + NEW_ROW)
    reproduced.run("dvc", "repro", "harmonize")
    changed = {
        name
        for name, time in reproduced.times("logs/[chp]*/*.log").items()
        if before.get(name) != time
    }
    assert changed == {f"logs/{stage}/phantom004.log" for stage in ("phantom", *DATA_STAGES)}
    table.write_text(TABLE)
    reproduced.run("dvc", "repro", "harmonize")
    assert not (reproduced.folder / "data/crop/phantom004").exists()
    for log in reproduced.folder.glob("logs/*/phantom004.log"):
        log.unlink()


@pytest.mark.parametrize("cache_type", ["copy", "hardlink", "symlink"])
def test_an_experiment_elsewhere_never_keeps_an_old_result(
    reproduced: Project, cache_type: str
) -> None:
    """In a temporary workspace nothing but contents can tell old from new."""
    reproduced.run("dvc", "config", "cache.type", cache_type)
    reproduced.run("dvc", "checkout", "--relink")
    old = json.loads((reproduced.folder / "data/crop/phantom001/box.json").read_text())
    commit(reproduced, f"before an experiment with {cache_type}")
    name = f"coarse-{cache_type}"
    reproduced.run("dvc", "exp", "run", "--temp", "-n", name, "-S", "crop.spacing_mm=5.0", "crop")
    experiments = reproduced.run("git", "for-each-ref", "--format=%(refname) %(objectname)")
    (revision,) = [line.split()[1] for line in experiments.splitlines() if f"/{name} " in line]
    path = "data/crop/phantom001/box.json"
    reproduced.run("dvc", "get", ".", path, "--rev", revision, "-o", f"{name}.json")
    new = json.loads((reproduced.folder / f"{name}.json").read_text())
    (reproduced.folder / f"{name}.json").unlink()
    assert new["made_from"]["params"] != old["made_from"]["params"]
    assert max(new["working"]["shape_zyx"]) < max(old["working"]["shape_zyx"])


def test_after_plain_snakemake_dvc_commit_records_everything(reproduced: Project) -> None:
    reproduced.change_params(lambda params: params["evaluate"].update(bootstrap=500))
    reproduced.run("snakemake")
    reproduced.run("dvc", "commit", "-f")
    assert reproduced.run("dvc", "status", "--json").strip() == "{}"
