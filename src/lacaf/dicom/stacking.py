"""Slices to a grid: from ImagePositionPatient and ImageOrientationPatient, and nothing else.

Instance numbers, slice locations and file names lie too often; they are not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lacaf.dicom.header import Header
from lacaf.fault import Refusal
from lacaf.grid import Grid

#: Direction cosines of one series may differ by rounding, not by more.
SAME_DIRECTION = 1e-3
#: How far the direction cosines may be from unit length and a right angle (rounded headers).
ORTHONORMAL = 1e-2
#: Slices may lie beside the line of the others by this fraction of a pixel.
SIDEWAYS_VOX = 0.1
#: Two slices nearer than this hold the same place.
SAME_PLACE_MM = 0.01
#: Positions are written as rounded text; that much is no unevenness.
ROUNDING_MM = 0.01

_SERIES = "the CT series"


def stack(
    slices: Sequence[Header], tolerance: float, tilt: str = "refuse"
) -> tuple[list[Header], Grid, float]:
    """Sort slices along their normal and give them their grid.

    Args:
        slices: headers of one series, in any order.
        tolerance: fraction of the slice spacing by which a slice may stray from its regular place.
        tilt: ``refuse`` a stack that leans off its normal, or give it a leaning grid, for it is
            going to be resampled (``resample``).

    Returns:
        The headers in order; the grid: x index along the rows, y index along the columns,
        z index along the normal (row x column), so the grid is always right-handed; and by how
        many degrees the stack leans off the normal (0 for an upright stack).

    Raises:
        Refusal: a tag is missing, or size, plane, place or spacing are not of one volume.
    """
    for tag, attribute in (
        ("ImagePositionPatient", "position"),
        ("ImageOrientationPatient", "row"),
        ("PixelSpacing", "spacing"),
    ):
        _check_present(slices, tag, attribute)
    _check_matrix(slices)
    row, column = _directions(slices)
    normal = np.cross(row, column)
    position = np.array([h.position for h in slices])
    order = np.argsort(position @ normal, kind="stable")
    ordered = [slices[i] for i in order]
    position = position[order]
    height = position @ normal
    _check_duplicates(height)
    lean = _lean(position, height, normal, min(ordered[0].spacing or (1.0,)))
    degrees = float(np.degrees(np.arctan(np.linalg.norm(lean))))
    if degrees and tilt != "resample":
        raise leaning(degrees, _SERIES)
    _check_spacing(height, tolerance)
    step = (height[-1] - height[0]) / (len(height) - 1)
    between_rows, between_columns = ordered[0].spacing
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * between_columns, column * between_rows
    affine[:3, 2] = (normal + lean) * step
    affine[:3, 3] = position[0]
    return ordered, Grid((len(ordered), ordered[0].rows, ordered[0].columns), affine), degrees


def leaning(degrees: float, file: str) -> Refusal:
    """The refusal of a stack of slices that leans off their normal."""
    return Refusal(
        f"gantry tilt: the slices are stacked {degrees:.1f} degrees off their normal",
        expectation="slices stacked along their normal",
        remedy="set convert.tilt to resample, or take an untilted scan",
        file=file,
    )


def _check_present(slices: Sequence[Header], tag: str, attribute: str) -> None:
    lacking = [h for h in slices if getattr(h, attribute) is None]
    if lacking:
        raise Refusal(
            f"{tag} is missing or unreadable in {len(lacking)} of {len(slices)} slices",
            expectation=f"a usable {tag} in every slice",
            remedy="export the series anew, with its original headers",
            file=lacking[0].place,
        )


def _check_matrix(slices: Sequence[Header]) -> None:
    """All slices must have the matrix and the pixel size that most of them have."""
    matrices = Counter((h.rows, h.columns, h.spacing) for h in slices)
    usual = matrices.most_common(1)[0][0]
    first = next(h for h in slices if (h.rows, h.columns, h.spacing) == usual)
    for header in slices:
        same_pixels = np.allclose(header.spacing or (), first.spacing or (), rtol=1e-4, atol=0)
        if (header.rows, header.columns) != (first.rows, first.columns) or not same_pixels:
            raise Refusal(
                f"{header.rows}x{header.columns} pixels of {_mm(header.spacing)} mm, others have "
                f"{first.rows}x{first.columns} of {_mm(first.spacing)} mm",
                expectation="one matrix and one pixel size in a series",
                remedy="take out the images that belong to another reconstruction",
                file=header.place,
            )
    if min(first.spacing or (0.0,)) <= 0:
        raise Refusal(
            f"PixelSpacing is {_mm(first.spacing)} mm",
            expectation="positive pixel sizes",
            remedy="export the series anew, with its original headers",
            file=_SERIES,
        )


def _directions(slices: Sequence[Header]) -> tuple[NDArray, NDArray]:
    """Unit row and column directions, exactly at right angles."""
    cosines = np.array([[*h.row, *h.column] for h in slices])  # type: ignore[misc]
    stray = np.abs(cosines - np.median(cosines, axis=0)).max(axis=1) > SAME_DIRECTION
    if stray.any():
        raise Refusal(
            f"the slices lie in {_planes(cosines)} different planes or directions",
            expectation="one ImageOrientationPatient in a series",
            remedy="take out scouts and reformatted images, or hand over the axial series alone",
            file=_SERIES,
        )
    row, column = cosines[0, :3], cosines[0, 3:]
    lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
    if np.abs(lengths - 1).max() > ORTHONORMAL or abs(row @ column) > ORTHONORMAL:
        raise Refusal(
            "the direction cosines are no unit vectors at right angles",
            expectation="a usable ImageOrientationPatient",
            remedy="export the series anew, with its original headers",
            file=_SERIES,
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def _planes(cosines: NDArray) -> int:
    return len(np.unique(np.round(cosines / (10 * SAME_DIRECTION)), axis=0))


def _check_duplicates(height: NDArray) -> None:
    same = np.flatnonzero(np.diff(height) <= SAME_PLACE_MM)
    if same.size:
        raise Refusal(
            f"{same.size} slices lie where another one lies, the first at slice {same[0] + 1}",
            expectation="one image at each place",
            remedy="separate the phases or reconstructions that share the series",
            file=_SERIES,
        )


def _lean(position: NDArray, height: NDArray, normal: NDArray, pixel_mm: float) -> NDArray:
    """How far the stack moves sideways for each mm along the normal: a vector, 0 if upright.

    A stack that leans (gantry tilt) is no box of voxels. Places are rounded text, so a lean of
    less than a fraction of a pixel over the whole stack is none.
    """
    sideways = position - np.outer(height, normal)
    sideways = sideways - sideways[0]
    drift = sideways[-1] / (height[-1] - height[0])
    beside = np.linalg.norm(sideways - np.outer(height - height[0], drift), axis=1)
    worst = int(beside.argmax())
    if beside[worst] > SIDEWAYS_VOX * pixel_mm:
        raise Refusal(
            f"slice {worst + 1} lies {beside[worst]:.2f} mm beside the line of the others",
            expectation="slices stacked on one line",
            remedy="separate the acquisitions that share the series",
            file=_SERIES,
        )
    return drift if np.linalg.norm(sideways[-1]) > SIDEWAYS_VOX * pixel_mm else np.zeros(3)


def _check_spacing(height: NDArray, tolerance: float) -> None:
    gaps = np.diff(height)
    usual = float(np.median(gaps))
    wide = np.flatnonzero(gaps > 1.5 * usual)
    if wide.size:
        first = wide[0]
        more = f", and {wide.size - 1} more gaps" if wide.size > 1 else ""
        raise Refusal(
            f"missing slice: a gap of {gaps[first]:.2f} mm after slice {first + 1} of "
            f"{len(height)}, counted along the stack{more}",
            expectation=f"slices {usual:.2f} mm apart throughout",
            remedy="fetch the missing slices; nothing is filled in",
            file=_SERIES,
        )
    regular = np.linspace(height[0], height[-1], len(height))
    allowed = max(tolerance * usual, ROUNDING_MM)
    stray = np.abs(height - regular)
    if stray.max() > allowed:
        raise Refusal(
            f"uneven slice spacing: {gaps.min():.3f} to {gaps.max():.3f} mm, slice "
            f"{int(stray.argmax()) + 1} is {stray.max():.3f} mm off its regular place",
            expectation=f"even spacing within {allowed:.3f} mm (convert.spacing_tolerance)",
            remedy="take an evenly spaced reconstruction, or resample on purpose",
            file=_SERIES,
        )


def _mm(spacing: tuple[float, ...] | None) -> str:
    return "x".join(f"{v:g}" for v in spacing or ())
