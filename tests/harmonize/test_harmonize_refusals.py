"""Labels that cannot be what the case table says are refused, with the numbers."""

import numpy as np
import pytest
from thorax import drawn, grid, hu_at, positions, sided

from lacaf.coding import Coding
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume


def refusal(desk, *args, **kwargs):
    with pytest.raises(Refusal) as fault:
        desk.harmonize(*args, **kwargs)
    assert not list((desk.folder / "harmonize").iterdir()), "a refusal leaves no labels"
    return str(fault.value)


@pytest.mark.parametrize(
    ("declared", "drawn_side", "expected"),
    [
        ("left", "right", "only the left labelled, as the case table says"),
        ("right", "left", "only the right labelled"),
        ("left", "both", "only the left labelled"),
        ("both", "right", "both lungs labelled"),
    ],
)
def test_the_table_says_another_side(desk, declared, drawn_side, expected):
    desk.lay(drawn(grid(), drawn_side))
    message = refusal(desk, side=declared)
    assert expected in message
    assert "ml of vessels in the left lung" in message
    assert "check for mirrored" in message or "mirrored or shifted" in message


def test_a_lung_labelled_in_part_leaves_auto_without_an_answer(desk):
    labels = drawn(grid())
    x, _, z = np.moveaxis(positions(grid()), -1, 0)
    labels.array[(x < 0) & (z < 40)] = 0
    labels.array[(x < 0) & (x < -60)] = 0
    desk.lay(labels)
    assert "say in the table" in refusal(desk, side="auto")


def test_less_than_the_least_volume(desk):
    desk.lay(drawn(grid(), "left"))
    assert "at least 500.0 ml in a labelled lung" in refusal(desk, side="left", min_vessel_ml=500.0)


def test_mirrored_labels_with_sides(desk):
    labels = np.array([0, 3, 4, 1, 2], np.uint8)[sided(positions(grid()))]
    desk.lay(Volume(labels, grid()))
    message = refusal(desk, "four_classes")
    assert "of the left vessels" in message
    assert "lie in the right lung" in message


def test_labels_that_are_shifted_off_the_vessels(desk):
    """Straight rods fit many places: the shift is not told, but that they lie on nothing is."""
    labels = drawn(grid())
    moved = Grid(labels.grid.shape, labels.grid.affine.copy())
    moved.affine[:3, 3] += (0, -25, 12)
    desk.lay(Volume(labels.array, moved))
    assert "they do not lie on vessels" in refusal(desk)


def test_labels_outside_the_lungs(desk):
    labels = np.zeros(grid().shape, np.uint8)
    labels[np.linalg.norm(positions(grid()) - (0, 40, 0), axis=-1) < 15] = 1
    desk.lay(Volume(labels, grid()))
    assert "0% of the labelled vessels lie in the lungs" in refusal(desk)


def test_labels_of_another_place_than_the_image(desk):
    labels = drawn(grid())
    moved = Grid(labels.grid.shape, labels.grid.affine.copy())
    moved.affine[:3, 3] += 190.0
    desk.lay(Volume(labels.array, moved))
    assert "of the labelled voxels lie inside the image" in refusal(desk)


def test_empty_labels(desk):
    desk.lay(Volume(np.zeros(grid().shape, np.uint8), grid()))
    assert "no voxel is labelled as a vessel" in refusal(desk)


def test_values_that_the_coding_lacks(desk):
    labels = drawn(grid())
    labels.array[0, 0, :3] = (3, 7, 9)
    desk.lay(labels)
    message = refusal(desk)
    assert "values that are not in the coding: 3 (1 voxels), 7 (1 voxels), 9 (1 voxels)" in message
    assert "expected 0 and 1, 2" in message


def test_fractions_are_no_labels(desk):
    labels = drawn(grid())
    soft = labels.array.astype(np.float32)
    soft[soft > 0] -= 0.3
    desk.lay(Volume(soft, labels.grid))
    assert "no integers" in refusal(desk)


class TestFilesOfOneCase:
    def parts(self):
        labels = drawn(grid())
        return {
            name: Volume((labels.array == value).astype(np.uint8), labels.grid)
            for value, name in ((1, "artery"), (2, "vein"))
        }

    def test_two_vessels_in_one_place_are_unknown_there_if_few(self, desk):
        parts = self.parts()
        common = np.flatnonzero(parts["artery"].array)[:3]
        parts["vein"].array.flat[common] = 1
        desk.lay(parts)
        got = desk.harmonize("file_per_vessel")
        assert (got.labels.array.flat[common] == 255).all()
        assert any("belong to two vessels" in flag for flag in got.flags)

    def test_and_refused_if_many(self, desk):
        parts = self.parts()
        parts["vein"] = parts["artery"]
        desk.lay(parts)
        message = refusal(desk, "file_per_vessel")
        assert "(100.0% of the smaller) belong to two vessels" in message

    def test_another_grid(self, desk):
        parts = self.parts()
        parts["vein"] = drawn(grid(spacing=(5.0, 5.0, 5.0)))
        desk.lay(parts)
        assert "a grid of its own" in refusal(desk, "file_per_vessel")

    def test_a_missing_file(self, desk):
        parts = self.parts()
        del parts["vein"]
        desk.lay(parts)
        assert "the vein file: it is not among the label files" in refusal(desk, "file_per_vessel")


class TestFilesOfOneLung:
    NAMES = ("left_artery", "left_vein", "right_artery", "right_vein")
    CODING = Coding(files={f"{name}*": name for name in NAMES})  # type: ignore[misc]

    def lay(self, desk, names):
        labels = sided(positions(grid()))
        parts = {n: (labels == 1 + self.NAMES.index(n)).astype(np.uint8) for n in names}
        desk.lay({name: Volume(part, grid()) for name, part in parts.items()})

    @pytest.mark.parametrize("declared", ["left", "auto"])
    def test_the_other_lung_is_unknown(self, desk, declared):
        self.lay(desk, self.NAMES[:2])
        got = desk.harmonize("mine", declared, {"mine": self.CODING})
        assert got.labelled_side["found"] == "left"
        assert list(got.coverage.values()) == ["labelled", "labelled", "unknown", "unknown"]
        assert any("no right vessels" in flag for flag in got.flags)

    def test_the_table_says_both(self, desk):
        self.lay(desk, self.NAMES[:2])
        assert "both lungs labelled" in refusal(desk, "mine", "both", {"mine": self.CODING})

    def test_one_file_of_a_lung_is_missed(self, desk):
        self.lay(desk, self.NAMES[:3])
        assert "the right_vein file" in refusal(desk, "mine", "both", {"mine": self.CODING})


def test_a_message_names_no_path_of_a_hospital(desk):
    desk.lay(drawn(grid(), "right"))
    message = refusal(desk, side="left")
    assert str(desk.folder) not in message
    assert message.startswith("the label file:")


def test_a_coding_of_one_side_for_a_case_of_the_other(desk):
    coding = Coding(values={1: "left_artery", 2: "left_vein"})
    desk.lay(drawn(grid(), "right"))
    message = refusal(desk, "mine", "left", codings={"mine": coding})
    assert "of the left vessels" in message


def test_labels_on_an_image_without_contrast_to_the_lung_are_refused(desk):
    desk.lay(drawn(grid()), hu=lambda place: np.where(hu_at(place) > -900, -850.0, -1000.0))
    assert "HU" in refusal(desk)
