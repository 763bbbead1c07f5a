"""A fifth class is one row of the table of classes: the pipeline follows, from labels to page."""

import csv
import json

import pytest
from project import Project

pytestmark = pytest.mark.slow

ROW = """\
    Class(
        5, "airway", "airway", "", "airway", "airway",
        {"safe": "#e0e0e0", "paper": "#e0e0e0"}, ("89187006", "Airway structure"),
    ),
)  # fmt: skip
"""


@pytest.fixture(scope="module")
def finished(project: Project) -> Project:
    table = project.folder / "src/lacaf/classes.py"
    text = table.read_text()
    assert text.count(")  # fmt: skip\n") == 1
    table.write_text(text.replace(")  # fmt: skip\n", ROW))
    project.run("snakemake")
    return project


def test_what_nobody_labelled_is_unknown(finished: Project) -> None:
    record = json.loads((finished.folder / "data/harmonize/phantom001/coverage.json").read_text())
    assert record["coverage"]["airway"] == "unknown"
    assert len(record["coverage"]) == 5


def test_the_model_has_five_outputs_and_a_prompt_for_each(finished: Project) -> None:
    model = json.loads((finished.folder / "data/train/lacaf-s0/model.json").read_text())
    assert model["classes"][-1] == "airway"
    assert model["embedding"]["prompts"]["airway"] == "A computerized tomography of a airway"
    assert len(model["embedding"]["vectors"]) == 5


def test_the_scores_have_a_row_for_it(finished: Project) -> None:
    with (finished.folder / "data/evaluate/scores.csv").open() as handle:
        rows = [row for row in csv.DictReader(handle) if row["subject"] == "airway"]
    assert {row["state"] for row in rows if row["against"] == "labelled"} == {"unknown"}


def test_the_page_names_it(finished: Project) -> None:
    assert "airway" in (finished.folder / "reports/index.html").read_text()
