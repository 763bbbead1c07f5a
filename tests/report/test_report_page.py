"""The first page: what it says of a run, of half a run, and of no run at all."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import mini
import numpy as np

from lacaf import files, records
from lacaf.report import report
from lacaf.stages import stage_of


def text(page: str) -> str:
    """What a reader sees: no tags, scripts or styles, single spaces."""
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    page = re.sub(r"</?(strong|code|abbr|span|a)\b[^>]*>", "", page)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def rows_of(page: str, first: str) -> list[str]:
    return [text(row).strip() for row in re.findall(r"<tr>.*?</tr>", page, re.S) if first in row]


def test_first_screen_says_what_is_synthetic_and_what_the_scores_come_from(project):
    top = text(project.front.split('id="scores"')[0])
    assert "PARTLY SYNTHETIC. Of 4 cases, 2 computer-made phantoms and 2 real CT." in top
    assert "All scores below come from phantoms; they say nothing of patients." in top
    assert "4 cases, 1 refused" in top


def test_headline_numbers_are_those_of_the_summary(project):
    summary = json.loads((project.data / "evaluate" / "summary.json").read_text())
    top = text(project.front.split('id="scores"')[0])
    for run in ("lacaf-s0", "unet-s0"):
        subjects = summary[run]["against"]["truth"]
        dsc = subjects["mean"]["dsc"]
        assert f"Mean DSC {dsc['mean']:.3f} 95 %: {dsc['low']:.3f} to {dsc['high']:.3f}" in top
        assert f"Vessels found {subjects['both']['found_share']['mean']:.3f}" in top
        assert f"{subjects['both']['accuracy']['mean']:.3f}" in top
        assert f"“always artery”: {subjects['both']['always_artery']['mean']:.3f}" in top
    assert summary["lacaf-s0"]["against"]["truth"]["mean"]["dsc"]["mean"] == 1
    assert 0.4 < summary["unet-s0"]["against"]["truth"]["mean"]["dsc"]["mean"] < 0.6


def test_unknown_classes_are_counted_beside_the_means(project):
    labelled = project.front.split("Against labelled parts only")[1]
    assert "2 of 8 classes unknown, not counted" in text(labelled.split("<details>")[0])
    by_case = rows_of(project.front, "phantom002")
    assert any("lacaf-s0 labels 1.000 1.000 unknown unknown" in row for row in by_case)
    assert any("lacaf-s0 hidden truth 1.000 1.000 1.000 1.000" in row for row in by_case)


def test_in_one_minute_it_says_how_good_where_it_fails_and_how_sure(project):
    told = text(project.front.split('id="brief"')[1].split("</dl>")[0])
    assert "How good? Mean DSC: lacaf-s0 1.000 (95 %: 1.000 to 1.000); unet-s0 0." in told
    assert "Of the length that it finds, 100 % is called by the right name" in told
    assert "2 test cases of 2 patients. So few that the interval is no more than a hint." in told
    assert "1 of 4 cases of the cohort were refused." in told


def test_the_longest_errors_lead_to_their_place(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "test")
    project.trained("lacaf-s0")
    found = mini.truth()
    found[found == 4] = 0
    project.predicted("lacaf-s0", "phantom001", found)
    project.evaluated(["lacaf-s0"])
    page = project.report()
    row = next(r for r in rows_of(page, "Right vein missed"))
    assert row == "Right vein missed 47 9 right lung, middle third phantom001"
    link = 'href="cases/phantom001.html#lacaf-s0-1"'
    assert link in page
    assert 'id="lacaf-s0-1"' in (project.reports / "cases" / "phantom001.html").read_text()
    assert "Longest error: right vein missed over 47 mm in phantom001" in text(page)


def test_the_picture_of_the_first_screen_is_of_the_median_case(project):
    assert "Case phantom001: the one of median DSC, no chosen one." in text(project.front)


def test_scores_stand_by_experiment_class_and_calibre(project):
    page = text(project.front)
    assert "By experiment" in page
    assert "unet − lacaf DSC 2" in page
    assert "radius 4+ mm" in page
    assert any(row.startswith("unet-s0 vein, both sides") for row in rows_of(project.front, "unet"))


def test_seeds_of_an_experiment_are_shown_as_spread(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "test")
    lower = mini.truth()
    lower[12:][lower[12:] == 1] = 0
    for seed, labels in enumerate((mini.truth(), lower)):
        project.trained(f"lacaf-s{seed}")
        project.predicted(f"lacaf-s{seed}", "phantom001", labels)
    summary = project.evaluated(["lacaf-s0", "lacaf-s1"])
    low, high = (
        summary[run]["against"]["truth"]["mean"]["dsc"]["mean"] for run in ("lacaf-s1", "lacaf-s0")
    )
    project.set_seeds([0, 1])
    page = project.front_page()
    cards = text(page.split('class="cards"')[1].split('id="brief"')[0])
    assert cards.count("Mean DSC") == 1
    assert "lacaf, 2 seeds" in cards
    assert f"Mean DSC {(low + high) / 2:.3f}" in cards
    assert f"Mean DSC: lacaf {(low + high) / 2:.3f} (seeds: {low:.3f} to {high:.3f})." in text(page)


def test_scores_without_calibre_and_tables_are_shown_and_said_so(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "test")
    project.trained("lacaf-s0")
    project.predicted("lacaf-s0", "phantom001", mini.truth())
    summary = project.evaluated(["lacaf-s0"])
    for subjects in summary["lacaf-s0"]["against"].values():
        for metrics in subjects.values():
            for statistics in metrics.values():
                statistics.pop("parts", None)
    files.write_json(project.data / "evaluate" / "summary.json", summary)
    shutil.rmtree(project.data / "evaluate" / "tables")
    page = text(project.front_page())
    assert "These scores hold no numbers by calibre." in page
    assert "Stage evaluate has not left a comparison of experiments here." in page


def test_coverage_map_has_a_column_a_case_and_a_cell_a_class(project):
    found = project.front.split('class="map"')[1].split("</figure>")[0]
    assert found.count("<a href=") == 4
    assert found.count('class="cell labelled ') == 4 + 2
    assert found.count('class="cell unknown ') == 2 + 4
    assert found.count('class="cell refused ') == 4


def test_cohort_page_shows_the_state_of_each_class_and_a_thumbnail(project):
    cohort = (project.reports / "cohort.html").read_text()
    row = next(r for r in rows_of(cohort, "phantom002") if "four_classes" in r)
    assert "four_classes left ● labelled ● labelled ? unknown ? unknown" in row
    assert "gaps between slices" in row
    row = next(r for r in rows_of(cohort, "clinic7") if "no labels" in r)
    assert row.count("? unknown") == 4
    assert cohort.count('class="thumbnail"') == 3
    assert mini.REFUSAL["remedy"] in text(cohort)


def test_refused_case_stands_with_stage_finding_expectation_and_remedy(project):
    table = project.front.split('id="refused"')[1].split("</table>")[0]
    for told in (*mini.REFUSAL.values(), "broken01"):
        assert told in text(table)


class Links(HTMLParser):
    """Everything that a page fetches or leads to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.led_to: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key == "href" and tag == "a":
                self.led_to.append(value)
            elif key in ("src", "href", "srcset", "data"):
                self.fetched.append(value)
            elif key == "id":
                self.anchors.add(value)


def test_nothing_is_fetched_and_every_link_leads_somewhere(project):
    pages = list(project.reports.rglob("*.html"))
    assert len(pages) == 2 + 4
    for path in pages:
        links = Links(path.read_text())
        assert all(link.startswith("data:") for link in links.fetched), path
        for link in links.led_to:
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), (path, link)
            if anchor:
                assert anchor in Links(target.read_text()).anchors, (path, link)
        assert "url(" not in path.read_text()
        assert "@import" not in path.read_text()
        assert path.stat().st_size < 3_000_000


def test_figures_are_files_too_whatever_is_missing(project, tmp_path):
    empty = mini.Mini(tmp_path)
    empty.case("phantom001", "train")
    empty.report()
    names = {"hero.png", "coverage.svg", "classes.svg", "calibre.svg", "curves.svg", "cost.svg"}
    for made in (project, empty):
        assert {path.name for path in (made.reports / "figures").iterdir()} == names
        for path in (made.reports / "figures").glob("*.svg"):
            ElementTree.parse(path)
    assert "No training has been recorded." in (empty.reports / "figures/curves.svg").read_text()


def test_pages_of_cases_that_left_the_table_are_removed(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "train")
    project.case("phantom002", "train")
    project.report()
    del project.cases["phantom002"]
    page = project.report()
    assert {p.name for p in (project.reports / "cases").iterdir()} == {
        "phantom001.html",
        "phantom001.json",
        "phantom001.png",
    }
    assert "phantom002" not in page


def test_no_path_of_the_hospital_reaches_the_report(project, tmp_path):
    told = mini.Mini(tmp_path)
    told.refused("broken02", finding=f"source '/clinic/{mini.HOSPITAL}' does not exist")
    told.report()
    for folder in (project.reports, told.reports):
        for file in folder.rglob("*"):
            if file.is_file():
                assert mini.HOSPITAL.encode() not in file.read_bytes(), file.name
    assert "source &#39;(source)&#39; does not exist" in (told.reports / "index.html").read_text()


def test_text_from_records_and_parameters_is_escaped(tmp_path):
    project = mini.Mini(tmp_path)
    project.refused("broken03", finding="<script>alert(1)</script>")
    page = project.report()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_without_models_the_page_says_so(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "test")
    page = text(project.report())
    assert "SYNTHETIC. Every case here (1) is a computer-made phantom." in page
    assert "NO SCORES. No model has been trained here" in page
    assert "No training has been recorded." in page


def test_with_predicted_cases_only_the_model_is_applied_not_measured(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("clinic7", "predict")
    project.trained("lacaf-s0")
    project.predicted("lacaf-s0", "clinic7", mini.truth())
    page = project.report()
    assert "REAL CT. Every case here (1) is a real CT." in text(page)
    assert "No case has split test: the model was applied, not measured." in text(page)
    assert "Segmented, without scores: clinic7." in text(page)


def test_before_any_stage_has_run_there_is_a_page(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "train")
    project.data = tmp_path / "empty"
    assert "not run" in text(project.report())


def test_manifest_holds_what_is_needed_to_repeat_the_run(project):
    manifest = json.loads((project.reports / "manifest.json").read_text())
    assert manifest["dvc"] == {"train": {"data/train": "abc.dir"}}
    assert manifest["runs"]["lacaf-s0"]["mlflow_run_id"] == "0123456789abcdef"
    assert manifest["runs"]["lacaf-s0"]["embedding_hash"] == "cd" * 32
    assert manifest["seeds"] == {"phantom": project.params.phantom.seed, "train": [0]}
    assert manifest["packages"]["numpy"] == np.__version__
    assert isinstance(manifest["git_dirty"], bool)


def test_cost_adds_up_snakemakes_benchmarks(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "train")
    for name, seconds, megabytes in (("a", "30.5", "512"), ("b", "60.5", "2048")):
        files.write_text(
            tmp_path / "logs" / "benchmarks" / "crop" / f"{name}.tsv",
            f"s\th:m:s\tmax_rss\tmean_load\n{seconds}\t0:00:30\t{megabytes}\t99\n",
        )
    files.write_text(tmp_path / "logs" / "benchmarks" / "embed" / "x.tsv", "s\tmax_rss\n2\tNA\n")
    page = project.report()
    assert "crop" in (project.reports / "figures" / "cost.svg").read_text()
    assert any("2 91 s" in row or "2 1.5 min 60 s 2.00 GB" in row for row in rows_of(page, "crop"))
    assert any("1 2 s 2 s –" in row for row in rows_of(page, "embed"))


def test_report_imports_no_network_library():
    script = (
        "import sys, lacaf.report; bad = {'torch', 'monai', 'SimpleITK', 'mlflow'} & "
        "set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parent)


def test_seven_hundred_cases_make_no_large_page(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "test")
    project.page("phantom001")
    about = json.loads((project.reports / "cases" / "phantom001.json").read_text())
    assert len(about["thumbnail"]) < 4000
    worst = {"kind": "missed", "class": "left_vein", "text": "Left vein missed"}
    worst |= {
        "length_mm": 30.5,
        "width_mm": 3.0,
        "place": "left lung, lower third",
        "at": [1, 2, 3],
    }
    for number in range(2, 701):
        name = f"phantom{number:03d}"
        row = project.cases["phantom001"]
        project.cases[name] = dataclasses.replace(row, case=name, patient=f"p{number}")
        for stage in ("convert", "crop", "harmonize"):
            record = records.read(project.data / stage / "phantom001", stage)
            files.write_json(project.data / stage / name / stage_of(stage).record, record)
        page = about | {"case": name, "mistakes": {"lacaf-s0": [worst] * 5}}
        files.write_json(project.reports / "cases" / f"{name}.json", page)
    front = report(project.params, project.cases, project.data, project.reports, tmp_path)
    assert front["cases"] == 700
    assert (project.reports / "index.html").stat().st_size < 1_000_000
    assert (project.reports / "cohort.html").stat().st_size < 4_000_000
