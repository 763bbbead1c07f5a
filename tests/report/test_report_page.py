"""The page: what it says of a run, of half a run, and of no run at all."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import mini
import numpy as np

from lacaf import records


def text(page: str) -> str:
    """What a reader sees: no tags, scripts or styles, single spaces."""
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    page = re.sub(r"</?(strong|code|abbr|span)\b[^>]*>", "", page)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def rows_of(page: str, first: str) -> list[str]:
    return [text(row).strip() for row in re.findall(r"<tr>.*?</tr>", page, re.S) if first in row]


def test_first_screen_says_what_is_synthetic_and_what_the_scores_come_from(project):
    top = text(project.page.split('id="scores"')[0])
    assert "PARTLY SYNTHETIC. Of 4 cases, 2 computer-made phantoms and 2 real CT." in top
    assert "All scores below come from phantoms; they say nothing of patients." in top
    assert "4 cases, 1 refused" in top


def test_headline_numbers_are_those_of_the_summary(project):
    summary = json.loads((project.data / "evaluate" / "summary.json").read_text())
    top = text(project.page.split('id="scores"')[0])
    for run in ("lacaf-s0", "unet-s0"):
        subjects = summary[run]["against"]["truth"]
        dsc = subjects["mean"]["dsc"]
        assert f"{dsc['mean']:.3f} 95 %: {dsc['low']:.3f} to {dsc['high']:.3f}" in top
        assert f"{subjects['both']['accuracy']['mean']:.3f}" in top
        assert f"“always artery”: {subjects['both']['always_artery']['mean']:.3f}" in top
    assert summary["lacaf-s0"]["against"]["truth"]["mean"]["dsc"]["mean"] == 1
    assert 0.4 < summary["unet-s0"]["against"]["truth"]["mean"]["dsc"]["mean"] < 0.6


def test_unknown_classes_are_counted_beside_the_means(project):
    labelled = project.page.split("Against labelled parts only")[1]
    assert "2 of 8 classes unknown, not counted" in text(labelled.split("</table>")[0])
    by_case = rows_of(project.page, "phantom002")
    assert any("lacaf-s0 labels 1.000 1.000 unknown unknown" in row for row in by_case)
    assert any("lacaf-s0 hidden truth 1.000 1.000 1.000 1.000" in row for row in by_case)


def test_coverage_matrix_shows_the_state_of_each_class(project):
    row = next(r for r in rows_of(project.page, "phantom002") if "four_classes" in r)
    assert row.endswith("four_classes left ● labelled ● labelled ? unknown ? unknown")
    row = next(r for r in rows_of(project.page, "clinic7") if "no labels" in r)
    assert row.count("? unknown") == 4


def test_refused_case_stands_with_stage_finding_expectation_and_remedy(project):
    table = project.page.split('id="refused"')[1].split("</table>")[0]
    for told in (*mini.REFUSAL.values(), "broken01"):
        assert told in text(table)


def test_case_without_labels_is_shown_without_errors(project):
    case = project.page.split('id="case-clinic7"')[1].split("</figure>")[0]
    assert "No reference: this case has no labels" in case
    assert (project.reports / "figures" / "clinic7.png").stat().st_size > 10_000


def test_nothing_is_fetched_from_outside(project):
    class Links(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            self.found += [v for k, v in attrs if k in ("src", "href", "srcset", "data")]

    links = Links()
    links.feed(project.page)
    assert links.found
    assert all(link.startswith(("#", "data:")) for link in links.found)
    assert "url(" not in project.page
    assert "@import" not in project.page
    assert len(project.page) < 3_000_000


def test_every_link_of_the_navigation_has_its_section(project):
    for anchor in re.findall(r'<a href="#([\w-]+)"', project.page):
        assert f'id="{anchor}"' in project.page


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
    assert "No case of split test or predict has been segmented yet." in page
    assert "No training has been recorded." in page


def test_with_predicted_cases_only_the_model_is_applied_not_measured(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("clinic7", "predict")
    project.trained("lacaf-s0")
    project.predicted("lacaf-s0", "clinic7", mini.truth())
    page = project.report()
    assert "REAL CT. Every case here (1) is a real CT." in text(page)
    assert "No case has split test: the model was applied, not measured." in text(page)
    assert 'id="scene-clinic7"' in page


def test_a_prediction_without_any_vessel_is_shown(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("clinic7", "predict")
    project.predicted("lacaf-s0", "clinic7", np.zeros(mini.GRID.shape))
    page = text(project.report())
    assert "No vessel in any of these cases: nothing to show in 3D." in page


def test_before_any_stage_has_run_there_is_a_page(tmp_path):
    project = mini.Mini(tmp_path)
    project.case("phantom001", "train")
    project.data = tmp_path / "empty"
    assert "not run" in text(project.report())


def test_only_as_many_cases_as_asked_for_are_drawn(tmp_path):
    project = mini.Mini(tmp_path)
    section = project.params.report.model_copy(update={"overlay_cases": 1})
    project.params = project.params.model_copy(update={"report": section})
    for name in ("clinic1", "clinic2"):
        project.case(name, "predict")
        project.predicted("lacaf-s0", name, mini.truth())
    assert "Of 2 segmented cases, 1 are shown" in text(project.report())


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
        records.write_text(
            tmp_path / "logs" / "benchmarks" / "crop" / f"{name}.tsv",
            f"s\th:m:s\tmax_rss\tmean_load\n{seconds}\t0:00:30\t{megabytes}\t99\n",
        )
    records.write_text(tmp_path / "logs" / "benchmarks" / "embed" / "x.tsv", "s\tmax_rss\n2\tNA\n")
    page = project.report()
    assert any("2 91 s" in row or "2 1.5 min 60 s 2.00 GB" in row for row in rows_of(page, "crop"))
    assert any("1 2 s 2 s –" in row for row in rows_of(page, "embed"))


def test_report_imports_no_network_library():
    script = (
        "import sys, lacaf.report; bad = {'torch', 'monai', 'SimpleITK', 'mlflow'} & "
        "set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parent)
