"""What a page holds of a case: the right voxels in the right place, small."""

import base64
import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from lacaf.grid import Grid
from lacaf.report.packing import pack, pack_labels, sheets, webp
from lacaf.report.preview import GREY_HU, MOST_VOXELS, preview, preview_grid
from lacaf.volume import Volume


def unpacked(text: str, kind: str) -> np.ndarray:
    """What view.js's unpack makes of packed numbers."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return np.frombuffer(planes.reshape(np.dtype(kind).itemsize, -1).T.tobytes(), kind)


@given(arrays.arrays(np.int64, st.integers(0, 50), elements=st.integers(0, 2**32 - 1)))
def test_packed_numbers_come_back(values):
    assert unpacked(pack(values, np.uint32), "<u4").tolist() == values.tolist()


def test_packed_labels_come_back_and_are_small():
    labels = np.zeros((50, 60, 70), np.uint8)
    labels[10:40, 20, 30] = 3
    text = pack_labels(labels)
    assert len(text) < 1000
    back = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    assert np.array_equal(back.reshape(labels.shape), labels)


def test_every_slice_lies_where_its_sheet_says():
    rows, columns = np.indices((20, 30))
    slices = np.stack([(n * 4 + rows + columns).astype(np.uint8) for n in range(50)])
    seen = 0
    for sheet in sheets(slices):
        picture = Image.open(io.BytesIO(base64.b64decode(sheet["src"].split(",")[1]))).convert("L")
        whole = np.asarray(picture)
        for n in range(sheet["slices"]):
            row, column = divmod(n, sheet["columns"])
            part = whole[20 * row : 20 * row + 20, 30 * column : 30 * column + 30]
            error = np.abs(part.astype(int) - slices[sheet["first"] + n])
            assert error.mean() < 6  # compressed, but no other slice: those differ by 4 a step
            seen += 1
    assert seen == 50


def test_an_upright_ct_that_is_not_finer_keeps_its_voxels():
    grid = Grid.upright((20, 30, 40), (1.2, 1.2, 2.5), (-30.0, 5.0, -700.0))
    rng = np.random.default_rng(0)
    image = Volume(rng.integers(-1000, 400, grid.shape).astype(np.int16), grid)
    labels = Volume(rng.integers(0, 5, grid.shape).astype(np.uint8), grid)
    small = preview(image, {"run": labels}, None)
    assert small.grid.same_as(grid)
    assert np.array_equal(small.labels["run"], labels.array)
    low, high = GREY_HU
    hu = small.grey / 255 * (high - low) + low
    assert np.abs(hu - image.array).max() <= (high - low) / 255 / 2 + 1e-3


@pytest.mark.parametrize(
    "matrix", [np.diag([-0.7, -0.7, 3.0]), np.roll(np.diag([0.7, 3.0, 0.7]), 1, 0)]
)
def test_whatever_the_orientation_a_voxel_stays_where_it_is(matrix):
    affine = np.eye(4)
    affine[:3, :3] = matrix
    grid = Grid((30, 40, 50), affine)
    array = np.zeros(grid.shape, np.uint8)
    array[10:16, 12:18, 20:26] = 2
    small = preview(Volume(array.astype(np.int16), grid), {"run": Volume(array, grid)}, None)
    here = grid.to_mm(np.argwhere(array == 2)).mean(axis=0)
    there = small.grid.to_mm(np.argwhere(small.labels["run"] == 2)).mean(axis=0)
    assert np.abs(here - there).max() < 0.6
    assert min(small.grid.spacing_mm) >= 1.0


def test_a_large_ct_is_made_smaller_until_it_fits():
    grid = preview_grid(Grid.upright((600, 512, 512), 0.7), {}, None)
    assert np.prod(grid.shape) <= MOST_VOXELS
    assert np.prod(grid.shape) > MOST_VOXELS / 2


def test_the_page_is_about_the_lungs_and_every_vessel():
    image = Grid.upright((200, 200, 200), 1.0)
    lungs = Volume(np.ones((20, 20, 20), np.uint8), Grid.upright((20, 20, 20), 1.0, (50, 50, 50)))
    labels = np.zeros(image.shape, np.uint8)
    labels[100, 60, 60] = 1
    low, high = preview_grid(image, {"run": Volume(labels, image)}, lungs).corners_mm()[[0, -1]]
    assert low.tolist() == [44, 44, 44]
    assert high.tolist() == [75, 75, 106]


def test_pictures_of_fractions_and_of_bytes_are_the_same():
    fractions = np.linspace(0, 1, 300).reshape(10, 10, 3)
    assert webp(fractions) == webp(np.rint(fractions * 255).astype(np.uint8))
