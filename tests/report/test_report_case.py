"""A case's page: what it shows of a segmented case, of any other, and of a refused one."""

import dataclasses
import io
import json
import re
from pathlib import Path

import mini
import numpy as np
import pytest
from test_report_page import rows_of, text

from lacaf import fault, files, records, volume
from lacaf.report import gather, inspection
from lacaf.stages import stage_of
from lacaf.volume import Volume


def data_of(page: str) -> dict:
    """What the page's scripts read."""
    return json.loads(re.search(r'id="case">(.*?)</script>', page, re.S)[1])


def test_a_segmented_case_has_slices_trees_and_its_worst_errors(project):
    page = (project.reports / "cases" / "phantom001.html").read_text()
    data = data_of(page)
    assert [one["key"] for one in data["sets"]] == ["reference", "lacaf-s0", "unet-s0"]
    assert (
        set(data["slices"]["labels"])
        == set(data["scene"]["sets"])
        == {
            "reference",
            "lacaf-s0",
            "unet-s0",
        }
    )
    assert data["judged"] is True
    errors = text(page.split('id="errors"')[1].split("</aside>")[0])
    assert "lacaf-s0 None longer than 8 mm." in errors
    for vessel in ("Left artery called vein", "Right vein called artery"):
        assert f"{vessel}, 20 mm long, 9 mm wide" in errors


def test_scores_of_the_case_stand_beside_what_is_unknown(project):
    page = (project.reports / "cases" / "phantom002.html").read_text()
    labelled = page.split("Against labelled parts only")[1]
    row = next(row for row in rows_of(labelled, "right artery") if row.startswith("lacaf-s0"))
    assert set(row.removeprefix("lacaf-s0 right artery ").split()) == {"unknown"}
    assert "lacaf-s0: mean DSC 1.000, found 1.000 of the vessels' length" in text(page)


def test_decisions_of_each_stage_are_told_and_the_whole_record_beside_them(project):
    page = text((project.reports / "cases" / "phantom002.html").read_text())
    assert "convert ok CT came as dicom" in page
    assert "Note: gaps between slices" in page
    assert "Lungs, ml left 600, right 650" in page
    assert "Labelled side, found left" in page
    assert "labelled_side.declared left" in page


def test_a_case_without_labels_is_shown_without_errors(project):
    page = (project.reports / "cases" / "clinic7.html").read_text()
    data = data_of(page)
    assert data["judged"] is False
    assert [one["key"] for one in data["sets"]] == ["lacaf-s0", "unet-s0"]
    assert "No reference: this case has no labels" in page
    assert 'id="errors"' not in page
    assert (project.reports / "cases" / "clinic7.png").stat().st_size > 10_000


def test_a_refused_case_has_a_page_that_says_why(project):
    page = text((project.reports / "cases" / "broken01.html").read_text())
    assert "REFUSED by convert. the image: too few slices: 3 from feet to head." in page
    assert "crop not reached" in page
    assert (project.reports / "cases" / "broken01.png").stat().st_size > 1000


def test_a_refused_labelling_is_shown_as_it_came(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("clinic1", "train")
    record = {"status": "refused", "refusal": mini.REFUSAL | {"stage": "harmonize"}}
    folder = project.data / "harmonize" / "clinic1"
    for file in folder.iterdir():
        file.unlink()
    files.write_json(folder / "coverage.json", record)
    plain = project.page("clinic1")
    picture = (project.reports / "cases" / "clinic1.png").read_bytes()
    raw = project.data / "convert" / "clinic1" / "labels.nii.gz"
    volume.write(Volume((mini.truth() > 0).astype(np.uint8), mini.GRID), raw)
    assert project.page("clinic1") != plain
    assert (project.reports / "cases" / "clinic1.png").read_bytes() != picture


def test_a_case_to_train_on_shows_its_labels_and_no_viewer(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "train", "left")
    page = project.page("phantom001")
    assert 'id="slices"' not in page
    assert "right artery: ? unknown" in text(page)
    assert page.count("data:image/webp") == 1


def test_beyond_the_number_that_is_asked_for_a_page_has_a_picture_alone(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("clinic1", "predict")
    project.predicted("lacaf-s0", "clinic1", mini.truth())
    full, brief = project.page("clinic1"), project.page("clinic1", full=False)
    assert 'id="slices"' in full
    assert 'id="slices"' not in brief
    assert "report.overlay_cases was reached" in text(brief)


def test_a_prediction_without_any_vessel_is_shown(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("clinic7", "predict")
    project.predicted("lacaf-s0", "clinic7", np.zeros(mini.GRID.shape))
    page = project.page("clinic7")
    assert 'id="slices"' in page
    assert 'id="trees"' not in page


def test_files_for_slicer_are_named_with_a_colour_table(project):
    page = (project.reports / "cases" / "phantom001.html").read_text()
    for file in ("convert/phantom001/image.nii.gz", "infer/lacaf-s0/phantom001/labels.nii.gz"):
        assert f'href="../../data/{file}"' in page
    assert "slicer.util.loadSegmentation(root + " in page
    lines = (project.reports / "lacaf.ctbl").read_text().splitlines()
    assert lines[0] == "# Color table file"
    assert [line.split()[:2] for line in lines[2:]] == [
        ["0", "background"],
        ["1", "left_artery"],
        ["2", "left_vein"],
        ["3", "right_artery"],
        ["4", "right_vein"],
        ["255", "unknown"],
    ]


def test_the_papers_colours_are_used_where_they_are_asked_for(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("clinic1", "predict")
    project.predicted("lacaf-s0", "clinic1", mini.truth())
    safe = project.page("clinic1")
    picture = (project.reports / "cases" / "clinic1.png").read_bytes()
    project.set_params(palette="paper")
    assert 'data-palette="safe"' in safe
    assert 'data-palette="paper"' in project.page("clinic1")
    assert (project.reports / "cases" / "clinic1.png").read_bytes() != picture


@pytest.mark.parametrize("ending", ["html", "png"])
def test_a_case_can_be_inspected_before_any_model(tmp_path, ending):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "train", "left")
    findings = gather(project.params, project.cases, project.data)
    out = tmp_path / f"look.{ending}"
    inspection.inspect(findings, "phantom001", out, "safe", "title")
    content = out.read_bytes()
    assert content.startswith(b"\x89PNG" if ending == "png" else b"<!doctype html>")
    if ending == "html":
        assert b"index.html" not in content  # it may lie anywhere
    taken = tmp_path / f"folder.{ending}"
    taken.mkdir()
    with pytest.raises(fault.Unwritable, match="is a directory"):
        inspection.inspect(findings, "phantom001", taken, "safe", "title")


def test_what_was_decided_is_printed(tmp_path):
    from rich.console import Console

    project = mini.Mini(tmp_path)
    project.case("phantom001", "train", "left")
    project.refused("broken01", finding=f"'/clinic/{mini.HOSPITAL}' does not exist")
    findings = gather(project.params, project.cases, project.data)
    console = Console(record=True, width=120, file=io.StringIO())
    inspection.show(findings, "phantom001", console)
    told = console.export_text()
    assert re.search(r"Labelled side, found\s+left", told)
    assert re.search(r"right artery\s+unknown", told)
    inspection.show(findings, "broken01", console)
    told = console.export_text()
    assert "REFUSED by convert: the image: '(source)' does not exist" in told
    assert "hand over the whole scan" in told
    assert mini.HOSPITAL not in told


def test_of_a_case_that_no_stage_has_seen_there_is_nothing_to_inspect(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "train")
    findings = gather(project.params, project.cases, tmp_path / "empty")
    with pytest.raises(fault.Missing, match="run `snakemake data/harmonize/phantom001"):
        inspection.inspect(findings, "phantom001", tmp_path / "x.html", "safe", "")


def test_what_anatomy_and_label_checks_found_is_told_in_words(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "train", "left")
    for stage, more in (
        ("crop", {"orientation": {"left_right": {"says": "mirrored"}, "couch": "behind"}}),
        (
            "harmonize",
            {
                "checks": {
                    "in_lungs_share": 0.8183,
                    "hu": {"all": -31.8, "lung_around": -831.9},
                    "placement": {"shift_mm_lps": [0.0, 8.0, 0.0], "mirrored": ["left_right"]},
                },
                "decisions": {"sides_from": "the lung that a vessel leads to"},
                "flags": [f"found in /clinic/{mini.HOSPITAL}"],
            },
        ),
    ):
        folder = project.data / stage / "phantom001"
        record = records.read(folder, stage) | more
        files.write_json(folder / stage_of(stage).record, record)
    row = project.cases["phantom001"]
    project.cases["phantom001"] = dataclasses.replace(row, source=Path("/clinic") / mini.HOSPITAL)
    page = text(project.page("phantom001"))
    assert "Anatomy and the file's axes left–right mirrored" in page
    assert "Fraction of it in the lungs 82 %" in page
    assert "HU of labels, of the lung around -32 / -832" in page
    assert "shifted by 0, 8, 0 mm (left, back, head); mirrored: left_right" in page
    assert "Note: found in (source)" in page
    assert mini.HOSPITAL not in page
