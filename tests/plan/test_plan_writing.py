"""Parameters written into the text of a file: values exchanged, all else as it was."""

from pathlib import Path

import pytest
import yaml

from lacaf.params.section import ParamsError
from lacaf.params.whole import parse
from lacaf.plan.line import Line
from lacaf.plan.writing import written

DEMO = (Path(__file__).parents[2] / "params" / "demo.yaml").read_text()
LINES = [
    Line("crop.spacing_mm", 0.7, 2.0, "the CT's"),
    Line("train.patch", [128, 96, 128], [64, 64, 64], "fits"),
    Line("train.early.steps", 0, 1640, "no need"),
    Line("train.learning_rate", 0.005, 0.005, "kept"),
    Line("train.blood_window", [0.0, 700.0], [0.0, 450.0], "bright"),
]


def test_the_file_loads_and_holds_the_proposal_and_else_what_it_held():
    params = parse(yaml.safe_load(written(DEMO, LINES)))
    assert params.crop.spacing_mm == 0.7
    assert params.train.patch == [128, 96, 128]
    assert params.train.early.steps == 0
    assert params.train.early.patch == [32, 32, 32]
    before = parse(yaml.safe_load(DEMO)).model_dump()
    after = params.model_dump()
    for *sections, last in (line.key.split(".") for line in LINES):
        for content in (before, after):
            place = content
            for section in sections:
                place = place[section]
            del place[last]
    assert before == after


def test_comments_stay_and_each_changed_line_has_its_reason_above():
    text = written(DEMO, LINES)
    assert [row for row in DEMO.splitlines() if "#" in row and row not in text.splitlines()] == []
    rows = text.splitlines()
    assert rows[rows.index("  spacing_mm: 0.7") - 1] == "  # plan: crop.spacing_mm: the CT's"
    early = next(n for n, row in enumerate(rows) if row.startswith("  early:"))
    assert rows[early - 1] == "  # plan: train.early.steps: no need"
    assert "kept" not in text
    assert len(rows) == len(DEMO.splitlines()) + 4


def test_a_second_plan_takes_the_place_of_the_first():
    once = written(DEMO, LINES)
    other = [Line("crop.spacing_mm", 1.0, 0.7, "a very long reason " * 10)]
    rows = written(once, other).splitlines()
    assert "  # plan: crop.spacing_mm: the CT's" not in rows
    assert "  # plan: train.patch: fits" in rows
    assert max(len(row) for row in rows if "# plan" in row) <= 100
    again = written("\n".join(rows), [Line("crop.spacing_mm", 0.7, 1.0, "the CT's")])
    assert again.splitlines() == once.splitlines()


def test_a_list_over_several_lines_is_exchanged():
    block = DEMO.replace("  patch: [32, 32, 32]\n", "  patch:\n    - 32\n    - 32\n    - 32  # x\n")
    text = written(block, LINES)
    assert "  # plan: train.patch: fits\n  patch:\n    [128, 96, 128]  # x\n" in text


def test_sections_in_braces_are_exchanged_too():
    content = yaml.safe_load(DEMO)
    text = yaml.safe_dump(content, default_flow_style=True, width=10_000)
    assert yaml.safe_load(written(text, LINES))["train"]["patch"] == [128, 96, 128]


def test_a_value_that_stands_for_another_is_not_touched():
    text = DEMO.replace("  patch: [32, 32, 32]", "  patch: &p [32, 32, 32]")
    text = text.replace("{patch: [32, 32, 32], batch", "{patch: *p, batch")
    with pytest.raises(ParamsError, match="write it as params"):
        written(text, LINES)


def test_what_the_model_does_not_allow_is_not_written():
    with pytest.raises(ParamsError, match="what is proposed"):
        written(DEMO, [Line("train.patch", [0, 16, 16], [64, 64, 64], "wrong")])
