"""The pages say what the code does."""

import re

import pytest
from project import REPOSITORY, Project, make_project

from lacaf.evaluate import evaluate
from lacaf.evaluate.branches import TREE_FRACTION
from lacaf.evaluate.tree import DETECTED, MOST, generation_names
from lacaf.volume import Volume, write

METRICS = (REPOSITORY / "docs" / "metrics.md").read_text()
GUIDE = (REPOSITORY / "docs" / "evaluate.md").read_text()


def test_every_number_of_the_record_is_defined(tmp_path, grid, labels):
    write(Volume(labels, grid), tmp_path / "labels.nii.gz")
    details = evaluate(tmp_path / "labels.nii.gz", tmp_path / "labels.nii.gz", None)
    scores = details["against"]["labelled"]
    keys = set(details) | set(scores) | set(scores["mean"]) | set(scores["groups"])
    for entry in (scores["classes"]["left_artery"], scores["identity"]["both"]):
        keys |= set(entry)
    numbered = re.compile(r"(nsd_\dmm|(reference|prediction)_b\d|b\d_error)")
    missing = {key for key in keys if not numbered.fullmatch(key) and key not in METRICS}
    assert not missing
    for key in ("nsd_1mm", "reference_b0", "prediction_b0", "b0_error"):
        assert f"`{key}`" in METRICS
    for name in (*generation_names()[-2:], "radius 0-1 mm", "radius 4+ mm"):
        assert f"`{name}`" in METRICS


def test_the_constants_are_those_of_the_page():
    assert f"at least {DETECTED:.0%} lie".replace("80%", "80 %") in METRICS
    assert MOST == 0.5
    assert "at least half lies outside R" in METRICS
    assert TREE_FRACTION == 0.1
    assert "with a tenth of the class's length" in METRICS


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    made = make_project(tmp_path_factory.mktemp("guide"))
    table = (REPOSITORY / "data" / "cases.csv").read_text()
    (made.folder / "data" / "cases.csv").write_text(table)
    return made


def test_the_example_of_the_guide_runs(project):
    """Every command of the section, in its order; and it shows what the text says."""
    section = GUIDE.split("### An example to run")[1].split("\n### ")[0]
    blocks = re.findall(r"(?:^    .*\n)+", section.replace("\\\n", "\\\n    "), re.M)
    shown = [project.run("bash", "-ec", block) for block in blocks]
    phantoms, other_order, half, left_alone = shown
    assert phantoms.count("phantom done") == 2
    assert re.search(r"artery +\| 1\.000", other_order)
    assert re.search(r"right artery +\| 0\.000 .*missed", half)
    assert re.search(r"right artery +\| +– .*unknown", left_alone)
    assert re.search(r"mean +\| 1\.000 .*2 scored, 2 unknown", left_alone)
