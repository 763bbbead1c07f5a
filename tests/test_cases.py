"""The case table is the spine: what is wrong with it is told by row, all at once."""

from pathlib import Path

import pytest

from lacaf import cases, layout

HEADER = "case,patient,source,labels,coding,labelled_side,split"
FULL = "c1,p1,ct/c1,lab/c1.nii.gz,artery1_vein2,both,train"


def table(tmp_path, *rows, header=HEADER):
    path = tmp_path / "cases.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def faults(tmp_path, *rows, header=HEADER):
    with pytest.raises(cases.CasesError) as fault:
        cases.read(table(tmp_path, *rows, header=header), {"artery1_vein2": object()})
    return str(fault.value)


def test_a_row_becomes_a_case(tmp_path):
    found = cases.read(table(tmp_path, FULL, "c2,p2,ct/c2,,,,predict"))
    assert list(found) == ["c1", "c2"]
    assert found["c1"] == cases.Case(
        "c1", "p1", Path("ct/c1"), Path("lab/c1.nii.gz"), "artery1_vein2", "both", "train"
    )
    assert (found["c2"].labels, found["c2"].coding) == (None, None)


def test_a_series_may_be_named_in_a_column_of_its_own(tmp_path):
    rows = [f"{FULL},1.2.840.99.7", "c2,p2,ct/c2,,,,predict,3", "c3,p3,ct/c3,,,,predict,"]
    found = cases.read(table(tmp_path, *rows, header=f"{HEADER},series"))
    assert [case.series for case in found.values()] == ["1.2.840.99.7", "3", ""]
    assert cases.read(table(tmp_path, FULL))["c1"].series == ""
    assert "1.2.840" not in str(found)  # a UID leads to a patient


def test_a_uid_is_in_no_message_and_in_no_row_that_snakemake_shows(tmp_path):
    uid = "1.2.840.99.7"
    head = f"{HEADER},series"
    message = faults(
        tmp_path, f"{FULL},{uid} ?", f"{uid},{uid},ct,a,{uid},{uid},{uid},", header=head
    )
    assert "series is neither the number" in message
    assert "split (a UID): expected one of" in message
    assert uid not in message
    case = cases.read(table(tmp_path, f"{FULL},{uid}", header=head))["c1"]
    other = cases.read(table(tmp_path, f"{FULL},{uid}8", header=head))["c1"]
    assert uid not in str(layout.row("convert", case))
    assert layout.row("convert", case) != layout.row("convert", other)


def test_spaces_empty_lines_and_a_byte_order_mark_do_no_harm(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n\r\n c1 , p1 ,ct,,,, predict\r\n".encode())
    assert cases.read(path)["c1"].split == "predict"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (FULL, "'c1' stands in an earlier row"),
        ("Doe^John,p2,ct,,,,predict", "expected a pseudonym"),
        ("c2,,ct,,,,predict", "patient ''"),
        ("c2,p2,,,,,predict", "source is empty"),
        ("c2,p2,ct,,,,training", "expected one of 'train', 'val', 'test', 'predict'"),
        ("c2,p2,ct,l,artery1_vein2,links,train", "'left', 'right', 'both', 'auto', empty"),
        ("c2,p2,ct,l,,,train", "given together or not at all"),
        ("c2,p2,ct,,,,train", "needs labels; use 'predict'"),
        ("c2,p2,ct,l,mine,left,train", "coding 'mine' is unknown; known are artery1_vein2"),
        ("c2,p2,ct,l", "check the commas"),
        ("c2,p2,ct,,,,predict,more", "check the commas"),
    ],
)
def test_a_fault_is_told_with_its_row_and_the_remedy(tmp_path, row, expected):
    message = faults(tmp_path, FULL, row)
    assert "row 3" in message
    assert expected in message


def test_a_patient_in_two_splits_is_refused(tmp_path):
    message = faults(tmp_path, FULL, "c2,p1,ct/c2,lab/c2,artery1_vein2,left,test")
    assert "patient 'p1' is in train and test (c1, c2)" in message


def test_one_scan_under_two_patients_names_in_two_splits_is_refused(tmp_path):
    message = faults(tmp_path, FULL, "c2,p2,ct/x/../c1,lab/c2,artery1_vein2,left,test")
    assert "one source is in train and test (c1, c2)" in message


def test_two_cases_of_a_patient_in_one_split_or_only_segmented_are_fine(tmp_path):
    path = table(
        tmp_path, FULL, "c2,p1,ct/c2,lab/c2,artery1_vein2,left,train", "c3,p1,ct/c3,,,,predict"
    )
    assert len(cases.read(path)) == 3


def test_all_faults_are_told_at_once(tmp_path):
    message = faults(tmp_path, "c1,p1,,,,,predict", "c2,p2,ct,,,,never")
    assert "row 2" in message
    assert "row 3" in message


def test_the_columns_are_exactly_the_declared_ones(tmp_path):
    message = faults(tmp_path, "c1", header="case")
    assert "columns are case; expected exactly case, patient, source" in message


def test_a_table_without_cases_or_no_table_is_told(tmp_path):
    assert "no cases" in faults(tmp_path)
    with pytest.raises(cases.CasesError, match="no such file"):
        cases.read(tmp_path / "none.csv")


@pytest.mark.parametrize("content", [f"{HEADER}\nMüller".encode("latin-1"), b"case," * 50_000])
def test_what_is_no_csv_text_is_told_and_not_shown(tmp_path, content):
    (tmp_path / "cases.csv").write_bytes(content + b"a" * 200_000)
    with pytest.raises(cases.CasesError, match="is no CSV text"):
        cases.read(tmp_path / "cases.csv")


def test_names_that_differ_only_in_case_are_one_folder_on_some_disks(tmp_path):
    assert "'C1'" in faults(tmp_path, FULL, "C1,p2,ct,,,,predict")


def test_files_that_the_disk_lacks_are_named(tmp_path):
    there = tmp_path / "ct"
    there.mkdir()
    path = table(tmp_path, f"c1,p1,{there},{tmp_path / 'none.nii.gz'},artery1_vein2,left,train")
    with pytest.raises(cases.CasesError) as raised:
        cases.present(cases.read(path).values())
    message = str(raised.value)
    assert message.startswith("case c1: labels")
    assert "does not exist" in message
