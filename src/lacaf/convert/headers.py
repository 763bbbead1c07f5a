"""DICOM headers, reduced to what decides about a volume.

Identifiers (patient, study, series, instance) serve to tell files apart and go no further:
they reach no record, no message and no output.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from lacaf.convert import frames
from lacaf.convert.values import MOST_THICKNESS_MM, number, numbers, padding, text, whole
from lacaf.fault import machines_fault

TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID",
    "FrameOfReferenceUID", "Modality", "ImageType", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "GantryDetectorTilt", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope",
    "RescaleIntercept", "RescaleType", "LossyImageCompression", "ConvolutionKernel",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
DICOMDIR = "1.2.840.10008.1.3.10"
PIXEL_DATA = (0x7FE0, 0x0010)
#: The standard's length of an element that ends with a delimiter: packed pixels have it.
UNDEFINED = 0xFFFFFFFF

#: Free text of the header that may be shown: names of CT kernels, by pattern. Anything else is
#: "other", for people type into such fields.
KERNEL = re.compile(
    r"^(?:[A-Z][A-Za-z]{0,2}\d{1,3}[a-z]?|[A-Z]{1,2}|STANDARD|SOFT|LUNG|BONE|BONEPLUS|DETAIL|EDGE"
    r"|CHST|ULTRA)$"
)
#: Modalities that may be shown (defined terms of DICOM PS3.3 C.7.3.1.1.1).
MODALITIES = {
    "CT", "MR", "PT", "NM", "US", "CR", "DX", "MG", "XA", "RF", "SC", "OT", "SR", "SEG", "PR",
    "KO", "REG", "DOC", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTIMAGE",
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """One image: a DICOM file, or one frame of an enhanced one.

    ``ordinal`` is the file's place (from 1) among the DICOM files by name; ``frame`` the image's
    place (from 0) in its file, -1 for several that nothing tells apart. ``position``, ``row``,
    ``column``: LPS, the first voxel (mm) and the unit directions in which the column index and
    the row index grow. ``spacing``: between rows, between columns, mm. ``pixels``: place and
    length in bytes of the pixel data in the file. What is missing or unreadable is None.
    """

    path: Path
    ordinal: int
    frame: int
    frames: int
    sop_class: str
    instance: str
    series: str
    study: str
    frame_of_reference: str
    patient: str
    modality: str
    image_type: tuple[str, ...]
    position: tuple[float, ...] | None
    row: tuple[float, ...] | None
    column: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    thickness: float | None
    tilt: float | None
    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    signed: bool | None
    padding: tuple[int, int] | None
    slope: float | None
    intercept: float | None
    rescale_type: str
    lossy: bool
    kernel_as_written: str
    transfer_syntax: UID
    pixels: tuple[int, int] | None

    @property
    def place(self) -> str:
        """The image's name in messages: numbers, nothing that a hospital chose."""
        frame = f", frame {self.frame + 1}" if self.frames > 1 else ""
        return f"DICOM file {self.ordinal}{frame}"

    @property
    def kernel(self) -> str:
        """The convolution kernel as it may be shown; ``other`` for what is no kernel's name."""
        if not self.kernel_as_written:
            return ""
        return self.kernel_as_written if KERNEL.match(self.kernel_as_written) else "other"


def read(files: Sequence[Path]) -> tuple[list[Header], list[Path], int]:
    """Headers of the DICOM files among ``files``, the files that are none, and a count.

    An enhanced CT gives a header for each of its frames. The count is of files that have the
    DICOM mark and cannot be read: a slice may be among them.
    """
    found: list[Header] = []
    others: list[Path] = []
    unreadable = ordinal = 0
    for path in files:
        with path.open("rb") as handle:
            head = handle.read(132)
            marked = head[128:] == b"DICM"
            bare = not marked and head[:2] in (b"\x08\x00", b"\x02\x00")
            images = _images(path, handle.fileno(), ordinal + 1, bare) if marked or bare else None
        if images is not None:
            found += images
            ordinal += 1
        elif marked:
            unreadable += 1
        else:
            others.append(path)
    return found, others, unreadable


def _images(path: Path, file: int, ordinal: int, bare: bool) -> list[Header] | None:
    """The images of a file; ``bare`` if it starts with its data set. None if it is broken.

    The file is mapped, so that an absurd length in it asks for no memory.
    """
    try:
        with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as content:
            frames.check_deflated(content)
            dataset = pydicom.dcmread(
                content,  # type: ignore[arg-type]  # it reads, seeks and tells like a file
                stop_before_pixels=True,
                specific_tags=TAGS,
                force=bare,
            )
            header = _header(path, ordinal, dataset, _pixels(content, dataset))
            if not header.sop_class and not header.modality:
                return None  # pydicom goes on where it finds nothing that makes sense
            return frames.expand(header, dataset)
    except Exception as error:  # pydicom raises whatever it likes on a broken file
        if machines_fault(error):
            raise
        return None


def _pixels(content: mmap.mmap, dataset: pydicom.Dataset) -> tuple[int, int] | None:
    """Where the pixel data begin in the file, and their length; pydicom stopped before them."""
    implicit, little = dataset.original_encoding
    order = "<" if little else ">"
    start = content.tell()
    head = content.read(12)
    if len(head) < 12 or struct.unpack(f"{order}HH", head[:4]) != PIXEL_DATA:
        return None
    if implicit:
        return start + 8, struct.unpack(f"{order}I", head[4:8])[0]
    if head[4:6] not in (b"OB", b"OW"):
        return None
    return start + 12, struct.unpack(f"{order}I", head[8:])[0]


def _by_its_look(dataset: pydicom.Dataset) -> UID:
    """The plain transfer syntax in which pydicom read a file that states none."""
    implicit, little = dataset.original_encoding
    if not little:
        return ExplicitVRBigEndian
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _header(
    path: Path, ordinal: int, dataset: pydicom.Dataset, pixels: tuple[int, int] | None
) -> Header:
    meta = dataset.file_meta
    orientation = numbers(dataset, "ImageOrientationPatient", 6)
    return Header(
        path=path,
        ordinal=ordinal,
        frame=0,
        frames=max(whole(dataset, "NumberOfFrames", 1), 1),
        sop_class=text(dataset, "SOPClassUID") or str(meta.get("MediaStorageSOPClassUID", "")),
        instance=text(dataset, "SOPInstanceUID"),
        series=text(dataset, "SeriesInstanceUID"),
        study=text(dataset, "StudyInstanceUID"),
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        patient=text(dataset, "PatientID"),
        modality=text(dataset, "Modality").upper(),
        image_type=tuple(v.strip() for v in text(dataset, "ImageType").upper().split("\\")),
        position=numbers(dataset, "ImagePositionPatient", 3),
        row=orientation[:3] if orientation else None,
        column=orientation[3:] if orientation else None,
        spacing=numbers(dataset, "PixelSpacing", 2),
        thickness=number(dataset, "SliceThickness", MOST_THICKNESS_MM),
        tilt=number(dataset, "GantryDetectorTilt", 90),
        rows=whole(dataset, "Rows"),
        columns=whole(dataset, "Columns"),
        samples=whole(dataset, "SamplesPerPixel", 1),
        photometric=text(dataset, "PhotometricInterpretation"),
        bits_allocated=whole(dataset, "BitsAllocated"),
        bits_stored=whole(dataset, "BitsStored"),
        signed={0: False, 1: True}.get(whole(dataset, "PixelRepresentation", -1)),
        padding=padding(dataset),
        slope=number(dataset, "RescaleSlope"),
        intercept=number(dataset, "RescaleIntercept"),
        rescale_type=text(dataset, "RescaleType").upper(),
        lossy=text(dataset, "LossyImageCompression") == "01",
        kernel_as_written=text(dataset, "ConvolutionKernel").split("\\")[0],
        transfer_syntax=UID(str(meta.get("TransferSyntaxUID") or _by_its_look(dataset))),
        pixels=pixels,
    )
