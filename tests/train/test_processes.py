"""Several processes, parts of a batch and reading workers: the training of one, to rounding."""

import pytest
from trainings import history, run, together
from tubes import lay_out

from lacaf.train.failures import TrainingFailed
from lacaf.train.processes import given

SPLITS = {"full": "train", "half": "train", "other": "train", "check": "val", "second": "val"}
PLAN = {
    "steps": 6, "validate_every": 3, "batch": 4,
    "early": {"patch": [8, 8, 8], "batch": 6, "steps": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    return folder, lay_out(folder / "data", SPLITS, {"half": 2})


@pytest.fixture(scope="module")
def alone(project):
    return history(run(project, name="alone", **PLAN)[1])


def same(rows, others):
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    for row, other in zip(rows, others, strict=True):
        for key in set(row) - {"seconds"}:
            assert float(row[key]) == pytest.approx(float(other[key]), rel=2e-3, abs=2e-3), key
        assert float(row["train_loss"]) == pytest.approx(float(other["train_loss"]), rel=1e-5)


def test_two_processes_train_as_one_does(project, alone):
    assert together(project, 2, name="two", **PLAN) == [0, 0]
    same(history(project[0] / "two"), alone)


def test_a_batch_in_parts_trains_as_a_whole_one(project, alone):
    _, out, _ = run(project, name="parts", **PLAN, accumulate=2)
    same(history(out), alone)


def test_two_processes_in_parts(project, alone):
    assert together(project, 2, name="both", **PLAN, accumulate=2) == [0, 0]
    same(history(project[0] / "both"), alone)


def test_reading_workers_change_no_digit(project, alone):
    _, out, _ = run(project, name="read", machine={"workers": 2}, **PLAN)
    for row, other in zip(history(out), alone, strict=True):
        assert {k: v for k, v in row.items() if k != "seconds"} == {
            k: v for k, v in other.items() if k != "seconds"
        }


def test_processes_that_would_go_on_from_different_steps_do_not(project):
    """One machine has other code, or lacks the shared disk."""
    path = project[0] / "checkpoints" / "apart.pt"
    run(project, name="apart", made_from={"code": "here"}, **PLAN)
    before = path.read_bytes()
    answer = together(
        project, 2, lambda rank: {"made_from": {"code": ["here", "there"][rank]}}, name="apart",
        **PLAN,
    )  # fmt: skip
    assert answer == [1, 1]
    assert (
        "TrainingFailed: the processes would go on from different steps (6, 0)"
        in (project[0] / "apart-0.log").read_text()
    )
    assert path.read_bytes() == before


def test_a_batch_that_the_processes_cannot_share_is_told(project, monkeypatch):
    assert together(project, 2, name="odd", **PLAN | {"batch": 3}) == [1, 1]
    from lacaf.train import stage

    with pytest.raises(TrainingFailed, match=r"train\.batch is 3, which 2 processes cannot share"):
        stage._check_shares(_recipe(batch=3), 2)


def _recipe(**changes):
    from tubes import parameters

    return parameters(changes).train.recipe("plain")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1, 0)),
        ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, (5, 8, 1)),
        ({"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1"}, (3, 4, 1)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0"}, (0, 1, 0)),
    ],
)
def test_who_one_is_is_told_by_torchrun_or_srun(monkeypatch, environment, expected):
    """A batch script knows the tasks of its job, but only srun starts them."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert given() == expected
