"""Labels that cannot be right: mirrored, shifted, exchanged, on no vessels. With the numbers."""

import numpy as np
import pytest
from patient import LEFT, patient
from scipy import ndimage
from thorax import drawn, grid

from lacaf.convert import volumes
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.harmonize import evidence, exchange
from lacaf.harmonize.placement import AXES, Placement, check, find
from lacaf.volume import Volume, resample, upright_grid_around


def moved(labels, mm):
    grid = Grid(labels.grid.shape, labels.grid.affine.copy())
    grid.affine[:3, 3] += mm
    return Volume(labels.array, grid)


def mirrored(labels, axis):
    return Volume(np.ascontiguousarray(np.flip(labels.array, axis)), labels.grid)


def placed(labels):
    one = patient()
    on = resample(labels, one.working.grid, "nearest").array
    return find(on > 0, one.working_lungs.array, one.working)


def refusal(desk, labels, *args, **kwargs):
    desk.lay_patient(patient(), labels)
    with pytest.raises(Refusal) as fault:
        desk.harmonize(*args, **kwargs)
    return str(fault.value)


class TestPlacement:
    @pytest.mark.parametrize("side", ["both", "left", "right"])
    def test_true_labels_fit_best_where_they_are(self, side):
        place = placed(patient().side(side))
        assert place.here_hu == place.best_hu > 150
        assert np.linalg.norm(place.shift_mm) < 0.6
        assert place.mirrored == ()
        assert check(place, refuse=True) == []

    @pytest.mark.parametrize("mm", [(5, 0, 0), (0, -8, 0), (0, 0, 30), (-12, 7, 20)])
    def test_the_way_back_of_a_shift_is_found(self, mm):
        place = placed(moved(patient().codes, mm))
        assert place.shift_mm == pytest.approx([-v for v in mm], abs=0.6)
        with pytest.raises(Refusal, match="mirrored or shifted against the image: where they lie"):
            check(place, refuse=True)

    def test_a_small_shift_is_flagged_and_half_a_voxel_is_not(self):
        assert check(placed(moved(patient().codes, (0, 0, 2.0))), refuse=True)[0].startswith(
            "where they lie, the labels are"
        )
        assert check(placed(moved(patient().codes, (0, 0, 0.8))), refuse=True) == []

    @pytest.mark.parametrize("axis", [0, 1, 2])
    @pytest.mark.parametrize("side", ["both", "left"])
    def test_a_mirrored_label_is_known_as_such(self, axis, side):
        place = placed(mirrored(patient().side(side), axis))
        assert place.mirrored == (AXES[axis],)
        assert place.here_hu < 80 < 150 < place.best_hu
        with pytest.raises(Refusal, match=f"mirrored {AXES[axis]} and shifted"):
            check(place, refuse=True)

    def test_two_axes_mirrored_as_where_ras_is_taken_for_lps(self):
        place = placed(mirrored(mirrored(patient().codes, 1), 2))
        assert place.mirrored == (AXES[1], AXES[2])

    def test_auto_does_not_take_a_mirrored_left_lung_for_a_right_one(self, desk):
        message = refusal(desk, mirrored(patient().side("left"), 2), side="auto")
        assert "mirrored left to right" in message

    def test_the_parameter_lets_doubtful_labels_pass_with_a_flag(self, desk):
        one = patient()
        desk.lay_patient(one, moved(one.codes, (0, 0, 4.0)))
        got = desk.harmonize(doubtful="flag")
        assert any("mirrored or shifted against the image?" in flag for flag in got.flags)
        assert got.checks["placement"]["shift_mm_lps"][2] == pytest.approx(-4, abs=0.6)

    def test_nothing_is_said_where_nothing_fits_or_much_does(self):
        assert check(Placement(2.0, 12.0, 3.0, (30.0, 0.0, 0.0), ()), refuse=True) == []
        assert check(Placement(2.0, 90.0, 70.0, (30.0, 0.0, 0.0), ()), refuse=True) == []


@pytest.fixture(scope="module")
def cip(real_data):
    """CIP's patient: 4 mm voxels, vessels by a program, artery and vein together."""
    folder = real_data / "cip-10002K"
    if not folder.is_dir():
        pytest.skip(f"{folder.name} is not here")
    image, labels, whole = (
        volumes.read(folder / f"{name}.nrrd", name)[0]
        for name in ("ct-64", "lm-64", "wholeLung-64")
    )
    x = image.grid.to_mm(np.moveaxis(np.indices(image.grid.shape), 0, -1))[..., 0]
    left = x > np.median(x[whole.array > 0])
    lungs = np.where(whole.array > 0, np.where(left, 1, 2), 0).astype(np.uint8)
    places = image.grid.to_mm(np.argwhere(lungs > 0))
    working = upright_grid_around(places, 2.0, 6.0)
    seen = resample(image, working, fill=-1000).array.astype(np.int16)
    vessel = Volume((labels.array >> 8 == 3).astype(np.uint8), image.grid)
    return Volume(seen, working), resample(Volume(lungs, image.grid), working, "nearest"), vessel


class TestOnARealCT:
    def place(self, cip, labels):
        image, lungs, _ = cip
        return find(resample(labels, image.grid, "nearest").array > 0, lungs.array, image)

    def test_vessels_fit_best_where_they_are(self, cip):
        place = self.place(cip, cip[2])
        assert place.here_hu == place.best_hu > 35
        assert check(place, refuse=True) == []

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_and_mirrored_nowhere_else(self, cip, axis):
        place = self.place(cip, mirrored(cip[2], axis))
        assert place.mirrored == (AXES[axis],)
        assert place.here_hu < 6

    def test_coarse_voxels_are_flagged(self, cip):
        image, lungs, vessel = cip
        on = resample(vessel, image.grid, "nearest").array
        near = np.zeros(image.grid.shape, np.float32)
        found = evidence.measured(on, lungs.array, image, near, 0.0)
        assert "drawn too wide, a coarse CT" in evidence.check(found)[0]


class TestEvidence:
    def test_true_labels_have_good_numbers(self, desk):
        one = patient()
        desk.lay_patient(one, one.codes)
        got = desk.harmonize()
        assert got.checks["contrast_hu"]["all"] > 400
        assert got.checks["dense_share"]["labels"] > 0.85
        assert got.checks["in_air_share"] == got.checks["beyond_chest_share"] == 0.0
        assert 0.02 < got.checks["fill_share"]["left"] < 0.1
        assert got.flags == []

    def test_a_lung_is_no_vessel(self, desk):
        one = patient()
        lung = Volume((one.lungs.array == LEFT).astype(np.uint8), one.lungs.grid)
        assert "% of the left lung: a lung or a lobe, no vessels" in refusal(desk, lung)

    def test_airways_are_no_vessels(self, desk):
        one = patient()
        dark = (one.image.array < -930) & (one.lungs.array > 0)
        dark = ndimage.binary_dilation(ndimage.binary_opening(dark))
        labels = Volume((dark & (one.codes.array == 0)).astype(np.uint8), one.lungs.grid)
        message = refusal(desk, labels, "artery_only")
        assert "they do not lie on vessels" in message or "by chance alone" in message

    def test_vessels_beyond_the_chest(self, desk):
        labels = drawn(grid())
        place = grid().to_mm(np.moveaxis(np.indices(grid().shape), 0, -1))
        labels.array[(np.abs(place[..., 2] + 115) < 14) & (np.abs(place[..., 0]) < 40)] = 1
        desk.lay(labels)
        with pytest.raises(Refusal, match="beyond the chest, above, below or beside both lungs"):
            desk.harmonize()

    def test_vessels_in_the_air_outside_the_body(self, desk):
        labels = drawn(grid())
        place = grid().to_mm(np.moveaxis(np.indices(grid().shape), 0, -1))
        labels.array[np.linalg.norm(place - (0, 5, 60), axis=-1) < 13] = 1
        desk.lay(labels)
        with pytest.raises(Refusal, match="in air outside the lungs: outside the body or in the"):
            desk.harmonize()

    def test_vessels_drawn_too_wide_are_flagged(self, desk):
        one = patient()
        wide = ndimage.grey_dilation(one.codes.array, size=(5, 5, 5))
        wide[np.random.default_rng(0).random(wide.shape) < 0.5] = 0
        wide = np.where(one.codes.array > 0, one.codes.array, wide).astype(np.uint8)
        desk.lay_patient(one, Volume(wide, one.codes.grid))
        assert any("drawn too wide" in flag for flag in desk.harmonize().flags)


class TestExchange:
    def test_arteries_enter_above_the_veins(self, desk):
        one = patient()
        desk.lay_patient(one, one.codes)
        above = desk.harmonize().checks["artery_above_vein_mm"]
        assert above["left"] > 15
        assert above["right"] > 15

    @pytest.mark.parametrize("side", ["both", "left", "right"])
    def test_exchanged_labels_are_refused(self, desk, side):
        one = patient()
        labels = one.side(side)
        swapped = Volume(np.array([0, 2, 1], np.uint8)[labels.array], labels.grid)
        message = refusal(desk, swapped, side=side)
        assert "artery and vein exchanged: where they enter the lung, the arteries lie" in message
        assert "declare the coding with the other order" in message

    def test_and_right_under_the_right_coding(self, desk):
        one = patient()
        desk.lay_patient(
            one, Volume(np.array([0, 2, 1], np.uint8)[one.codes.array], one.codes.grid)
        )
        assert desk.harmonize("vein1_artery2").flags == []

    def test_one_lung_against_the_other_is_odd_but_no_reason_to_refuse(self):
        flags = exchange.check({"left": 30.0, "right": -25.0}, refuse=True)
        assert flags == [
            "artery and vein exchanged? where they enter the lung, the arteries lie 30 mm above "
            "the veins on the left and 25 mm below the veins on the right"
        ]

    def test_nothing_is_said_of_one_kind_of_vessel(self):
        one = patient()
        labels = np.where(one.codes.array == 1, 1, 0).astype(np.uint8)
        found = exchange.heights(labels, one.lungs.array, one.lungs.grid)
        assert found == {"left": None, "right": None}
        assert exchange.check(found, refuse=True) == []
