"""The table of metrics: one row, and everything that lists metrics has it."""

import csv
import io
import re

import numpy as np
import pytest
from project import REPOSITORY
from test_evaluate_summary import RUNS, SETTINGS, records

from lacaf.evaluate import as_csv, evaluate, metrics, summarize, tables
from lacaf.evaluate.metrics import METRICS, NSD, Metric, Scales


def _roughness(of):
    return {"roughness": float(of.masks.prediction.sum())}


@pytest.fixture
def rough(monkeypatch):
    row = Metric(("roughness",), _roughness, "1/mm", "lower", "0", "how rough", True, "classes")
    monkeypatch.setattr(metrics, "METRICS", (*METRICS, row))


@pytest.mark.usefixtures("rough")
def test_a_new_row_is_in_the_record_the_rows_and_the_reference(pair, labels):
    details = evaluate(*pair(labels, labels), {"left_artery": "labelled", "left_vein": "labelled"})
    scores = details["against"]["labelled"]
    assert scores["classes"]["left_vein"]["roughness"] == np.count_nonzero(labels == 2)
    assert scores["classes"]["right_vein"]["roughness"] is None
    assert scores["mean"]["roughness"] == np.count_nonzero(labels == 2)
    rows = [r for r in csv.DictReader(io.StringIO(as_csv(details))) if r["metric"] == "roughness"]
    assert {"left_vein", "vessel", "mean"} <= {row["subject"] for row in rows}
    assert {row["unit"] for row in rows} == {"1/mm"}
    assert "| `roughness` | 1/mm | lower | 0 | yes | how rough |" in metrics.reference()


@pytest.mark.usefixtures("rough")
def test_a_new_row_has_its_column():
    rows, summary, _ = summarize(records("lacaf-s0", [0.4, 0.6]), RUNS, SETTINGS)
    classes = next(table for table in tables(rows, summary, SETTINGS) if table.name == "classes")
    assert "roughness" in classes.header


def test_every_metric_is_listed_once_and_defined():
    page = (REPOSITORY / "docs" / "metrics.md").read_text()
    keys = metrics.subject_keys(Scales())
    assert len(set(keys)) == len(keys)
    for name in (name for metric in METRICS for name in metric.names):
        shown = "nsd_" if name == NSD else name
        assert f"`{shown}" in metrics.reference()
        # The page spells numbers out for b0 and says that b1 and b2 are alike.
        assert re.sub(r"b[12]", "b0", shown) in page
