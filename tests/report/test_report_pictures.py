"""Planes, errors and surfaces: what is where, and on which side of the picture."""

import base64
import zlib

import numpy as np
import pytest

from lacaf.classes import CLASSES, UNKNOWN
from lacaf.grid import Grid
from lacaf.report.errors import Wrong, errors
from lacaf.report.palette import PALETTES
from lacaf.report.planes import choose
from lacaf.report.portrait import front_view
from lacaf.report.scene import build
from lacaf.report.surface import Vessels, surface, trees
from lacaf.volume import Volume

ALL = dict.fromkeys(CLASSES, "labelled")

#: Axes of the array that grow towards the patient's left, back and head, or away from them.
ORIENTATIONS = {
    "LPS": np.diag([2.0, 2.0, 2.0]),
    "RAS": np.diag([-2.0, -2.0, 2.0]),
    "feet first": np.diag([2.0, 2.0, -2.0]),
    "sagittal slices": np.array([[0, 0, 2.0], [2.0, 0, 0], [0, 2.0, 0]]),
}


def placed(matrix: np.ndarray, marker_mm: np.ndarray) -> Volume:
    """A cube of 80 mm around the origin with one marked cube of 12 mm."""
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = -matrix @ np.full(3, 20.0)
    grid = Grid((41, 41, 41), affine)
    where = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))
    return Volume((np.abs(where - marker_mm).max(axis=-1) <= 6).astype(np.uint8), grid)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_patients_left_is_on_the_right_whatever_the_files_orientation(orientation):
    marker = np.array([20.0, -15.0, 25.0])  # left, front, head
    labels = placed(ORIENTATIONS[orientation], marker)
    half = {}
    for plane in choose([labels], None, labels.grid):
        rows, columns = np.nonzero(plane.sample(labels))
        height, width = plane.sample(labels).shape
        half[plane.name] = (rows.mean() < height / 2, columns.mean() > width / 2)
        assert len(rows) == pytest.approx((12 / 0.8) ** 2, rel=0.25)
    assert half["axial"] == (True, True)  # the front at the top, left on the right
    assert half["coronal"] == (True, True)  # the head at the top, left on the right
    assert half["sagittal"] == (True, False)  # the head at the top, the front on the left


def test_letters_at_the_edges_agree_with_the_picture():
    labels = placed(ORIENTATIONS["LPS"], np.zeros(3))
    edges = {plane.name: plane.edges for plane in choose([labels], None, labels.grid)}
    assert edges == {
        "axial": ("R", "L", "A", "P"),
        "coronal": ("R", "L", "H", "F"),
        "sagittal": ("A", "P", "H", "F"),
    }


def test_slices_go_through_the_vessels():
    marker = np.array([20.0, -15.0, 25.0])
    labels = placed(ORIENTATIONS["RAS"], marker)
    for plane in choose([labels], None, labels.grid):
        assert plane.sample(labels).any(), plane.name


def test_planes_stay_around_the_lungs():
    image = placed(ORIENTATIONS["LPS"], np.zeros(3)).grid
    lungs = Volume(np.ones((5, 5, 5), np.uint8), Grid.upright((5, 5, 5), 2.0, (-4.0, -4.0, -4.0)))
    axial = choose([], lungs, image)[0]
    assert axial.grid.shape == (1, 30, 30)  # 8 mm of lung and 8 mm around it, in 0.8 mm pixels


def test_each_kind_of_error_has_its_code():
    prediction = np.array([1, 2, 4, 3, 0, 3, 0, 1])
    reference = np.array([1, 1, 1, 1, 4, 0, 0, UNKNOWN])
    assert errors(prediction, reference, ALL).tolist() == [0, 1, 1, 2, 3, 4, 0, Wrong.NOT_KNOWN]


def test_a_vein_in_an_artery_only_case_is_not_called_false():
    coverage = ALL | {"left_vein": "unknown", "right_vein": "unknown"}
    found = errors(np.array([1, 2, 2]), np.array([0, 0, 1]), coverage)
    assert found.tolist() == [
        4,
        Wrong.NOT_KNOWN,
        1,
    ]  # on a labelled artery, a vein is wrong all the same


def ball(radius_vox: float) -> Volume:
    grid = Grid.upright((40, 40, 40), (1.0, 1.5, 2.0), (10.0, -20.0, 30.0))
    z, y, x = np.indices(grid.shape) - 19.5
    inside = np.square(z * 2) + np.square(y * 1.5) + np.square(x) <= radius_vox**2
    return Volume(inside, grid)


def enclosed_ml(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, i]].astype(float) for i in range(3))
    return np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6000  # above 0: normals outward


def test_surface_encloses_the_volume_of_the_mask_where_it_lies():
    mask = ball(15.0)
    mesh = surface("left_artery", mask)
    ml = mask.array.sum() * mask.grid.voxel_ml
    assert enclosed_ml(mesh.vertices_mm, mesh.faces) == pytest.approx(ml, rel=0.05)
    centre = mask.grid.to_mm(np.array([19.5, 19.5, 19.5]))
    assert np.allclose(mesh.vertices_mm.mean(axis=0), centre, atol=0.2)


def test_a_vessel_of_one_voxel_stays_whole():
    grid = Grid.upright((40, 20, 20), 0.7)
    line = np.zeros(grid.shape, np.uint8)
    line[4:36, 10, 10] = 2
    coarse = Grid.upright((20, 10, 10), 1.5)
    drawn = trees(Vessels.of(Volume(line, grid)), coarse)
    mesh = drawn.meshes()[0]
    assert mesh.name == "left_vein"
    length = np.ptp(mesh.vertices_mm[:, 2])
    assert length == pytest.approx(31 * 0.7, abs=1.5)
    assert drawn.occupied["left_vein"].any(axis=(1, 2)).sum() == pytest.approx(length / 1.5, abs=1)


def two_vessels() -> np.ndarray:
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[5:25, 5:9, 5:9] = 1
    labels[5:25, 20:24, 20:24] = 2
    return labels


def flags_of(prediction: np.ndarray, reference: np.ndarray, coverage=ALL):
    grid = Grid.upright((30, 30, 30), 2.0)
    labels = {"reference": Volume(reference, grid), "run": Volume(prediction, grid)}
    scene = build(labels, "reference", coverage)
    return (
        {mesh.name: set(mesh.flags.tolist()) for mesh in scene.trees["run"]},
        {mesh.name: len(mesh.faces) for mesh in scene.missed["run"]},
    )


def test_a_perfect_prediction_has_no_error_on_its_surface():
    flags, missed = flags_of(two_vessels(), two_vessels())
    assert flags == {"left_artery": {0}, "left_vein": {0}}
    assert not any(missed.values())


def test_swapped_missed_and_false_vessels_are_told_apart():
    swapped = np.array([0, 2, 0, 0, 0], np.uint8)[two_vessels()]  # artery as vein, vein missed
    swapped[12:18, 5:9, 20:24] = 3  # and a vessel out of nothing
    flags, missed = flags_of(swapped, two_vessels())
    assert flags == {"left_vein": {1}, "right_artery": {4}}
    assert missed["left_vein"] > 100
    assert missed["left_artery"] == 0


def test_a_vessel_of_the_right_type_on_the_wrong_side_is_told_apart():
    flags, missed = flags_of(np.array([0, 3, 2, 0, 0], np.uint8)[two_vessels()], two_vessels())
    assert flags == {"right_artery": {2}, "left_vein": {0}}
    assert not any(missed.values())


def test_nothing_is_said_of_what_is_unknown():
    reference = two_vessels()
    reference[:, :, 15:] = UNKNOWN
    coverage = ALL | {"right_vein": "unknown"}
    prediction = two_vessels()
    prediction[12:18, 20:24, 5:9] = 4
    flags, _ = flags_of(prediction, reference, coverage)
    assert flags == {
        "left_artery": {0},
        "left_vein": {Wrong.NOT_KNOWN},
        "right_vein": {Wrong.NOT_KNOWN},
    }


def decode(mesh: dict, step_mm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What trees.js makes of a packed mesh: positions, faces, flags."""

    def numbers(text: str, kind: str) -> np.ndarray:
        planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
        return np.frombuffer(planes.reshape(np.dtype(kind).itemsize, -1).T.tobytes(), kind)

    place = np.cumsum(numbers(mesh["position"], "<i2"), dtype=np.int16).reshape(3, -1).T
    faces, unused = [], 0
    for code in numbers(mesh["index"], "<u4"):
        faces.append(unused - int(code))
        unused += code == 0
    return place * step_mm, np.array(faces).reshape(-1, 3), numbers(mesh["flag"], "u1")


def test_packed_meshes_unpack_to_the_same_surface():
    labels = {"run": Volume(two_vessels(), Grid.upright((30, 30, 30), 2.0, (50.0, 0.0, -900.0)))}
    scene = build(labels, None, dict.fromkeys(CLASSES, "unknown"))
    for packed, mesh in zip(scene.packed["sets"]["run"], scene.trees["run"], strict=True):
        place, faces, flags = decode(packed, scene.packed["step_mm"])
        assert packed["vertices"] == len(place) == len(flags) == len(mesh.vertices_mm)
        lps = mesh.vertices_mm - scene.frame_mm.mean(axis=0)
        seen = np.stack([lps[:, 0], lps[:, 2], -lps[:, 1]], axis=1)  # left, head, front
        assert np.allclose(place[faces], seen[mesh.faces], atol=0.11)


def test_specks_of_a_prediction_do_not_shrink_the_view():
    speckled = two_vessels()
    speckled[0, 0, 0] = speckled[29, 29, 29] = 3
    grid = Grid.upright((30, 30, 30), 2.0)
    labels = {"reference": Volume(two_vessels(), grid), "run": Volume(speckled, grid)}
    scene = build(labels, "reference", ALL)
    assert scene.frame_mm[0].tolist() == pytest.approx([10 - 7, 10 - 7, 10 - 7], abs=1)


def test_no_vessel_gives_no_scene():
    empty = Volume(np.zeros((9, 9, 9), np.uint8), Grid.upright((9, 9, 9), 2.0))
    assert build({"run": empty}, None, ALL) is None


def test_still_picture_faces_the_patient():
    grid = Grid.upright((30, 30, 30), 2.0)
    scene = build({"run": Volume(two_vessels(), grid)}, None, ALL)
    picture = front_view(scene.trees["run"], scene.frame_mm, 60, PALETTES["safe"])
    red = picture[..., 0] > picture[..., 2] + 0.1  # the artery, at low x: the patient's right
    blue = picture[..., 2] > picture[..., 0] + 0.1
    assert np.nonzero(red)[1].mean() < picture.shape[1] / 2 < np.nonzero(blue)[1].mean()
