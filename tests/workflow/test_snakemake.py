"""`snakemake` alone: end to end, nothing twice, bad input stopped or set aside."""

import csv
import json
import re
from pathlib import Path

import pytest
import yaml
from project import NEW_ROW, TABLE, Project

from lacaf import volume

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(project: Project) -> Project:
    """The project after a plain `snakemake`."""
    project.run("snakemake")
    return project


def test_it_makes_scores_and_a_page(finished: Project) -> None:
    with (finished.folder / "data/evaluate/scores.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    dsc = {r["subject"]: r for r in rows if r["metric"] == "dsc" and r["against"] == "truth"}
    assert {"left_artery", "left_vein", "right_artery", "right_vein"} <= set(dsc)
    assert all(0 <= float(row["value"]) <= 1 for row in dsc.values())
    assert (finished.folder / "reports/index.html").stat().st_size > 10_000


def test_every_rule_has_a_log_and_a_benchmark(finished: Project) -> None:
    logs = finished.folder / "logs"
    for job in (
        "phantom/phantom001",
        "convert/phantom001",
        "crop/phantom001",
        "embed/onehot-paper",
        "harmonize/phantom001",
        "train/lacaf-s0",
        "infer/lacaf-s0/phantom003",
        "evaluate/lacaf-s0/phantom003",
        "evaluate/summarize",
        "report",
    ):
        assert (logs / f"{job}.log").exists(), job
        assert (logs / "benchmarks" / f"{job}.tsv").exists(), job


def test_a_second_run_has_nothing_to_do(finished: Project) -> None:
    assert "Nothing to be done" in finished.run("snakemake", "-n")


def planned(answer: str, rule: str) -> list[str]:
    """The wildcards of the jobs of a rule that a dry run plans."""
    parts = re.split(r"^(?:localrule|rule|checkpoint) ", answer, flags=re.MULTILINE)
    found = [part for part in parts[1:] if part.startswith(f"{rule}:")]
    return sorted(re.search(r"wildcards: (.*)", part).group(1) for part in found)


def test_an_experiment_is_what_it_changes_and_changing_it_retrains_it_alone(
    finished: Project,
) -> None:
    path = finished.folder / "params.yaml"
    before = path.read_text()
    finished.change_params(
        lambda params: params["train"]["experiments"].update(fast={"learning_rate": 0.05})
    )
    plan = finished.run("snakemake", "-n", "train")
    path.write_text(before)
    assert planned(plan, "train_model") == ["experiment=fast, seed=0"]


def test_prompts_are_data_of_an_experiment(finished: Project) -> None:
    """Another set of prompts is one more embedding; the models of the first are left alone."""
    path = finished.folder / "params.yaml"
    before = path.read_text()

    def change(params: dict) -> None:
        params["embed"]["prompts"]["plain"] = "{class}"
        params["train"]["experiments"]["named"] = {"prompts": "plain"}

    finished.change_params(change)
    plan = finished.run("snakemake", "-n", "train")
    path.write_text(before)
    assert planned(plan, "embed_prompts") == ["encoder=onehot, prompts=plain"]
    assert planned(plan, "train_model") == ["experiment=named, seed=0"]


@pytest.mark.parametrize(
    ("old", "new", "cases"),
    [
        ("artery1_vein2:", "mine:\n  values: {7: artery}\nartery1_vein2:", []),
        ("veins 1, arteries 2", "another way to tell it", []),
        ("# What anybody may have", "# a comment", []),
        ("{1: vein, 2: artery}\nfour", "{1: vein, 2: artery, 3: other}\nfour", ["phantom002"]),
    ],
    ids=["one more", "told otherwise", "a comment", "a value more"],
)
def test_a_changed_coding_redoes_the_cases_that_use_it(
    finished: Project, old: str, new: str, cases: list[str]
) -> None:
    path = finished.folder / "src/lacaf/codings.yaml"
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    plan = finished.run("snakemake", "-n", "harmonize", "embed")
    path.write_text(before)
    for stage in ("phantom", "convert", "crop", "harmonize"):
        assert planned(plan, f"{stage}_case") == [f"case={case}" for case in cases]
    assert planned(plan, "embed_prompts") == []


def test_training_changes_leave_the_data_stages_alone(finished: Project) -> None:
    finished.change_params(lambda params: params["train"].update(learning_rate=0.003))
    plan = finished.run("snakemake", "-n")
    finished.change_params(lambda params: params["train"].update(learning_rate=0.002))
    assert "train_model" in plan
    assert "infer_case" in plan
    assert "convert_case" not in plan
    assert "harmonize_case" not in plan


def test_a_new_case_is_one_job_a_stage(finished: Project) -> None:
    table = finished.folder / "data/cases.csv"
    table.write_text(TABLE + NEW_ROW)
    plan = finished.run("snakemake", "-n", "harmonize")
    table.write_text(TABLE)
    jobs = dict(line.split() for line in plan.splitlines() if "_case " in line)
    assert {jobs[f"{stage}_case"] for stage in ("phantom", "convert", "crop", "harmonize")} == {"1"}


def test_a_broken_case_is_refused_and_the_cohort_goes_on(finished: Project) -> None:
    broken = finished.folder / "data/raw/broken"
    broken.mkdir(parents=True)
    (broken / "scan.nii.gz").write_bytes(b"this is no image")
    row = "broken1,p9,data/raw/broken/scan.nii.gz,,,,predict\n"
    table = finished.folder / "data/cases.csv"
    table.write_text(TABLE + row)
    finished.run("snakemake")
    record = json.loads(
        (finished.folder / "data/infer/lacaf-s0/broken1/prediction.json").read_text()
    )
    assert record["status"] == "refused"
    assert record["refusal"]["stage"] == "convert"
    assert all(record["refusal"][key] for key in ("finding", "expectation", "remedy"))
    assert not list((finished.folder / "data/convert/broken1").glob("*.nii.gz"))
    assert "broken1" in (finished.folder / "reports/index.html").read_text()
    table.write_text(TABLE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["train"].update(learning_rat=1), "train.learning_rat"),
        (lambda p: p["crop"].update(spacing_mm=-1), "crop.spacing_mm"),
    ],
)
def test_bad_parameters_stop_the_run(finished: Project, change, message: str) -> None:
    path = finished.folder / "params.yaml"
    before = path.read_text()
    finished.change_params(change)
    answer = finished.run("snakemake", "-n", fails=True)
    path.write_text(before)
    assert message in answer
    assert "Traceback" not in answer


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE + TABLE.splitlines()[1] + "\n", "earlier row"),
        (TABLE.replace("p3", "p1"), "is in train and test"),
        (TABLE.replace("vein1_artery2", "vein1_artery7"), "unknown; known are"),
        (TABLE + "case9,p9,data/raw/nowhere,,,,predict\n", "does not exist; correct the path"),
    ],
)
def test_a_broken_table_stops_the_run(finished: Project, table: str, message: str) -> None:
    path = finished.folder / "data/cases.csv"
    path.write_text(table)
    answer = finished.run("snakemake", "-n", fails=True)
    path.write_text(TABLE)
    assert message in answer


def test_an_override_on_the_command_line_is_refused(finished: Project) -> None:
    answer = finished.run("snakemake", "-n", "--config", "crop={spacing_mm: 3}", fails=True)
    assert "change params.yaml instead" in answer


def test_no_fake_patient_data_leaves_the_raw_folder(finished: Project) -> None:
    import pydicom

    identities = set()
    for path in (finished.folder / "data/raw").glob("phantom*/dicom/**/*"):
        if path.is_file():
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            for keyword in (
                "PatientName",
                "PatientID",
                "PatientBirthDate",
                "AccessionNumber",
                "StudyInstanceUID",
                "SeriesInstanceUID",
                "InstitutionName",
            ):
                if header.get(keyword):
                    identities.add(str(header.get(keyword)).encode())
    assert len(identities) > 10
    outputs = [finished.folder / name for name in ("data", "logs", "reports", "mlruns")]
    files = [p for top in outputs for p in top.rglob("*") if p.is_file() and "raw" not in p.parts]
    files.append(finished.folder / "mlflow.db")
    for file in files:
        content = _plain(file)
        assert not [i for i in identities if i in content], file


def _plain(file) -> bytes:
    import gzip

    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


REAL_TABLE = """\
case,patient,source,labels,coding,labelled_side,split
lowdose,r1,{0}/nlst-101287/dicom,,,,predict
tumour,r2,{0}/lung1-rtstruct/LUNG1-001_20180209_CT.tar.xz,,,,predict
coarse,r3,{0}/cip-10002K/ct-64.nrrd,,,,predict
"""


def test_real_scans_are_segmented_with_the_model_in_a_folder_of_their_own(
    finished: Project, real_data: Path
) -> None:
    here = finished.folder / "real"
    (here / "data").mkdir(parents=True)
    (here / "data/cases.csv").write_text(REAL_TABLE.format(real_data.resolve()))
    params = yaml.safe_load((finished.folder / "params.yaml").read_text())
    params["train"]["experiments"] = {}
    params["infer"]["models"] = {"demo": "../data/train/lacaf-s0"}
    (here / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    finished.run("snakemake", "--snakefile", "Snakefile", "--directory", "real")
    page = (here / "reports/index.html").read_text()
    for case in ("lowdose", "tumour", "coarse"):
        record = json.loads((here / f"data/infer/demo/{case}/prediction.json").read_text())
        assert record["status"] == "ok", record
        labels = volume.read_grid(here / f"data/infer/demo/{case}/labels.nii.gz")
        assert labels.same_as(volume.read_grid(here / f"data/convert/{case}/image.nii.gz"))
        assert case in page


def test_mlflow_has_a_named_run_with_curves_scores_and_a_model(finished: Project) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{finished.folder / 'mlflow.db'}")
    runs = mlflow.search_runs(experiment_names=["lacaf"], output_format="list")
    run = runs[0]
    assert run.info.run_name == "lacaf-s0"
    assert run.info.status == "FINISHED"
    assert run.data.params["train.learning_rate"] == "0.002"
    assert run.data.params["prompt.left_artery"].startswith("A computerized tomography")
    assert run.data.tags["embedding_hash"]
    assert run.data.tags["git_commit"]
    assert {"train_loss", "truth.dsc"} <= set(run.data.metrics)
    assert run.inputs.dataset_inputs[0].dataset.digest
    signature = mlflow.models.get_model_info(
        run.outputs.model_outputs[0].model_id and f"models:/{run.outputs.model_outputs[0].model_id}"
    ).signature
    assert "logits" in str(signature)


def test_lint_and_rulegraph(finished: Project) -> None:
    finished.run("snakemake", "--lint")
    assert "digraph" in finished.run("snakemake", "--rulegraph")
