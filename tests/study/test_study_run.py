"""A study from end to end on three small phantoms, through Snakemake."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from project import REPOSITORY, Project, make_project

from lacaf.params import whole

pytestmark = pytest.mark.slow


def small(params: dict) -> None:
    own = {"lacaf": {}, "unet": {"network": "unet", "encoder": None}}
    tables = {"networks": {"against": "unet", "experiments": ["unet", "lacaf"]}}
    params["study"] = {"seeds": [0, 1], "experiments": own, "tables": tables}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("project"))
    project.change_params(small)
    project.run("snakemake", "study")
    return project


def test_the_whole_study_is_planned(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    shutil.copy(REPOSITORY / "params/study.yaml", project.folder / "params.yaml")
    shutil.copy(REPOSITORY / "params/study_cases.csv", project.folder / "data/cases.csv")
    plan = project.run("snakemake", "-n", "study", "--quiet", "rules")
    jobs = dict(line.split() for line in plan.splitlines() if line.startswith("study_"))
    study = whole.load(REPOSITORY / "params/study.yaml").study
    runs = len(study.experiments) * len(study.seeds)
    assert jobs == {"study_run": str(runs), "study_tables": "1"}


def test_each_run_leaves_a_model_and_a_row_a_test_case(finished: Project) -> None:
    for run in ("lacaf-s0", "lacaf-s1", "unet-s0", "unet-s1"):
        folder = finished.folder / "data/study" / run
        assert {"model.pt", "model.json", "history.csv"} < {p.name for p in folder.iterdir()}
        with (folder / "scores.csv").open() as handle:
            [row] = csv.DictReader(handle)
        assert (row["case"], row["against"]) == ("phantom003", "truth")
        assert 0 <= float(row["dsc"]) <= 1


def test_no_label_volume_and_no_checkpoint_is_left(finished: Project) -> None:
    assert list((finished.folder / "data/study").rglob("*.nii.gz")) == []
    assert list((finished.folder / "data/checkpoints/study").glob("*.pt")) == []


def test_tables_and_page_are_there_and_say_that_one_patient_is_too_few(finished: Project) -> None:
    folder = finished.folder / "data/study"
    assert {p.name for p in (folder / "tables").glob("[!.]*")} == {
        f"{name}.{ending}"
        for name in ("networks", "networks_differences")
        for ending in ("csv", "md", "tex")
    }
    assert "1 patient is too few" in (folder / "study.md").read_text()
    assert "Study" in (finished.folder / "reports/study.html").read_text()


def test_there_is_nothing_to_do_twice_and_plain_snakemake_asks_for_no_study(
    finished: Project,
) -> None:
    assert "Nothing to be done" in finished.run("snakemake", "-n", "study")
    assert "study_run" not in finished.run("snakemake", "-n")


def test_a_model_that_is_there_is_scored_again_and_not_trained_again(finished: Project) -> None:
    model = finished.folder / "data/study/unet-s1/model.pt"
    before = model.stat().st_mtime_ns
    told = finished.run("lacaf", "study", "run", "unet", "--seed", "1")
    assert "unet-s1: the model is there" in told
    assert model.stat().st_mtime_ns == before


def test_another_recipe_is_trained_anew_and_alone(finished: Project) -> None:
    path = finished.folder / "params.yaml"
    before = path.read_text()
    own = {"experiments": {"lacaf": {}, "unet": {"network": "unet", "encoder": None, "steps": 3}}}
    finished.change_params(lambda params: params["study"].update(own))
    plan = finished.run("snakemake", "-n", "study")
    path.write_text(before)
    assert plan.count("rule study_run:") == 2
    assert "experiment=lacaf" not in plan


def test_mlflow_has_the_runs_under_one(finished: Project) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{finished.folder / 'mlflow.db'}")
    runs = mlflow.search_runs(experiment_names=["lacaf"], output_format="list")
    [parent] = [run for run in runs if "study" in run.data.tags]
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {r.info.run_name for r in children} == {"lacaf-s0", "lacaf-s1", "unet-s0", "unet-s1"}
    assert all("test.dsc" in run.data.metrics for run in children)
    assert parent.info.status == "FINISHED"
    kept = {item.path for item in mlflow.MlflowClient().list_artifacts(parent.info.run_id)}
    assert {"tables.csv", "study.html", "figures"} <= kept


def test_an_unknown_experiment_is_told(finished: Project) -> None:
    told = finished.run("lacaf", "study", "run", "unett", fails=True)
    assert "study.experiments has no 'unett'; it has lacaf, unet" in told


def test_the_record_says_with_what_it_was_scored(finished: Project) -> None:
    folder = finished.folder / "data/study/lacaf-s0"
    record, model = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("scores", "model")
    )
    assert record["weights_sha256"] == model["weights_sha256"]
    assert record["refused"] == {}


def test_scores_of_another_model_are_not_shown(finished: Project) -> None:
    path = finished.folder / "data/study/unet-s0/scores.json"
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | {"weights_sha256": "0" * 64}))
    told = finished.run("lacaf", "study", "tables", fails=True)
    path.write_text(before)
    assert "run `lacaf study run unet --seed 0` first" in told
