"""Labels in DICOM: which RTSTRUCT or SEG belongs to the CT, and which of its names mean what.

Names of contours and segments are free text and may hold a patient's name: they are compared
with the coding's patterns and go no further.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from lacaf.convert import sources
from lacaf.dicom import objects
from lacaf.dicom.objects import ROLE, LabelObject, Region
from lacaf.fault import Refusal, machines_fault
from lacaf.grid import Grid
from lacaf.volume import Volume

_NOT_ASKED = "it is not said to which CT the labels belong; taken by their place alone"


@dataclass(frozen=True)
class Identity:
    """The UIDs by which DICOM objects name a CT; compared, never shown or written."""

    series: str
    frame_of_reference: str


def read(
    path: Path, patterns: Mapping[str, str], grid: Grid, identity: Identity | None
) -> tuple[dict[str, Volume], dict[str, Any], list[str]]:
    """Label volumes of an RTSTRUCT or SEG, one a meaning (uint8, 0 and 1).

    Args:
        path: a DICOM file, or a folder or archive that holds one, beside whatever else.
        patterns: meaning by pattern of names; several patterns of one meaning are united.
        grid: of the CT that the labels are to lie on.
        identity: the CT's UIDs; None if it came without any.

    Returns:
        The volumes, facts for the record (no names) and flags.

    Raises:
        Refusal: no such object, none of this CT, or names that no or two patterns fit.
    """
    with warnings.catch_warnings(), sources.opened(path) as source:
        warnings.simplefilter("ignore")  # pydicom quotes header values
        try:
            return _read(source.files, patterns, grid, identity)
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
    files: Sequence[Path], patterns: Mapping[str, str], grid: Grid, identity: Identity | None
) -> tuple[dict[str, Volume], dict[str, Any], list[str]]:
    found, flags = _of_this_ct(_objects(files), identity)
    regions = [region for one in found for region in one.regions()]
    chosen = _matched(regions, patterns)
    parts: dict[str, Volume] = {}
    facts: dict[str, Any] = {}
    for pattern, region in chosen.items():
        part, told, warned = region.volume(grid, f"`{pattern}`")
        meaning = patterns[pattern]
        parts[meaning] = _united(parts.get(meaning), part, meaning)
        facts[pattern] = {"kind": region.kind, **told}
        flags += warned
    return parts, {"named": facts, "other_names": len(regions) - len(chosen)}, flags


def _objects(files: Sequence[Path]) -> list[LabelObject]:
    """The RTSTRUCT and SEG objects among the files; there is one at least."""
    found, broken = objects.read(files)
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
    found: Sequence[LabelObject], identity: Identity | None
) -> tuple[list[LabelObject], list[str]]:
    """The objects that were drawn on this CT, and flags where that cannot be told."""
    if identity is None:
        return list(found), ["the CT came without UIDs: labels taken by their place alone"]
    mine, flags, frames = [], [], 0
    for one in found:
        series, frame = one.refers_to()
        frames += bool(frame) and identity.frame_of_reference not in ("", *frame)
        if (series and identity.series not in series) or (
            frame and identity.frame_of_reference and identity.frame_of_reference not in frame
        ):
            continue
        mine.append(one)
        if not series:
            flags.append(_NOT_ASKED)
    if not mine:
        what = "frame of reference (another scan or scanner)" if frames else "series"
        raise Refusal(
            f"{len(found)} RTSTRUCT or SEG, and none drawn on this CT: another {what}",
            expectation="contours or segments that refer to the CT's own series",
            remedy="hand over the series they were drawn on, or the labels of this one; "
            "contours move with breath and table, so another series' are not taken over",
            file=ROLE,
        )
    return mine, flags


def _matched(regions: Sequence[Region], patterns: Mapping[str, str]) -> dict[str, Region]:
    """For each pattern the one contour or segment whose name it fits; not all need one."""
    chosen: dict[str, Region] = {}
    for pattern in patterns:
        fitting = [r for r in regions if fnmatch(r.name.strip().lower(), pattern.lower())]
        if len(fitting) > 1:
            raise _ambiguous(f"{len(fitting)} contours or segments fit `{pattern}`")
        if fitting:
            if any(other is fitting[0] for other in chosen.values()):
                raise _ambiguous(f"`{pattern}` and another pattern fit the same name")
            chosen[pattern] = fitting[0]
    if not chosen:
        raise Refusal(
            f"none of its {len(regions)} names fits {', '.join(f'`{p}`' for p in patterns)}",
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
