"""The synthetic cohort's case table."""

from collections import Counter

import pytest

from lacaf import cases
from lacaf.coding import builtin
from lacaf.phantom.cohort import table


def read(n, tmp_path):
    (tmp_path / "cases.csv").write_text(table(n))
    return list(cases.read(tmp_path / "cases.csv", builtin()).values())


def test_fourteen_cases_are_mostly_half_labelled_in_several_codings(tmp_path):
    rows = read(14, tmp_path)
    assert Counter(r.split for r in rows) == {"train": 9, "val": 2, "test": 3}
    assert 0.6 < sum(r.labelled_side != "both" for r in rows) / 14 < 0.8
    assert {r.coding for r in rows} == {
        "artery1_vein2",
        "vein1_artery2",
        "artery_only",
        "four_classes",
        "file_per_vessel",
    }
    assert {r.labels.name for r in rows} == {
        "labels.nii.gz",
        "labels.nrrd",
        "labels.mha",
        "labels",
    }
    for split in ("train", "val", "test"):
        assert any(r.labelled_side == "both" for r in rows if r.split == split)


def test_two_cases_share_a_patient_within_a_split(tmp_path):
    rows = read(14, tmp_path)
    shared = [p for p, n in Counter(r.patient for r in rows).items() if n > 1]
    assert len(shared) == 1
    assert len({r.split for r in rows if r.patient == shared[0]}) == 1


@pytest.mark.parametrize("n", [3, 4, 7, 60])
def test_every_size_is_a_valid_table_with_all_three_splits(tmp_path, n):
    rows = read(n, tmp_path)
    assert len(rows) == n
    assert {r.split for r in rows} == {"train", "val", "test"}


def test_fewer_cases_than_splits_are_refused():
    with pytest.raises(ValueError, match="at least 3"):
        table(2)
