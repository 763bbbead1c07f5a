"""Slices to a grid, in all 48 orders of axes and oblique: found right, or refused for its reason.

The headers are built by hand, so thousands of stacks cost nothing.
"""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from convert.ways import FORTY_EIGHT, TURNS, axes_of, name
from pydicom.uid import ExplicitVRLittleEndian

from lacaf.dicom import stacking
from lacaf.dicom.header import Header
from lacaf.fault import Refusal

STEP, BETWEEN_ROWS, BETWEEN_COLUMNS = 2.5, 0.8, 0.7
COUNT = 9
TOLERANCE = 0.01
WAYS = pytest.mark.parametrize(
    ("way", "turn"),
    list(product(FORTY_EIGHT, TURNS)),
    ids=lambda value: value if isinstance(value, str) else name(value),
)
PLAIN = Header(
    path=Path("nowhere"), ordinal=1, frame=0, frames=1, sop_class="", instance="", series="s",
    study="", frame_of_reference="", patient="", modality="CT", image_type=(), position=None,
    row=None, column=None, spacing=(BETWEEN_ROWS, BETWEEN_COLUMNS), thickness=STEP, tilt=None,
    rows=12, columns=14, samples=1, photometric="MONOCHROME2", bits_allocated=16, bits_stored=12,
    signed=False, padding=None, slope=1.0, intercept=-1024.0, rescale_type="HU", lossy=False,
    kernel_as_written="", transfer_syntax=ExplicitVRLittleEndian, pixels=None,
)  # fmt: skip


def slices(way, turn, count=COUNT):
    """Headers whose rows, columns and order run in a way; positions as DICOM rounds them.

    The order of a left-handed way falls along the normal instead of rising.
    """
    x, y, z = axes_of(way, turn).T
    origin = np.array([-120.0, -140.5, -310.25])
    return [
        replace(
            PLAIN,
            ordinal=number + 1,
            row=tuple(np.round(x, 6)),
            column=tuple(np.round(y, 6)),
            position=tuple(np.round(origin + number * STEP * z, 4)),
        )
        for number in range(count)
    ]


def moved(header, by):
    return replace(header, position=tuple(np.array(header.position) + by))


def refused(headers, **kind):
    with pytest.raises(Refusal) as refusal:
        stacking.stack(headers, TOLERANCE, **kind)
    return str(refusal.value)


@WAYS
def test_every_pixel_of_every_slice_keeps_its_place(way, turn):
    given = slices(way, turn)
    shuffled = [given[i] for i in np.random.default_rng(0).permutation(COUNT)]
    ordered, grid, degrees = stacking.stack(shuffled, TOLERANCE)
    assert degrees == 0
    assert grid.shape == (COUNT, 12, 14)
    assert grid.spacing_mm == pytest.approx((STEP, BETWEEN_ROWS, BETWEEN_COLUMNS), rel=1e-4)
    assert np.linalg.det(grid.affine) > 0
    for index, header in enumerate(ordered):
        row, column = np.array(header.row), np.array(header.column)
        for r, c in ((0, 0), (11, 0), (0, 13), (7, 5)):
            there = header.position + row * c * BETWEEN_COLUMNS + column * r * BETWEEN_ROWS
            assert np.abs(grid.to_mm([index, r, c]) - there).max() < 1e-3


@WAYS
def test_a_missing_slice_is_a_double_gap(way, turn):
    given = slices(way, turn)
    del given[3]
    assert "missing slice: a gap of 5.00 mm after slice" in refused(given)


@WAYS
def test_missing_slices_are_counted(way, turn):
    given = slices(way, turn, 14)
    kept = [h for number, h in enumerate(given) if number not in (3, 4, 9)]
    assert "and 1 more gaps" in refused(kept)


@WAYS
def test_two_slices_in_one_place_are_refused(way, turn):
    given = slices(way, turn)
    assert "1 slices lie where another one lies" in refused([*given, replace(given[4], ordinal=99)])


@WAYS
def test_a_slice_may_stray_by_the_tolerance_and_no_further(way, turn):
    given = slices(way, turn)
    normal = axes_of(way, turn)[:, 2]
    for off, allowed in ((0.8 * TOLERANCE, True), (1.3 * TOLERANCE, False)):
        strayed = [*given[:4], moved(given[4], off * STEP * normal), *given[5:]]
        if allowed:
            stacking.stack(strayed, TOLERANCE)
        else:
            assert "uneven slice spacing" in refused(strayed)


@WAYS
def test_a_spacing_that_changes_midway_is_refused(way, turn):
    given = slices(way, turn)
    normal = axes_of(way, turn)[:, 2]
    denser = [moved(h, -0.3 * STEP * max(0, i - 4) * normal) for i, h in enumerate(given)]
    assert "uneven slice spacing" in refused(denser)


@WAYS
def test_a_slice_beside_the_others_is_refused(way, turn):
    given = slices(way, turn)
    given[5] = moved(given[5], 3.0 * axes_of(way, turn)[:, 0])
    assert "3.00 mm beside the line" in refused(given)


@WAYS
@pytest.mark.parametrize("along", [0, 1])
def test_a_leaning_stack_is_refused_or_gets_a_leaning_grid(way, turn, along):
    sideways = axes_of(way, turn)[:, along]
    leaning = [moved(h, 0.2 * STEP * i * sideways) for i, h in enumerate(slices(way, turn))]
    assert "gantry tilt: the slices are stacked 11.3 degrees off" in refused(leaning)
    ordered, grid, degrees = stacking.stack(leaning, TOLERANCE, "resample")
    assert degrees == pytest.approx(11.31, abs=0.01)
    for index, header in enumerate(ordered):
        assert np.abs(grid.to_mm([index, 0, 0]) - header.position).max() < 1e-3


@WAYS
def test_a_slice_of_another_direction_is_refused(way, turn):
    given = slices(way, turn)
    for row, column in (
        (tuple(-v for v in given[2].row), given[2].column),  # mirrored
        (given[2].column, given[2].row),  # transposed
        (given[2].row, tuple(np.cross(given[2].row, given[2].column))),  # another plane
    ):
        mixed = [*given[:2], replace(given[2], row=row, column=column), *given[3:]]
        assert "2 different planes or directions" in refused(mixed)


@WAYS
def test_a_slice_of_another_matrix_is_refused(way, turn):
    given = slices(way, turn)
    for change in ({"rows": 13}, {"columns": 10}, {"spacing": (0.8, 0.71)}):
        assert "others have 12x14 of 0.8x0.7 mm" in refused(
            [*given[:-1], replace(given[-1], **change)]
        )


@WAYS
def test_what_is_missing_or_no_direction_is_named(way, turn):
    given = slices(way, turn)
    for field, tag in (
        ("position", "ImagePositionPatient"), ("row", "ImageOrientationPatient"),
        ("spacing", "PixelSpacing"),
    ):  # fmt: skip
        lacking = [*given[:6], replace(given[6], **{field: None}), *given[7:]]
        assert f"DICOM file 7: {tag} is missing or unreadable in 1 of 9" in refused(lacking)
    longer = [replace(h, row=tuple(2 * np.array(h.row))) for h in given]
    assert "no unit vectors at right angles" in refused(longer)


@WAYS
def test_two_slices_make_the_smallest_stack(way, turn):
    _, grid, _ = stacking.stack(slices(way, turn, 2), TOLERANCE)
    assert grid.spacing_mm[0] == pytest.approx(STEP, rel=1e-4)
