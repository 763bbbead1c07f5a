"""Files to headers: which are DICOM, what their images say, and where their pixels lie.

pydicom reads the elements; the place of the pixels is worked out here, for it stops before them
without saying where, and reading them from there by a seek spares a second pass over the file.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from lacaf.dicom import deflated, frames
from lacaf.dicom.header import Header
from lacaf.dicom.values import MOST_THICKNESS_MM, integer, number, numbers, padding, text
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
PIXEL_DATA = (0x7FE0, 0x0010)


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
            deflated.check(content)
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
        frames=max(integer(dataset, "NumberOfFrames", 1), 1),
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
        rows=integer(dataset, "Rows"),
        columns=integer(dataset, "Columns"),
        samples=integer(dataset, "SamplesPerPixel", 1),
        photometric=text(dataset, "PhotometricInterpretation"),
        bits_allocated=integer(dataset, "BitsAllocated"),
        bits_stored=integer(dataset, "BitsStored"),
        signed={0: False, 1: True}.get(integer(dataset, "PixelRepresentation", -1)),
        padding=padding(dataset),
        slope=number(dataset, "RescaleSlope"),
        intercept=number(dataset, "RescaleIntercept"),
        rescale_type=text(dataset, "RescaleType").upper(),
        lossy=text(dataset, "LossyImageCompression") == "01",
        kernel_as_written=text(dataset, "ConvolutionKernel").split("\\")[0],
        transfer_syntax=UID(str(meta.get("TransferSyntaxUID") or _by_its_look(dataset))),
        pixels=pixels,
    )
