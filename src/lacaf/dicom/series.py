"""Images by series: which belong together, and which are there twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lacaf.dicom.header import Header

#: A plane is axial if its normal lies within 45 degrees of the body's axis.
AXIAL_COSINE = 0.7071
MOST_LISTED = 8


@dataclass(frozen=True)
class Series:
    """Images of one series, in the order of file names; ``number`` counts series from 1."""

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
        slices = "1 slice" if len(self.headers) == 1 else f"{len(self.headers)} slices"
        return f"series {self.number}: {slices}{kernel}{thickness}"


def grouped(headers: Iterable[Header]) -> list[Series]:
    """Images by their SeriesInstanceUID, numbered in the order in which the series appear."""
    groups: dict[str, list[Header]] = {}
    for header in headers:
        groups.setdefault(header.series, []).append(header)
    return [Series(number, group) for number, group in enumerate(groups.values(), start=1)]


def listed(series: Sequence[Series]) -> str:
    """Several series in words; of very many the first ones."""
    more = f"; and {len(series) - MOST_LISTED} more" if len(series) > MOST_LISTED else ""
    return "; ".join(s.described() for s in series[:MOST_LISTED]) + more


def is_axial(header: Header) -> bool:
    """Whether the image plane is axial; images without an orientation get the doubt."""
    if header.row is None or header.column is None:
        return True
    normal = np.cross(header.row, header.column)
    return bool(abs(normal[2]) >= AXIAL_COSINE * max(float(np.linalg.norm(normal)), 1e-9))


def copies(headers: Sequence[Header]) -> set[Path]:
    """Files that are exact copies of another one: the same instance and the same bytes."""
    files: dict[str, list[Path]] = {}
    for header in headers:
        if header.instance:
            paths = files.setdefault(header.instance, [])
            if header.path not in paths[-1:]:
                paths.append(header.path)
    found: set[Path] = set()
    for paths in files.values():
        seen: set[str] = set()
        for path in paths if len(paths) > 1 else ():
            with path.open("rb") as handle:
                content = hashlib.file_digest(handle, "sha256").hexdigest()
            if content in seen:
                found.add(path)
            seen.add(content)
    return found
