"""DICOM headers, reduced to what decides about a volume.

Identifiers (patient, study, series, instance) serve to tell files apart and go no further:
they reach no record, no message and no output.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import UID

from lacaf.records import machines_fault

TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID",
    "FrameOfReferenceUID", "Modality", "ImageType", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "GantryDetectorTilt", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "PhotometricInterpretation", "BitsStored", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "LossyImageCompression", "ConvolutionKernel",
]  # fmt: skip
DICOMDIR = "1.2.840.10008.1.3.10"

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
    """One DICOM file. ``ordinal`` is its place (from 1) among the DICOM files by name.

    ``position``, ``row``, ``column``: LPS, the first voxel (mm) and the unit directions in
    which the column index and the row index grow. ``spacing``: between rows, between columns,
    mm. A value that is missing or unreadable is None.
    """

    path: Path
    ordinal: int
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
    frames: int
    samples: int
    photometric: str
    bits_stored: int
    padding: tuple[int, int] | None
    slope: float | None
    intercept: float | None
    rescale_type: str
    lossy: bool
    kernel: str
    transfer_syntax: UID


def read(files: Sequence[Path]) -> tuple[list[Header], list[Path], int]:
    """Headers of the DICOM files among ``files``, the files that are none, and a count.

    The count is of files that have the DICOM mark and cannot be read: a slice may be among them.
    """
    headers: list[Header] = []
    others: list[Path] = []
    unreadable = 0
    for path in files:
        with path.open("rb") as handle:
            head = handle.read(132)
        marked = head[128:] == b"DICM"
        bare = not marked and head[:2] in (b"\x08\x00", b"\x02\x00")
        dataset = _dataset(path, bare) if marked or bare else None
        if dataset is not None:
            headers.append(_header(path, len(headers) + 1, dataset))
        elif marked:
            unreadable += 1
        else:
            others.append(path)
    return headers, others, unreadable


def _dataset(path: Path, bare: bool) -> pydicom.Dataset | None:
    """The header; ``bare`` for old files that start with their data set. None if it is broken."""
    try:
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS, force=bare)
    except Exception as error:  # pydicom raises whatever it likes on a broken file
        if machines_fault(error):
            raise
        return None


def _header(path: Path, ordinal: int, dataset: pydicom.Dataset) -> Header:
    meta = dataset.file_meta
    orientation = _numbers(dataset, "ImageOrientationPatient", 6)
    kernel = _text(dataset, "ConvolutionKernel").split("\\")[0]
    return Header(
        path=path,
        ordinal=ordinal,
        sop_class=_text(dataset, "SOPClassUID") or str(meta.get("MediaStorageSOPClassUID", "")),
        instance=_text(dataset, "SOPInstanceUID"),
        series=_text(dataset, "SeriesInstanceUID"),
        study=_text(dataset, "StudyInstanceUID"),
        frame_of_reference=_text(dataset, "FrameOfReferenceUID"),
        patient=_text(dataset, "PatientID"),
        modality=_text(dataset, "Modality").upper(),
        image_type=tuple(v.strip().upper() for v in _text(dataset, "ImageType").split("\\")),
        position=_numbers(dataset, "ImagePositionPatient", 3),
        row=orientation[:3] if orientation else None,
        column=orientation[3:] if orientation else None,
        spacing=_numbers(dataset, "PixelSpacing", 2),
        thickness=_number(dataset, "SliceThickness"),
        tilt=_number(dataset, "GantryDetectorTilt"),
        rows=int(_number(dataset, "Rows") or 0),
        columns=int(_number(dataset, "Columns") or 0),
        frames=int(_number(dataset, "NumberOfFrames") or 1),
        samples=int(_number(dataset, "SamplesPerPixel") or 1),
        photometric=_text(dataset, "PhotometricInterpretation"),
        bits_stored=int(_number(dataset, "BitsStored") or 0),
        padding=_padding(dataset),
        slope=_number(dataset, "RescaleSlope"),
        intercept=_number(dataset, "RescaleIntercept"),
        rescale_type=_text(dataset, "RescaleType").upper(),
        lossy=_text(dataset, "LossyImageCompression") == "01",
        kernel=kernel if KERNEL.match(kernel) else ("other" if kernel else ""),
        transfer_syntax=UID(str(meta.get("TransferSyntaxUID", "1.2.840.10008.1.2"))),
    )


def _value(dataset: pydicom.Dataset, keyword: str) -> Any:
    """An element's value, None if it is absent, empty or not what its type demands."""
    try:
        value = dataset.get(keyword)
    except (ValueError, TypeError, OverflowError, NotImplementedError):
        return None
    return None if value is None or value == "" else value


def _text(dataset: pydicom.Dataset, keyword: str) -> str:
    value = _value(dataset, keyword)
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value).strip()
    return "\\".join(str(v) for v in value).strip()


def _numbers(dataset: pydicom.Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    value = _value(dataset, keyword)
    try:
        numbers = tuple(float(v) for v in value)
    except (TypeError, ValueError):
        return None
    finite = all(abs(v) < 1e6 for v in numbers)  # also False for NaN
    return numbers if len(numbers) == count and finite else None


def _number(dataset: pydicom.Dataset, keyword: str) -> float | None:
    value = _value(dataset, keyword)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < 1e9 else None


def _padding(dataset: pydicom.Dataset) -> tuple[int, int] | None:
    """Lowest and highest stored value that is padding.

    The value's sign is that of the pixels, whatever the element's own type says: 63536 in a
    series of signed pixels is -2000.
    """
    ends = [_number(dataset, k) for k in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    stored = [int(v) for v in ends if v is not None]
    if ends[0] is None:
        return None
    if _number(dataset, "PixelRepresentation") == 1:
        stored = [v - 65536 if v > 32767 else v for v in stored]
    else:
        stored = [v + 65536 if v < 0 else v for v in stored]
    return min(stored), max(stored)
