"""Broken RTSTRUCT, DICOM-SEG and .npz files are refused; nothing else ever comes out."""

import io
import time

import numpy as np
import pytest
from label_objects import FRAME, SERIES, rtstruct, segmentation

from lacaf.convert import npz
from lacaf.convert.dicom_labels import Identity, read
from lacaf.fault import Refusal
from lacaf.grid import Grid

GRID = Grid.upright((6, 12, 14), (1.0, 1.2, 2.0), (-20.0, 10.0, -300.0))
NAMES = {"artery": "artery", "vein": "vein"}
CT = Identity(SERIES, FRAME)
MUTATIONS = 400


def written(dataset):
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def contours():
    square = np.array([(2, 3, 3), (2, 3, 9), (2, 9, 9), (2, 9, 3)], float)
    drawn = [GRID.to_mm(square + np.array([z, 0, 0])) for z in np.arange(3)]
    return written(rtstruct({"Artery": drawn, "Vein": drawn[:1]}))


def segments():
    masks = np.random.default_rng(0).random((2, *GRID.shape)) < 0.3
    return written(segmentation({"Artery": masks[0], "Vein": masks[1]}, GRID))


def array():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, data=np.ones((4, 5, 6), np.uint8))
    return buffer.getvalue()


def mutations(content, rng):
    """Bytes changed, blocks cut out, doubled or zeroed, ends cut off."""
    for _ in range(MUTATIONS):
        data = bytearray(content)
        start = int(rng.integers(128, len(data)))
        length = int(rng.integers(1, 40))
        match int(rng.integers(5)):
            case 0:
                for place in rng.integers(132, len(data), 6):
                    data[place] = int(rng.integers(256))
            case 1:
                del data[start : start + length]
            case 2:
                data[start:start] = data[start : start + length]
            case 3:
                data[start : start + length] = bytes(min(length, len(data) - start))
            case 4:
                del data[start:]
        yield bytes(data)


@pytest.mark.parametrize("make", [contours, segments])
def test_broken_dicom_labels_are_read_or_refused(make, tmp_path):
    path = tmp_path / "labels.dcm"
    refused: list[str] = []
    began = time.monotonic()
    for data in mutations(make(), np.random.default_rng(1)):
        path.write_bytes(data)
        try:
            parts, _, _ = read(path, NAMES, GRID, CT)
            assert all(set(np.unique(p.array)) <= {0, 1} for p in parts.values())
        except Refusal as fault:
            refused.append(str(fault))
    assert 20 < len(refused) < MUTATIONS
    assert not any("2.25" in message or "Doe" in message for message in refused)
    assert time.monotonic() - began < 60


def test_broken_arrays_are_read_or_refused(tmp_path):
    path = tmp_path / "artery.npz"
    refused = 0
    for data in mutations(array(), np.random.default_rng(2)):
        path.write_bytes(data)
        try:
            assert npz.read_array(path, "the array").ndim == 3
        except Refusal:
            refused += 1
    assert refused > 20
