"""A class without a side, added to the table of classes alone, goes from scanner to labels."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lacaf

ROOT = Path(lacaf.__file__).parent
PARAMS = Path(__file__).parents[2] / "params" / "demo.yaml"
AIRWAY = """    Class(
        5, "airway", "airway", "", "airway", "airway",
        {"safe": "#999999", "paper": "#999999"}, ("89187006", "Airway structure"),
    ),
)  # fmt: skip
"""
#: Run with the changed package: one phantom whose left lung was labelled, and what came of it.
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
import yaml
from lacaf import volume
from lacaf.cases import Case
from lacaf.classes import UNKNOWN, class_value
from lacaf.coding import Coding
from lacaf.convert import convert
from lacaf.coverage import targets_and_validity
from lacaf.crop import crop
from lacaf.harmonize import harmonize
from lacaf.params.convert import Convert
from lacaf.params.crop import Crop
from lacaf.params.harmonize import Harmonize
from lacaf.params.phantom import Phantom
from lacaf.phantom.stage import phantom
from lacaf.volume import resample

content = yaml.safe_load(Path(sys.argv[1]).read_text())
coding = Coding(values={1: "artery", 2: "vein", 3: "airway"})
for name in ("truth", "converted", "cropped", "harmonized", "without"):
    Path(name).mkdir()
raw, labels = Path("raw/case1"), Path("raw/case1/labels.nii.gz")
case = Case("case1", "p1", raw / "dicom", labels, "ours", "left", "train")
small = Phantom(**{**content["phantom"], "spacing_mm": 2.5})
made = phantom(case, small, coding, raw, Path("truth"))
convert(case, Convert(**content["convert"]), coding, Path("converted"))
crop(Crop(**content["crop"]), coding, Path("converted"), Path("cropped"))
section = Harmonize(**content["harmonize"])
here = Path("converted"), Path("cropped")
got = harmonize(case, section, coding, *here, Path("harmonized"))
lacking = Coding(values={1: "artery", 2: "vein", 3: "other"})
without = harmonize(case, section, lacking, *here, Path("without"))

found = volume.read(Path("harmonized/labels.nii.gz"))
truth = resample(volume.read(Path("truth/labels.nii.gz")), found.grid, "nearest").array
lungs = resample(volume.read(Path("truth/lungs.nii.gz")), found.grid, "nearest").array
working = volume.read(Path("harmonized/labels_working.nii.gz"))
inner = volume.read(Path("cropped/lungs.nii.gz"))
airway = class_value("airway", "")
coverage = got["coverage"]
targets, valid = targets_and_validity(working.array, inner.array, working.grid, coverage)
print(json.dumps({
    "made_ml": made["volumes_ml"],
    "coverage": coverage,
    "without": without["coverage"],
    "ml": got["ml"],
    "hu": list(got["checks"]["hu"]),
    "values": np.unique(found.array).tolist(),
    "values_working": np.unique(working.array).tolist(),
    "airway": float((found.array[truth == airway] == airway).mean()),
    "wrong": int((found.array[truth != airway] == airway).sum()),
    "right_lung": np.unique(found.array[(lungs == 2) & (truth != 4)]).tolist(),
    "targets": int(targets[airway - 1].sum()),
    "unknown_is_valid": bool(valid[airway - 1][working.array == UNKNOWN].any()),
    "left_is_valid": bool(valid[airway - 1][inner.array == 1].mean() > 0.99),
}))
"""


@pytest.fixture(scope="module")
def got(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fifth")
    shutil.copytree(ROOT, folder / "src" / "lacaf", ignore=shutil.ignore_patterns("__pycache__"))
    table = folder / "src" / "lacaf" / "classes.py"
    before = table.read_text()
    table.write_text(before.replace(")  # fmt: skip\n", AIRWAY, 1))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(PARAMS)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_labelled_where_one_lung_is_and_the_coding_has_it(got):
    assert got["coverage"] == {
        "left_artery": "labelled",
        "left_vein": "labelled",
        "right_artery": "unknown",
        "right_vein": "unknown",
        "airway": "labelled",
    }
    assert got["without"] == {**got["coverage"], "airway": "unknown"}


def test_its_voxels_have_its_value_on_both_sides_and_no_code_reaches_a_file(got):
    assert got["made_ml"]["airway"] == pytest.approx(got["ml"]["airway"], rel=0.01)
    assert got["airway"] == 1.0
    assert got["wrong"] == 0
    assert set(got["values"]) | set(got["values_working"]) <= {0, 1, 2, 3, 4, 5, 255}
    assert set(got["right_lung"]) <= {5, 255}


def test_what_hu_and_anatomy_tell_of_vessels_they_do_not_ask_of_it(got):
    assert "airway" not in got["hu"]
    assert "left_artery" in got["hu"]


def test_what_is_not_known_in_the_other_lung_is_no_background_of_it(got):
    assert got["targets"] > 0
    assert not got["unknown_is_valid"]
    assert got["left_is_valid"]
