"""Labels in DICOM: which RTSTRUCT or SEG belongs to the CT, and which of its names mean what.

Names of contours and segments are free text and may hold a patient's name: they are compared
with the coding's patterns and go no further.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydicom

from lacaf.convert import frames, rtstruct, segmentation, sources
from lacaf.fault import Refusal, machines_fault
from lacaf.volume import Volume

Kind = Literal["rtstruct", "seg"]
Object = tuple[pydicom.Dataset, Kind]

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
ROLE = "the DICOM labels"
_NOT_ASKED = "it is not said to which CT the labels belong; taken by their place alone"


@dataclass(frozen=True)
class Identity:
    """The UIDs by which DICOM objects name a CT; compared, never shown or written."""

    series: str
    frame_of_reference: str


@dataclass(frozen=True)
class Named:
    """A contour set or a segment: the object that holds it, its kind, number and name."""

    dataset: pydicom.Dataset
    kind: Kind
    number: int
    name: str


def read(
    path: Path, patterns: Mapping[str, str], image: Volume, identity: Identity | None
) -> tuple[dict[str, Volume], dict[str, Any], list[str]]:
    """Label volumes of an RTSTRUCT or SEG, one a meaning (uint8, 0 and 1).

    Args:
        path: a DICOM file, or a folder or archive that holds one, beside whatever else.
        patterns: meaning by pattern of names; several patterns of one meaning are united.
        image: the CT that the labels are to lie on.
        identity: the CT's UIDs; None if it came without any.

    Returns:
        The volumes, facts for the record (no names) and flags.

    Raises:
        Refusal: no such object, none of this CT, or names that no or two patterns fit.
    """
    with warnings.catch_warnings(), sources.opened(path) as source:
        warnings.simplefilter("ignore")  # pydicom quotes header values
        try:
            return _read(source.files, patterns, image, identity)
        except Refusal:
            raise
        except Exception as error:  # pydicom raises whatever it likes on broken values, and late
            if machines_fault(error):
                raise
            raise Refusal(
                f"a value in it cannot be used ({type(error).__name__})",
                expectation="a whole RTSTRUCT or DICOM-SEG",
                remedy="export the labels anew",
                file=ROLE,
            ) from None


def _read(
    files: Sequence[Path], patterns: Mapping[str, str], image: Volume, identity: Identity | None
) -> tuple[dict[str, Volume], dict[str, Any], list[str]]:
    objects, flags = _of_this_ct(_objects(files), identity)
    named = [n for dataset, kind in objects for n in _named(dataset, kind)]
    chosen = _matched(named, patterns)
    parts: dict[str, Volume] = {}
    facts: dict[str, Any] = {}
    for pattern, one in chosen.items():
        reader = rtstruct.volume_of if one.kind == "rtstruct" else segmentation.volume_of
        part, found, odd = reader(one.dataset, one.number, image, f"`{pattern}`")
        meaning = patterns[pattern]
        parts[meaning] = _united(parts.get(meaning), part, meaning)
        facts[pattern] = {"kind": one.kind, **found}
        flags += odd
    return parts, {"named": facts, "other_names": len(named) - len(chosen)}, flags


def _objects(files: Iterable[Path]) -> list[Object]:
    """The RTSTRUCT and SEG objects among the files."""
    found: list[Object] = []
    broken = 0
    for path in files:
        try:
            frames.check_deflated_file(path)
            head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            kind = KINDS.get(str(head.get("SOPClassUID", "")))
            if kind is not None:
                found.append((pydicom.dcmread(path), kind))
        except pydicom.errors.InvalidDicomError:
            continue  # no DICOM file
        except Exception as error:  # pydicom raises whatever it likes on a broken file
            if machines_fault(error):
                raise
            broken += 1
    if not found:
        beside = f", beside {broken} that cannot be read" if broken else ""
        raise Refusal(
            f"no RTSTRUCT or DICOM-SEG is there{beside}",
            expectation="one, as the coding has `names`",
            remedy="correct the path in the table, or use a coding with `values` or `files`",
            file=ROLE,
        )
    return found


def _of_this_ct(
    objects: Sequence[Object], identity: Identity | None
) -> tuple[list[Object], list[str]]:
    """The objects that were drawn on this CT, and flags where that cannot be told."""
    if identity is None:
        return list(objects), ["the CT came without UIDs: labels taken by their place alone"]
    mine, flags, frames = [], [], 0
    for dataset, kind in objects:
        series, frame = (
            rtstruct.refers_to(dataset) if kind == "rtstruct" else segmentation.refers_to(dataset)
        )
        frames += bool(frame) and identity.frame_of_reference not in ("", *frame)
        if (series and identity.series not in series) or (
            frame and identity.frame_of_reference and identity.frame_of_reference not in frame
        ):
            continue
        mine.append((dataset, kind))
        if not series:
            flags.append(_NOT_ASKED)
    if not mine:
        what = "frame of reference (another scan or scanner)" if frames else "series"
        raise Refusal(
            f"{len(objects)} RTSTRUCT or SEG, and none drawn on this CT: another {what}",
            expectation="contours or segments that refer to the CT's own series",
            remedy="hand over the series they were drawn on, or the labels of this one; "
            "contours move with breath and table, so another series' are not taken over",
            file=ROLE,
        )
    return mine, flags


def _named(dataset: pydicom.Dataset, kind: Kind) -> list[Named]:
    """All contour sets or segments of an object; what is drawn is found by its number."""
    sequence, number, name = NAMES[kind]
    found = [
        Named(dataset, kind, int(one[number].value), str(one.get(name, "")))
        for one in dataset.get(sequence) or []
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


def _matched(named: Sequence[Named], patterns: Mapping[str, str]) -> dict[str, Named]:
    """For each pattern the one contour or segment whose name it fits; not all need one."""
    chosen: dict[str, Named] = {}
    for pattern in patterns:
        fitting = [n for n in named if fnmatch(n.name.strip().lower(), pattern.lower())]
        if len(fitting) > 1:
            raise _ambiguous(f"{len(fitting)} contours or segments fit `{pattern}`")
        if fitting:
            if any(other is fitting[0] for other in chosen.values()):
                raise _ambiguous(f"`{pattern}` and another pattern fit the same name")
            chosen[pattern] = fitting[0]
    if not chosen:
        raise Refusal(
            f"none of its {len(named)} names fits {', '.join(f'`{p}`' for p in patterns)}",
            expectation="contours or segments named as the coding says",
            remedy="look at the names (in 3D Slicer, or `pydicom show FILE`) and declare a coding "
            "with `names` under codings",
            file=ROLE,
        )
    return chosen


def _ambiguous(finding: str) -> Refusal:
    return Refusal(
        finding,
        expectation="one name for each pattern of the coding",
        remedy="declare a coding with narrower patterns; several may have one meaning",
        file=ROLE,
    )


def _united(first: Volume | None, second: Volume, meaning: str) -> Volume:
    if first is None:
        return second
    if not first.grid.same_as(second.grid):
        raise Refusal(
            f"the parts of `{meaning}` lie on different grids",
            expectation="one grid for all of them",
            remedy="export all segments on the grid of the CT",
            file=ROLE,
        )
    return Volume(np.maximum(first.array, second.array), first.grid)
