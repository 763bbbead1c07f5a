"""Sources made to do harm, and errors that nobody foresaw: no harm, no name, no silence."""

import gzip
import io
import tarfile
import zipfile

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import typer

from lacaf import fault, records
from lacaf.cases import Case
from lacaf.cli.entry import redacted
from lacaf.convert import sources


def a_file(path):
    return Case("case1", "patient1", path, None, None, "", "predict")


def finding(record):
    assert record["status"] == "refused", record
    return record["refusal"]["finding"]


def pack(path, name, content):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
        return
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar.gz"])
def test_an_archive_that_would_fill_the_disk_is_refused(run, tmp_path, monkeypatch, name):
    monkeypatch.setattr(sources, "MOST_BYTES", 10**6)
    pack(tmp_path / name, "zeros", bytes(10**6 + 1))
    assert "unpacks to more than a CT can be" in finding(run(a_file(tmp_path / name)))
    pack(tmp_path / name, "zeros", bytes(10**6))
    assert "holds no DICOM file" in finding(run(a_file(tmp_path / name)))


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar.gz"])
def test_an_archive_that_unpacks_to_a_hundred_times_its_size_is_refused(
    run, tmp_path, monkeypatch, name
):
    monkeypatch.setattr(sources, "ANY_BYTES", 10**5)
    pack(tmp_path / name, "zeros", bytes(10**6))
    assert "unpacks to more than a CT can be" in finding(run(a_file(tmp_path / name)))


def test_what_follows_an_archive_must_be_sound_and_short(run, tmp_path, monkeypatch):
    path = tmp_path / "ct.tar.gz"
    pack(path, "a", b"x" * 5000)
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole)[:-8] + bytes(8))  # the check sum is wrong
    assert "cannot be unpacked (BadGzipFile)" in finding(run(a_file(path)))
    path.write_bytes(gzip.compress(whole + bytes(10**6)))
    assert "holds no DICOM file" in finding(run(a_file(path)))
    monkeypatch.setattr(sources, "ANY_BYTES", 10**5)
    assert "unpacks to more than a CT can be" in finding(run(a_file(path)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_of_an_archive_are_not_taken(tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(b"somebody else's")
    with tarfile.open(tmp_path / "ct.tar", "w") as archive:
        for target in (str(secret), "../secret"):
            member = tarfile.TarInfo(f"a link to {target}")
            member.type, member.linkname = kind, target
            archive.addfile(member)
        archive.add(secret, "plain")
    with sources.opened(tmp_path / "ct.tar") as source:
        assert len(source.files) == 1
        assert not source.files[0].is_symlink()


def test_a_link_in_a_zip_is_only_its_text(tmp_path):
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with sources.opened(tmp_path / "ct.zip") as source:
        assert source.files[0].read_bytes() == b"/etc/passwd"
        assert not source.files[0].is_symlink()


@pytest.mark.parametrize("name", ["climb.zip", "climb.tar.gz"])
def test_no_path_of_an_archive_is_followed(tmp_path, name):
    pack(tmp_path / name, "../../../../climbed", b"x")
    with sources.opened(tmp_path / name) as source:
        assert [p.name for p in source.files] == ["000000"]
    assert not [p for p in (tmp_path, *tmp_path.parents) if (p / "climbed").exists()]


def test_an_archive_with_names_that_are_no_text_is_refused(run, tmp_path):
    path = tmp_path / "ct.zip"
    pack(path, "M\u00fcller", b"x")  # marked as UTF-8, and then made no UTF-8
    path.write_bytes(path.read_bytes().replace("\u00fc".encode(), b"\xff\xff"))
    assert "cannot be unpacked" in finding(run(a_file(path)))


def test_a_dicom_file_that_cannot_be_read_is_told_of(deliver, run):
    delivery = deliver()
    broken = delivery.slices()[-1]
    dataset = pydicom.dcmread(broken)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(broken)
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-1000] + bytes(1000))  # the packed stream breaks off
    record = run(delivery.case)
    assert record["status"] == "ok", record
    assert record["left_aside"]["unreadable DICOM"] == 1
    assert any("slices may be among them" in flag for flag in record["flags"])


def test_a_nifti_whose_matrices_contradict_each_other_is_refused(run, phantom, tmp_path):
    image = nib.Nifti1Image(phantom.image.array.T, np.diag([2, 2, 3, 1.0]))
    image.set_sform(np.diag([2, 2, 3, 1.0]), 1)
    image.set_qform(np.diag([-2, 2, 3, 1.0]), 1)
    nib.save(image, tmp_path / "ct.nii.gz")
    assert "left and right cannot be told" in finding(run(a_file(tmp_path / "ct.nii.gz")))


def test_a_metaimage_without_directions_is_refused(run, phantom, tmp_path):
    path = tmp_path / "ct.mha"
    image = sitk.GetImageFromArray(phantom.image.array)
    image.SetSpacing([2, 2, 3])
    sitk.WriteImage(image, str(path))
    assert run(a_file(path))["status"] == "ok"
    head, voxels = path.read_bytes().split(b"ElementDataFile", 1)
    lines = [line for line in head.split(b"\n") if not line.startswith(b"TransformMatrix")]
    path.write_bytes(b"\n".join(lines) + b"ElementDataFile" + voxels)
    assert "no `TransformMatrix` field" in finding(run(a_file(path)))


def test_an_unforeseen_error_is_loud_and_names_no_patient(tmp_path, capfd):
    with pytest.raises(typer.Exit) as end, redacted():
        (tmp_path / "Doe_John").read_bytes()
    assert end.value.exit_code == 1
    told = capfd.readouterr().err
    assert "FileNotFoundError (No such file or directory)" in told
    assert "test_convert_hostile.py" in told
    assert str(tmp_path) not in told
    assert end.value.__suppress_context__


def test_a_refusal_and_a_missing_stage_keep_their_words(tmp_path):
    with pytest.raises(fault.Missing, match="run `snakemake"), redacted():
        records.read(tmp_path, "convert")
