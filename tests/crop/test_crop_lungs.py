"""Both lungs, the patient's left and right, however the CT was stored."""

import numpy as np
import pytest
from thorax import LEFT, ORIENTATIONS, dice, grid, hu_at, image, lungs_at, positions

from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
def test_left_is_the_patients_left_in_every_orientation(cropped, axes, flips):
    size = 0.6  # a small patient, to be quick
    stored = image(grid(axes, flips))
    affine = np.diag([size, size, size, 1.0]) @ stored.grid.affine
    small = Volume(stored.array, Grid(stored.grid.shape, affine))
    details, _, lungs = cropped(small, spacing_mm=3.0)
    truth = lungs_at(positions(lungs.grid) / size)
    assert dice(lungs.array == 1, truth == 1) > 0.93
    assert dice(lungs.array == 2, truth == 2) > 0.93
    assert details["lungs_ml"]["left"] < details["lungs_ml"]["right"]


def test_lungs_are_found_to_the_voxel_with_vessels_and_without_airways(cropped):
    details, _, lungs = cropped(image(grid(spacing=(2.0, 2.0, 2.5))), spacing_mm=2.0)
    place = positions(lungs.grid)
    truth = lungs_at(place)
    for value in (1, 2):
        assert dice(lungs.array == value, truth == value) > 0.965
    x, y, z = np.moveaxis(place, -1, 0)
    assert not lungs.array[(np.hypot(x, y - 5) < 7) & (z > 45)].any(), "the windpipe is no lung"
    vessel = (hu_at(place) > 0) & (truth > 0) & (np.abs(x) > 35)
    assert (lungs.array[vessel] > 0).mean() > 0.98, "vessels inside a lung are lung"
    assert details["method"]["parting"] == "separate"
    assert details["flags"] == []
    ml = (truth == 1).sum() * lungs.grid.voxel_ml
    assert details["lungs_ml"]["left"] == pytest.approx(ml, rel=0.05)


def test_an_oblique_series_is_cropped_upright(cropped):
    stored = grid(spacing=(3.0, 3.0, 3.0))
    turn = np.radians(15)
    rotation = np.eye(4)
    rotation[:3, :3] = [
        [np.cos(turn), -np.sin(turn), 0],
        [np.sin(turn), np.cos(turn), 0],
        [0, 0, 1],
    ]
    turned = type(stored)(stored.shape, rotation @ stored.affine)
    _, working, lungs = cropped(image(turned), spacing_mm=3.0)
    assert np.allclose(working.grid.affine[:3, :3], 3.0 * np.eye(3))
    truth = lungs_at(positions(lungs.grid))
    assert min(dice(lungs.array == v, truth == v) for v in (1, 2)) > 0.93


def test_lungs_that_touch_are_parted(cropped):
    stored = grid(spacing=(2.5, 2.5, 2.5))
    place = positions(stored)
    volume = image(stored)
    x, y, z = np.moveaxis(place, -1, 0)
    volume.array[(np.abs(x) < 30) & (np.abs(y + 40) < 4) & (np.abs(z - 30) < 25)] = -850
    details, _, lungs = cropped(volume)
    assert details["method"]["parting"].startswith("parted")
    truth = lungs_at(positions(lungs.grid))
    assert min(dice(lungs.array == v, truth == v) for v in (1, 2)) > 0.93


def test_gas_in_the_stomach_is_no_lung(cropped):
    stored = grid()
    volume = image(stored)
    volume.array[np.linalg.norm(positions(stored) - (60, -20, -108), axis=-1) < 18] = -1000
    _, _, lungs = cropped(volume, spacing_mm=4.0)
    near = np.linalg.norm(positions(lungs.grid) - (60, -20, -108), axis=-1) < 14
    assert not lungs.array[near].any()


def test_padding_outside_the_scanners_view_does_no_harm(cropped):
    stored = grid()
    volume = image(stored)
    x, y, _ = np.moveaxis(positions(stored), -1, 0)
    volume.array[np.hypot(x, y) > 132] = -2048
    _, working, lungs = cropped(volume, spacing_mm=4.0)
    truth = lungs_at(positions(lungs.grid))
    assert min(dice(lungs.array == v, truth == v) for v in (1, 2)) > 0.93
    assert working.array.min() >= -1100


class TestRefused:
    def refusal(self, cropped, volume):
        with pytest.raises(Refusal) as fault:
            cropped(volume, spacing_mm=4.0)
        return str(fault.value)

    def test_an_abdomen(self, cropped):
        stored = grid(z_mm=(-300, -120))
        assert "ml of lung" in self.refusal(cropped, image(stored))

    def test_a_missing_lung(self, cropped):
        stored = grid()
        volume = image(stored)
        volume.array[lungs_at(positions(stored)) == 2] = 30
        message = self.refusal(cropped, volume)
        assert "does not part in two" in message or "side by side" in message

    def test_a_lung_that_is_nearly_gone(self, cropped):
        stored = grid()
        volume = image(stored)
        place = positions(stored)
        rest = np.linalg.norm(place - np.array(LEFT[0]), axis=-1) < 22
        volume.array[(lungs_at(place) == 1) & ~rest] = 30
        message = self.refusal(cropped, volume)
        assert "does not part in two" in message or "at least 100 ml each" in message

    def test_lungs_cut_in_the_middle(self, cropped):
        assert "cut off at the top" in self.refusal(cropped, image(grid(z_mm=(-130, 10))))
        assert "cut off at the bottom" in self.refusal(cropped, image(grid(z_mm=(0, 130))))

    @pytest.mark.parametrize("offset", [1024, 600, -400])
    def test_values_that_are_no_hu(self, cropped, offset):
        volume = image(grid())
        shifted = Volume(volume.array + np.int16(offset), volume.grid)
        assert "check the rescale slope and intercept" in self.refusal(cropped, shifted)

    def test_an_image_without_a_body(self, cropped):
        stored = grid()
        message = self.refusal(cropped, Volume(np.full(stored.shape, -1000, np.int16), stored))
        assert "nothing but air" in message


def test_a_lung_that_just_misses_the_end_is_used_and_flagged(cropped):
    details, _, _ = cropped(image(grid(z_mm=(-70, 130))), spacing_mm=4.0)
    assert any("reach the bottom of the image" in flag for flag in details["flags"])
