"""A training of the pipeline that is killed, or asked to stop, goes on: one run, the same model."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from project import make_project

STEPS, EVERY = 12, 4


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose cases are prepared; nothing is trained."""
    project = make_project(tmp_path_factory.mktemp("project"))

    def more_steps(params):
        params["train"] |= {"steps": STEPS, "validate_every": EVERY, "batch": 2}
        params["train"] |= {"early": {"patch": [16, 16, 16], "batch": 2, "steps": 6}}
        params["train"] |= {
            "experiments": {name: {} for name in ("whole", "killed", "asked", "two")}
        }

    project.change_params(more_steps)
    project.run("snakemake", "prepare", "embed")
    project.run("snakemake", "data/train/whole-s0/model.json")
    return project


def begin(project, experiment, *options):
    """A training that keeps a checkpoint of every step, and is on its way."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lacaf", "train", experiment, "--save-every", "0", *options],
        cwd=project.folder,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")},
            "PYTHONPATH": str(project.folder / "src"),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = project.folder / "data" / "checkpoints" / f"{experiment}-s0.pt"
    first = None
    while process.poll() is None:  # the first checkpoint is of step 0, the third of step 2
        here = log.stat().st_mtime_ns if log.exists() else None
        first = first or here
        if here != first:
            return process
        time.sleep(0.01)
    raise AssertionError(process.stdout.read())


def runs(project, experiment):
    """Runs of MLflow by that experiment: status and the steps at which the loss was logged."""
    script = (
        "import json, mlflow; from lacaf import tracking; tracking.store();"
        "client = mlflow.MlflowClient();"
        "print(json.dumps([[r.info.status, [m.step for m in client.get_metric_history("
        "r.info.run_id, 'train_loss')]] for r in mlflow.search_runs(output_format='list',"
        f"filter_string=\"attributes.run_name = '{experiment}-s0'\")]))"
    )
    return json.loads(project.run(sys.executable, "-c", script).splitlines()[-1])


def same_as_whole(project, experiment):
    """The model of another experiment with the very same keys."""
    whole, other = (project.folder / "data" / "train" / f"{n}-s0" for n in ("whole", experiment))
    assert (whole / "model.pt").read_bytes() == (other / "model.pt").read_bytes()


def test_a_store_that_lacks_the_run_gets_a_new_one(project, monkeypatch, tmp_path):
    """The checkpoint was carried elsewhere, or the run was deleted."""
    from mlflow import MlflowClient

    from lacaf import tracking

    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with tracking.run("mine", {"a": 1}, {}, "digest", "f" * 32) as tracker:
        first = tracker.run_id
    with tracking.run("mine", {"a": 2}, {}, "digest", first) as tracker:  # a may not change there
        assert tracker.run_id == first
    MlflowClient().delete_run(first)
    with tracking.run("mine", {"a": 1}, {}, "digest", first) as tracker:
        assert tracker.run_id not in (first, "f" * 32)


def test_labels_that_changed_since_a_case_was_prepared_are_told(project):
    """Snakemake prepares it again; who trains by hand must not learn from old labels."""
    path = project.folder / "data" / "harmonize" / "phantom001" / "coverage.json"
    before = path.read_text()
    path.write_text(before + " ")
    try:
        told = project.run("lacaf", "train", "whole", fails=True)
    finally:
        path.write_text(before)
    assert "phantom001 was prepared before harmonize changed; run `snakemake prepare`" in told


ALL = list(range(EVERY, STEPS + 1, EVERY))


def test_killed_it_goes_on_as_the_same_run(project):
    process = begin(project, "killed")
    process.kill()
    process.wait()
    assert runs(project, "killed")[0][0] == "RUNNING"  # it had no time to say otherwise
    project.run("snakemake", "data/train/killed-s0/model.json")
    log = (project.folder / "logs" / "train" / "killed-s0.log").read_text()
    assert "going on after step" in log
    assert runs(project, "killed") == [["FINISHED", ALL]]
    same_as_whole(project, "killed")
    assert not list((project.folder / "data" / "checkpoints").glob("killed*"))


def test_asked_to_stop_it_says_so_and_goes_on_as_the_same_run(project):
    process = begin(project, "asked")
    process.send_signal(signal.SIGTERM)
    output = process.communicate()[0]
    assert process.returncode == 143
    assert "asked to stop after step" in output
    assert "Traceback" not in output
    assert runs(project, "asked")[0][0] == "KILLED"
    project.run("snakemake", "data/train/asked-s0/model.json")
    assert runs(project, "asked") == [["FINISHED", ALL]]
    same_as_whole(project, "asked")


def test_two_processes_on_one_machine_are_one_command(project):
    project.run("lacaf", "train", "two", "--processes", "2")
    losses = [
        (project.folder / "data" / "train" / f"{name}-s0" / "history.csv").read_text().splitlines()
        for name in ("whole", "two")
    ]
    for one, two in zip(*(rows[1:] for rows in losses), strict=True):
        assert float(one.split(",")[1]) == pytest.approx(float(two.split(",")[1]), rel=1e-3)
    assert runs(project, "two") == [["FINISHED", ALL]]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_two_processes_that_are_asked_to_stop_both_save_and_go(project, number):
    """A cluster's signals reach the one command; none of what it started may stay."""
    (project.folder / "data" / "checkpoints" / "two-s0.pt").unlink(missing_ok=True)
    process = begin(project, "two", "--processes", "2")
    process.send_signal(number)
    output = process.communicate(timeout=120)[0]  # it ends when nobody can write there any more
    assert process.returncode == 1  # torchrun's own
    assert "asked to stop after step" in output
    process = begin(project, "two")
    process.send_signal(signal.SIGTERM)
    assert "going on after step" in process.communicate()[0]


def test_the_test_case_was_not_so_much_as_laid_out(project):
    prepared = {path.name for path in (project.folder / "data" / "prepare").iterdir()}
    assert prepared == {"phantom001", "phantom002"}


def test_a_cache_that_is_gone_makes_nothing_stale(project):
    import shutil

    shutil.rmtree(project.folder / "data" / "prepare")
    assert "Nothing to be done" in project.run("snakemake", "-n", "data/train/whole-s0/model.json")
