"""Handed over and converted, a case is the same voxels in the same places of the patient."""

import gzip
import itertools
import logging

import numpy as np
import pydicom
import pytest
from phantom.simple import MARKER_HU, MARKER_MM, VESSEL_HU
from scipy.spatial.transform import Rotation

from lacaf import volume

IN_PLANE = list(itertools.product([False, True], repeat=3))
STORED = list(
    itertools.product(["unsigned -1024", "signed -1024", "signed 0"], ["explicit", "jpeg-ls"])
)
TURN, OFFSET = (2.5, -3.0, 4.0), (12.5, -31.2, -640.0)


def place(points_mm, turn, offset):
    """Where points of the upright phantom come to lie (turned about its middle, at 0)."""
    return points_mm @ Rotation.from_rotvec(turn, degrees=True).as_matrix().T + offset


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), TURN], ids=["straight", "oblique"])
@pytest.mark.parametrize(("swap", "flip_x", "flip_y"), IN_PLANE)
def test_every_voxel_keeps_its_value_and_place(deliver, run, phantom, swap, flip_x, flip_y, turn):
    number = IN_PLANE.index((swap, flip_x, flip_y))
    storage, syntax = STORED[number % len(STORED)]
    delivery = deliver(
        swap=swap, flip_x=flip_x, flip_y=flip_y, turn_degrees=turn, offset_mm=OFFSET,
        head_first=bool(number % 2), nested=bool(number % 3), storage=storage, syntax=syntax,
    )  # fmt: skip
    record = run(delivery.case)
    assert record["status"] == "ok", record
    image = volume.read(run.folder / "image.nii.gz")
    assert image.array.dtype == np.int16
    assert image.array.size == phantom.image.array.size

    index = np.argwhere(np.ones(phantom.image.array.shape, bool))
    found = image.grid.to_index(place(phantom.image.grid.to_mm(index), turn, OFFSET))
    assert np.abs(found - np.rint(found)).max() < 1e-3
    values = image.array[tuple(np.rint(found).astype(int).T)]
    assert np.array_equal(values, np.maximum(phantom.image.array.ravel(), -1024))

    marker = image.grid.to_mm(np.argwhere(image.array == MARKER_HU)).mean(axis=0)
    assert np.abs(marker - place(np.array(MARKER_MM), turn, OFFSET)).max() < 2.0
    middle = image.grid.corners_mm().mean(axis=0)
    assert marker[0] > middle[0] + 20  # the patient's left
    assert marker[1] < middle[1] - 5  # front
    assert marker[2] > middle[2] + 10  # towards the head

    truth = volume.read(delivery.truth / "labels.nii.gz")
    assert truth.grid.same_as(image.grid)
    for value, hu in VESSEL_HU.items():
        assert set(np.unique(image.array[truth.array == value])) == {hu}


@pytest.mark.parametrize("name", ["labels.nii.gz", "labels.nrrd", "labels.mha"])
def test_labels_lie_on_their_vessels_with_their_values(deliver, run, name):
    delivery = deliver("vein1_artery2", "right", name, swap=True, flip_x=True, turn_degrees=TURN)
    record = run(delivery.case)
    image = volume.read(run.folder / "image.nii.gz")
    labels = volume.read(run.folder / "labels.nii.gz")
    for value, hu in ((1, VESSEL_HU[4]), (2, VESSEL_HU[3])):
        voxels = np.argwhere(labels.array == value)
        places = np.rint(image.grid.to_index(labels.grid.to_mm(voxels))).astype(int)
        assert set(np.unique(image.array[tuple(places.T)])) == {hu}
        assert record["labels"]["files"]["labels.nii.gz"]["voxels"][str(value)] == len(voxels)


def test_a_file_a_vessel_is_named_by_its_meaning(deliver, run):
    delivery = deliver("file_per_vessel", "left", "labels", flip_y=True)
    record = run(delivery.case)
    image = volume.read(run.folder / "image.nii.gz")
    for meaning, hu in (("artery", VESSEL_HU[1]), ("vein", VESSEL_HU[2])):
        labels = volume.read(run.folder / f"labels_{meaning}.nii.gz")
        here = volume.resample(labels, image.grid, "nearest").array
        assert set(np.unique(image.array[here > 0])) == {hu}
    (delivery.case.labels / "vein.nii.gz").unlink()
    record = run(delivery.case)
    assert record["status"] == "ok"
    assert record["labels"]["missing"] == ["vein"]
    assert not (run.folder / "labels_vein.nii.gz").exists()


def test_nothing_of_the_patient_is_in_any_output(deliver, run, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    delivery = deliver("four_classes", "left", "labels.nii.gz", stray="both", nested=True)
    secrets = set()
    for path in delivery.case.source.rglob("*"):
        if path.is_file() and not path.name.endswith(".txt"):
            for element in pydicom.dcmread(path, stop_before_pixels=True):
                if element.VR in ("PN", "LO", "LT", "SH", "ST", "UI", "DA"):
                    secrets.add(str(element.value))
    secrets = {s for s in secrets if len(s) >= 8 and not s.startswith("1.2.840.10008")} - {
        "STANDARD"
    }
    assert len(secrets) > 40
    record = run(delivery.case)
    assert record["status"] == "ok"
    outputs = [*run.folder.iterdir(), *delivery.truth.iterdir()]
    said = (str(delivery.details) + caplog.text + str(capfd.readouterr())).encode()
    for content in [p.read_bytes() for p in outputs] + [said]:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        assert not [s for s in secrets if s.encode() in plain or s.encode() in content]


def test_the_same_case_gives_the_same_bytes(deliver, run):
    delivery = deliver("four_classes")
    run(delivery.case)
    first = {p.name: p.read_bytes() for p in run.folder.iterdir()}
    run(delivery.case)
    assert first == {p.name: p.read_bytes() for p in run.folder.iterdir()}
