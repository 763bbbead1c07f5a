"""From cases to runs: who counts, who does not, and how many of each."""

import json

import numpy as np
import pytest

from lacaf.classes import CLASSES
from lacaf.evaluate import compare, headline, summarize, tables
from lacaf.evaluate.metrics import Scales, subject_keys
from lacaf.evaluate.subjects import groups
from lacaf.evaluate.summary import COLUMNS
from lacaf.fault import Refusal
from lacaf.params import whole as params
from lacaf.statistics import holm, statistics, wilcoxon

SETTINGS = params.Evaluate(
    nsd_tolerances_mm=[1.0, 2.0], calibre_edges_mm=[1.0, 2.0, 4.0], bootstrap=200
)
RUNS = {
    "lacaf-s0": {"experiment": "lacaf", "seed": 0, "mlflow_run": None},
    "lacaf-s1": {"experiment": "lacaf", "seed": 1, "mlflow_run": None},
    "unet-s0": {"experiment": "unet", "seed": 0, "mlflow_run": None},
}
MEAN = ("dsc", "nsd_1mm", "nsd_2mm", "hd95_mm", "assd_mm", "cldice", "tree_detected", "b0_error")
IDENTITY = ("reference_artery_mm", "found_share", "accuracy", "side_accuracy", "always_artery")


def record(run, case, patient, dsc, unknown=(), status="ok"):
    """A case's scores.json with the keys that name its run; every score is ``dsc``."""
    keys = {"case": case, "patient": patient, "split": "test", "run": run, "stage": "evaluate"}
    keys |= {k: RUNS[run][k] for k in ("experiment", "seed")} | {"status": status}
    if status == "refused":
        return keys | {"refusal": {"stage": "convert"}}
    subjects = {}
    for name in (*CLASSES, *groups(CLASSES)):
        value = None if name in unknown else dsc
        subjects[name] = {"state": "unknown" if name in unknown else "labelled"}
        subjects[name] |= dict.fromkeys(subject_keys(Scales()), value)
        subjects[name]["missed"] = None if name in unknown else dsc == 0
        band = {"reference_tree_mm": 7.0, "tree_detected": value}
        subjects[name]["by_calibre"] = None if name in unknown else {"radius 0-1 mm": band}
        subjects[name]["by_generation"] = None if name in unknown else {"generation 0": band}
    scored = len(CLASSES) - len(unknown)
    mean = dict.fromkeys(MEAN, dsc)
    mean |= {"classes_scored": scored, "classes_unknown": len(unknown)}
    identity = {side: dict.fromkeys(IDENTITY, dsc) for side in ("left", "right", "both")}
    parts = {
        "classes": {name: subjects[name] for name in CLASSES},
        "groups": {name: subjects[name] for name in groups(CLASSES)},
        "mean": mean,
        "identity": identity,
    }
    return keys | {"against": {"labelled": parts, "truth": parts}}


def records(run, scores):
    return [record(run, f"c{i}", f"p{i}", score) for i, score in enumerate(scores)]


def test_the_long_table_has_one_row_a_number():
    rows, _, _ = summarize([record("lacaf-s0", "c0", "p0", 0.5)], RUNS, SETTINGS)
    assert tuple(rows.columns) == COLUMNS
    keys = ["run", "case", "against", "subject", "part", "metric"]
    assert not rows.duplicated(keys).any()
    row = rows.set_index(keys).loc[("lacaf-s0", "c0", "truth", "left_vein", "all", "hd95_mm")]
    assert (row["unit"], row["value"], row["state"]) == ("mm", 0.5, "scored")
    assert set(rows["subject"]) == {*CLASSES, *groups(CLASSES), "mean", "left", "right", "both"}


def test_what_is_unknown_is_empty_in_the_table_and_counted_in_the_summary():
    scores = [
        record("lacaf-s0", "c0", "p0", 0.4, unknown=("right_artery", "right_vein")),
        record("lacaf-s0", "c1", "p1", 0.8),
    ]
    rows, summary, _ = summarize(scores, RUNS, SETTINGS)
    lines = rows.to_csv(index=False).splitlines()
    assert "lacaf-s0,lacaf,0,c0,p0,test,labelled,right_vein,all,dsc,1,,unknown" in lines
    subjects = summary["lacaf-s0"]["against"]["labelled"]
    assert subjects["right_vein"]["dsc"]["mean"] == 0.8
    assert subjects["right_vein"]["dsc"]["cases"] == 1
    assert subjects["right_vein"]["dsc"]["unknown"] == 1
    assert subjects["left_vein"]["dsc"]["mean"] == pytest.approx(0.6)
    json.dumps(summary, allow_nan=False)


def test_parts_count_the_cases_that_do_not_know_and_those_that_lack_them():
    thick = record("lacaf-s0", "c2", "p2", 0.6)
    for parts in thick["against"].values():
        for entry in (*parts["classes"].values(), *parts["groups"].values()):
            entry["by_calibre"] = {"radius 0-1 mm": {"reference_tree_mm": 0.0}}
    scores = [
        record("lacaf-s0", "c0", "p0", 0.4, unknown=("right_artery", "right_vein")),
        record("lacaf-s0", "c1", "p1", 0.8),
        thick,
    ]
    _, summary, _ = summarize(scores, RUNS, SETTINGS)
    entry = summary["lacaf-s0"]["against"]["labelled"]["right_vein"]["tree_detected"]
    assert (entry["cases"], entry["unknown"], entry["undefined"]) == (2, 1, 0)
    part = entry["parts"]["radius 0-1 mm"]
    assert (part["mean"], part["cases"], part["unknown"], part["undefined"]) == (0.8, 1, 1, 1)


def test_parts_stand_from_thin_to_thick_whichever_a_case_lacks():
    cases = [record("lacaf-s0", f"c{i}", f"p{i}", 0.5) for i in range(2)]
    band = {"reference_tree_mm": 7.0, "tree_detected": 0.5}
    for names, case in zip((("2-4", "4+"), ("0-1", "1-2", "4+")), cases, strict=True):
        vessel = case["against"]["labelled"]["groups"]["vessel"]
        vessel["by_calibre"] = {f"radius {name} mm": band for name in names}
        vessel["by_generation"] = {}
    _, summary, _ = summarize(cases, RUNS, SETTINGS)
    parts = summary["lacaf-s0"]["against"]["labelled"]["vessel"]["tree_detected"]["parts"]
    assert list(parts) == [f"radius {name} mm" for name in ("0-1", "1-2", "2-4", "4+")]


def test_a_share_of_nothing_is_undefined_not_unknown():
    absent = record("lacaf-s0", "c0", "p0", 0.9)
    for parts in absent["against"].values():
        parts["classes"]["left_vein"] |= {"state": "absent", "sensitivity": None}
    rows, summary, _ = summarize([absent], RUNS, SETTINGS)
    row = rows[(rows["subject"] == "left_vein") & (rows["metric"] == "sensitivity")].iloc[0]
    assert row["state"] == "undefined"
    entry = summary["lacaf-s0"]["against"]["labelled"]["left_vein"]["sensitivity"]
    assert (entry["mean"], entry["unknown"], entry["undefined"]) == (None, 0, 1)


def test_a_missed_class_is_zero_and_says_so():
    rows, summary, _ = summarize([record("lacaf-s0", "c0", "p0", 0.0)], RUNS, SETTINGS)
    own = rows[(rows["subject"] == "left_vein") & (rows["metric"] == "dsc")]
    assert set(own["state"]) == {"missed"}
    assert set(own["value"]) == {0.0}
    assert summary["lacaf-s0"]["against"]["labelled"]["left_vein"]["dsc"]["mean"] == 0


def test_a_refused_case_is_named_not_scored():
    scores = [
        record("lacaf-s0", "c0", "p0", 0.4),
        record("lacaf-s0", "c1", "p1", None, status="refused"),
    ]
    rows, summary, _ = summarize(scores, RUNS, SETTINGS)
    assert summary["lacaf-s0"]["refused"] == ["c1"]
    assert set(rows["case"]) == {"c0"}
    assert summary["lacaf-s0"]["against"]["labelled"]["mean"]["dsc"]["cases"] == 1


def test_a_patient_counts_once_however_many_cases_he_has():
    found = statistics([0.0, 0.0, 0.0, 1.0, None], ["a", "a", "a", "b", "b"], 500)
    assert found["mean"] == found["median"] == 0.5
    assert (found["patients"], found["cases"], found["unknown"]) == (2, 4, 1)
    assert (found["low"], found["high"]) == (0.0, 1.0)


def test_the_interval_covers_the_mean_and_is_the_same_each_time():
    values = np.random.default_rng(0).normal(0.8, 0.1, 40).tolist()
    patients = [str(i) for i in range(40)]
    found = statistics(values, patients, 2000)
    assert found == statistics(values, patients, 2000)
    error = 1.96 * np.std(values) / np.sqrt(40)
    assert found["high"] - found["low"] == pytest.approx(2 * error, rel=0.1)
    assert found["low"] < np.mean(values) < found["high"]


def test_one_patient_has_no_interval_and_none_has_no_mean():
    assert statistics([0.7], ["a"], 100)["low"] is None
    nothing = statistics([None, float("nan")], ["a", "b"], 100)
    assert nothing["mean"] is None
    assert nothing["unknown"] == 2


def test_metrics_are_small_and_the_same_numbers():
    _, summary, metrics = summarize(records("unet-s0", [0.2, 0.4]), RUNS, SETTINGS)
    assert metrics["unet-s0"]["truth"]["dsc"] == pytest.approx(0.3)
    assert metrics["unet-s0"]["truth"]["identity_accuracy"] == pytest.approx(0.3)
    assert metrics["lacaf-s0"] == {}
    shown = headline(summary, SETTINGS).markdown()
    told = [[field.strip() for field in line.split("|")[1:4]] for line in shown.splitlines()[4:]]
    assert [line[:2] for line in told] == [["unet-s0", "labelled"], ["unet-s0", "truth"]]
    assert [line[2].split()[0] for line in told] == ["0.300", "0.300"]
    json.dumps(metrics, allow_nan=False)


def test_nothing_at_all_can_be_summarized():
    rows, summary, metrics = summarize([], RUNS, SETTINGS)
    assert len(rows) == 0
    assert set(metrics) == set(RUNS)
    assert [table.rows for table in tables(rows, summary, SETTINGS)] == [[]] * 8


@pytest.fixture
def scores_csv(tmp_path):
    def write(scores):
        rows, _, _ = summarize(scores, RUNS, SETTINGS)
        rows.to_csv(tmp_path / "scores.csv", index=False)
        return tmp_path / "scores.csv"

    return write


def test_experiments_are_compared_patient_by_patient(scores_csv):
    base = np.linspace(0.3, 0.9, 8)
    path = scores_csv(
        records("lacaf-s0", base + 0.05)
        + records("lacaf-s1", base + 0.15)
        + records("unet-s0", base)
    )
    text = compare(path)
    assert "0.700 [0.650, 0.750]" in text  # the mean of both seeds, between them
    line = next(x for x in text.splitlines() if "unet − lacaf" in x and "DSC" in x)
    cells = [c.strip() for c in line.strip("|").split("|")]
    # All 8 patients go the same way: p = 2/2^8, times the 7 tests of this reference.
    numbers = ["-0.100 [-0.100, -0.100]", "-0.100", "-1.000", f"{7 * 2 / 256:.3g}", "2 of 2"]
    assert cells == ["labelled", "unet − lacaf", "DSC", "8", *numbers]


def test_seeds_that_disagree_are_not_pooled_away(scores_csv):
    """Mean of the seeds above the other experiment, but one of the two seeds below it."""
    path = scores_csv(
        records("lacaf-s0", [0.2] * 6)
        + records("lacaf-s1", [0.9] * 6)
        + records("unet-s0", [0.5] * 6)
    )
    text = compare(path)
    assert "0.550 [0.200, 0.900]" in text
    assert "1 of 2" in next(x for x in text.splitlines() if "unet − lacaf" in x and "DSC" in x)


def test_too_few_patients_are_not_tested(scores_csv):
    text = compare(scores_csv(records("lacaf-s0", [0.5, 0.6]) + records("unet-s0", [0.4, 0.5])))
    assert "n < 5" in text


def test_runs_of_one_experiment_are_compared_as_runs(scores_csv):
    path = scores_csv(
        records("lacaf-s0", [0.5] * 6)
        + records("lacaf-s1", [0.5] * 6)
        + records("unet-s0", [0.1] * 6)
    )
    text = compare(path, ["lacaf-s0", "lacaf-s1"])
    assert "lacaf-s1 − lacaf-s0" in text
    assert "unet" not in text
    assert " 1 |" in text  # no difference at all: p = 1
    with pytest.raises(Refusal, match=r"experiment vnet; expected some of .*lacaf-s0"):
        compare(path, ["vnet"])


def test_names_that_look_like_numbers_or_like_nothing_are_names(tmp_path):
    runs = {f"{name}-s0": {"experiment": name, "seed": 0} for name in ("NA", "007")}
    scores = [
        record | {"run": run, "experiment": run.removesuffix("-s0"), "patient": patient}
        for run in runs
        for record, patient in zip(records("lacaf-s0", [0.5, 0.7]), ("NA", "1e3"), strict=True)
    ]
    rows, _, _ = summarize(scores, runs, SETTINGS)
    rows.to_csv(tmp_path / "scores.csv", index=False)
    text = compare(tmp_path / "scores.csv")
    line = next(x for x in text.splitlines() if "007 − NA" in x and "DSC" in x)
    assert [cell.strip() for cell in line.split("|")][4] == "2"


def test_experiments_without_a_common_patient_agree_in_nothing(scores_csv):
    others = [r | {"patient": r["patient"] + "b"} for r in records("unet-s0", [0.5] * 6)]
    text = compare(scores_csv(records("lacaf-s0", [0.5] * 6) + others))
    line = next(x for x in text.splitlines() if "unet − lacaf" in x and "DSC" in x)
    assert [cell.strip() for cell in line.split("|")][4:] == ["0", *"–––", "n < 5", "–", ""]


def test_differences_of_rounding_alone_are_none():
    assert wilcoxon(np.array([0.1 + 0.2 - 0.3, 0, 0, 0, 0])) == (1.0, 0.0)


def test_wilcoxon_counts_all_ways_in_which_the_signs_could_have_fallen():
    difference = np.array([0.1, 0.2, 0.3, -0.4, 0.5, 0.0])
    ways = [sum(rank for rank in range(1, 6) if way >> rank & 1) for way in range(0, 64, 2)]
    as_far = sum(abs(total - 7.5) >= abs(11 - 7.5) for total in ways)
    assert wilcoxon(difference) == pytest.approx((as_far / 32, (1 + 2 + 3 - 4 + 5) / 15))


def test_holm_corrects_step_by_step():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
