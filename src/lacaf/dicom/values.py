"""Values of DICOM elements, read with doubt: what is absent, empty or unreadable is None."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset

#: No place of a CT is beyond this; a larger number is damage.
MOST_MM = 1e6
#: No rescale value or stored value of a CT either. Dates and numbers of patients that slipped
#: into another element are larger, and must not be told as if they were something else.
MOST = 1e5
MOST_THICKNESS_MM = 100.0


def value(dataset: Dataset, keyword: str) -> Any:
    """An element's value, None if it is absent, empty or not what its type demands."""
    try:
        found = dataset.get(keyword)
    except Exception:  # pydicom converts a value when it is asked for, and may fail in any way
        return None
    return None if found is None or found == "" else found


def text(dataset: Dataset, keyword: str) -> str:
    """An element as text, several values joined by a backslash; empty if there is none."""
    found = value(dataset, keyword)
    if found is None:
        return ""
    if isinstance(found, str | int | float):
        return str(found).strip()
    try:
        return "\\".join(str(v) for v in found).strip()
    except TypeError:
        return ""


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """An element of exactly ``count`` plausible numbers."""
    try:
        found = tuple(float(v) for v in value(dataset, keyword))
    except (TypeError, ValueError, OverflowError):
        return None
    plausible = all(abs(v) < MOST_MM for v in found)  # also False for NaN
    return found if len(found) == count and plausible else None


def number(dataset: Dataset, keyword: str, most: float = MOST) -> float | None:
    """An element of one plausible number: no larger than ``most``."""
    try:
        found = float(value(dataset, keyword))
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) <= most else None  # also None for NaN


def integer(dataset: Dataset, keyword: str, default: int = 0) -> int:
    """An element of one integer; ``default`` if there is none."""
    found = number(dataset, keyword)
    return default if found is None else int(found)


def padding(dataset: Dataset) -> tuple[int, int] | None:
    """Lowest and highest stored value that is padding.

    The value's sign is that of the pixels, whatever the element's own type says: 63536 in a
    series of signed pixels is -2000.
    """
    ends = [number(dataset, k) for k in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    stored = [int(v) for v in ends if v is not None]
    if ends[0] is None:
        return None
    if number(dataset, "PixelRepresentation") == 1:
        stored = [v - 65536 if v > 32767 else v for v in stored]
    else:
        stored = [v + 65536 if v < 0 else v for v in stored]
    return min(stored), max(stored)
