"""RTSTRUCT and DICOM-SEG objects: found among files, what they list and what they refer to.

Names of contours and segments are free text and may hold a patient's name: who asks for them
compares them, and lets them go no further.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pydicom

from lacaf.dicom import deflated, rtstruct, segmentation
from lacaf.fault import Refusal, machines_fault
from lacaf.grid import Grid
from lacaf.volume import Volume

Kind = Literal["rtstruct", "seg"]

#: SOP classes by their end: RT Structure Set; Segmentation, with a plane a segment or values.
KINDS: dict[str, Kind] = {
    "1.2.840.10008.5.1.4.1.1.481.3": "rtstruct",
    "1.2.840.10008.5.1.4.1.1.66.4": "seg",
    "1.2.840.10008.5.1.4.1.1.66.7": "seg",
}
#: Where an object lists what is drawn: the sequence, its number and its name.
NAMES: dict[Kind, tuple[str, str, str]] = {
    "rtstruct": ("StructureSetROISequence", "ROINumber", "ROIName"),
    "seg": ("SegmentSequence", "SegmentNumber", "SegmentLabel"),
}
READERS = {"rtstruct": rtstruct, "seg": segmentation}
#: How a refusal calls the objects.
ROLE = "the DICOM labels"


@dataclass(frozen=True, eq=False)
class Region:
    """A contour set or a segment: the object that holds it, its kind, number and name."""

    dataset: pydicom.Dataset
    kind: Kind
    number: int
    name: str

    def volume(self, grid: Grid, role: str) -> tuple[Volume, dict[str, Any], list[str]]:
        """The region as uint8 0 and 1 on the CT's ``grid`` (a SEG may bring its own), facts, flags.

        Raises:
            Refusal: it is no volume in the CT; ``role`` is its name there.
        """
        return READERS[self.kind].volume_of(self.dataset, self.number, grid, role)


@dataclass(frozen=True, eq=False)
class LabelObject:
    """An RTSTRUCT or a DICOM-SEG as read."""

    dataset: pydicom.Dataset
    kind: Kind

    def refers_to(self) -> tuple[set[str], set[str]]:
        """UIDs of the series and of the frames of reference on which it was drawn."""
        return READERS[self.kind].refers_to(self.dataset)

    def regions(self) -> list[Region]:
        """All its contour sets or segments; what is drawn is found by its number.

        Raises:
            Refusal: two of them have one number.
        """
        sequence, number, name = NAMES[self.kind]
        found = [
            Region(self.dataset, self.kind, int(one[number].value), str(one.get(name, "")))
            for one in self.dataset.get(sequence) or []
            if number in one
        ]
        if len({one.number for one in found}) < len(found):
            raise Refusal(
                "its contours or segments have one number twice: which is which cannot be told",
                expectation="a number for each",
                remedy="export the labels anew",
                file=ROLE,
            )
        return found


def read(files: Iterable[Path]) -> tuple[list[LabelObject], int]:
    """The RTSTRUCT and SEG objects among the files, and how many DICOM files cannot be read."""
    found: list[LabelObject] = []
    broken = 0
    for path in files:
        try:
            deflated.check_file(path)
            head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            kind = KINDS.get(str(head.get("SOPClassUID", "")))
            if kind is not None:
                found.append(LabelObject(pydicom.dcmread(path), kind))
        except pydicom.errors.InvalidDicomError:
            continue  # no DICOM file
        except Exception as error:  # pydicom raises whatever it likes on a broken file
            if machines_fault(error):
                raise
            broken += 1
    return found, broken
