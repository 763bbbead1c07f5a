"""Which of the images that came in is the chest CT: by declared rules, never by a guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lacaf.convert.headers import DICOMDIR, MODALITIES, Header
from lacaf.records import Refusal

#: A plane is axial if its normal lies within 45 degrees of the body's axis.
AXIAL_COSINE = 0.7071
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True)
class Series:
    """CT images of one series, in the order of file names; ``number`` counts series from 1."""

    number: int
    headers: list[Header]

    @property
    def axial(self) -> bool:
        """Whether any of its images is axial (a series of several planes is refused later)."""
        return any(is_axial(h) for h in self.headers)

    def described(self) -> str:
        """What tells it from another series: count, kernel, thickness; nothing private."""
        first = self.headers[0]
        kernel = f", kernel {first.kernel}" if first.kernel else ""
        thickness = f", {first.thickness:g} mm thick" if first.thickness else ""
        return f"series {self.number}: {len(self.headers)} slices{kernel}{thickness}"


@dataclass(frozen=True)
class Choice:
    """The chosen series, why, how many there were, what was left aside, and what is odd."""

    series: Series
    why: str
    candidates: int
    left_aside: Counter[str]
    flags: list[str]


def is_axial(header: Header) -> bool:
    """Whether the image plane is axial; images without an orientation get the doubt."""
    if header.row is None or header.column is None:
        return True
    normal = np.cross(header.row, header.column)
    return bool(abs(normal[2]) >= AXIAL_COSINE * max(float(np.linalg.norm(normal)), 1e-9))


def choose(headers: Sequence[Header], min_slices: int) -> Choice:
    """The axial CT series with most slices.

    Raises:
        Refusal: no series is large enough, two are equally large, or there are two patients.
    """
    aside: Counter[str] = Counter()
    groups: dict[str, list[Header]] = {}
    for header in _without_copies(headers, aside):
        reason = _unfit(header)
        if reason:
            aside[reason] += 1
        else:
            groups.setdefault(header.series, []).append(header)
    every = [Series(number, group) for number, group in enumerate(groups.values(), start=1)]
    for series in every:
        if not series.axial:
            aside["CT that is not axial"] += len(series.headers)
    axial = sorted((s for s in every if s.axial), key=lambda s: -len(s.headers))
    _check(axial, aside, min_slices)
    best = axial[0]
    for series in axial[1:]:
        aside["CT series with fewer slices"] += len(series.headers)
    flags = []
    if len({h.study for s in axial for h in s.headers}) > 1:
        flags.append("the source holds CT of several studies")
    why = "the only axial CT series" if len(axial) == 1 else "the axial CT series with most slices"
    return Choice(best, why, len(axial), aside, flags)


def _unfit(header: Header) -> str:
    """Why an image can be no part of a CT volume; empty if it can."""
    if header.sop_class == DICOMDIR:
        return "DICOM directory"
    if header.modality != "CT":
        return header.modality if header.modality in MODALITIES else "other modality"
    if "LOCALIZER" in header.image_type:
        return "localizer"
    if header.sop_class == SECONDARY_CAPTURE:
        return "secondary capture"
    if header.rows == 0 or header.columns == 0:
        return "CT without pixels"
    if header.samples != 1:
        return "colour image"
    return "CT with several frames in a file" if header.frames > 1 else ""


def _without_copies(headers: Sequence[Header], aside: Counter[str]) -> list[Header]:
    """Files of the same instance and the same bytes count once."""
    kept: dict[str, list[Header]] = {}
    result = []
    for header in headers:
        twins = kept.setdefault(header.instance, []) if header.instance else []
        if any(t.path.read_bytes() == header.path.read_bytes() for t in twins):
            aside["exact copy of another file"] += 1
        else:
            twins.append(header)
            result.append(header)
    return result


def _check(axial: list[Series], aside: Counter[str], min_slices: int) -> None:
    found = "; ".join(s.described() for s in axial)
    beside = ", ".join(f"{count} × {reason}" for reason, count in aside.items())
    if not axial or len(axial[0].headers) < min_slices:
        raise Refusal(
            (f"too few slices ({found})" if axial else "no axial CT series")
            + (f", beside {beside}" if beside else ""),
            expectation=f"an axial CT series of at least {min_slices} slices",
            remedy="hand over the whole series, or lower convert.min_slices if so few are meant",
            file="the source",
        )
    if len({h.patient for s in axial for h in s.headers}) > 1:
        raise Refusal(
            f"it holds CT of {len({h.patient for s in axial for h in s.headers})} patients",
            expectation="one patient a case",
            remedy="give each patient a folder and a row in the case table",
            file="the source",
        )
    most = len(axial[0].headers)
    equal = [s for s in axial if len(s.headers) == most]
    if len(equal) > 1:
        raise Refusal(
            f"{len(equal)} series are equally large ({'; '.join(s.described() for s in equal)})",
            expectation="one axial CT series with most slices",
            remedy="keep the wanted series in a folder of its own (soft kernel, thin slices)",
            file="the source",
        )
