"""A training that is stopped, by whatever, goes on as if it had not been."""

import os
import random
import resource
import shutil
import signal
import time

import numpy as np
import pytest
import torch
from trainings import apart, history, run, without_time
from tubes import lay_out

from lacaf.fault import Fault, Unwritable
from lacaf.train import Checkpoint, Stopped, learner, patches
from lacaf.train.failures import TrainingFailed

SPLITS = {"full": "train", "half": "train", "check": "val"}
PLAN = {"steps": 24, "validate_every": 8, "ema": 0.9, "accumulate": 2}
#: A checkpoint after every step.
EVERY_STEP = {"save_every": 0.0}


@pytest.fixture
def project(tmp_path):
    return tmp_path, lay_out(tmp_path / "data", SPLITS, {"half": 2})


@pytest.fixture
def undisturbed(project):
    """History and weights of a training that nothing stopped, and its seconds."""
    begin = time.monotonic()
    _, out, _ = run(project, name="undisturbed", **PLAN)
    return without_time(history(out)), (out / "model.pt").read_bytes(), time.monotonic() - begin


def saved(project, name="model"):
    return Checkpoint(project[0] / "checkpoints" / f"{name}.pt", {}).read()


def saved_step(project):
    content = saved(project)
    return -1 if content is None else content["step"]


def test_killed_at_ten_random_moments_it_gives_the_same_to_the_last_digit(project, undisturbed):
    rows, weights, seconds = undisturbed
    chance = random.Random(0)
    steps = []
    for _ in range(10):
        before = steps[-1] if steps else -1
        process = apart(project, machine=EVERY_STEP, **PLAN)
        while process.is_alive() and saved_step(project) <= before:  # it is on its way
            time.sleep(0.05)  # looking takes a core
        time.sleep(chance.uniform(0, seconds / 30))
        process.kill()
        process.join()
        steps.append(saved_step(project))
    assert steps == sorted(steps)
    assert len(set(steps)) > 5
    _, out, _ = run(project, machine={"workers": 1}, **PLAN)
    assert without_time(history(out)) == rows
    assert (out / "model.pt").read_bytes() == weights


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_asked_to_stop_it_finishes_the_step_saves_and_goes(
    project, undisturbed, number, monkeypatch
):
    taken = learner.Learner.step

    def interrupted(self, step, batches):
        if step == 6:
            os.kill(os.getpid(), number)
        return taken(self, step, batches)

    monkeypatch.setattr(learner.Learner, "step", interrupted)
    with pytest.raises(Stopped, match=r"after step 6 of 24.*goes on from"):
        run(project, **PLAN)
    assert saved(project)["step"] == 6
    monkeypatch.undo()
    _, out, log = run(project, **PLAN)
    assert without_time(history(out)) == undisturbed[0]
    assert list(log.steps) == [8, 16, 24]


def test_workers_finish_the_step_though_they_are_asked_to_stop_too(project, undisturbed):
    """Slurm asks every process of a job."""
    process = apart(project, before=os.setpgrp, machine={"workers": 1, **EVERY_STEP}, **PLAN)
    while not (content := saved(project)) or content["step"] < 2:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 1
    assert 2 <= saved(project)["step"] < 24
    _, out, _ = run(project, **PLAN)
    assert without_time(history(out)) == undisturbed[0]


def test_on_a_full_disk_the_checkpoint_before_survives(project, undisturbed, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("lacaf.train.run.stop_requests", _stop_at(5))
        with pytest.raises(Stopped):
            run(project, machine=EVERY_STEP, **PLAN)
    before = (project[0] / "checkpoints" / "model.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(Unwritable, match=r"of step 6 cannot be written.*before is whole.*room"):
            run(project, machine=EVERY_STEP, **PLAN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (project[0] / "checkpoints" / "model.pt").read_bytes() == before
    assert not list((project[0] / "checkpoints").glob(".*"))
    _, out, _ = run(project, **PLAN)
    assert without_time(history(out)) == undisturbed[0]


def _stop_at(step):
    """Requests to stop of a process that is asked once a step, from that step on."""
    from contextlib import contextmanager

    @contextmanager
    def requests():
        asked = iter(range(1, 1000))
        yield lambda: next(asked) >= step

    return requests


def test_what_was_made_from_something_else_is_not_gone_on_from(project, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr("lacaf.train.run.stop_requests", _stop_at(3))
        with pytest.raises(Stopped):
            run(project, made_from={"recipe": "old", "code": "same"}, **PLAN)
    _, _, log = run(project, made_from={"recipe": "new", "code": "same"}, **PLAN)
    assert "recipe changed); undo that, and it goes on after step 3" in capsys.readouterr().out
    assert list(log.steps) == [8, 16, 24]


def test_who_undoes_a_change_goes_on_where_he_was(project, undisturbed, monkeypatch, capsys):
    """However far what was trained in between has come, of which nothing is lost either."""
    old, new = {"recipe": "old"}, {"recipe": "new"}
    for step, made_from in ((3, old), (5, new)):
        with monkeypatch.context() as patched:
            patched.setattr("lacaf.train.run.stop_requests", _stop_at(step))
            with pytest.raises(Stopped):
                run(project, made_from=made_from, **PLAN)
    for step, made_from in ((3, old), (5, new)):
        capsys.readouterr()
        _, out, _ = run(project, made_from=made_from, **PLAN)
        assert f"going on after step {step} of 24" in capsys.readouterr().out
        assert without_time(history(out)) == undisturbed[0]


def test_a_training_that_ends_leaves_no_checkpoint_of_its_own(tmp_path):
    one, other = (Checkpoint(tmp_path / "model.pt", {"recipe": name}) for name in ("one", "other"))
    one.write({"step": 3})
    assert "step 3" in other.set_aside()
    other.write({"step": 0})
    assert "before it had learnt anything" in one.set_aside()
    other.remove()
    assert one.read()["step"] == 3
    one.remove()
    assert not list(tmp_path.iterdir())


def test_two_trainings_of_one_run_are_not_let_in(tmp_path):
    one, other = (Checkpoint(tmp_path / "checkpoints" / "model.pt", {}) for _ in range(2))
    with one.held():  # noqa: SIM117  the second must fail inside the first
        with pytest.raises(Fault, match="another training keeps"), other.held():
            pass
    with other.held():
        pass


def test_a_tracker_that_fails_stops_no_training(project, undisturbed, monkeypatch, capsys):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("tubes.Log.metrics", full)
    _, out, _ = run(project, **PLAN)
    assert "step 8 could not be logged (OSError)" in capsys.readouterr().out
    assert without_time(history(out)) == undisturbed[0]


def test_a_damaged_checkpoint_says_what_to_do(project):
    path = project[0] / "checkpoints" / "model.pt"
    path.parent.mkdir()
    path.write_bytes(b"half a file")
    with pytest.raises(Fault, match=r"checkpoints/model\.pt cannot be read.*remove it"):
        run(project, **PLAN)


def test_a_loss_that_is_no_number_leaves_the_last_sound_checkpoint(project, monkeypatch):
    real = learner.partial_label_loss
    calls = iter(range(1000))

    def sick(*arguments):
        return real(*arguments) * (float("nan") if next(calls) == 30 else 1.0)

    monkeypatch.setattr(learner, "partial_label_loss", sick)
    with pytest.raises(TrainingFailed, match=r"loss is nan at step 8.*learning_rate"):
        run(project, machine=EVERY_STEP, **PLAN)
    content = saved(project)
    assert content["step"] == 7
    weights = content["learner"]["network"].values()
    assert all(torch.isfinite(w).all() for w in weights)


def test_a_gradient_that_is_no_number_leaves_the_last_sound_checkpoint(project, monkeypatch):
    """Though the loss, computed before it, is sound."""
    real = learner.partial_label_loss
    monkeypatch.setattr(
        learner, "partial_label_loss", lambda *a: real(*a) + (a[0].sum() * 0).sqrt()
    )
    with pytest.raises(TrainingFailed, match="at step 1"):
        run(project, machine=EVERY_STEP, **PLAN)
    content = saved(project)
    assert content["step"] == 0
    assert all(torch.isfinite(w).all() for w in content["learner"]["network"].values())


def test_too_little_memory_is_told_with_what_to_lower(project, monkeypatch):
    monkeypatch.setattr(learner, "partial_label_loss", lambda *_: torch.empty(1 << 50))
    with pytest.raises(TrainingFailed, match=r"memory.*train\.accumulate"):
        run(project, **PLAN)


def test_a_reading_process_that_dies_is_told(project, monkeypatch):
    monkeypatch.setattr(
        patches.Patches, "__getitem__", lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    )
    with pytest.raises(TrainingFailed, match=r"reads patches died.*--workers"):
        run(project, machine={"workers": 1}, **PLAN)


def test_a_damaged_case_is_named(project):
    (project[0] / "data" / "prepare" / "full" / "hu.b2nd").write_bytes(b"half")
    with pytest.raises(Fault, match=r"prepare/full/hu\.b2nd cannot be read"):
        run(project, **PLAN)


def test_a_finished_training_is_only_written_again(project, undisturbed):
    """Killed between its last checkpoint and its model."""
    run(project, **PLAN)
    shutil.copy(project[0] / "model" / "model.pt", project[0] / "first.pt")
    shutil.rmtree(project[0] / "model")
    _, out, log = run(project, **PLAN)
    assert list(log.steps) == [8, 16, 24]  # told again; MLflow's leaves out what it knows
    assert (out / "model.pt").read_bytes() == (project[0] / "first.pt").read_bytes()
    assert np.array_equal(without_time(history(out)), undisturbed[0])
