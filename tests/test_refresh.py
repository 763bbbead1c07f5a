"""Refresh removes what a stage made from something else, and nothing of anybody else's."""

from pathlib import Path

import pytest

from lacaf import cases, layout, records
from lacaf.cases import CasesError
from lacaf.params import whole as params
from lacaf.refresh import refresh
from lacaf.stages import CASE_STAGES

HEAD = ",".join(cases.COLUMNS) + "\n"
PHANTOM = (
    "phantom001,p1,data/raw/phantom001/dicom,data/raw/phantom001/av.nii.gz,artery1_vein2,left,train"
)


@pytest.fixture
def settings():
    return params.load(Path(__file__).parents[1] / "params" / "demo.yaml")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table("")


def table(row):
    path = Path("data/cases.csv")
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + (row or "case1,p9,data/raw/case1,,,,predict") + "\n")
    return cases.read(path).values()


def lay(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("{}")


def test_folders_that_no_stage_made_are_left_alone(settings):
    lay("data/truth/phantom_study/notes.txt", "data/raw/phantom_study/scan.nii.gz")
    lay("data/convert/mine/thoughts.txt")
    outcome = refresh(CASE_STAGES, table(""), settings)
    assert outcome["removed"] == []
    assert Path("data/truth/phantom_study/notes.txt").exists()
    assert Path("data/raw/phantom_study/scan.nii.gz").exists()
    assert Path("data/convert/mine/thoughts.txt").exists()


def test_what_left_the_table_goes_and_a_phantom_with_its_raw_data(settings):
    lay("data/convert/case7/source.json", "data/convert/.case8.123.part/image.nii.gz")
    lay("data/truth/phantom001/phantom.json", "data/raw/phantom001/dicom/IM000001")
    refresh(CASE_STAGES, table(""), settings)
    assert not list(Path("data/convert").iterdir())
    assert not Path("data/truth/phantom001").exists()
    assert not Path("data/raw/phantom001").exists()


def test_raw_data_without_a_record_of_a_phantom_are_neither_removed_nor_replaced(settings):
    lay("data/raw/phantom001/dicom/IM000001")
    rows = table(PHANTOM)
    refresh(["phantom"], rows, settings)
    assert Path("data/raw/phantom001/dicom/IM000001").exists()
    with pytest.raises(CasesError, match="give your own data another name"):
        layout.check_raw(rows)
    lay("data/truth/phantom001/phantom.json")
    layout.check_raw(rows)


def test_a_result_made_from_something_else_is_removed_and_a_true_one_is_kept(settings):
    lay("data/raw/case1")
    (case,) = table("")
    made_from = layout.made_from("convert", case, settings)
    records.carry_out("convert", "case1", layout.folder("convert", "case1"), made_from, dict_of)
    assert refresh(["convert"], [case], settings)["kept"] == ["convert/case1"]
    Path("data/raw/case1").write_text("other voxels")
    assert refresh(["convert"], [case], settings)["removed"] == ["convert/case1"]
    assert not layout.folder("convert", "case1").exists()


def with_coding(settings, files):
    content = settings.model_dump()
    content["codings"] = {"ours": {"files": files}}
    return params.parse(content)


def test_a_changed_coding_of_the_users_makes_the_sorted_label_files_stale(settings):
    lay("data/raw/case1/ct.nii.gz", "data/raw/case1/av/1.nii.gz", "data/raw/case2.nii.gz")
    case, other = table(
        "case1,p1,data/raw/case1/ct.nii.gz,data/raw/case1/av,ours,left,train\n"
        "case2,p2,data/raw/case2.nii.gz,,,,predict"
    )
    before = with_coding(settings, {"1*": "artery", "2*": "vein"})
    exchanged = with_coding(settings, {"1*": "vein", "2*": "artery"})
    for row in (case, other):
        made_from = layout.made_from("convert", row, before)
        folder = layout.folder("convert", row.case)
        records.carry_out("convert", row.case, folder, made_from, dict_of)
    outcome = refresh(["convert"], [case, other], exchanged)
    assert outcome == {"kept": ["convert/case2"], "removed": ["convert/case1"]}


def dict_of(folder):
    return {}
