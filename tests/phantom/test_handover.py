"""What is handed over is exactly what was rendered, and only what a hospital would know."""

import itertools
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from phantom.simple import case_in, simple

from lacaf import volume
from lacaf.coding import builtin
from lacaf.convert.volumes import read as read_volume
from lacaf.phantom.handling import Handling, draw, lay, reordered
from lacaf.phantom.handover import hand_over
from lacaf.phantom.identity import fake_identity


@pytest.fixture(scope="module")
def phantom():
    return simple()


def handed_over(phantom, tmp_path, case, seed=1, **handling):
    """Hand over and return the case's raw folder, the truth folder and the details."""
    raw, truth = tmp_path / "case1", tmp_path / "truth"
    coding = builtin()[case.coding] if case.coding else None
    way = Handling(**handling) if handling else None
    return raw, truth, hand_over(phantom, case, coding, seed, raw, truth, handling=way)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=3)))
def test_reordering_axes_moves_no_voxel_in_the_patient(phantom, axes, flips):
    other = reordered(phantom.image, axes, flips)
    index = np.random.default_rng(0).integers(0, phantom.image.grid.shape, (50, 3))
    found = np.rint(other.grid.to_index(phantom.image.grid.to_mm(index))).astype(int)
    assert (other.array[tuple(found.T)] == phantom.image.array[tuple(index.T)]).all()


def test_a_laid_out_case_is_right_handed_whatever_its_axes(phantom):
    for swap, flip_x, flip_y in itertools.product([False, True], repeat=3):
        grid = lay(phantom.image, Handling(swap=swap, flip_x=flip_x, flip_y=flip_y)).grid
        assert np.linalg.det(grid.affine) > 0


def test_ways_of_handing_over_vary_and_follow_the_generator():
    ways = [draw(np.random.default_rng(seed)) for seed in range(60)]
    assert ways[7] == draw(np.random.default_rng(7))
    for field in ("swap", "flip_x", "flip_y", "head_first", "storage", "syntax", "stray"):
        assert len({getattr(way, field) for way in ways}) > 1
    assert any(any(way.turn_degrees) for way in ways)
    assert any(not any(way.turn_degrees) for way in ways)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(phantom, tmp_path):
    def contents(name, seed):
        case = case_in(tmp_path / name)
        raw, _, _ = handed_over(phantom, tmp_path / name, case, seed)
        return {p.relative_to(raw): p.read_bytes() for p in raw.rglob("*") if p.is_file()}

    first = contents("a", 1)
    assert first == contents("b", 1)
    assert first != contents("c", 2)


def test_file_names_do_not_tell_the_order_of_slices(phantom, tmp_path):
    raw, _, _ = handed_over(phantom, tmp_path, case_in(tmp_path), head_first=True)
    files = sorted((raw / "dicom").iterdir())
    headers = [pydicom.dcmread(f, stop_before_pixels=True) for f in files]
    heights = [float(h.ImagePositionPatient[2]) for h in headers]
    assert heights not in (sorted(heights), sorted(heights, reverse=True))
    by_number = [z for _, z in sorted((h.InstanceNumber, z) for h, z in zip(headers, heights))]  # noqa: B905
    assert by_number == sorted(heights, reverse=True)  # head first


def test_scans_of_one_patient_share_the_invented_person_and_nothing_else():
    one, other = fake_identity("patient1"), fake_identity("patient2")
    assert one == fake_identity("patient1")
    assert one != other
    assert one.uid("case1", "study") != one.uid("case2", "study")
    assert len(one.uid("case1", "study")) <= 64


@pytest.mark.parametrize("name", ["labels.nii.gz", "labels.nrrd", "labels.mha"])
@pytest.mark.parametrize("coding", ["artery1_vein2", "vein1_artery2", "four_classes"])
def test_labels_hold_the_drawn_side_in_the_coding_on_the_right_vessels(
    phantom, tmp_path, coding, name
):
    case = case_in(tmp_path, coding, "left", name)
    raw, truth, _ = handed_over(phantom, tmp_path, case, turn_degrees=(2.0, 0.0, 3.0))
    labels, _ = read_volume(raw / name, "the label file")
    whole = volume.read(truth / "labels.nii.gz")
    here = volume.resample(labels, whole.grid, "nearest").array
    artery, vein = {"vein1_artery2": (2, 1)}.get(coding, (1, 2))
    expected = np.select([whole.array == 1, whole.array == 2], [artery, vein], 0)
    assert np.array_equal(here, expected)


def test_a_file_a_vessel_and_arteries_only(phantom, tmp_path):
    case = case_in(tmp_path, "file_per_vessel", "right", "labels")
    raw, truth, _ = handed_over(phantom, tmp_path, case)
    whole = volume.read(truth / "labels.nii.gz").array
    for name, value in (("artery", 3), ("vein", 4)):
        drawn = volume.read(raw / "labels" / f"{name}.nii.gz").array
        assert np.count_nonzero(drawn) == np.count_nonzero(whole == value)
    case = case_in(tmp_path, "artery_only", "both", "only.nii.gz")
    raw, _, _ = handed_over(phantom, tmp_path, case)
    drawn = volume.read(raw / "only.nii.gz").array
    assert np.count_nonzero(drawn) == np.count_nonzero((whole == 1) | (whole == 3))
    assert set(np.unique(drawn)) == {0, 1}


def test_auto_draws_one_side_and_says_so_in_the_record_only(phantom, tmp_path):
    sides = set()
    for seed in range(8):
        folder = tmp_path / str(seed)
        case = case_in(folder, "four_classes", "auto")
        raw, _, details = handed_over(phantom, folder, case, seed)
        side = details["handed_over"]["labelled_side"]
        values = set(np.unique(volume.read(raw / "labels.nii.gz").array)) - {0}
        assert values == {"left": {1, 2}, "right": {3, 4}}[side]
        sides.add(side)
    assert sides == {"left", "right"}


def test_truth_is_whole_and_a_case_without_labels_gets_none(phantom, tmp_path):
    raw, truth, details = handed_over(phantom, tmp_path, case_in(tmp_path, coding=""))
    assert set(np.unique(volume.read(truth / "labels.nii.gz").array)) == {0, 1, 2, 3, 4}
    assert set(np.unique(volume.read(truth / "lungs.nii.gz").array)) == {0, 1, 2}
    assert [p.name for p in raw.iterdir()] == ["dicom"]
    assert details["kind"] == "simple"
    assert details["handed_over"]["labelled_side"] is None


def test_a_temporary_raw_folder_keeps_the_names_below_the_case(phantom, tmp_path):
    case = replace(case_in(tmp_path), source=tmp_path / "case1" / "export" / "ct")
    part = tmp_path / ".case1.123.part"
    hand_over(phantom, case, builtin()["four_classes"], 1, part, tmp_path / "truth")
    assert (part / "export" / "ct").is_dir()
    assert (part / "labels.nii.gz").is_file()
