"""RTSTRUCT contours as voxels: polygons in the patient's millimetres, filled slice by slice.

A contour lies in a plane of the CT and is a closed polygon (DICOM PS3.3 C.8.8.6). Holes come
in three ways, and all are understood: a *keyhole* (one polygon that runs in and out again on
the same line), a contour inside another, and contours that are declared CLOSED_PLANAR_XOR.

No library serves: those that rasterise RTSTRUCT (rt-utils, dcmrtstruct2nii, plastimatch) know one
rule for the contours of a plane, leave slices between planes empty, and do not tell what they
met: copies, open contours, contours thinner than a voxel.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from lacaf.dicom.polygons import Bool, Tally, filled, work
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume

#: A contour may leave its plane, and a plane the slice it was drawn on, by this fraction of the
#: distance between slices: text in the file is rounded.
OFF_PLANE = 0.1
#: No scanner's coordinates are larger, mm.
FARTHEST_MM = 1e5
#: Two planes of contours further apart than this many usual distances are no neighbours: the
#: vessel ends there and begins anew.
GAP = 1.5
#: Contours have at most so many planes a slice, and cover none of them so many times over.
MOST_PLANES, MOST_TIMES = 5, 50


def refers_to(dataset: pydicom.Dataset) -> tuple[set[str], set[str]]:
    """UIDs of the series and of the frames of reference that the contours were drawn on."""
    frames = {
        str(roi.get("ReferencedFrameOfReferenceUID", ""))
        for roi in dataset.get("StructureSetROISequence", [])
    }
    series = {
        str(one.get("SeriesInstanceUID", ""))
        for frame in dataset.get("ReferencedFrameOfReferenceSequence", [])
        for study in frame.get("RTReferencedStudySequence", [])
        for one in study.get("RTReferencedSeriesSequence", [])
    }
    return series - {""}, frames - {""}


def volume_of(
    dataset: pydicom.Dataset, number: int, grid: Grid, role: str
) -> tuple[Volume, dict[str, Any], list[str]]:
    """A region as 0 and 1 on the CT's grid, facts (contours, planes, holes, ml), and flags.

    Raises:
        Refusal: no closed contour, broken coordinates, planes that are not the CT's, or
            contours outside the CT.
    """
    tally = Tally()
    polygons = _polygons(dataset, number, tally, role)
    indices = [grid.to_index(points) for points, _ in polygons]
    axis = _slice_axis(indices, role)
    planes = _planes(indices, [xor for _, xor in polygons], axis, grid.shape, tally, role)
    array = np.zeros(grid.shape, np.uint8)
    slices = np.moveaxis(array, axis, 0)
    between = _lay(planes, slices)
    gap_mm = _usual_gap(sorted(planes)) * grid.spacing_mm[axis]
    flags = [f"{role}: {flag}" for flag in _flags(tally, between, gap_mm, grid.spacing_mm[axis])]
    facts = {
        "contours": tally.contours,
        "planes": len(planes),
        "planes_mm_apart": round(gap_mm, 3),
        "slices_between": between,
        "holes": tally.holes,
        "ml": round(float(array.sum(dtype=np.int64) * grid.voxel_ml), 3),
    }
    return Volume(array, grid), facts, flags


def _flags(tally: Tally, between: int, gap_mm: float, slice_mm: float) -> list[str]:
    told = (
        (tally.not_closed, "contours that are points or open lines were left aside"),
        (tally.repeated, "contours were there twice"),
        (tally.overlapping, "contours overlap others of the same slice in part; joined"),
        (tally.without_voxel, "contours enclose no voxel's centre: vessels thinner than a voxel"),
    )
    flags = [f"{count} {what}" for count, what in told if count]
    if between:
        flags.append(
            f"contours {gap_mm:.2f} mm apart on slices {slice_mm:.2f} mm apart; {between} slices "
            "between were shaped from their neighbours"
        )
    return flags


def _polygons(
    dataset: pydicom.Dataset, number: int, tally: Tally, role: str
) -> list[tuple[NDArray[np.float64], bool]]:
    """Points ``(N, 3)`` (LPS mm) of each closed contour, and whether it is declared XOR."""
    found = []
    for region in dataset.get("ROIContourSequence", []):
        if int(region.get("ReferencedROINumber", -1)) != number:
            continue
        for contour in region.get("ContourSequence", []) or []:
            kind = str(contour.get("ContourGeometricType", ""))
            points = _points(contour, role)
            if not kind.startswith("CLOSED_PLANAR") or len(points) < 3:
                tally.not_closed += 1
                continue
            found.append((points, kind.endswith("XOR")))
    tally.contours = len(found)
    if not found:
        raise Refusal(
            f"it has no closed contour ({tally.not_closed} points or lines)",
            expectation="CLOSED_PLANAR contours around the vessels",
            remedy="export the drawn contours; leave a region without any out of the coding",
            file=role,
        )
    return found


def _points(contour: pydicom.Dataset, role: str) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(contour.get("ContourData") or [], float)
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if numbers.size % 3 or not (np.abs(numbers) < FARTHEST_MM).all():  # False for NaN, too
        raise Refusal(
            f"a contour has {numbers.size} coordinates, or some that are no places in a scanner",
            expectation="x, y and z of each point, mm",
            remedy="export the structure set anew",
            file=role,
        )
    return numbers.reshape(-1, 3)


def _slice_axis(indices: Sequence[NDArray], role: str) -> int:
    """The array axis along which every contour is flat."""
    spread = np.array([np.ptp(index, axis=0) for index in indices])
    flat = (spread <= 2 * OFF_PLANE).mean(axis=0)
    axis = int(flat.argmax())
    if flat[axis] < 1:
        worst = float(spread[:, axis].max())
        raise Refusal(
            f"a contour crosses {worst:.1f} slices: it does not lie in the planes of the CT",
            expectation="contours drawn in the slices of this CT",
            remedy="export them on the original slices, or as a label volume",
            file=role,
        )
    return axis


def _planes(
    indices: Sequence[NDArray],
    xor: Sequence[bool],
    axis: int,
    shape: Sequence[int],
    tally: Tally,
    role: str,
) -> dict[float, Bool]:
    """The filled region in each plane, by the plane's place along the slices (index)."""
    rest = [a for a in range(3) if a != axis]
    height = np.array([index[:, axis].mean() for index in indices])
    nearest = np.rint(height)
    height = np.where(np.abs(height - nearest) <= OFF_PLANE, nearest, np.round(height, 2))
    size = (shape[rest[0]], shape[rest[1]])
    contours = [index[:, rest] for index in indices]
    drawn: dict[float, list[tuple[NDArray, bool]]] = defaultdict(list)
    for place, contour, exclusive in zip(height.tolist(), contours, xor, strict=True):
        drawn[place].append((contour, exclusive))
    _check_work(drawn, shape[axis], size, role)
    found = {place: filled(drawn[place], size, tally) for place in sorted(drawn)}
    _check_inside(found, shape[axis], role)
    return found


def _check_work(
    drawn: Mapping[float, Sequence[tuple[NDArray, bool]]],
    slices: int,
    size: tuple[int, int],
    role: str,
) -> None:
    """Refuse contours that are made to fill the memory, before any is filled."""
    times = max(
        sum(work(points, size) for points, _ in here) / math.prod(size) for here in drawn.values()
    )
    if times > MOST_TIMES or len(drawn) > MOST_PLANES * slices:
        raise Refusal(
            f"its contours lie in {len(drawn)} planes and cover one {times:.0f} times over",
            expectation=f"at most {MOST_PLANES} planes for each of the CT's {slices} slices, and "
            f"none covered more than {MOST_TIMES} times",
            remedy="export the structure set anew, or hand over a label volume",
            file=role,
        )


def _check_inside(planes: dict[float, Bool], slices: int, role: str) -> None:
    inside = sum(-0.5 < place < slices - 0.5 for place in planes)
    voxels = any(mask.any() for mask in planes.values())
    if inside < len(planes) or not voxels:
        raise Refusal(
            f"{len(planes) - inside} of {len(planes)} planes of contours lie above or below the "
            f"CT's {slices} slices" + ("" if voxels else ", and no contour within a slice"),
            expectation="contours that lie in this CT",
            remedy="check that contours and CT are of one scan, and that all slices are there",
            file=role,
        )


def _usual_gap(places: Sequence[float] | NDArray) -> float:
    return float(np.median(np.diff(places))) if len(places) > 1 else 1.0


def _lay(planes: dict[float, Bool], slices: NDArray[np.uint8]) -> int:
    """Write the planes into the slices ``(slice, row, column)``; how many lay between planes."""
    places = np.array(sorted(planes))
    gap = _usual_gap(places)
    between = 0
    for number in range(len(slices)):
        if number in planes:
            slices[number] = planes[number]
            continue
        after = int(np.searchsorted(places, number))
        below = places[after - 1] if after else None
        above = places[after] if after < len(places) else None
        if below is not None and above is not None and above - below <= GAP * gap:
            fraction = (number - below) / (above - below)
            slices[number] = _shape_between(planes[below], planes[above], fraction)
        else:
            near = [p for p in (below, above) if p is not None and abs(p - number) < gap / 2]
            if not near:
                continue
            slices[number] = planes[near[0]]
        between += 1
    return between


def _shape_between(below: Bool, above: Bool, fraction: float) -> Bool:
    """The shape between two slices from the distances to their borders.

    Shape-based interpolation, Raya and Udupa, IEEE Trans Med Imaging 9:32-42, 1990.
    """
    return (1 - fraction) * _signed_distance(below) + fraction * _signed_distance(above) > 0


def _signed_distance(mask: Bool) -> NDArray[np.float32]:
    import edt

    return edt.edt(mask) - edt.edt(~mask) if mask.any() else np.full(mask.shape, -1e6, np.float32)
