"""Any two label volumes: formats, codings, coverage, and the command line without a project."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from project import REPOSITORY

from lacaf.coverage import CLASSES
from lacaf.evaluate import coding, evaluate, read_coverage, scales_of
from lacaf.evaluate.scoring import Scales
from lacaf.records import Refusal, write_json
from lacaf.volume import Grid, Volume, write

TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def oblique(grid):
    affine = grid.affine.copy()
    affine[:3, :3] = TURN @ affine[:3, :3]
    return Grid(grid.shape, affine)


def write_itk(array, grid, path):
    image = sitk.GetImageFromArray(array)
    spacing = np.linalg.norm(grid.affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetDirection((grid.affine[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, path)


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".mhd", ".nii"])
def test_every_format_gives_the_same_scores(tmp_path, labels, oblique, ending):
    prediction = np.roll(labels, 1, axis=1)
    write(Volume(labels, oblique), tmp_path / "reference.nii.gz")
    write(Volume(prediction, oblique), tmp_path / "prediction.nii.gz")
    path = tmp_path / f"other{ending}"
    if ending == ".nii":
        write(Volume(prediction, oblique), path)
    else:
        write_itk(prediction, oblique, path)
    scores = [
        evaluate(p, tmp_path / "reference.nii.gz", None)["against"]["labelled"]
        for p in (tmp_path / "prediction.nii.gz", path)
    ]
    for name in CLASSES:
        for metric in ("dsc", "nsd_1mm", "hd95_mm", "assd_mm", "cldice"):
            one, two = (s["classes"][name][metric] for s in scores)
            assert one == pytest.approx(two, abs=1e-5)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("mirrored", [(), (0,), (1, 2), (0, 1, 2)])
def test_the_order_in_which_axes_are_stored_does_not_matter(
    tmp_path, labels, oblique, order, mirrored
):
    """The same voxels at the same places in the patient; asymmetric, so that a mix-up shows."""
    labels[4:10, 20:30, 5:12] = 3
    stored = np.flip(labels.transpose(order), mirrored)
    first = np.zeros(3)  # the voxel of the original that is stored first
    affine = np.eye(4)
    for position, axis in enumerate(order):
        back = position in mirrored
        first[axis] = labels.shape[axis] - 1 if back else 0
        affine[:3, 2 - position] = oblique.affine[:3, 2 - axis] * (-1 if back else 1)
    affine[:3, 3] = oblique.to_mm(first)
    paths = tmp_path / "prediction.nii.gz", tmp_path / "reference.nii.gz"
    write(Volume(stored, Grid(stored.shape, affine)), paths[0])
    write(Volume(labels, oblique), paths[1])
    assert evaluate(*paths, None)["against"]["labelled"]["mean"]["dsc"] == 1


@pytest.mark.parametrize("content", [b"", b"this is no image", b"NRRD0004\ntype: nonsense\n\n"])
def test_a_broken_nrrd_is_refused_without_its_name(tmp_path, content):
    broken = tmp_path / "Doe_John.nrrd"
    broken.write_bytes(content)
    with pytest.raises(Refusal, match="the prediction: it cannot be read") as fault:
        evaluate(broken, broken, None)
    assert "Doe" not in str(fault.value)


def test_four_axes_are_refused(tmp_path):
    sitk.WriteImage(sitk.Image([4, 4, 4, 2], sitk.sitkUInt8), tmp_path / "series.nrrd")
    with pytest.raises(Refusal, match="the volume has 4 axes"):
        evaluate(tmp_path / "series.nrrd", tmp_path / "series.nrrd", None)


@pytest.fixture
def pair(tmp_path, grid):
    """Writes prediction and reference; returns both paths."""

    def run(prediction, reference):
        paths = tmp_path / "prediction.nii.gz", tmp_path / "reference.nii.gz"
        for path, array in zip(paths, (prediction, reference), strict=True):
            write(Volume(array, grid), path)
        return paths

    return run


def test_volumes_that_know_no_sides_have_two_classes(pair, labels):
    two = np.where(labels > 0, 2 - labels % 2, 0).astype(np.uint8)
    details = evaluate(*pair(two, two), None, coding=coding("artery1_vein2", {}))
    assert details["classes"] == ["artery", "vein"]
    scores = details["against"]["labelled"]
    assert list(scores["classes"]) == ["artery", "vein"]
    assert scores["mean"]["dsc"] == 1
    assert scores["classes"]["artery"]["reference_b0"] == 2
    assert scores["identity"]["both"]["accuracy"] == 1


def test_another_order_is_another_coding(pair, labels):
    mine = np.where(labels > 0, 2 - labels % 2, 0).astype(np.uint8)
    theirs = np.where(labels > 0, 1 + labels % 2, 0).astype(np.uint8)
    paths = pair(theirs, mine)
    ours, others = coding("artery1_vein2", {}), coding("vein1_artery2", {})
    right = evaluate(*paths, None, coding=ours, prediction_coding=others)
    wrong = evaluate(*paths, None, coding=ours)
    assert right["against"]["labelled"]["mean"]["dsc"] == 1
    assert wrong["against"]["labelled"]["mean"]["dsc"] == 0


def test_a_prediction_with_sides_is_compared_with_a_reference_without(pair, labels):
    two = np.where(labels > 0, 2 - labels % 2, 0).astype(np.uint8)
    two[:, :, :10] = 7
    details = evaluate(
        *pair(labels, two),
        None,
        coding=coding("1=artery, 2=vein, 7=unknown", {}),
        prediction_coding=coding("four_classes", {}),
    )
    scores = details["against"]["labelled"]
    assert scores["classes"]["artery"]["dsc"] == scores["classes"]["vein"]["dsc"] == 1
    assert scores["classes"]["artery"]["reference_b0"] == 1  # the other artery is unknown


def test_negative_values_and_other_structures_may_be_declared(pair, labels):
    reference = labels.astype(np.int16)
    reference[:, :, :30] = -999
    reference[reference == 0] = 1000
    reference[0] = 0
    spoken = coding("1=left_artery,2=left_vein,1000=other,-999=unknown", {})
    details = evaluate(*pair(np.where(labels > 2, 0, labels), reference), None, coding=spoken)
    entries = details["against"]["labelled"]["classes"]
    assert entries["left_artery"]["dsc"] == entries["left_vein"]["dsc"] == 1
    assert entries["right_artery"]["state"] == entries["right_vein"]["state"] == "unknown"


def test_of_what_a_coding_cannot_express_nothing_is_known(pair, labels):
    arteries = (labels % 2).astype(np.uint8)
    scores = evaluate(*pair(arteries, arteries), None, coding=coding("1=artery", {}))
    classes = scores["against"]["labelled"]["classes"]
    assert classes["vein"]["state"] == "unknown"
    assert classes["vein"]["dsc"] is None
    assert scores["against"]["labelled"]["mean"]["dsc"] == 1


def test_a_value_that_was_not_declared_is_refused_not_dropped(pair, labels):
    paths = pair(labels, labels)
    with pytest.raises(Refusal, match=r"the prediction: holds the value\(s\) 3, 4; expected lab"):
        evaluate(*paths, None, coding=coding("artery1_vein2", {}))
    gap = np.where(labels == 2, 7, labels).astype(np.uint8)
    with pytest.raises(Refusal, match=r"the reference: holds the value\(s\) 7"):
        evaluate(
            *pair(labels, gap),
            None,
            coding=coding("1=artery,3=vein,9=other,4=other", {}),
            prediction_coding=coding("four_classes", {}),
        )


@pytest.mark.parametrize("text", ["nonsense", "1=aorta", "x=artery", "1=artery,", "0=artery"])
def test_a_coding_that_cannot_be_understood_is_refused(text):
    with pytest.raises(Refusal, match="coding"):
        coding(text, {})


def test_a_coding_of_several_files_is_no_coding_of_a_volume(pair, labels):
    with pytest.raises(Refusal, match="does not say what label values mean"):
        evaluate(*pair(labels, labels), None, coding=coding("file_per_vessel", {}))


@pytest.mark.parametrize("content", ['{"left_artery": "yes"}', '{"aorta": "labelled"}', "[]", "x"])
def test_a_coverage_that_cannot_be_understood_is_refused(tmp_path, content):
    (tmp_path / "coverage.json").write_text(content)
    with pytest.raises(Refusal, match="the coverage: it does not say what is labelled"):
        read_coverage(tmp_path / "coverage.json")


def test_a_class_that_the_coverage_does_not_name_is_unknown(tmp_path, pair, labels):
    (tmp_path / "coverage.json").write_text('{"left_artery": "labelled", "left_vein": "absent"}')
    states = read_coverage(tmp_path / "coverage.json")
    scores = evaluate(*pair(labels, labels), states)["against"]["labelled"]
    found = {name: entry["state"] for name, entry in scores["classes"].items()}
    expected = ("labelled", "absent", "unknown", "unknown")
    assert found == dict(zip(CLASSES, expected, strict=True))


def test_scales_are_the_defaults_or_what_was_asked_for():
    assert scales_of(None) == Scales([1.0, 2.0], (1.0, 2.0, 4.0))
    assert scales_of(None, [3.0, 0.5, 3.0]).nsd_tolerances_mm == [0.5, 3.0]
    with pytest.raises(Refusal, match="tolerance"):
        scales_of(None, [0.0])


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


def test_real_masks_of_two_grids_are_refused(real_data):
    folder = real_data / "med-rad-lungs/TumorTargetEnvironments/Patient4"
    vessels, fissures = folder / "vessels.nii.gz", folder / "fissures.nii.gz"
    with pytest.raises(Refusal, match=r"prediction has .* voxels of .* reference has .* voxels"):
        evaluate(fissures, vessels, None, coding=coding("1=artery", {}))


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
