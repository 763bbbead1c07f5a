"""A stage's folder appears whole or not at all, and says what it was made from."""

import errno
import json

import pytest

from lacaf import files, records
from lacaf.fault import Missing, Refusal, machines_fault
from lacaf.files import replacing
from lacaf.records import carry_out

NO_LUNGS = Refusal("no lungs", expectation="two", remedy="take a chest CT", file="the image")


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def good(folder):
    (folder / "image.nii.gz").write_bytes(b"voxels")
    return {"flags": ["one"]}


def test_a_good_case_leaves_its_files_and_a_record(tmp_path):
    folder = tmp_path / "crop" / "c1"
    record = carry_out("crop", "c1", folder, {"code": "x"}, good)
    assert names(folder) == ["box.json", "image.nii.gz"]
    assert record == json.loads((folder / "box.json").read_text())
    assert record["status"] == "ok"
    assert record["flags"] == ["one"]
    assert record["made_from"] == {"code": "x"}
    assert records.read(folder, "crop") == record


def test_a_refused_case_leaves_its_reason_and_no_half_made_file(tmp_path):
    def work(folder):
        good(folder)
        (folder / "sub").mkdir()
        raise NO_LUNGS

    record = carry_out("crop", "c1", tmp_path / "c1", {}, work)
    assert names(tmp_path / "c1") == ["box.json"]
    assert record["status"] == "refused"
    assert record["refusal"] == {
        "stage": "crop",
        "finding": "no lungs",
        "expectation": "two",
        "remedy": "take a chest CT",
        "file": "the image",
    }


def test_a_refusal_goes_down_the_chain_with_its_first_reason(tmp_path):
    def never(folder):
        raise AssertionError("a refused case was worked on")

    def refuse(folder):
        raise NO_LUNGS

    first = carry_out("crop", "c1", tmp_path / "crop", {}, refuse)
    second = carry_out("harmonize", "c1", tmp_path / "harmonize", {}, never, upstream=first)
    assert second["status"] == "refused"
    assert second["refusal"]["stage"] == "crop"


def test_an_error_leaves_the_old_folder_as_it_was(tmp_path):
    folder = tmp_path / "c1"
    carry_out("crop", "c1", folder, {}, good)
    before = (folder / "box.json").read_bytes()

    def broken(folder):
        (folder / "image.nii.gz").write_bytes(b"half")
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        carry_out("crop", "c1", folder, {}, broken)
    assert names(tmp_path) == ["c1"]
    assert (folder / "box.json").read_bytes() == before
    assert (folder / "image.nii.gz").read_bytes() == b"voxels"


def test_a_full_disk_is_the_machines_fault_and_a_broken_file_is_not():
    assert machines_fault(OSError(errno.ENOSPC, "No space left on device"))
    assert machines_fault(MemoryError())
    assert not machines_fault(OSError("Not a gzipped file"))
    assert not machines_fault(OSError(errno.EINVAL, "Invalid argument"))  # a seek to nowhere
    assert not machines_fault(ValueError("broken"))


def test_a_second_run_leaves_nothing_of_the_first(tmp_path):
    def other(folder):
        (folder / "other").write_text("")
        return {}

    carry_out("crop", "c1", tmp_path / "c1", {}, good)
    carry_out("crop", "c1", tmp_path / "c1", {}, other)
    assert names(tmp_path / "c1") == ["box.json", "other"]


def test_a_file_shared_by_a_hard_link_is_never_written_in_place(tmp_path):
    folder, cached = tmp_path / "c1", tmp_path / "cached"
    carry_out("crop", "c1", folder, {"code": "old"}, good)
    cached.hardlink_to(folder / "box.json")
    before = cached.read_bytes()
    carry_out("crop", "c1", folder, {"code": "new"}, good)
    assert cached.read_bytes() == before
    text = tmp_path / "text"
    files.write_text(text, "old")
    (tmp_path / "link").hardlink_to(text)
    files.write_text(text, "new")
    assert (tmp_path / "link").read_text() == "old"


def test_a_folder_that_is_replaced_needs_no_parent(tmp_path):
    with replacing(tmp_path / "a" / "b") as part:
        (part / "x").write_text("1")
    assert names(tmp_path / "a") == ["b"]


def test_a_missing_record_says_what_to_run(tmp_path):
    with pytest.raises(Missing, match=r"run `snakemake .*box\.json`"):
        records.read(tmp_path, "crop")


def test_a_message_says_finding_expectation_and_remedy():
    assert str(NO_LUNGS) == "the image: no lungs; expected two; take a chest CT"


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "x.json", {"value": float("nan")})
