"""A DICOM header, reduced to what decides about a volume.

Identifiers (patient, study, series, instance) serve to tell files apart and go no further:
they reach no record, no message and no output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import UID

DICOMDIR = "1.2.840.10008.1.3.10"
#: The standard's length of an element that ends with a delimiter: encapsulated pixels have it.
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
