"""Central vessels: the lung that a vessel leads to, not the one that is nearest."""

import numpy as np
import pytest
from patient import BOTH, LEFT, RIGHT, distances, patient
from thorax import dice

from lacaf.classes import UNKNOWN
from lacaf.grid import Grid
from lacaf.harmonize.central import ARTERY_REACH_MM, NEITHER, belonging
from lacaf.volume import Volume


def ml(mask, grid):
    return float(mask.sum() * grid.voxel_ml)


class TestARealTree:
    """Against the tree that the phantom was drawn from."""

    def found(self, code, keep=None):
        one = patient()
        vessel = one.codes.array == code
        if keep is not None:
            vessel &= keep(one)
        whose = belonging(
            vessel, one.lungs.array, *distances(one.lungs), one.lungs.grid, arteries=code == 1
        )
        outside = vessel & (one.lungs.array == 0)
        assert (whose[~outside] == 0).all()
        assert (whose[outside] > 0).all()
        return whose[outside], one.whose[outside], one.lungs.grid

    def test_the_trunk_is_of_neither_side_and_the_main_arteries_have_theirs(self):
        got, truth, grid = self.found(1)
        assert dice(got == NEITHER, truth == BOTH) > 0.85
        for side in (LEFT, RIGHT):
            mine = truth == side
            assert ml(mine, grid) > 3
            assert (got[mine] == side).mean() > 0.8
            assert (got[mine] == 3 - side).mean() < 0.12

    def test_the_nearest_lung_would_call_the_trunk_and_the_root_of_the_right_artery_left(self):
        one = patient()
        outside = (one.codes.array == 1) & (one.lungs.array == 0)
        left_mm, right_mm = distances(one.lungs)
        nearest = np.where(left_mm <= right_mm, LEFT, RIGHT)[outside]
        truth = one.whose[outside]
        wrong = nearest != truth
        got = self.found(1)[0]
        assert (nearest[truth == BOTH] == LEFT).mean() > 0.9
        assert (nearest[truth == RIGHT] == LEFT).mean() > 0.2
        assert ml(got != truth, one.lungs.grid) < 0.25 * ml(wrong, one.lungs.grid)

    def test_veins_have_the_side_of_their_lung(self):
        got, truth, _ = self.found(2)
        assert (got == truth).mean() > 0.97

    @pytest.mark.parametrize(("side", "other"), [(LEFT, RIGHT), (RIGHT, LEFT)])
    def test_with_one_lung_drawn_the_far_end_is_of_neither_side(self, side, other):
        """The expert drew on into the trunk and did not draw the other lung."""

        def keep(one):
            return (one.whose == side) | (one.whose == BOTH)

        got, truth, grid = self.found(1, keep)
        assert not (got == other).any()
        assert (got[truth == side] == side).mean() > 0.75
        assert (got[truth == BOTH] == NEITHER).mean() > 0.7
        assert ml((got == side) & (truth != side), grid) < 4.0


# A cross of tubes on a grid of 1 mm: lungs at both ends of x, a trunk downwards from x = 35 (the
# way from lung to lung is 81 mm), tubes 9 mm wide.
GRID = Grid.upright((60, 20, 121), 1.0, (0.0, 0.0, 0.0))
FORK, LOW, HIGH = 75, 20, 100  # the left lung lies at high x: the fork is nearer to it


def cross(trunk=True, gap=None, lungs=(True, True)):
    z, y, x = np.indices(GRID.shape)
    lung = np.zeros(GRID.shape, np.uint8)
    lung[..., :LOW] = 2
    lung[..., HIGH + 1 :] = 1
    tube = (np.hypot(y - 10, z - 45) < 4.5) & (x > 10) & (x < 110)
    if trunk:
        tube |= (np.hypot(y - 10, x - FORK) < 4.5) & (z <= 45) & (z > 5)
    if gap is not None:
        tube &= (x < gap) | (x > gap + 2)
    for value, drawn in zip((1, 2), lungs, strict=True):
        if not drawn:
            tube &= lung != value
    return tube, lung


def whose(tube, lung, arteries=True):
    mm = distances(Volume(lung, GRID))
    return belonging(tube, lung, *mm, GRID, arteries=arteries)[45, 10], mm


def test_the_bifurcation_parts_the_main_arteries_where_the_trunk_meets_them():
    line, _ = whose(*cross())
    assert set(line[FORK + 3 : HIGH + 1]) == {LEFT}
    assert set(line[LOW : FORK - 3]) == {RIGHT}, "nearer to the left lung from x = 61 on"
    tube, lung = cross()
    down = belonging(tube, lung, *distances(Volume(lung, GRID)), GRID, arteries=True)[:, 10, FORK]
    assert set(down[6:31]) == {NEITHER}


def test_without_a_trunk_the_middle_is_of_neither_side():
    line, (left_mm, right_mm) = whose(*cross(trunk=False))
    for x in range(LOW, HIGH + 1):
        parts = left_mm[45, 10, x] / ARTERY_REACH_MM[0], right_mm[45, 10, x] / ARTERY_REACH_MM[1]
        if min(parts) > 1.04:
            assert line[x] == NEITHER
        elif min(parts) < 0.96 and abs(parts[0] - parts[1]) > 0.05:
            assert line[x] == (LEFT if parts[0] < parts[1] else RIGHT)


def test_veins_meet_in_the_atrium_and_have_no_bifurcation():
    tube, lung = cross()
    line, (left_mm, _) = whose(tube, lung, arteries=False)
    assert line[FORK] == LEFT, "25 mm from the left lung"
    assert line[60] == NEITHER
    assert left_mm[45, 10, 60] == pytest.approx(41)


@pytest.mark.parametrize(("lungs", "side"), [((True, False), LEFT), ((False, True), RIGHT)])
def test_one_lung_alone_says_nothing_of_the_far_part(lungs, side):
    line, _ = whose(*cross(lungs=lungs))
    near = range(HIGH - 22, HIGH + 1) if side == LEFT else range(LOW, LOW + 37)
    far = range(LOW, HIGH - 28) if side == LEFT else range(LOW + 43, HIGH + 1)
    assert {line[x] for x in near} == {side}
    assert {line[x] for x in far} == {NEITHER}


def test_a_piece_that_hangs_on_nothing_has_a_side_only_beside_a_lung():
    tube, lung = cross(trunk=False, gap=LOW + 5)
    tube &= lung == 0
    line, _ = whose(tube, lung)
    assert set(line[LOW : LOW + 5]) == {RIGHT}
    assert set(line[HIGH - 6 : HIGH + 1]) == {LEFT}
    assert set(line[LOW + 12 : HIGH - 10]) == {NEITHER}


def lay(desk, side="both"):
    one = patient()
    desk.lay_patient(one, one.side(side))
    return one


def test_through_the_stage_the_trunk_is_unknown_and_the_rest_right(desk):
    one = lay(desk)
    got = desk.harmonize()
    central = (one.whose == BOTH) & (one.lungs.array == 0)
    assert (got.labels.array[central] == UNKNOWN).mean() > 0.85
    artery = (one.codes.array == 1) & (one.whose == RIGHT)
    assert (got.labels.array[artery] == 3).mean() > 0.93
    assert got.decisions["of_neither_side_ml"] > 5
    assert got.decisions["sides_from"] == "the lung that a vessel leads to"


def test_the_parameter_gives_the_trunk_to_the_nearest_lung(desk):
    one = lay(desk)
    got = desk.harmonize(central="nearest")
    central = (one.whose == BOTH) & (one.lungs.array == 0)
    assert (got.labels.array[central] == 1).mean() > 0.8
    assert not (got.labels.array == UNKNOWN).any()


def test_a_side_that_the_expert_gave_to_the_trunk_is_no_side_either(desk):
    one = patient()
    sided = np.where(one.codes.array > 0, one.codes.array + 2 * (one.whose == RIGHT), 0)
    desk.lay_patient(one, Volume(sided.astype(np.uint8), one.codes.grid))
    got = desk.harmonize("four_classes")
    central = (one.whose == BOTH) & (one.lungs.array == 0)
    assert (got.labels.array[central] == UNKNOWN).mean() > 0.85
    kept = got.labels.array != UNKNOWN
    assert np.array_equal(got.labels.array[kept], sided[kept])


def test_where_the_other_lungs_artery_may_begin_nothing_is_background(desk):
    """Only the left lung was drawn, with the trunk: the right artery starts left of the middle."""
    one = patient()
    drawn = one.side("left").array.copy()
    drawn[(one.whose == BOTH) & (one.codes.array > 0)] = 1
    desk.lay_patient(one, Volume(drawn, one.codes.grid))
    got = desk.harmonize(side="left")
    assert got.decisions["mediastinum"] == "known"
    missing = (one.whose == RIGHT) & (one.codes.array == 1) & (drawn == 0)
    left_mm, right_mm = distances(one.lungs)
    missing &= left_mm < right_mm
    assert ml(missing, one.lungs.grid) > 0.5
    assert (got.labels.array[missing] == UNKNOWN).mean() > 0.95
    lung = one.lungs.array == LEFT
    assert (got.labels.array[lung] != UNKNOWN).all(), "and the left lung is known all the same"
