"""What a source may be, and what may lie in it beside the CT."""

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pydicom
from odd.delivered import Delivered, convert, dicom, tags
from odd.kind import Kind
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from lacaf.convert import sources

OTHER = "2.25.81"
FEW = slice(22)


def zipped(delivered: Delivered, change=lambda archive: None) -> Path:
    """The delivery as a zip, with more in it."""
    path = delivered.source.parent / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(delivered.source.rglob("*")):
            archive.write(file, f"PATIENT/{file.name}")
        change(archive)
    return path


def tarred(delivered: Delivered, end: str, change=lambda archive: None) -> Path:
    """The delivery as a tar, with more in it."""
    path = delivered.source.parent / f"export.tar.{end}"
    with tarfile.open(path, f"w:{end}") as archive:
        archive.add(delivered.source, "deep/er")
        change(archive)
    return path


def add_links(archive: tarfile.TarFile) -> None:
    for kind, target in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "deep/er/IM000001"),
                         (tarfile.CHRTYPE, ""), (tarfile.FIFOTYPE, "")):  # fmt: skip
        member = tarfile.TarInfo(f"odd{kind!r}")
        member.type, member.linkname = kind, target
        archive.addfile(member)
    climbing = tarfile.TarInfo("../../../../climbed")
    climbing.size = 1
    archive.addfile(climbing, io.BytesIO(b"x"))


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-900])
    return path


def locked(delivered: Delivered) -> Path:
    """A zip whose entries are marked as encrypted, as a program would with a password."""
    path = zipped(delivered)
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + at] |= 1
            start = content.find(mark, start + 4)
    path.write_bytes(bytes(content))
    return path


def bomb(folder: Path) -> dict:
    """A zip that unpacks to more than is allowed; the limit is lowered, to spare the disk."""
    with zipfile.ZipFile(folder / "ct.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2 * 10**6))
    limit, sources.MOST_BYTES = sources.MOST_BYTES, 10**6
    try:
        return convert(folder / "ct.zip", folder)
    finally:
        sources.MOST_BYTES = limit


def mixed_company(delivered: Delivered) -> None:
    """Everything else that an archive sends along with a CT."""
    for modality, uid in (
        ("PT", "1.2.840.10008.5.1.4.1.1.128"), ("RTSTRUCT", "1.2.840.10008.5.1.4.1.1.481.3"),
        ("RTPLAN", "1.2.840.10008.5.1.4.1.1.481.5"), ("RTDOSE", "1.2.840.10008.5.1.4.1.1.481.2"),
        ("SEG", "1.2.840.10008.5.1.4.1.1.66.4"), ("SR", "1.2.840.10008.5.1.4.1.1.88.33"),
        ("", "1.2.840.10008.1.3.10"),
    ):  # fmt: skip
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = uid, generate_uid(entropy_srcs=[uid])
        dataset.PatientID, dataset.Modality = "Doe", modality
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(delivered.source / f"beside {modality}", enforce_file_format=True)
    (delivered.source / "Müller, Änne.pdf").write_bytes(b"%PDF")


def junk(delivered: Delivered) -> None:
    (delivered.source / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    (delivered.source / "._IM000001").write_bytes(b"\x00\x05\x16\x07")
    (delivered.source / "empty").write_bytes(b"")


def bare(delivered: Delivered) -> None:
    """Files of the time before the preamble: they begin with their data set."""
    for path in delivered.files:
        dataset = pydicom.dcmread(path)
        meta = dataset.file_meta
        del dataset.file_meta
        dataset.save_as(path, implicit_vr=True, little_endian=True)
        assert meta.TransferSyntaxUID == "1.2.840.10008.1.2"


def renamed(delivered: Delivered) -> None:
    for number, path in enumerate(delivered.files):
        path.rename(path.with_name(f"{number:x} Ünïcode & spaces;.dcm.bak"))


def broken_file(delivered: Delivered) -> None:
    """A DICOM mark and rubbish behind it."""
    (delivered.source / "broken").write_bytes(bytes(128) + b"DICM" + b"\xff" * 64)


def only_text(delivered: Delivered) -> None:
    for path in delivered.files:
        path.unlink()
    (delivered.source / "report.txt").write_text("nothing here")


def empty_folder(folder: Path) -> dict:
    (folder / "source").mkdir()
    return convert(folder / "source", folder)


def inner_zip(delivered: Delivered) -> Path:
    path = zipped(delivered)
    inside = delivered.source.parent / "folder"
    inside.mkdir()
    shutil.move(path, inside / "export.zip")
    return inside


def copies(delivered: Delivered) -> None:
    for path in delivered.files[3:7]:
        shutil.copy(path, path.with_name(f"copy of {path.name}"))


def one_instance(delivered: Delivered) -> None:
    delivered.edit(lambda d: setattr(d, "SOPInstanceUID", "2.25.1"))


def second(**more):
    return lambda delivered: delivered.add("b", SeriesInstanceUID=OTHER, **more)


def fewer(**more):
    return lambda delivered: delivered.add("b", FEW, SeriesInstanceUID=OTHER, **more)


KINDS = [
    Kind("nowhere", "convert", "a path where nothing is", "refused", ("no such file",),
         lambda folder: convert(folder / "nowhere", folder)),
    Kind("empty-folder", "convert", "an empty folder", "refused", ("holds no files",),
         empty_folder),
    dicom("only-text", "a folder with a text file", "refused",
          "no DICOM file, 0 volume files and 1 other files", only_text),
    dicom("zip", "a zip of the folder", "accepted", "", zipped),
    dicom("tar-xz", "a tar.xz of the folder", "accepted", "", lambda d: tarred(d, "xz")),
    dicom("tar-hostile", "a tar with links, devices, pipes and a path that climbs out", "accepted",
          "", lambda d: tarred(d, "gz", add_links)),
    dicom("zip-cut", "a zip that breaks off", "refused", "zip archive cannot be unpacked",
          lambda d: cut(zipped(d))),
    dicom("zip-locked", "a zip with a password", "refused", "zip archive cannot be unpacked",
          locked),
    Kind("zip-bomb", "convert", "a zip that would fill the disk", "refused",
         ("archive unpacks to more than a CT can be",), bomb),
    dicom("zip-inside", "a folder that holds the zip", "refused", "1 other files", inner_zip),
    dicom("company", "a folder with PET, RTSTRUCT, RTPLAN, RTDOSE, SEG, SR, DICOMDIR, a scout and "
          "a PDF beside the CT", "accepted", "", mixed_company, stray="both", nested=True),
    dicom("junk", "hidden and empty files of other systems beside the slices", "accepted", "",
          junk),
    dicom("bare", "files without preamble and file meta", "accepted", "", bare, syntax="implicit"),
    dicom("names", "file names with spaces, umlauts and wrong ends", "accepted", "", renamed),
    dicom("unreadable", "a file with the DICOM mark that cannot be read", "flagged",
          "some DICOM files cannot be read", broken_file),
    dicom("copies", "the same file several times", "accepted", "", copies),
    dicom("one-instance", "all slices share one SOPInstanceUID", "accepted", "", one_instance),
    dicom("no-series-uid", "no SeriesInstanceUID", "accepted", "", tags(SeriesInstanceUID=None)),
    dicom("two-patients", "CT of two patients", "refused", "CT of 2 patients",
          fewer(PatientID="somebody else")),
    dicom("two-series", "two series with as many slices", "refused",
          "2 series are equally good (series 1: 26 slices, kernel STANDARD, 3 mm thick; series 2: "
          "26 slices, kernel B70f", second(ConvolutionKernel="B70f")),
    dicom("two-phases", "a second phase with two slices less", "refused",
          "2 series are equally good", lambda d: d.add("b", slice(24), SeriesInstanceUID=OTHER)),
    dicom("preferred", "two series, one of a kernel that the parameters prefer", "accepted", "",
          second(ConvolutionKernel="B70f"), rules={"prefer_kernels": ["STANDARD"]}),
    dicom("named", "two series, one named in the case table", "accepted", "",
          second(ConvolutionKernel="B70f"), series="1"),
    dicom("named-wrong", "a series named in the case table that is not there", "refused",
          "does not hold the series that the case table names", series="2.25.4711"),
    dicom("fewer", "a second series with far fewer slices", "accepted", "", fewer()),
    dicom("two-studies", "a second, smaller series of another study", "flagged",
          "CT of several studies", fewer(StudyInstanceUID="2.25.82")),
    dicom("mip", "a series of projections (MIP) beside the slices", "accepted", "",
          second(ImageType=["DERIVED", "SECONDARY", "MIP"])),
    dicom("derived", "slices whose ImageType is DERIVED", "flagged", "ImageType is DERIVED",
          tags(ImageType=["DERIVED", "SECONDARY", "AXIAL"])),
    dicom("mr", "an MR", "refused", "no axial CT series, beside 26 × MR", tags(Modality="MR")),
    dicom("scouts", "scouts alone", "refused", "beside 26 × localizer",
          tags(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])),
    dicom("captures", "screenshots (secondary capture)", "refused", "26 × secondary capture",
          tags(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")),
]  # fmt: skip
