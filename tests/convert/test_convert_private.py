"""Nothing of a patient leaves stage convert: every byte of every output and log is searched.

A delivery carries private words in every place that anybody can think of: names, IDs, dates,
UIDs and free text of headers, private tags, file, folder and archive names, comments of volume
files. It is converted, refused and made to crash by the real command; the words must not come out.
"""

import gzip
import shutil
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from convert.enhanced import enhanced, save
from phantom.simple import case_in

from lacaf import cli, nifti
from lacaf.convert import stage
from lacaf.dicom import decoding, workers
from lacaf.grid import RAS_TO_LPS
from lacaf.phantom.handling import Handling
from lacaf.phantom.handover import hand_over

#: Needles: a name that nobody has, a date, an ID, a root of UIDs.
NAME, DATE, NUMBER, ROOT = "Zyxwvut", "18661102", "90817263", "2.25.777777"
NEEDLES = (NAME, NAME.upper(), NAME.lower(), "1866-11-02", "1866/11/02", DATE, NUMBER, ROOT)
HEADER = "case,patient,source,labels,coding,labelled_side,split,series\n"
#: Elements whose text has a rôle of its own, so that other text there changes what happens.
MEANT = {
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "Modality", "ConvolutionKernel",
    "PhotometricInterpretation", "RescaleType", "PatientPosition",
}  # fmt: skip
MORE = (
    "ProtocolName", "ImageComments", "RequestedProcedureDescription", "DeviceUID", "EthnicGroup",
    "OtherPatientIDs", "PatientTelephoneNumbers", "AdditionalPatientHistory", "Occupation",
    "RequestingPhysician", "PerformingPhysicianName", "SoftwareVersions", "DerivationDescription",
)  # fmt: skip


def stuff(dataset):
    """Private words into every element that takes text, also where there was none."""
    for keyword in MORE:
        setattr(dataset, keyword, NAME)
    dataset.PatientID = dataset.AccessionNumber = NUMBER
    for element in dataset:
        if element.keyword in MEANT:
            continue
        if element.VR in ("PN", "LO", "SH", "LT", "ST", "UT"):
            element.value = f"{NAME} {NUMBER}"[: 16 if element.VR == "SH" else 60]
        elif element.VR == "DA":
            element.value = DATE
        elif element.VR == "UI" and element.keyword != "SOPInstanceUID":
            element.value = f"{ROOT}.1"
    dataset.SOPInstanceUID = f"{ROOT}.{dataset.InstanceNumber}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.ImplementationVersionName = NAME
    dataset.file_meta.SourceApplicationEntityTitle = NAME
    block = dataset.private_block(0x0011, NAME, create=True)
    block.add_new(0x02, "LO", NAME)


class Project:
    """A project folder whose one case is full of private words; converted by the command."""

    def __init__(self, folder, phantom):
        self.folder = folder
        self.raw = folder / "data" / "raw" / f"{NAME}_Ada"
        (folder / "data").mkdir()
        params = Path(__file__).parents[2] / "params" / "demo.yaml"
        shutil.copy(params, folder / "params.yaml")
        case = case_in(self.raw, coding="")
        hand_over(phantom, case, None, 5, self.raw / "case1", folder / "truth",
                  handling=Handling(stray="both", nested=True))  # fmt: skip
        shutil.rmtree(folder / "truth")
        self.source = self.raw / "case1" / f"{NAME} {DATE}"
        case.source.rename(self.source)
        self.files = []
        for path in sorted(self.source.rglob("IM??????")):
            self.files.append(path.with_name(f"{NAME}_{path.name}"))
            path.rename(self.files[-1])
        self.edit(stuff)
        self.labels, self.series = "", ""

    def edit(self, change, which=slice(None)):
        for path in self.files[which]:
            dataset = pydicom.dcmread(path)
            change(dataset)
            dataset.save_as(path)

    def convert(self, capfd, monkeypatch):
        """Run ``lacaf convert``: its exit code, and everything that it wrote and said."""
        labelled = "artery1_vein2,left,train" if self.labels else ",,predict"
        row = f"case1,p1,{self.source},{self.labels},{labelled},{self.series}\n"
        (self.folder / "data" / "cases.csv").write_text(HEADER + row)
        monkeypatch.chdir(self.folder)
        monkeypatch.setattr(sys, "argv", ["lacaf", "convert", "case1"])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        said = "".join(capfd.readouterr())
        written = [p for p in (self.folder / "data").rglob("*") if self.raw not in p.parents]
        written = [p for p in written if p.is_file() and p.name != "cases.csv"]
        contents = [said.encode(), *(p.read_bytes() for p in written)]
        contents += [str(p.relative_to(self.folder)).encode() for p in written]
        contents += [gzip.decompress(c) for c in contents if c[:2] == b"\x1f\x8b"]
        found = {n for n in NEEDLES for c in contents if n.encode() in c}
        return code, said, found


@pytest.fixture
def project(tmp_path, phantom):
    return Project(tmp_path, phantom)


@pytest.fixture
def outcome(project, capfd, monkeypatch):
    """Convert and search; what the command said."""

    def once(code=0):
        ended, said, found = project.convert(capfd, monkeypatch)
        assert found == set(), said
        assert ended == code, said
        return said

    return once


def test_the_needles_are_in_the_delivery(project):
    content = project.files[0].read_bytes()
    assert all(needle.encode() in content for needle in (NAME, DATE, NUMBER, ROOT))
    assert content.count(NAME.encode()) > 25


# Accepted ---------------------------------------------------------------------------------------


def pack(project):
    path = project.raw / f"{NAME}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = NAME.encode()
        for file in project.files:
            archive.write(file, f"{NAME}/{DATE}/{file.name}")
    project.source = path


def one_file(project):
    slices = [pydicom.dcmread(path) for path in project.files]
    dataset = enhanced(slices)
    dataset.PatientComments = NAME
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence[0].add_new(0x00204000, "LT", NAME)
    for path in project.files:
        path.unlink()
    save(dataset, project.files[0])


def as_nifti(project, name="nii.gz"):
    image = project.phantom.image
    written = nib.Nifti1Image(image.array.T, RAS_TO_LPS @ image.grid.affine)
    written.set_sform(written.affine, 1)
    for field in ("descrip", "db_name", "aux_file", "intent_name"):
        written.header[field] = NAME
    extension = nib.nifti1.Nifti1Extension("comment", f"{NAME} {DATE}".encode())
    written.header.extensions.append(extension)
    project.source = project.raw / f"{NAME}.{name}"
    nib.save(written, project.source)


def as_itk(end):
    def write(project):
        image = sitk.GetImageFromArray(project.phantom.image.array)
        image.SetSpacing((2.0, 2.4, 3.0))
        for key in ("Comment", NAME, "PatientName"):
            image.SetMetaData(key, f"{NAME} {DATE}")
        project.source = project.raw / f"{NAME}.{end}"
        sitk.WriteImage(image, str(project.source), useCompression=True)

    return write


def odd_kernel(project):
    project.edit(lambda d: setattr(d, "ConvolutionKernel", f"{NAME}'s own"))


def unreadable_beside(project):
    broken = bytes(128) + b"DICM" + NAME.encode() * 20
    (project.files[0].parent / f"{NAME}.dcm").write_bytes(broken)


@pytest.mark.parametrize(
    "change",
    [lambda p: None, pack, one_file, as_nifti, as_itk("nrrd"), as_itk("mha"), odd_kernel,
     unreadable_beside],
    ids=["series", "zip", "enhanced", "nifti", "nrrd", "mha", "kernel", "unreadable"],
)  # fmt: skip
def test_nothing_private_comes_out_of_an_accepted_case(project, outcome, phantom, change):
    project.phantom = phantom
    change(project)
    assert "convert done" in outcome()
    assert (project.folder / "data" / "convert" / "case1" / "image.nii.gz").exists()


def test_nor_when_the_table_names_the_series(project, outcome):
    project.series = f"{ROOT}.1"
    assert "convert done" in outcome()


# Refused ----------------------------------------------------------------------------------------


def tag(keyword, value, which=slice(None)):
    return lambda project: project.edit(lambda d: setattr(d, keyword, value), which)


def cut(project):
    project.files[4].write_bytes(project.files[4].read_bytes()[:-300])


def two_series(project):
    for path in project.files:
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = f"{ROOT}.2"
        dataset.SOPInstanceUID += ".2"
        dataset.ConvolutionKernel = NAME
        dataset.save_as(path.with_name(path.name + "b"))


def private_syntax(project):
    for path in project.files:
        content = path.read_bytes()
        uid = b"1.2.840.10008.1.2.1\0"
        path.write_bytes(content.replace(uid, f"{ROOT}.88".ljust(20, "\0").encode(), 1))


def broken_zip(project):
    pack(project)
    project.source.write_bytes(project.source.read_bytes()[:-2000])


def broken(end):
    def write(project):
        project.source = project.raw / f"{NAME}.{end}"
        project.source.write_bytes(b"NRRD0004\nspace: left-posterior-superior\n" + NAME.encode())

    return write


def named(series):
    return lambda project: setattr(project, "series", series)


def labels(write):
    def change(project):
        project.labels = project.raw / f"{NAME} labels.nii.gz"
        write(project)

    return change


def fractional(project):
    image = project.phantom.image
    written = nib.Nifti1Image(np.full(image.array.T.shape, 0.5, np.float32), np.eye(4))
    written.header["descrip"] = NAME
    nib.save(written, project.labels)


def nothing(project):
    shutil.rmtree(project.source)


REFUSED = {
    "nowhere": nothing,
    "modality": tag("Modality", NAME.upper()),
    "rescale-type": tag("RescaleType", NAME),
    "photometric": tag("PhotometricInterpretation", NAME.upper()),
    "position": tag("ImagePositionPatient", None, slice(3, 4)),
    "thickness-and-rescale": tag("RescaleIntercept", NUMBER),
    "cut": cut,
    "missing-slice": lambda project: project.files[5].unlink(),
    "two-patients": tag("PatientID", f"{NAME}2", slice(0, 3)),
    "two-series": two_series,
    "private-syntax": private_syntax,
    "zip": broken_zip,
    "nifti": broken("nii.gz"),
    "nrrd": broken("nrrd"),
    "mha": broken("mha"),
    "npz": broken("npz"),
    "named": named(f"{ROOT}.99"),
    "labels-missing": labels(lambda project: None),
    "labels-broken": labels(lambda project: project.labels.write_bytes(NAME.encode())),
    "labels-fractional": labels(fractional),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_nothing_private_comes_out_of_a_refused_case(project, outcome, phantom, change):
    project.phantom = phantom
    change(project)
    assert "REFUSED by convert" in outcome()
    folder = project.folder / "data" / "convert" / "case1"
    assert [p.name for p in folder.iterdir()] == ["source.json"]


def test_a_birth_date_in_a_number_does_not_pass_for_one(project, outcome):
    project.edit(lambda d: setattr(d, "SliceThickness", DATE))
    project.edit(lambda d: setattr(d, "GantryDetectorTilt", NUMBER))
    assert "convert done" in outcome()


def test_a_table_that_is_wrong_is_told_without_the_uid(project, outcome):
    project.series = f"{ROOT} {NAME}"
    assert "series is neither the number" in outcome(code=2)


# Crashing ---------------------------------------------------------------------------------------


def crash(*_, **__):
    raise ValueError(f"of {NAME}, born {DATE}, in {ROOT}.1")


@pytest.mark.parametrize(
    ("room", "function"),
    [(stage, "_image"), (stage, "_series_flags"), (nifti, "header"), (decoding, "table"),
     (workers, "cores")],
    ids=["stage", "flags", "writer", "decoder", "processes"],
)  # fmt: skip
def test_nothing_private_comes_out_of_a_crash(project, outcome, monkeypatch, room, function):
    monkeypatch.setattr(room, function, crash)
    for path in project.files:
        dataset = pydicom.dcmread(path)
        dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    said = outcome(code=1)
    assert "ValueError; its message is left out" in said
    assert f"{function}" in said or "crash" in said
    assert not (project.folder / "data" / "convert" / "case1").exists()
