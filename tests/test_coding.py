"""Codings are declared, never guessed."""

import pytest
from pydantic import ValidationError

from lacaf import cases
from lacaf.coding import Coding, builtin

ARTERY_VEIN = {"artery", "vein"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("artery1_vein2", {1: "artery", 2: "vein"}),
        ("vein1_artery2", {1: "vein", 2: "artery"}),
        ("four_classes", {1: "left_artery", 2: "left_vein", 3: "right_artery", 4: "right_vein"}),
        ("artery_only", {1: "artery"}),
        ("airrc", {1: "artery", 2: "vein", 3: "other", 4: "other"}),
        ("parse2022", {1: "artery"}),
        ("carve14", {1: "vein", 2: "artery", -999: "unknown"}),
        ("totalsegmentator_lung_vessels", {1: "other", 2: "other", 3: "artery", 4: "vein"}),
    ],
)
def test_the_shipped_codings_say_what_the_public_data_sets_mean(name, values):
    assert builtin()[name].values == values
    assert builtin()[name].about


def test_the_shipped_codings_by_file_and_by_name():
    assert builtin()["file_per_vessel"].files == {"artery*": "artery", "vein*": "vein"}
    assert builtin()["hipas"].overlap_share == 0.03
    for name in ("hipas", "dicom_names"):
        assert builtin()[name].meanings() == ARTERY_VEIN
        assert set(builtin()[name].patterns.values()) == ARTERY_VEIN
    assert builtin()["dicom_names_sided"].classes("left") == {"left_artery", "left_vein"}


def test_a_set_without_documented_values_declares_nothing():
    assert builtin()["kaggle_half_lung"].undeclared
    assert builtin()["kaggle_half_lung"].meanings() == set()


def test_a_public_set_says_where_it_comes_from_and_what_to_mind():
    for name, coding in builtin().items():
        assert bool(coding.source) == bool(coding.licence), name
        assert coding.traps or not coding.source, name


def test_labels_that_a_model_made_never_score(tmp_path):
    row = "c1,p1,ct,lab,totalsegmentator_lung_vessels,both,{}"
    table = tmp_path / "cases.csv"
    table.write_text(",".join(cases.COLUMNS) + "\n" + row.format("train") + "\n")
    assert cases.read(table, builtin())
    table.write_text(",".join(cases.COLUMNS) + "\n" + row.format("test") + "\n")
    with pytest.raises(cases.CasesError, match="they may train, never score"):
        cases.read(table, builtin())


def test_a_coding_without_sides_can_express_both_sides():
    coding = Coding(values={1: "artery"})
    assert coding.classes("left") == {"left_artery"}
    assert coding.classes("right") == {"right_artery"}


def test_a_coding_with_sides_expresses_those_alone():
    coding = Coding(values={7: "left_artery", 9: "left_vein", 3: "other"})
    assert coding.classes("left") == {"left_artery", "left_vein"}
    assert coding.classes("right") == set()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"values": {1: "artery"}, "files": {"a*": "artery"}},
        {"names": {"a*": "artery"}, "files": {"a*": "artery"}},
        {"values": {1: "artery"}, "undeclared": True},
        {"files": {"a*": "artery"}, "overlap_share": 1.5},
        {"values": {}},
        {"values": {1: "aorta"}},
        {"values": {"one": "artery"}},
        {"values": {1: "artery"}, "value": {}},
    ],
)
def test_a_coding_that_is_not_clear_is_refused(content):
    with pytest.raises(ValidationError):
        Coding(**content)


def test_zero_is_always_background():
    with pytest.raises(ValidationError, match="0 is always background"):
        Coding(values={0: "artery", 1: "vein"})
