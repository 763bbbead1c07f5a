"""Section study: strict, and told in sentences; and how many cases an experiment learns from."""

import csv
from pathlib import Path

import pytest
import yaml

from lacaf.cases import read
from lacaf.params import whole
from lacaf.params.section import ParamsError
from lacaf.params.train import Amount

ROOT = Path(__file__).parents[2]
DEMO = yaml.safe_load((ROOT / "params" / "demo.yaml").read_text())


def changed(**study):
    return DEMO | {"study": DEMO["study"] | study}


@pytest.mark.parametrize(
    ("study", "told"),
    [
        ({"tables": {"a": {"against": "unet", "experiments": ["unet", "lacf"]}}}, "names lacf"),
        ({"tables": {"a": {"against": "onehot", "experiments": ["unet"]}}}, "against onehot"),
        ({"tables": {"a": {"against": "unet", "experiments": ["unet", "unet"]}}}, "unet stands"),
        ({"tables": {"a": {"against": "unet", "experiment": []}}}, "allowed here: against"),
        ({"experiments": {"a": {"stepz": 3}}, "tables": {}}, "study.experiments.a.stepz"),
        ({"experiments": {"a": {"cases": {"half": -1}}}, "tables": {}}, "a.cases.half"),
        ({"experiments": {"a": {"prompts": "x"}}, "tables": {}}, "embed.prompts has no 'x'"),
        ({"seeds": [1, 1]}, "1 stands there twice"),
    ],
)
def test_a_fault_is_told_in_a_sentence(study, told):
    with pytest.raises(ParamsError, match=told):
        whole.parse(changed(**study))


def test_the_studys_experiments_stand_beside_trains_own():
    params = whole.parse(changed(experiments={"a": {"width": 4}}, seeds=[3], tables={}))
    assert params.of_study().runs() == {"a-s3": ("a", 3)}
    assert set(params.runs()) == {"lacaf-s0", "unet-s0"}
    recipe = params.of_study().train.recipe("a")
    assert recipe.width == 4
    assert recipe.steps == params.train.steps


def test_what_the_study_needs_is_embedded_too():
    own = {"a": {"encoder": "random"}, "b": {"network": "unet", "encoder": None}}
    params = whole.parse(changed(experiments=own, tables={}))
    assert params.embeddings() == [("minilm", "paper"), ("random", "paper")]


FULL = dict.fromkeys(("left_artery", "left_vein"), "labelled")
HALF = FULL | {"left_vein": "unknown"}
COVERAGES = {"a": HALF, "b": FULL, "c": HALF, "d": FULL | {"left_vein": "absent"}}


@pytest.mark.parametrize(
    ("full", "half", "used"),
    [
        (None, None, ["a", "b", "c", "d"]),
        (None, 0, ["b", "d"]),
        (1, 1, ["a", "b"]),
        (0, 9, ["a", "c"]),
        (0, 0, []),
    ],
)
def test_the_first_of_each_kind_are_used_in_the_tables_order(full, half, used):
    assert Amount(full=full, half=half).chosen(COVERAGES) == used


def test_the_table_of_the_whole_study_is_that_of_the_demo_and_more():
    cases = read(ROOT / "params" / "study_cases.csv", whole.parse(DEMO).all_codings())
    demo = read(ROOT / "data" / "cases.csv")
    assert list(cases.values())[: len(demo)] == list(demo.values())
    added = [case for name, case in cases.items() if name not in demo]
    test = [case for case in cases.values() if case.split == "test"]
    assert len(test) == len({case.patient for case in test}) == 12
    assert all(case.labelled_side == "both" for case in added if case.split == "test")
    more = [case for case in added if case.split == "train"]
    assert [c.labelled_side == "both" for c in more].count(True) == 4 == len(more) / 2


def test_the_whole_study_learns_from_what_the_demo_has_unless_it_says_otherwise():
    params = whole.load(ROOT / "params" / "study.yaml")
    with (ROOT / "data" / "cases.csv").open() as handle:
        train = [row for row in csv.DictReader(handle) if row["split"] == "train"]
    full = sum(row["labelled_side"] == "both" for row in train)
    assert params.train.cases == Amount(full=full, half=len(train) - full)
