"""Lungs that are ill, touch each other or the bowel, or are not whole."""

import numpy as np
import pytest
from chest import chest, darkened, image, roomy
from scipy import ndimage
from thorax import dice, positions

from lacaf.fault import Refusal
from lacaf.volume import Volume, resample


def scores(lungs, truth):
    """DSC of the left and the right lung on the truth's grid."""
    found = resample(lungs, truth.grid, "nearest").array
    return [dice(found == value, truth.array == value) for value in (1, 2)]


def test_a_healthy_chest_is_found_to_the_border(cropped):
    details, _, lungs = cropped(image(), spacing_mm=3.0)
    assert min(scores(lungs, chest().lungs)) > 0.955
    assert details["method"]["parting"] == "separate"


def test_trachea_and_main_bronchi_are_left_out(cropped):
    _, _, lungs = cropped(image(), spacing_mm=3.0)
    found = resample(lungs, chest().lungs.grid, "nearest").array
    outer = (chest().airways.array == 1) & ~ndimage.binary_dilation(chest().lungs.array > 0)
    assert outer.sum() > 500
    assert (found[outer] > 0).mean() < 0.05


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_emphysema_is_lung(cropped, share):
    stored = darkened(image(), chest().lungs.array, share)
    _, _, lungs = cropped(stored, spacing_mm=3.0)
    assert min(scores(lungs, chest().lungs)) > 0.96


def test_a_consolidation_within_the_lung_is_lung(cropped):
    stored, truth = image(), chest().lungs
    depth = ndimage.distance_transform_edt(truth.array == 2)
    middle = np.array(np.unravel_index(depth.argmax(), depth.shape))
    off = np.indices(depth.shape) - middle[:, None, None, None]
    ball = (off**2).sum(axis=0) < (0.8 * depth.max()) ** 2
    stored.array[ball] = 40
    _, _, lungs = cropped(stored, spacing_mm=3.0)
    found = resample(lungs, truth.grid, "nearest").array
    assert (found[ball & (truth.array == 2)] == 2).mean() > 0.98
    assert min(scores(lungs, truth)) > 0.96


def test_fluid_that_fills_half_a_lung_is_no_lung_and_is_told(cropped):
    stored, truth = image(), chest().lungs
    y = positions(stored.grid)[..., 1]
    left = truth.array == 1
    fluid = left & (y > np.median(y[left]))
    stored.array[fluid] = 10
    details, _, lungs = cropped(stored, spacing_mm=3.0)
    found = resample(lungs, truth.grid, "nearest").array
    assert dice(found == 1, left & ~fluid) > 0.93
    assert any("the left lung is small" in flag for flag in details["flags"])


def test_lungs_that_touch_in_front_and_behind_are_parted_where_they_touch(cropped):
    stored, truth = image(), chest().lungs
    x, y, z = np.moveaxis(positions(stored.grid), -1, 0)
    lung = truth.array > 0
    height = (z > np.quantile(z[lung], 0.5)) & (z < np.quantile(z[lung], 0.8))
    front = np.abs(y - np.quantile(y[lung], 0.2)) < 4
    gap = ndimage.binary_closing(lung, np.ones((1, 1, 31))) & ~lung & height
    stored.array[gap & front] = -850
    details, _, lungs = cropped(stored, spacing_mm=3.0)
    assert details["method"]["parting"].startswith("parted where")
    assert min(scores(lungs, truth)) > 0.95
    found = resample(lungs, truth.grid, "nearest").array
    assert not ((found == 1) & (x < -15)).any()
    assert not ((found == 2) & (x > 15)).any()


def test_bowel_that_touches_a_lung_is_no_lung(cropped):
    """A gut full of gas whose wall is thinner than a coarse voxel, joined to the lung by a neck."""
    stored, truth = roomy(3.0), chest().lungs
    z, y, x = np.array(np.nonzero(truth.array == 1))
    low = z.min() + 15  # roomy adds 15 voxels on every side
    column = (x[z == z.min() + 3].mean() + 15, y[z == z.min() + 3].mean() + 15)
    zz, yy, xx = np.indices(stored.array.shape)
    gut = ((xx - column[0]) ** 2 + (yy - column[1]) ** 2 < 36) & (zz > low - 14) & (zz <= low - 2)
    neck = (abs(xx - column[0]) < 1) & (abs(yy - column[1]) < 1) & (zz > low - 4) & (zz < low + 8)
    stored.array[gut | neck] = -1000
    _, _, lungs = cropped(stored, spacing_mm=3.0)
    found = resample(lungs, stored.grid, "nearest").array
    assert (found[gut] > 0).mean() < 0.1


def test_a_couch_of_foam_within_a_shell_is_no_lung(cropped):
    stored = roomy(3.0)
    firm = np.flatnonzero((stored.array > 0).any(axis=(0, 2)))[-1]
    x = np.abs(np.arange(stored.array.shape[2]) - stored.array.shape[2] / 2) * 3.0
    stored.array[:, firm + 4 :] = -1000
    stored.array[:, firm + 4 : firm + 19, x < 200] = -250
    stored.array[:, firm + 6 : firm + 17, x < 190] = -900  # as light as emphysema
    _, _, lungs = cropped(stored, spacing_mm=3.0)
    assert min(scores(lungs, chest().lungs)) > 0.96


def test_lungs_in_several_pieces_are_two(cropped):
    """A thick fissure through the right lung, as by fluid in it."""
    stored, truth = image(), chest().lungs
    z = np.indices(truth.array.shape)[0]
    middle = int(z[truth.array == 2].mean())
    stored.array[(truth.array == 2) & (np.abs(z - middle) < 3)] = 20
    details, _, lungs = cropped(stored, spacing_mm=3.0)
    assert details["method"]["parting"] == "separate"
    assert min(scores(lungs, truth)) > 0.95


class TestNotWhole:
    def refusal(self, cropped, stored):
        with pytest.raises(Refusal) as fault:
            cropped(stored, spacing_mm=4.0)
        return str(fault.value)

    def test_one_lung_is_missing(self, cropped):
        stored = image()
        stored.array[chest().lungs.array == 1] = 30
        message = self.refusal(cropped, stored)
        assert "does not part in two" in message or "side by side" in message
        assert "a left and a right lung" in message

    def test_the_upper_half_alone(self, cropped):
        stored = image()
        half = len(stored.array) // 2
        grid = stored.grid
        affine = grid.affine.copy()
        affine[:3, 3] = grid.to_mm(np.array([half, 0, 0]))
        part = Volume(stored.array[half:], type(grid)(stored.array[half:].shape, affine))
        assert "cut off at the bottom of the image" in self.refusal(cropped, part)

    @pytest.mark.parametrize("padding", [-1024, -2048])
    def test_a_round_field_of_view_that_cuts_the_lungs(self, cropped, padding):
        stored = image()
        x, y, _ = np.moveaxis(positions(stored.grid), -1, 0)
        stored.array[np.hypot(x, y) > 75] = padding
        assert "field of view cuts the lungs" in self.refusal(cropped, stored)

    def test_a_field_of_view_that_touches_them_is_flagged(self, cropped):
        """A circle beside the middle grazes the left lung."""
        stored, truth = image(), chest().lungs
        x, y, _ = np.moveaxis(positions(stored.grid), -1, 0)
        away = np.hypot(x + 45, y - 10)
        stored.array[away > np.quantile(away[truth.array == 1], 0.99)] = -1024
        details, _, _ = cropped(stored, spacing_mm=4.0)
        assert any("edge of the field of view" in flag for flag in details["flags"])

    def test_the_belly(self, cropped):
        stored = roomy()
        below = stored.array[:24].copy()
        grid = type(stored.grid)(below.shape, stored.grid.affine)
        message = self.refusal(cropped, Volume(below, grid))
        assert "at least 100 ml each" in message or "cut off at the top" in message
