"""From this room alone: a CT series written, read back, put in order, placed and decoded."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from lacaf.dicom import objects, pixels, reading, series, stacking, writing
from lacaf.grid import Grid
from lacaf.volume import Volume

SHAPE = (7, 20, 24)
ENCODINGS = [
    writing.Encoding(signed, intercept, syntax)
    for signed, intercept in ((False, -1024), (True, -1024), (True, 0))
    for syntax in ("explicit", "implicit", "jpeg-ls")
]


@pytest.fixture
def image():
    array = np.random.default_rng(3).integers(-1024, 3072, SHAPE).astype(np.int16)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0.0, 0.7, 0.0], [0.6, 0.0, 0.0], [0.0, 0.0, -2.5]])
    affine[:3, 3] = (-80.0, 15.5, 310.25)
    return Volume(array, Grid(SHAPE, affine))


def common():
    dataset = pydicom.Dataset()
    dataset.Modality = "CT"
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    return dataset


def written(image, folder, encoding=ENCODINGS[0]):
    """Files of a series, whose names run against the order of the slices."""
    folder.mkdir(exist_ok=True)
    for index, dataset in enumerate(writing.slices(image, common(), encoding)):
        dataset.SOPInstanceUID = generate_uid()
        writing.save(dataset, encoding, folder / f"{99 - index}.dcm")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_what_is_written_is_read_back(image, tmp_path, encoding):
    headers, others, unreadable = reading.read(written(image, tmp_path, encoding))
    assert (others, unreadable) == ([], 0)
    ordered, grid, degrees = stacking.stack(headers, 0.01)
    assert degrees == 0
    assert grid.same_as(image.grid)
    assert [header.path.stem for header in ordered] == [str(99 - i) for i in range(SHAPE[0])]
    pixels.check(ordered)
    assert np.array_equal(pixels.decode(ordered)[0], image.array)


def test_series_are_told_apart_and_copies_found(image, tmp_path):
    first, second = (written(image, tmp_path / name) for name in ("a", "b"))
    (tmp_path / "b" / "copy").write_bytes(second[0].read_bytes())
    headers, *_ = reading.read([*sorted(tmp_path.rglob("*.dcm")), tmp_path / "b" / "copy"])
    assert series.copies(headers) == {tmp_path / "b" / "copy"}
    groups = series.grouped(headers)
    assert [(one.number, len(one.headers)) for one in groups] == [(1, 7), (2, 8)]
    assert {header.path for header in groups[0].headers} == set(first)


def test_a_ct_is_no_label_object(image, tmp_path):
    assert objects.read(written(image, tmp_path)) == ([], 0)
