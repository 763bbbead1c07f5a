"""The command line: a tool of its own, and the stage of a project."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from project import REPOSITORY

from lacaf.classes import CLASSES
from lacaf.files import write_json
from lacaf.grid import Grid
from lacaf.volume import Volume, write


def lacaf(folder, *arguments, code=0):
    """Run the command in an empty folder, without a project."""
    program = Path(sys.executable).parent / "lacaf"
    answer = subprocess.run(
        [program, "evaluate", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert answer.returncode == code, answer.stderr
    return answer


def test_the_command_needs_no_project(tmp_path, pair, labels):
    (tmp_path / "params.yaml").write_text("somebody: else's\n")
    paths = pair(np.roll(labels, 1, axis=2), labels)
    shown = lacaf(tmp_path, *paths, "--json", "scores.json", "--csv", "rows.csv").stdout
    assert "left artery" in shown
    assert "NSD 2 mm" in shown
    details = json.loads((tmp_path / "scores.json").read_text())
    entry = details["against"]["labelled"]["classes"]["left_vein"]
    rows = list(csv.DictReader((tmp_path / "rows.csv").open()))
    found = {(row["subject"], row["part"], row["metric"]): row for row in rows}
    assert float(found["left_vein", "all", "assd_mm"]["value"]) == entry["assd_mm"]
    assert found["left_vein", "all", "assd_mm"]["unit"] == "mm"
    assert len(found) == len(rows)


def test_the_command_prints_what_programs_read(tmp_path, pair, labels):
    paths = pair(labels, labels)
    tolerances = ("--tolerance", "3", "--tolerance", "1.5")
    details = json.loads(lacaf(tmp_path, *paths, "--json", "-", *tolerances).stdout)
    assert details["nsd_tolerances_mm"] == [1.5, 3.0]
    assert details["against"]["labelled"]["mean"]["nsd_1.5mm"] == 1
    table = lacaf(tmp_path, *paths, "--csv", "-").stdout
    assert {"left_artery", "vessel", "both", "mean"} < {
        row["subject"] for row in csv.DictReader(io.StringIO(table))
    }


def test_the_command_says_what_is_wrong_without_a_traceback(tmp_path, pair, labels, grid):
    paths = pair(labels, labels)
    missing = lacaf(tmp_path, paths[0], "nowhere.nii.gz", code=2).stderr
    assert missing == "lacaf: nowhere.nii.gz is missing: there is no such file or folder\n"
    moved = Grid.upright(grid.shape, (0.7, 0.8, 1.3))
    write(Volume(labels, moved), tmp_path / "moved.nii.gz")
    fault = lacaf(tmp_path, paths[0], "moved.nii.gz", code=2).stderr
    assert "48 × 40 × 60 voxels of 1.2 × 0.8 × 0.7 mm (z, y, x)" in fault
    assert "48 × 40 × 60 voxels of 1.3 × 0.8 × 0.7 mm (z, y, x)" in fault
    assert "Traceback" not in missing + fault


def test_folders_where_files_belong_are_faults_too(tmp_path, pair, labels):
    paths = pair(labels, labels)
    (tmp_path / "folder").mkdir()
    for given in (("folder", paths[1]), (paths[0], "folder")):
        assert "folder is a folder, and not one of stage" in lacaf(tmp_path, *given, code=2).stderr
    assert "coverage" in lacaf(tmp_path, *paths, "--coverage", "folder", code=2).stderr
    written = lacaf(tmp_path, *paths, "--json", "folder", code=2).stderr
    assert written.startswith("lacaf: folder cannot be written: is a directory; ")
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_the_command_loads_nothing_that_is_slow_to_load(tmp_path, pair, labels):
    paths = pair(labels, labels)
    heavy = "{'torch', 'monai', 'pandas', 'SimpleITK', 'mlflow', 'matplotlib'}"
    code = (
        "import sys; from lacaf.cli import app; sys.argv = ['lacaf', 'evaluate', *sys.argv[1:]]\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        f"print({heavy} & set(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines()[-1] == "set()"


@pytest.fixture
def stages(tmp_path, labels, grid):
    """A project with a prediction and a half-labelled reference, as their stages leave them."""
    shutil.copy(REPOSITORY / "params" / "demo.yaml", tmp_path / "params.yaml")
    half = labels.copy()
    half[:, :, :30] = 255
    states = {name: "labelled" if name.startswith("left") else "unknown" for name in CLASSES}
    record = {"case": "case001", "status": "ok"}
    for folder, array in (("infer", labels), ("harmonize", half), ("truth", labels)):
        (tmp_path / folder).mkdir()
        write(Volume(array, grid), tmp_path / folder / "labels.nii.gz")
    write_json(tmp_path / "infer" / "prediction.json", record)
    write_json(tmp_path / "harmonize" / "coverage.json", record | {"coverage": states})
    return tmp_path


def test_folders_of_stages_are_scored_by_the_projects_parameters(stages):
    path = stages / "params.yaml"
    path.write_text(path.read_text().replace("[1.0, 2.0]   # the first", "[3.0]   # the first"))
    lacaf(stages, "infer", "harmonize", "--truth", "truth", "--out", "case001")
    record = json.loads((stages / "case001" / "scores.json").read_text())
    assert (record["case"], record["status"]) == ("case001", "ok")
    assert record["nsd_tolerances_mm"] == [3.0]
    assert set(record["made_from"]) == {"prediction", "reference", "truth"}
    assert record["against"]["labelled"]["mean"]["classes_unknown"] == 2
    assert record["against"]["truth"]["mean"]["classes_unknown"] == 0


def test_a_case_that_an_earlier_stage_refused_stays_refused(stages):
    refusal = {"stage": "crop", "finding": "no lungs", "expectation": "two", "remedy": "-"}
    record = {"case": "case001", "status": "refused", "refusal": refusal | {"file": ""}}
    write_json(stages / "infer" / "prediction.json", record)
    (stages / "infer" / "labels.nii.gz").unlink()
    lacaf(stages, "infer", "harmonize", "--out", "case001")
    kept = json.loads((stages / "case001" / "scores.json").read_text())
    assert (kept["status"], kept["refusal"]["stage"]) == ("refused", "crop")
