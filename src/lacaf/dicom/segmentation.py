"""DICOM-SEG segments as voxels: each frame goes where its own position says.

The order of frames means nothing (they follow the source images, in whatever order those
were), empty frames are left out, and direction cosines may be negative: only the position and
orientation of each frame in the patient count.

No library serves: highdicom reads what keeps to the standard and raises at what does not, and
SimpleITK takes frames in the order of the file; here a file from anywhere is read by its
positions, laid on the CT's own voxels, or refused with a reason.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from lacaf.fault import Refusal, machines_fault
from lacaf.grid import Grid
from lacaf.volume import Volume

#: A voxel of a fractional segment belongs to it from this fraction of the full value on.
FRACTION = 0.5
#: A frame lies on the CT's voxels if its corners are off by at most this fraction of a voxel.
OFF_VOXEL = 0.1
#: At least this fraction of a segment must lie inside the CT.
INSIDE_FRACTION = 0.98
#: More voxels than this are no segmentation of a chest: the numbers in the file are wrong.
MOST_VOXELS = 2 * 10**9


@dataclass(frozen=True, eq=False)
class Frame:
    """A plane of a segment: ``mask`` (row, column), where its first voxel lies and its steps.

    ``along_row`` leads from a column to the next, ``along_column`` from a row to the next; LPS,
    mm.
    """

    mask: NDArray[np.bool_]
    position: NDArray[np.float64]
    along_row: NDArray[np.float64]
    along_column: NDArray[np.float64]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit normal, row x column."""
        normal = np.cross(self.along_row, self.along_column)
        return normal / np.linalg.norm(normal)

    def off(self, other: Frame) -> float:
        """The largest difference between the steps of two frames, mm."""
        rows = np.abs(self.along_row - other.along_row).max()
        return float(max(rows, np.abs(self.along_column - other.along_column).max()))

    def corners_mm(self) -> NDArray[np.float64]:
        """Places of the four corner voxels ``(4, 3)``."""
        rows, columns = np.array(self.mask.shape) - 1
        steps = np.array([(0, 0), (rows, 0), (0, columns), (rows, columns)])
        return self.position + steps @ np.stack([self.along_column, self.along_row])


def refers_to(dataset: pydicom.Dataset) -> tuple[set[str], set[str]]:
    """UIDs of the series and of the frame of reference that the segments were drawn on."""
    series = {
        str(one.get("SeriesInstanceUID", "")) for one in dataset.get("ReferencedSeriesSequence", [])
    }
    return series - {""}, {str(dataset.get("FrameOfReferenceUID", ""))} - {""}


def volume_of(
    dataset: pydicom.Dataset, number: int, grid: Grid, role: str
) -> tuple[Volume, dict[str, Any], list[str]]:
    """A segment as 0 and 1, facts (type, frames, ml) and flags.

    It lies on the CT's grid if its frames lie on the CT's voxels, in whatever orientation; if
    not, on a grid of its own, which reaches from end to end of the CT: a frame that was left
    out is empty, not unknown.

    Raises:
        Refusal: pixels that cannot be read, frames without a place, uneven or outside the CT.
    """
    kind = str(dataset.get("SegmentationType", "BINARY"))
    frames = _frames(dataset, number, kind, role)
    flags = []
    if kind == "FRACTIONAL":
        flags.append(f"{role}: fractions; a voxel belongs to it from {FRACTION:.0%} on")
    array = _on_voxels(frames, grid, role)
    if array is not None:
        part = Volume(array, grid)
    else:
        part = _own_volume(frames, grid, _slice_spacing(dataset), role)
        flags.append(f"{role}: its frames lie on a grid of their own")
    facts = {
        "type": kind,
        "frames": len(frames),
        "on_image_grid": array is not None,
        "ml": round(float(part.array.sum(dtype=np.int64) * part.grid.voxel_ml), 3),
    }
    return part, facts, flags


def _frames(dataset: pydicom.Dataset, number: int, kind: str, role: str) -> list[Frame]:
    pixels = _pixels(dataset, role)
    groups = dataset.get("PerFrameFunctionalGroupsSequence", [])
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    if len(groups) != len(pixels):
        raise _unusable(f"{len(pixels)} frames and {len(groups)} descriptions of frames", role)
    least = FRACTION * float(dataset.get("MaximumFractionalValue", 255))
    found = []
    for frame, group in zip(pixels, groups, strict=True):
        if kind == "LABELMAP":
            mask = frame == number
        elif _segment(group, shared) != number:
            continue
        else:
            mask = frame >= least if kind == "FRACTIONAL" else frame > 0
        found.append(_placed(mask, group, shared, role))
    if not any(frame.mask.any() for frame in found):
        raise Refusal(
            f"the segment is empty ({len(found)} frames)",
            expectation="labelled voxels",
            remedy="leave the segment out of the coding, or export it anew",
            file=role,
        )
    return found


def _pixels(dataset: pydicom.Dataset, role: str) -> NDArray:
    """All frames ``(frame, row, column)``."""
    sizes = [int(dataset.get(name) or 1) for name in ("NumberOfFrames", "Rows", "Columns")]
    _check_size(sizes, role)
    try:
        pixels = dataset.pixel_array
    except Exception as error:  # decoders raise whatever they like on broken pixels
        if machines_fault(error):
            raise
        raise _unusable(f"its pixels cannot be read ({type(error).__name__})", role) from None
    return pixels[None] if pixels.ndim == 2 else pixels


def _check_size(sizes: Sequence[int], role: str) -> None:
    """Refuse absurd numbers before any memory is asked for."""
    if math.prod(sizes) > MOST_VOXELS:
        raise _unusable(f"{' x '.join(map(str, sizes))} voxels", role)


def _unusable(finding: str, role: str) -> Refusal:
    return Refusal(
        finding,
        expectation="a DICOM-SEG with a position for every frame",
        remedy="export the segmentation anew",
        file=role,
    )


def _group(keyword: str, group: pydicom.Dataset, shared: pydicom.Dataset) -> pydicom.Dataset | None:
    """A functional group of a frame, or that of all frames."""
    found = group.get(keyword) or shared.get(keyword)
    return found[0] if found else None


def _segment(group: pydicom.Dataset, shared: pydicom.Dataset) -> int | None:
    found = _group("SegmentIdentificationSequence", group, shared)
    return None if found is None else int(found.get("ReferencedSegmentNumber", -1))


def _placed(
    mask: NDArray[np.bool_], group: pydicom.Dataset, shared: pydicom.Dataset, role: str
) -> Frame:
    position = _numbers("PlanePositionSequence", "ImagePositionPatient", group, shared)
    cosines = _numbers("PlaneOrientationSequence", "ImageOrientationPatient", group, shared)
    pixel = _numbers("PixelMeasuresSequence", "PixelSpacing", group, shared)
    if (len(position), len(cosines), len(pixel)) == (3, 6, 2):
        row, column = cosines[:3] * pixel[1], cosines[3:] * pixel[0]
        if np.linalg.norm(np.cross(row, column)) > 0:
            return Frame(mask, position, row, column)
    raise _unusable("a frame has no usable position, orientation or pixel size", role)


def _numbers(
    sequence: str, keyword: str, group: pydicom.Dataset, shared: pydicom.Dataset
) -> NDArray[np.float64]:
    """Numbers in a functional group; none where it is missing or broken."""
    found = _group(sequence, group, shared)
    value = None if found is None else found.get(keyword)
    try:
        numbers = np.asarray([] if value is None else list(value), np.float64)
    except (TypeError, ValueError):
        return np.empty(0)
    return numbers if np.isfinite(numbers).all() else np.empty(0)


def _on_voxels(frames: Sequence[Frame], grid: Grid, role: str) -> NDArray[np.uint8] | None:
    """The segment on the CT's grid if every frame lies on its voxels, else None."""
    array = np.zeros(grid.shape, np.uint8)
    voxels = inside = 0
    for frame in frames:
        corners = grid.to_index(frame.corners_mm())
        if np.abs(corners - np.rint(corners)).max() > OFF_VOXEL:
            return None
        rows, columns = np.nonzero(frame.mask)
        start, row_step, column_step = _steps(frame, grid)
        if np.abs(row_step).sum() != 1 or np.abs(column_step).sum() != 1:
            return None
        index = start + np.outer(rows, row_step) + np.outer(columns, column_step)
        kept = ((index >= 0) & (index < grid.shape)).all(axis=1)
        array[tuple(index[kept].T)] = 1
        voxels, inside = voxels + len(rows), inside + int(kept.sum())
    if inside < INSIDE_FRACTION * voxels:
        raise Refusal(
            f"only {inside / voxels:.0%} of its voxels lie inside the CT",
            expectation="a segmentation of this CT",
            remedy="check that segmentation and CT are of one scan, and that all slices are there",
            file=role,
        )
    return array


def _steps(frame: Frame, grid: Grid) -> tuple[NDArray, NDArray, NDArray]:
    """Index of the first voxel, and the steps in the CT from row to row, column to column."""
    to_index = np.linalg.inv(grid.affine[:3, :3])
    start = np.rint(grid.to_index(frame.position)).astype(int)
    steps = [np.rint((to_index @ way)[::-1]).astype(int) for way in
             (frame.along_column, frame.along_row)]  # fmt: skip
    return start, steps[0], steps[1]


def _slice_spacing(dataset: pydicom.Dataset) -> float | None:
    """Distance between slices as the object states it, mm."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    pixel = _group("PixelMeasuresSequence", pydicom.Dataset(), shared)
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        value = pixel.get(keyword) if pixel is not None else None
        if value:
            return abs(float(value))
    return None


def _own_volume(
    frames: Sequence[Frame], image: Grid, spacing_mm: float | None, role: str
) -> Volume:
    """The frames stacked by their position, with the empty ones that were left out."""
    first = frames[0]
    normal = first.normal
    height = np.array([frame.position @ normal for frame in frames])
    sideways = np.array([f.position - h * normal for f, h in zip(frames, height, strict=True)])
    pixel = min(np.linalg.norm(first.along_row), np.linalg.norm(first.along_column))
    same = [f.mask.shape == first.mask.shape and f.off(first) < 1e-3 * pixel for f in frames]
    gaps = np.diff(np.unique(np.round(height, 3)))
    step = float(gaps.min()) if gaps.size else (spacing_mm or 0.0)
    if spacing_mm and gaps.size and spacing_mm < step:
        step = spacing_mm
    place = (height - height.min()) / max(step, 1e-6)
    uneven = float(np.abs(place - np.rint(place)).max())
    if step <= 0 or uneven > OFF_VOXEL or not all(same) or np.ptp(sideways, 0).max() > 0.1 * pixel:
        raise Refusal(
            f"its {len(frames)} frames make no volume (up to {uneven:.2f} slices off their place)",
            expectation="parallel frames, evenly spaced, on one line",
            remedy="export the segmentation on the slices of the CT",
            file=role,
        )
    ends = image.corners_mm() @ normal
    before = max(0, int(np.ceil((height.min() - ends.min()) / step)))
    after = max(0, int(np.ceil((ends.max() - height.max()) / step)))
    number = np.rint(place).astype(int) + before
    shape = (int(number.max()) + 1 + after, *first.mask.shape)
    _check_size(shape, role)
    array = np.zeros(shape, np.uint8)
    for frame, slot in zip(frames, number, strict=True):
        array[slot] |= frame.mask
    affine = np.eye(4)
    affine[:3, :3] = np.stack([first.along_row, first.along_column, normal * step], axis=1)
    affine[:3, 3] = frames[int(height.argmin())].position - before * step * normal
    return Volume(array, Grid(array.shape, affine))
