"""`dvc metrics diff`, MLflow and summary.json show the same numbers, before and after a change."""

import json
import shutil
import sqlite3

import numpy as np
import pytest
from project import REPOSITORY, Project, commit

from lacaf import files
from lacaf.evaluate import evaluate
from lacaf.evaluate.summary import headlines
from lacaf.params.whole import load
from lacaf.volume import Volume, write

TABLE = """\
case,patient,source,labels,coding,labelled_side,split
case001,p1,data/raw/case001,data/raw/case001.nii.gz,four_classes,both,test
case002,p2,data/raw/case002,data/raw/case002.nii.gz,four_classes,left,test
"""
RUNS = ("lacaf-s0", "unet-s0")
STATES = dict.fromkeys(("left_artery", "left_vein"), "labelled")
OPEN_RUNS = (
    "from lacaf import tracking\n"
    f"for name in {RUNS}:\n"
    "    with tracking.run(name, {}, {}, 'digest') as tracker:\n"
    "        print(tracker.run_id)\n"
)


@pytest.fixture
def project(tmp_path):
    """A project whose two models are trained; real DVC, real MLflow store."""
    made = Project(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "reports").mkdir()
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copy(REPOSITORY / "params" / "demo.yaml", tmp_path / "params.yaml")
    (tmp_path / "data" / "cases.csv").write_text(TABLE)
    ids = made.run("python", "-c", OPEN_RUNS, PYTHONPATH="").split()[-len(RUNS) :]
    for run, run_id in zip(RUNS, ids, strict=True):
        folder = tmp_path / "data" / "train" / run
        files.write_json(folder / "model.json", {"mlflow_run_id": run_id})
        files.write_text(folder / "history.csv", "step,train_loss,val_dice\n1,0.5,0.4\n")
    made.run("git", "init", "-q")
    made.run("dvc", "init", "-q")
    return made


def evaluated(project, grid, labels, shift):
    """Score both cases for both runs; the predictions are the labels, moved."""
    half = labels.copy()
    half[:, :, :30] = 255
    for number, run in enumerate(RUNS):
        for case, known, states in (("case001", labels, None), ("case002", half, STATES)):
            paths = [project.folder / f"{name}.nii.gz" for name in ("prediction", "reference")]
            moved = np.roll(labels, shift + number, axis=2)
            for path, array in zip(paths, (moved, known), strict=True):
                write(Volume(array, grid), path)
            details = evaluate(*paths, states, load(project.folder / "params.yaml").evaluate)
            record = {"case": case, "stage": "evaluate", "status": "ok", **details}
            folder = project.folder / "data" / "evaluate" / run / case
            files.write_json(folder / "scores.json", record)
    project.run("lacaf", "summarize", PYTHONPATH="")


def summarized(project):
    """Headline numbers as summary.json has them: (run, against, name) → mean."""
    summary = json.loads((project.folder / "data/evaluate/summary.json").read_text())
    names = headlines(load(project.folder / "params.yaml").evaluate)
    return {
        (run, against, name): subjects[subject][metric]["mean"]
        for run, about in summary.items()
        for against, subjects in about["against"].items()
        for name, (subject, metric) in names.items()
    }


def in_mlflow(project):
    """The latest value of each metric, read from the store itself."""
    with sqlite3.connect(project.folder / "mlflow.db") as store:
        rows = store.execute(
            "select r.name, m.key, m.value from latest_metrics m "
            "join runs r on r.run_uuid = m.run_uuid"
        ).fetchall()
    return {(run, *key.split(".", 1)): value for run, key, value in rows}


def differences(project):
    """What ``dvc metrics diff`` shows of the headline numbers: key → (old, new)."""
    shown = json.loads(project.run("dvc", "metrics", "diff", "--json", "--all"))
    found = {}
    for key, change in shown["reports/metrics.json"].items():
        run, against, name = key.split(".", 2)
        found[run, against, name] = (change["old"], change["new"])
    return found


def test_three_places_show_the_same_numbers(project, grid, labels):
    evaluated(project, grid, labels, shift=1)
    before = summarized(project)
    commit(project, "before")
    evaluated(project, grid, labels, shift=2)
    after = summarized(project)
    assert before != after
    known = {key for key, value in after.items() if value is not None}
    assert {key[2] for key in known} >= {"dsc", "nsd_1mm", "assd_mm", "tree_detected"}

    logged = in_mlflow(project)
    assert logged.keys() == known
    shown = differences(project)
    assert shown.keys() == after.keys()
    for key in known:
        assert logged[key] == after[key]
        assert shown[key] == (before[key], after[key])
