"""Codings are declared, never guessed."""

from importlib import resources
from pathlib import Path

import pytest
from pydantic import ValidationError

from lacaf import cases, layout
from lacaf.coding import Coding, builtin, parse
from lacaf.params import whole

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


class TestWhatAChangedCodingMakesStale:
    """Only what a coding means, and only the cases that use it."""

    STAGES = ("phantom", "convert", "crop", "harmonize")
    SHIPPED = resources.files("lacaf").joinpath("codings.yaml").read_text()

    @pytest.fixture(autouse=True)
    def project(self, tmp_path, monkeypatch):
        """Two phantoms and a CT without labels, each with all that its stages read."""
        monkeypatch.chdir(tmp_path)
        self.monkeypatch = monkeypatch
        self.params = whole.load(Path(__file__).parents[1] / "params" / "demo.yaml")
        rows = [",".join(cases.COLUMNS)]
        for number, coding in enumerate(("artery1_vein2", "carve14"), start=1):
            raw = f"data/raw/phantom{number}"
            row = f"phantom{number},p{number},{raw}/dicom,{raw}/labels.nii.gz,{coding},both,train"
            rows.append(row)
        rows.append("bare,p9,data/raw/bare,,,,predict")
        Path("data").mkdir()
        Path("data/cases.csv").write_text("\n".join(rows) + "\n")
        self.cases = cases.read(Path("data/cases.csv"), builtin())
        for case in self.cases:
            for folder in (f"raw/{case}", f"convert/{case}", f"crop/{case}"):
                Path("data", folder).mkdir(parents=True)
                Path("data", folder, "file").write_text(case)

    def stale(self, text):
        """The cases and stages that this text of the shipped codings makes stale."""
        before = self.made_from()
        self.monkeypatch.setattr(whole, "builtin", lambda: parse(text))
        after = self.made_from()
        assert before.keys() == after.keys()
        return {key for key in before if before[key] != after[key]}

    def made_from(self):
        return {
            (name, stage): layout.made_from(stage, case, self.params)
            for name, case in self.cases.items()
            for stage in self.STAGES
        }

    def changed(self, old, new):
        assert self.SHIPPED.count(old) == 1
        return self.SHIPPED.replace(old, new)

    def test_nothing_by_a_comment_or_by_what_people_are_told(self):
        told = self.changed("one file, arteries 1, veins 2", "a single file")
        assert self.stale("# another comment\n" + told) == set()
        named = self.changed("CARVE14\n  licence: of the", "CARVE14\n  licence: CC0, not of the")
        assert self.stale(named) == set()

    @pytest.mark.parametrize(
        ("old", "new", "case"),
        [
            ("{1: artery, 2: vein}", "{1: artery, 2: vein, 3: other}", "phantom1"),
            (
                "{1: vein, 2: artery, -999: unknown}",
                "{1: vein, 2: artery, -999: other}",
                "phantom2",
            ),
        ],
    )
    def test_by_a_changed_value_the_cases_that_use_it_and_no_other(self, old, new, case):
        assert self.stale(self.changed(old, new)) == {(case, stage) for stage in self.STAGES}

    def test_nothing_by_a_new_coding_that_no_case_uses(self):
        assert self.stale(self.SHIPPED + "new_set:\n  values: {5: artery}\n") == set()

    def test_a_coding_of_the_users_own_does_not_touch_the_others(self):
        before = self.made_from()
        content = self.params.model_dump()
        content["codings"] = {"carve14": {"values": {1: "artery", 2: "vein"}}}
        self.params = whole.parse(content)
        after = self.made_from()
        stale = {key for key in before if before[key] != after[key]}
        assert stale == {("phantom2", stage) for stage in self.STAGES}
