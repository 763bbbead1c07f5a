"""A fifth class is a row in the table of classes, and the pages hold it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fifth
import pytest
from test_report_browser import AXIAL, COLOURS, FRAME, TREES, drawn, open_case
from test_report_case import data_of
from test_report_page import text

import lacaf
from lacaf.classes import CLASSES
from lacaf.report import recipes
from lacaf.report.errors import Wrong

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """The folder of a project that a copy of the package with an airway has reported on."""
    root = tmp_path_factory.mktemp("five")
    package = root / "src" / "lacaf"
    shutil.copytree(Path(lacaf.__file__).parent, package)
    table = (package / "classes.py").read_text()
    assert table.count(fifth.END) == 1
    (package / "classes.py").write_text(table.replace(fifth.END, fifth.ROW + fifth.END))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(root / "src"), str(HERE)))}
    command = [sys.executable, str(HERE / "fifth.py"), str(root)]
    subprocess.run(command, check=True, env=environment, cwd=root)
    return root


def test_the_copy_had_five_classes_and_this_package_has_not(five):
    assert "airway" not in CLASSES
    assert "airway" in (five / "reports" / "cohort.html").read_text()


def test_every_page_names_the_fifth_class(five):
    reports = five / "reports"
    case = (reports / "cases" / "phantom001.html").read_text()
    setup = json.loads(case.split('id="setup">')[1].split("</script>")[0])
    assert setup["classes"][-1] == {"value": 5, "name": "airway", "vessel": "airway"}
    assert "airway: ● labelled" in text(case)
    assert 'name="class" value="airway"' in case
    assert {mesh["class"] for mesh in data_of(case)["scene"]["sets"]["lacaf-s0"]} >= {"airway"}
    assert "airway labelled" in text((reports / "index.html").read_text())
    assert 'class="cell labelled airway"' in (reports / "index.html").read_text()
    assert "5 airway 185 166 255 255" in (reports / "lacaf.ctbl").read_text().splitlines()
    assert "artery, vein and airway confused" in text(case)


def test_what_is_wrong_has_codes_that_no_class_can_take(five):
    told = json.loads((five / "told.json").read_text())
    wrong = [Wrong.NOTHING, Wrong.MISSED, Wrong.VESSEL, Wrong.VESSEL, Wrong.FALSE, Wrong.NOT_KNOWN]
    assert told["codes"] == wrong
    assert set(told["mistakes"]) == {"Airway called artery", "Left artery called airway"}


def test_slices_and_trees_draw_the_fifth_class_and_its_errors(five, window):
    window.errors.clear()
    open_case(window, five / "reports" / "cases" / "phantom001.html")
    window.run("lacaf.change({set: 'lacaf-s0', marking: true, at: [10, 14, 19], opacity: 1})")
    window.run(FRAME)
    counts = window.run(f"{COLOURS}('{AXIAL}')")
    assert counts["airway"] > 50
    assert counts["left_artery"] > 50
    assert counts["missed"] == counts["false"] == counts["side"] == 0
    assert drawn(window, TREES)[0] > 2000
    window.run("lacaf.change({set: 'unet-s0'})")
    window.run(FRAME)
    counts = window.run(f"{COLOURS}('{AXIAL}')")
    assert counts["vessel"] > 1000  # the airway and the left artery, each taken for the other
    assert counts["airway"] == counts["left_artery"] == counts["missed"] == 0
    assert window.errors == []


def model(**changes):
    """A model's record with the recipe of its experiment."""
    recipe = {"network": "lacaf", "steps": 100, "loss": {"bce": 1.0}, "patch": [64, 64, 64]}
    return {"params": recipe | {"crop": {"margin_mm": 5.0}} | changes}


def test_experiments_are_told_apart_by_what_their_recipes_differ_in():
    told = recipes.differences(
        {
            "a-s0": model(network="unet", encoder=None),
            "a-s1": model(network="unet", encoder=None),
            "b-s0": model(steps=200, loss={"bce": 1.0, "cldice": 0.5}),
            "old": {},
        }
    )
    assert told["a-s0"] == told["a-s1"]
    assert "steps 100" in told["a-s0"]
    assert "steps 200" in told["b-s0"]
    assert "loss.cldice 0.5" in told["b-s0"]
    assert "network" not in told["a-s0"]  # the page says it in words anyway
    assert told["old"] == ""


def test_experiments_that_differ_in_the_network_alone_need_no_column(project):
    same = {"a": model(network="unet", encoder=None), "b": model(encoder="minilm")}
    assert set(recipes.differences(same).values()) == {""}
    assert "Differs in" not in project.front
