"""Half-labelled cases: what is not known is 255, and coverage says what may be learnt."""

import numpy as np
import pytest
from thorax import WORKING, drawn, grid, lungs_at, positions

from lacaf.classes import CLASSES, UNKNOWN
from lacaf.coverage import targets_and_validity
from lacaf.volume import Volume

LEFT = {
    "left_artery": "labelled",
    "left_vein": "labelled",
    "right_artery": "unknown",
    "right_vein": "unknown",
}


def with_trunk(side="both"):
    """Labels that go on into the middle of the chest: an artery and a vein from lung to lung."""
    labels = drawn(grid(), side)
    x, y, z = np.moveaxis(positions(grid()), -1, 0)
    for value, height in ((1, 25), (2, 0)):
        trunk = (np.abs(x) < 26) & (np.hypot(y - 15, z - height) < 8)
        if side != "both":
            trunk &= (x > 0) == (side == "left")
        labels.array[trunk] = value
    return labels


class TestLeftLungLabelled:
    @pytest.fixture
    def got(self, desk):
        desk.lay(with_trunk("left"))
        return desk.harmonize(side="left")

    def test_coverage_and_side(self, got):
        assert got.coverage == LEFT
        assert got.labelled_side == {"declared": "left", "found": "left"}
        assert got.decisions["mediastinum"] == "known"

    @pytest.mark.parametrize("kind", ["labels", "working"])
    def test_the_right_lung_and_its_half_of_the_chest_are_unknown(self, got, kind):
        labels = getattr(got, kind)
        place = positions(labels.grid)
        assert (labels.array[lungs_at(place) == 2] == UNKNOWN).all()
        assert (labels.array[place[..., 0] < -12] == UNKNOWN).all()

    @pytest.mark.parametrize("kind", ["labels", "working"])
    def test_the_left_lung_is_known_to_the_last_voxel(self, got, kind):
        labels = getattr(got, kind)
        inside = lungs_at(positions(labels.grid)) == 1
        if kind == "working":
            assert (labels.array[inside] != UNKNOWN).all()
        assert (labels.array[inside] != UNKNOWN).mean() > 0.99

    def test_the_strip_between_the_halves_is_unknown_but_for_what_was_drawn(self, got):
        labels = got.working
        x = positions(labels.grid)[..., 0]
        high = np.abs(positions(labels.grid)[..., 2] - 25) < 40
        strip = labels.array[(np.abs(x - 1.5) < 2) & high & (lungs_at(positions(labels.grid)) == 0)]
        assert UNKNOWN in strip
        assert 0 not in strip

    def test_the_loss_gets_exactly_what_is_known(self, got):
        lungs = lungs_at(positions(WORKING))
        targets, valid = targets_and_validity(got.working.array, lungs, WORKING, got.coverage)
        assert valid[:2, lungs == 1].all(), "left classes: the left lung"
        assert not targets[2:, lungs == 1].any(), "right classes: nothing in the left lung"
        vessel = np.isin(got.working.array, (1, 2, 3, 4))
        silent = (got.working.array == UNKNOWN) & (lungs != 2)
        assert not valid[:, silent & (lungs == 0)].any(), "nothing where nothing is known"
        assert not valid[2:, (lungs == 0) & ~vessel].any()
        assert not valid[2:, lungs == 2].any(), "right classes: nothing in the right lung"
        assert targets[:2].sum() == np.isin(got.working.array, (1, 2)).sum()


def test_a_trunk_that_nobody_drew_is_no_background(desk):
    middle = (np.abs(positions(grid()) - (6, 15, 25)) < (3, 6, 6)).all(axis=-1)
    desk.lay(drawn(grid(), "left"))
    got = desk.harmonize(side="left")
    assert got.decisions["mediastinum"] == "unknown"
    assert (got.labels.array[middle] == UNKNOWN).all()


def test_a_trunk_alone_does_not_make_central_veins_background(desk):
    labels = with_trunk()
    x, y, z = np.moveaxis(positions(grid()), -1, 0)
    labels.array[(np.abs(x) < 22) & (np.hypot(y - 15, z) < 9)] = 0  # the veins end at the hilum
    between = (np.abs(x) < 4) & (np.hypot(y - 15, z) < 5)
    desk.lay(labels)
    got = desk.harmonize()
    assert got.decisions["mediastinum"] == "unknown"
    assert (got.labels.array[between] == UNKNOWN).all()


@pytest.mark.parametrize(("choice", "value"), [("known", 0), ("unknown", UNKNOWN)])
def test_the_parameter_settles_the_middle_of_the_chest(desk, choice, value):
    place = positions(grid())
    middle = np.linalg.norm(place - (0, 40, 0), axis=-1) < 6
    desk.lay(with_trunk())
    got = desk.harmonize(mediastinum=choice)
    assert (got.labels.array[middle] == value).all()


def test_a_full_case_with_central_vessels_is_known_everywhere(desk):
    desk.lay(with_trunk())
    got = desk.harmonize()
    assert not (got.labels.array == UNKNOWN).any()


@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_auto_finds_the_labelled_side(desk, side):
    desk.lay(drawn(grid(), side))
    got = desk.harmonize(side="auto")
    assert got.labelled_side == {"declared": "auto", "found": side}
    for name in CLASSES:
        expected = side == "both" or name.startswith(side)
        assert got.coverage[name] == ("labelled" if expected else "unknown")


def test_a_few_stray_voxels_make_no_labelled_lung(desk):
    labels = drawn(grid(), "left")
    x, y, z = np.moveaxis(positions(grid()), -1, 0)
    labels.array[(np.abs(x + 60) < 5) & (np.hypot(y - 15, z - 45) < 3)] = 1
    desk.lay(labels)
    got = desk.harmonize(side="auto", min_vessel_ml=1.5)
    assert got.labelled_side["found"] == "left"
    assert got.coverage == LEFT


def test_a_class_that_could_have_been_drawn_and_was_not_is_unknown(desk):
    labels = drawn(grid(), "left")
    labels.array[labels.array == 2] = 0
    desk.lay(labels)
    got = desk.harmonize(side="left")
    assert got.coverage == {**LEFT, "left_vein": "unknown"}
    assert any(flag.startswith("left_vein") for flag in got.flags)


def test_a_few_strays_of_the_other_kind_make_no_labelled_class(desk):
    labels = drawn(grid(), "left")
    veins = np.flatnonzero(labels.array == 2)
    labels.array.flat[veins[len(veins) // 20 :]] = 0
    desk.lay(labels)
    got = desk.harmonize(side="left", min_vessel_ml=0.01)
    assert got.ml["left_vein"] > 0.1
    assert got.coverage == {**LEFT, "left_vein": "unknown"}


def test_beyond_the_label_file_nothing_is_known(desk):
    place = positions(grid())
    part = drawn(grid())
    keep = slice(10, 60)
    small = type(part.grid)((50, *part.grid.shape[1:]), part.grid.affine.copy())
    small.affine[:3, 3] = part.grid.to_mm(np.array([10, 0, 0]))
    desk.lay(Volume(part.array[keep], small))
    got = desk.harmonize()
    assert (got.labels.array[:10] == UNKNOWN).all()
    assert (got.labels.array[60:] == UNKNOWN).all()
    assert (got.labels.array[keep][lungs_at(place)[keep] > 0] != UNKNOWN).all()
