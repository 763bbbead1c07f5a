"""Which of the images that came in is the chest CT: by declared rules, never by a guess."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from lacaf.dicom import series
from lacaf.dicom.header import DICOMDIR, MODALITIES, Header
from lacaf.dicom.series import Series, listed
from lacaf.fault import Refusal
from lacaf.params.convert import Convert

#: A series with at least this fraction of the slices of the largest is its equal: two phases of
#: one scan differ by a slice or two, and that is no reason to prefer one.
NEARLY_AS_MANY = 0.9
#: Thicknesses that differ by less are one thickness.
SAME_THICKNESS_MM = 0.05
FRAMES = "CT with several frames in a file"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
#: Words in ImageType that mark a picture made of many slices, or of a screen: no HU of a place.
PICTURES = {"MIP", "MINIP", "MAXIP", "MAXIMUM", "MINIMUM", "SUBTRACTION", "VRT", "SCREEN"}


@dataclass(frozen=True)
class Choice:
    """The chosen series, why, how many there were, what was left aside, and warnings."""

    series: Series
    why: str
    candidates: int
    left_aside: Counter[str]
    flags: list[str]


def choose(headers: Sequence[Header], rules: Convert, named: str = "") -> Choice:
    """The CT series that is meant.

    Axial CT series of at least ``rules.min_slices`` slices are candidates. Of several, those with
    the most preferred kernel stay, then those with the most preferred thickness, then the one
    with clearly most slices.

    Args:
        headers: all images that came in.
        rules: minimum and preferences.
        named: the series' number (as in a refusal) or SeriesInstanceUID; that one, or none.

    Raises:
        Refusal: no series is a candidate, several are equal, or there are two patients.
    """
    aside: Counter[str] = Counter()
    every = series.grouped(_fit(headers, aside))
    if named:
        every = _named(every, named, aside)
    axial = _kept(every, lambda s: s.axial, "CT that is not axial", aside)
    least = max(rules.min_slices, 2)  # a spacing needs two
    _check(axial, aside, least)
    candidates = [s for s in axial if len(s.headers) >= least]
    best, why = _preferred(candidates, rules)
    for one in axial:
        if len(one.headers) < len(best.headers):
            aside["CT series with fewer slices"] += len(one.headers)
        elif one is not best:
            aside["CT series that the rules do not prefer"] += len(one.headers)
    flags = []
    if len({h.study for s in axial for h in s.headers}) > 1:
        flags.append("the source holds CT of several studies")
    if any("DERIVED" in h.image_type for h in best.headers):
        flags.append("ImageType is DERIVED: the images were processed after reconstruction")
    if named:
        why = "the series that the case table names"
    return Choice(best, why, len(candidates), aside, flags)


def _fit(headers: Sequence[Header], aside: Counter[str]) -> list[Header]:
    """The images that can be part of a CT volume, each once; the others are counted."""
    copies = series.copies(headers)
    if copies:
        aside["exact copy of another file"] += len(copies)
    fit = []
    for header in headers:
        if header.path in copies:
            continue
        reason = _unfit(header)
        if reason:
            aside[reason] += 1
        else:
            fit.append(header)
    return fit


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
    if PICTURES & {word for kind in header.image_type for word in re.split("[_ ]", kind)}:
        return "projection or screenshot"
    if header.rows == 0 or header.columns == 0:
        return "CT without pixels"
    if header.samples != 1:
        return "colour image"
    return FRAMES if header.frame < 0 else ""


def _kept(
    every: list[Series], keep: Callable[[Series], bool], reason: str, aside: Counter[str]
) -> list[Series]:
    for one in every:
        if not keep(one):
            aside[reason] += len(one.headers)
    return [s for s in every if keep(s)]


def _named(every: list[Series], named: str, aside: Counter[str]) -> list[Series]:
    """The series that the case table names, by number or by UID."""

    def meant(one: Series) -> bool:
        return named in (str(one.number), one.headers[0].series)

    found = _kept(every, meant, "CT series that the case table does not name", aside)
    if not found:
        raise Refusal(
            "it does not hold the series that the case table names; it holds "
            + (listed(every) or "no CT series"),
            expectation="the number or the SeriesInstanceUID of a CT series of this source",
            remedy="correct the column series of the case table, or leave it empty",
            file="the source",
        )
    return found


def _check(axial: list[Series], aside: Counter[str], least: int) -> None:
    """There is a series that is large enough, and all are of one patient."""
    beside = ", ".join(f"{count} × {reason}" for reason, count in aside.items())
    if not any(len(s.headers) >= least for s in axial):
        raise Refusal(
            (f"too few slices ({listed(axial)})" if axial else "no axial CT series")
            + (f", beside {beside}" if beside else ""),
            expectation=f"an axial CT series of at least {least} slices",
            remedy=_remedy(axial, aside),
            file="the source",
        )
    patients = {h.patient for s in axial for h in s.headers}
    if len(patients) > 1:
        raise Refusal(
            f"it holds CT of {len(patients)} patients",
            expectation="one patient a case",
            remedy="give each patient a folder and a row in the case table",
            file="the source",
        )


def _remedy(axial: list[Series], aside: Counter[str]) -> str:
    if axial:
        return "hand over the whole series, or lower convert.min_slices if so few are meant"
    if FRAMES in aside:
        return "split the files into slices, for instance with dcm4che's emf2sf"
    return "hand over the axial series of the CT itself"


def _preferred(candidates: list[Series], rules: Convert) -> tuple[Series, str]:
    """The candidate that the rules prefer, and in which respect."""
    if len(candidates) == 1:
        return candidates[0], "the only axial CT series"
    left = candidates
    for narrow, respect in (
        (_by_kernel, "the preferred kernel"),
        (_by_thickness, "the preferred thickness"),
        (_by_count, "most slices"),
    ):
        left = narrow(left, rules)
        if len(left) == 1:
            return left[0], f"the axial CT series with {respect}"
    raise Refusal(
        f"{len(left)} series are equally good ({listed(left)})",
        expectation="one axial CT series that the rules of convert prefer",
        remedy="name one in the column series of the case table (its number here, or its "
        "SeriesInstanceUID), or set convert.prefer_kernels or convert.prefer_thickness_mm",
        file="the source",
    )


def _by_kernel(candidates: list[Series], rules: Convert) -> list[Series]:
    """Those that match the first of the patterns that any matches; all if none does."""
    for pattern in rules.prefer_kernels:
        matching = [
            s
            for s in candidates
            if fnmatch(s.headers[0].kernel_as_written.upper(), pattern.upper())
        ]
        if matching:
            return matching
    return candidates


def _by_thickness(candidates: list[Series], rules: Convert) -> list[Series]:
    """Those whose slices are nearest to the wanted thickness; all if none is wanted or known."""
    wanted = rules.prefer_thickness_mm
    known = [s for s in candidates if s.headers[0].thickness is not None]
    if wanted is None or not known:
        return candidates
    off = [abs((s.headers[0].thickness or 0) - wanted) for s in known]
    return [s for s, o in zip(known, off, strict=True) if o <= min(off) + SAME_THICKNESS_MM]


def _by_count(candidates: list[Series], rules: Convert) -> list[Series]:
    """Those with about as many slices as the largest."""
    most = max(len(s.headers) for s in candidates)
    return [s for s in candidates if len(s.headers) >= NEARLY_AS_MANY * most]
