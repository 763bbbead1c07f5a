"""A case laid out for training holds what crop and harmonize wrote, and parts of it can be read."""

import numpy as np
import pytest
from tubes import GRID, PLACE, case_arrays, laid_out, lay_out

from lacaf import chunked, fault, volume
from lacaf.cases import Case
from lacaf.classes import CLASSES, UNKNOWN
from lacaf.prepare import prepare
from lacaf.prepare.skeleton import tubed_skeleton
from lacaf.train.prepared import counts, read


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    lay_out(data, dict.fromkeys(("full", "left"), "train"), {"left": 1})
    return data


def cases(*names, split="train"):
    return [Case(n, n, n, n, "four_classes", "both", split) for n in names]


@pytest.fixture(scope="module")
def prepared(data):
    return {case.case: case for case in read(cases("full", "left"), "train", data)}


def test_the_image_is_that_of_crop(prepared):
    image, _, _ = case_arrays(np.random.default_rng(0))
    assert np.array_equal(prepared["full"].cut().hu, image)
    assert prepared["full"].shape == GRID.shape


def test_a_part_is_that_part_of_the_whole(prepared):
    case, region = prepared["left"], (slice(3, 9), slice(4, 11), slice(20, 31))
    whole, part = case.cut(), case.cut(region)
    assert np.array_equal(part.hu, whole.hu[region])
    assert np.array_equal(part.side, whole.side[region])
    assert np.array_equal(part.height, whole.height[3:9])
    assert np.array_equal(part.depth, whole.depth[4:11])
    assert np.array_equal(case.facts(region), case.facts()[region])


def test_a_full_case_is_valid_everywhere(prepared):
    targets, valid = prepared["full"].learnt()
    assert valid.all()
    assert targets.any((1, 2, 3)).all()


def test_a_half_labelled_case_keeps_its_unknown_lung_out(prepared):
    targets, valid = prepared["left"].learnt()
    right_vein = CLASSES.index("right_vein")
    tube = (slice(None), slice(None), slice(PLACE[4], PLACE[4] + 3))
    assert not targets[right_vein].any()
    assert not valid[right_vein][tube].any()
    assert not (targets & ~valid).any()


def test_centres_of_a_class_lie_on_it(prepared):
    case = prepared["left"]
    targets, _ = case.learnt()
    for index, name in enumerate(CLASSES):
        assert case.centres[name] == targets[index].sum()
        for number in range(0, case.centres[name], 7):
            assert targets[index][tuple(case.centre(name, number))]


def test_labelled_centres_lie_in_a_lung_and_on_known_voxels(prepared):
    _, lungs, _ = case_arrays(np.random.default_rng(1))
    case = prepared["left"]
    for number in range(0, case.centres["labelled"], 101):
        z, y, x = case.centre("labelled", number)
        assert lungs[z, y, x] == 1


def test_the_same_case_gives_the_same_bytes(data, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        prepare(data / "crop" / "left", data / "harmonize" / "left", tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["centres.npy", "facts.b2nd", "hu.b2nd", "place.npz", "side.b2nd"]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("width", range(1, 8))
def test_the_skeleton_of_a_bar_is_in_its_middle_from_end_to_end(width):
    """Of bars an even number of voxels wide too."""
    labels = np.zeros((40, 16, 16), np.uint8)
    labels[4:36, 4 : 4 + width, 4 : 4 + width] = 3
    tubed = tubed_skeleton(labels)
    assert not (tubed & (labels == 0)).any()
    assert tubed.any((1, 2))[10:30].all()
    assert (tubed[20].sum() < width**2) == (width > 4)


def test_two_classes_that_touch_have_a_skeleton_each():
    labels = np.zeros((20, 12, 12), np.uint8)
    labels[:, 3:6, 3:6], labels[:, 3:6, 6:9] = 1, 2
    tubed = tubed_skeleton(labels)
    assert tubed[5:15, 4, 4].all()
    assert tubed[5:15, 4, 7].all()
    assert tubed_skeleton(np.full((3, 3, 3), UNKNOWN, np.uint8)).sum() == 0


def test_coverage_is_counted(data):
    assert counts(read(cases("full", "left"), "train", data))["right_vein"] == {
        "labelled": 1, "absent": 0, "unknown": 1,
    }  # fmt: skip


def test_only_the_split_that_is_asked_for_is_opened(data):
    """A test case that is not even there does no harm."""
    both = [*cases("full"), *cases("secret", split="test")]
    assert [case.case for case in read(both, "train", data)] == ["full"]


def test_volumes_on_different_grids_are_refused(tmp_path):
    lay_out(tmp_path, {"one": "train"})
    moved = volume.Grid.upright(GRID.shape, 4.0, (0.0, 0.0, 0.0))
    labels = volume.Volume(np.zeros(GRID.shape, np.uint8), moved)
    volume.write(labels, tmp_path / "harmonize" / "one" / "labels_working.nii.gz")
    with pytest.raises(fault.Refusal, match=r"different grids.*run crop and harmonize again"):
        laid_out(tmp_path, "one")


def test_a_missing_lung_is_refused(tmp_path):
    lay_out(tmp_path, {"one": "train"})
    lungs = volume.read(tmp_path / "crop" / "one" / "lungs.nii.gz")
    lungs.array[lungs.array == 2] = 0
    volume.write(lungs, tmp_path / "crop" / "one" / "lungs.nii.gz")
    with pytest.raises(fault.Refusal, match="no right lung"):
        laid_out(tmp_path, "one")


def test_a_case_that_was_not_prepared_names_the_command(data):
    with pytest.raises(fault.Missing, match=r"prepare/nobody/prepare\.json"):
        read(cases("nobody"), "train", data)


def test_cases_on_different_working_grids_are_told(data, tmp_path):
    lay_out(tmp_path, dict.fromkeys(("a", "b"), "train"))
    path = tmp_path / "prepare" / "b" / "prepare.json"
    path.write_text(path.read_text().replace('"spacing_mm": 4.0', '"spacing_mm": 3.0'))
    with pytest.raises(fault.Fault, match="different working grids"):
        read(cases("a", "b"), "train", tmp_path)


def test_a_damaged_array_says_how_to_make_it_again(tmp_path):
    chunked.write(np.arange(64, dtype=np.int16).reshape(4, 4, 4), tmp_path / "hu.b2nd")
    content = bytearray((tmp_path / "hu.b2nd").read_bytes())
    content[:64] = b"\0" * 64
    (tmp_path / "hu.b2nd").write_bytes(content)
    with pytest.raises(fault.Fault, match=r"snakemake .*prepare\.json"):
        chunked.read(tmp_path / "hu.b2nd")
