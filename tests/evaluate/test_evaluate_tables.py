"""Tables for readers and machines: three formats, nothing left out, nothing made up."""

import ast
import csv
import io
import re

import pytest
from project import REPOSITORY
from test_evaluate_summary import RUNS, SETTINGS, record, records

from lacaf.evaluate import summarize, tables
from lacaf.evaluate.tables import NAMES
from lacaf.table import Estimate, Table, cell

TABLE = Table(
    "example",
    "Shares of 50 % & more, in mm_3.",
    ["run", "DSC", "branches", "difference"],
    [
        ["lacaf-s0", Estimate(0.8123456, 0.7, 0.9, 2), 12, "unet − lacaf"],
        ["unet-s0", Estimate(None), 3, "–"],
    ],
)


def test_csv_keeps_full_numbers_and_their_limits():
    rows = list(csv.reader(io.StringIO(TABLE.csv())))
    limits = ["DSC low", "DSC high", "DSC unknown"]
    assert rows[0] == ["run", "DSC", *limits, "branches", "difference"]
    assert rows[1] == ["lacaf-s0", "0.8123456", "0.7", "0.9", "2", "12", "unet − lacaf"]
    assert rows[2] == ["unet-s0", "", "", "", "0", "3", "–"]


def test_markdown_is_aligned_and_says_what_is_unknown():
    lines = TABLE.markdown().splitlines()
    assert lines[0] == TABLE.caption
    assert len({len(line) for line in lines[2:]}) == 1
    assert "0.812 [0.700, 0.900] (2)" in lines[4]
    assert "|   – |" in re.sub(" {4,}", "   ", lines[5])


def test_latex_escapes_what_it_would_take_for_commands():
    text = TABLE.latex()
    assert r"\caption{Shares of 50 \% \& more, in mm\_3.}" in text
    assert r"\begin{tabular}{lrrr}" in text
    assert r"lacaf-s0 & 0.812 [0.700, 0.900] (2) & 12 & unet $-$ lacaf \\" in text
    assert text.count(r"\\") == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (3, "3"), (0.12345, "0.123"), (-9.9994, "-9.999"), (12.34, "12.3"), ("a", "a")],
)
def test_cells_are_short(value, text):
    assert cell(value) == text


@pytest.fixture
def made():
    scores = [*records("lacaf-s0", [0.4, 0.6, 0.8]), *records("unet-s0", [0.1, 0.2, 0.3])]
    scores.append(record("unet-s0", "c9", "p9", 0.5, unknown=("right_artery", "right_vein")))
    rows, summary, _ = summarize(scores, RUNS, SETTINGS)
    return {table.name: table for table in tables(rows, summary, SETTINGS)}


def test_the_workflow_declares_every_table(made):
    rules = (REPOSITORY / "workflow" / "rules" / "evaluate.smk").read_text()
    declared = ast.literal_eval(re.search(r"^TABLES = (\[.*?\])", rules, re.S | re.M)[1])
    assert tuple(declared) == NAMES == tuple(made)


def test_every_table_has_as_many_cells_as_columns_and_can_be_written(made):
    for table in made.values():
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert set(table.formats()) == {"csv", "md", "tex"}
        names = next(csv.reader(io.StringIO(table.csv())))
        assert len(set(names)) == len(names)


def test_unknown_cases_are_counted_beside_the_mean(made):
    table = made["classes"]
    row = next(r for r in table.rows if r[:3] == ["unet-s0", "labelled", "right_vein"])
    dsc = row[table.header.index("DSC")]
    assert dsc.value == pytest.approx(0.2)
    assert dsc.unknown == 1
    assert dsc.low < dsc.value < dsc.high
    assert (table.header[-1], row[-1]) == ("cases", 3)


def test_the_bands_have_rows_of_their_own(made):
    rows = [row[:3] for row in made["calibre"].rows]
    assert ["lacaf-s0", "truth", "radius 0-1 mm"] in rows
    assert ["lacaf-s0", "truth", "radius 4+ mm"] not in rows
