"""What Git must never take, wherever a project lies below the clone."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def ignored(path: str) -> bool:
    asked = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, capture_output=True)
    if asked.returncode == 128:
        pytest.skip("this is no clone: Git has nothing to say")
    return asked.returncode == 0


@pytest.mark.parametrize("project", ["", "real/", "tutorial/", "a/b/"])
@pytest.mark.parametrize(
    "path",
    [
        "data/raw/c1/IM1", "data/truth/c1/labels.nii.gz", "data/convert/c1/image.nii.gz",
        "data/crop/c1/box.json", "data/harmonize/c1/labels.nii.gz", "data/train/a-s0/model.pt",
        "data/infer/a-s0/c1/labels.nii.gz", "data/evaluate/scores.csv", "data/embed/x/y/z.json",
        "data/nnunet/Dataset501_A/imagesTr/c1_0000.nii.gz",
        "reports/index.html", "reports/cases/c1.html", "logs/convert/c1.log", "mlflow.db",
        "mlruns/0/x", ".snakemake/log/x",
    ],
)  # fmt: skip
def test_what_may_hold_a_patients_data_is_ignored(project, path):
    assert ignored(project + path)


@pytest.mark.parametrize(
    "path", ["data/cases.csv", "params.yaml", "dvc.lock", "reports/metrics.json", "docs/report.md"]
)
def test_what_describes_a_project_is_not(path):
    assert not ignored(path)
