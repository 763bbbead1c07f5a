"""A study's numbers, on scores made by hand."""

import csv
import io
import json

import pytest
from runs import METRICS, named, scored
from scipy import stats

from lacaf.params.report import Report
from lacaf.params.study import Study
from lacaf.report import study_charts, study_page
from lacaf.study import as_csv, everything, means, read, row, study, tables

HARD = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def section(experiments=("unet", "lacaf"), seeds=(0, 1, 2), **changes):
    table = {"against": experiments[0], "experiments": list(experiments)}
    own = {name: changes.get(name, {}) for name in experiments}
    return Study(seeds=list(seeds), experiments=own, tables={"networks": table})


@pytest.fixture
def content():
    """Six patients, three seeds; lacaf is 0.1 better in everybody, its seeds differ by 0.01."""
    runs = [scored("unet", seed, HARD) for seed in range(3)]
    runs += [scored("lacaf", s, [v + 0.09 + 0.01 * s for v in HARD]) for s in range(3)]
    return study(section(), named(*runs))


def rows(content):
    return {row["experiment"]: row for row in content["tables"]["networks"]["rows"]}


def test_means_and_the_spread_of_seeds(content):
    score = rows(content)["lacaf"]["scores"]["dsc"]
    assert score["mean"] == pytest.approx(0.65)
    assert score["by_seed"] == pytest.approx({"0": 0.64, "1": 0.65, "2": 0.66})
    assert score["seed_sd"] == pytest.approx(0.01)
    assert (score["patients"], score["seeds"]) == (6, 3)
    assert score["low"] < 0.65 < score["high"]


def test_differences_are_paired_by_patient(content):
    other = rows(content)["lacaf"]["differences"]["dsc"]
    assert other["mean"] == pytest.approx(0.1)
    assert other["by_seed"] == pytest.approx({"0": 0.09, "1": 0.1, "2": 0.11})
    # The seeds alone differ: Student's t with two degrees of freedom.
    assert other["p"] == pytest.approx(2 * stats.t.sf(0.1 / (0.01 / 3**0.5), 2), rel=0.05)
    score = rows(content)["lacaf"]["scores"]["dsc"]
    assert other["high"] - other["low"] < (score["high"] - score["low"]) / 4
    assert rows(content)["unet"]["differences"] == {}


def test_p_is_corrected_for_all_tests_of_the_table(content):
    others = rows(content)["lacaf"]["differences"]
    assert len(others) == len(METRICS)
    for metric in list(METRICS)[:5]:
        assert others[metric]["p_holm"] == pytest.approx(5 * others[metric]["p"])
    assert others["dsc_left_vein"]["p"] is None  # a part of the first, not tested again


def test_a_patient_with_two_cases_counts_once():
    patients = ["a", "a", "b", "c", "d", "e"]
    one = scored("unet", 0, [0.0, 1.0, 0.5, 0.5, 0.5, 0.5], patients)
    score = rows(study(section(["unet"], [0]), named(one)))["unet"]["scores"]["dsc"]
    assert score["mean"] == 0.5
    assert score["patients"] == 5


def test_whom_the_reference_does_not_know_is_left_out_on_both_sides():
    """Artery–vein accuracy needs both types; two patients have arteries alone."""
    known = [None, None, 0.5, 0.6, 0.7, 0.8, 0.9]
    better = [v and v + 0.1 for v in known]
    one = scored("unet", 0, [0.5] * 7, identity=known)
    two = scored("lacaf", 0, [0.5] * 7, identity=better)
    found = rows(study(section(seeds=[0]), named(one, two)))["lacaf"]["differences"]
    assert found["identity"]["patients"] == 5
    assert found["identity"]["mean"] == pytest.approx(0.1)
    assert found["dsc"]["patients"] == 7


def test_too_few_are_said_to_be_too_few():
    few = [scored(name, 0, HARD[:4]) for name in ("unet", "lacaf")]
    content = study(section(seeds=[0]), named(*few))
    told = " ".join(content["tables"]["networks"]["remarks"])
    assert "4 patients are too few" in told
    assert "With one seed" in told
    score = rows(content)["lacaf"]["scores"]["dsc"]
    assert score["low"] is score["high"] is score["seed_sd"] is None
    assert rows(content)["lacaf"]["differences"]["dsc"]["p"] is None
    [_, differences] = tables(content)
    assert "n < 5" in differences.markdown()


def test_two_seeds_are_told_what_they_cannot_show():
    runs = [scored(name, s, HARD[:5]) for name in ("unet", "lacaf") for s in (0, 1)]
    told = " ".join(study(section(seeds=[0, 1]), named(*runs))["tables"]["networks"]["remarks"])
    assert "2 seeds are too few" in told


def test_the_csv_has_a_row_an_experiment_and_metric(content):
    found = list(csv.DictReader(io.StringIO(everything(content).csv())))
    assert len(found) == 2 * len(METRICS)
    [one] = [r for r in found if (r["experiment"], r["metric"]) == ("lacaf", "dsc")]
    assert float(one["mean"]) == pytest.approx(0.65)
    assert float(one["difference"]) == pytest.approx(0.1)
    assert one["against"] == "unet"


def test_tables_for_readers_and_for_a_paper(content):
    scores, differences = tables(content)
    assert (scores.name, differences.name) == ("networks", "networks_differences")
    assert "0.650 [" in scores.markdown()
    assert "0.100 [" in differences.markdown()
    assert "\\toprule" in differences.latex()
    json.dumps(content, allow_nan=False)


def test_scores_come_back_from_their_file(tmp_path):
    one = scored("unet", 0, [0.25, 0.5], identity=[None, 0.125])
    (tmp_path / "scores.csv").write_text(as_csv(one.rows))
    assert read(tmp_path / "scores.csv") == list(one.rows)
    assert means(one)["identity"] == 0.125


def test_a_row_says_what_of_the_scores_counts():
    classes = {c: {"dsc": 0.5} for c in ("left_artery", "left_vein", "right_artery", "right_vein")}
    scores = {
        "classes": classes,
        "groups": {"vessel": {"dsc": 0.75}},
        "mean": {"dsc": 0.5, "nsd_1mm": 0.6, "nsd_2mm": 0.7, "cldice": 0.4},
        "identity": {"left": {}, "right": {}, "both": {"accuracy": 0.9}},
    }
    found = row("c1", "p1", "truth", scores)
    assert list(found)[3:] == list(METRICS)
    assert (found["nsd_1mm"], found["identity"], found["dsc_vessel"]) == (0.6, 0.9, 0.75)


def test_the_page_stands_alone_and_shows_each_seed(content):
    page = study_page(
        content, tables(content), Report(title="T", overlay_cases="all", palette="safe")
    )
    assert "<title>Study – T</title>" in page
    assert "lacaf, seed 2: +0.1100" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    chart = study_charts(content)["networks"]
    assert chart.startswith("<svg")
    assert chart.count("<circle") == 5 * 3  # a dot a seed in each of five figures


def test_where_only_the_number_of_cases_differs_there_is_a_curve():
    names = ["few", "more", "all"]
    changes = {"few": {"cases": {"half": 2}}, "more": {"cases": {"half": 4}}}
    runs = [
        scored(name, seed, [v + 0.1 * at for v in HARD])
        for at, name in enumerate(names)
        for seed in range(3)
    ]
    for run, count in zip(runs, (3, 3, 3, 5, 5, 5, 9, 9, 9), strict=True):
        run.about["learnt_from"]["count"] = count
    drawn = study_charts(study(section(names, **changes), named(*runs)))["networks"]
    assert "half-labelled cases" in drawn
    assert "1 full cases, 4: 0.650" in drawn
    assert "<polygon" in drawn


def test_a_study_without_tables_has_a_page_too():
    empty = Study(seeds=[0], experiments={}, tables={})
    content = study(empty, {})
    assert tables(content) == []
    assert "0 experiments" in study_page(
        content, [], Report(title="T", overlay_cases="all", palette="paper")
    )
