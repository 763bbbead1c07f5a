"""Proposals: arithmetic whose right answer is known by construction."""

import math
from pathlib import Path

import numpy as np
import pytest

from lacaf.params import whole
from lacaf.plan.fingerprint import Fingerprint
from lacaf.plan.proposal import propose
from lacaf.plan.size import DoesNotFit, Given, sized
from lacaf.plan.size import whole as around
from lacaf.plan.spacing import spacing

DEMO = whole.load(Path(__file__).parents[2] / "params" / "demo.yaml")
LUNGS_MM = (280.0, 210.0, 300.0)


class Plain:
    """A network that needs a kilobyte, and a machine that needs a tenth of a microsecond, for
    each voxel of a patch and 32 channels."""

    def gigabytes(self, patch, patches, width):
        return 1e-6 * math.prod(patch) * patches * width / 32

    def seconds(self, patch, batch, width):
        return 1e-7 * math.prod(patch) * batch * (width / 32) ** 2

    def validation_seconds(self, shape, patch, width):
        return 3e-8 * math.prod(shape)


def cohort(diameters_mm=(1.5,), spacing_mm=(0.7, 0.7, 0.7), lungs_mm=LUNGS_MM, train=500):
    found = Fingerprint(cases={"train": train, "val": 10})
    found.spacing_mm = [spacing_mm] * 3
    found.lungs_mm = [lungs_mm] * 3
    found.grid_mm = [tuple(n + 12 for n in lungs_mm)] * 3
    found.diameter_mm.add(diameters_mm)
    return found


def proposed(found=None, memory=24.0, hours=24.0, **given):
    lines = propose(found or cohort(), DEMO, Given(memory, hours, **given), Plain())
    return {line.key: line for line in lines}


# spacing


def test_the_grid_is_as_coarse_as_the_thin_vessels_allow():
    """Of 100 mm of centreline 4 are thinner than 3 mm, which is 1.5 voxels of 2 mm."""
    line = spacing(cohort([1.0] * 4 + [3.0] * 6 + [8.0] * 90), DEMO)
    assert line.value == 2.0
    assert line.why.startswith("96% of the labelled centreline is at least 1.5 voxels wide")


def test_the_grid_is_no_finer_than_the_ct():
    line = spacing(cohort([0.7] * 50 + [3.0] * 50, spacing_mm=(1.0, 0.72, 0.7)), DEMO)
    assert line.value == 0.7
    assert "0.47 mm, but the median CT's finest axis has 0.70 mm; 50% is kept" in line.why


def test_the_grid_is_no_finer_than_a_third_of_the_distance_between_thick_slices():
    line = spacing(cohort([0.7], spacing_mm=(5.0, 0.7, 0.7)), DEMO)
    assert line.value == 1.7
    assert "slices lie 5.00 mm apart" in line.why


def test_without_labelled_vessels_the_spacing_stays():
    line = spacing(cohort([]), DEMO)
    assert not line.changed
    assert "no vessel is labelled" in line.why


# patch, batch, width


def test_the_patch_fits_and_more_would_not():
    lines = proposed()
    patch, width, batch = (lines[f"train.{k}"].value for k in ("patch", "width", "batch"))
    assert all(n % 16 == 0 for n in patch)
    assert Plain().gigabytes(patch, batch, width) <= 24
    assert width == 32
    assert batch == 2
    larger = [n + 16 for n in patch]
    assert Plain().gigabytes(larger, batch, width) > 24


def test_the_patch_has_the_proportions_of_the_lungs():
    lines = proposed(memory=8)
    ratio = np.array(lines["train.patch"].value) / LUNGS_MM
    assert ratio.max() / ratio.min() < 1.2


def test_more_memory_never_gives_a_smaller_patch():
    sizes = [math.prod(proposed(memory=m)["train.patch"].value) for m in (2, 4, 8, 16, 24, 40, 80)]
    assert sizes == sorted(sizes)


def test_where_the_lungs_fit_whole_the_batch_grows_with_the_memory():
    lines = proposed(cohort([3.0]), memory=24)
    extent = [n / lines["crop.spacing_mm"].value for n in LUNGS_MM]
    assert tuple(lines["train.patch"].value) == around(extent)
    assert lines["train.batch"].value == int(24 // Plain().gigabytes(around(extent), 1, 32))
    assert "another would need" in lines["train.batch"].why


def test_a_batch_is_no_more_than_a_twentieth_of_the_cohort_but_two():
    assert proposed(cohort([3.0], train=60), memory=80)["train.batch"].value == 2
    assert proposed(cohort([3.0], train=100), memory=80)["train.batch"].value == 4


def test_with_little_memory_patches_go_one_after_the_other_before_the_network_narrows():
    one_by_one = proposed(memory=1.2)
    assert one_by_one["train.accumulate"].value == 2
    assert one_by_one["train.width"].value == 32
    assert math.prod(one_by_one["train.patch"].value) >= 96**3
    narrow = proposed(memory=0.6)
    assert narrow["train.width"].value == 16
    assert "with 32 channels" in narrow["train.width"].why


def test_in_little_time_the_network_narrows_and_then_the_patch():
    lines = proposed(hours=0.05)
    assert lines["train.width"].value == 8
    assert "kept from more by time" in lines["train.patch"].why
    step = Plain().seconds(lines["train.patch"].value, 2, 8)
    assert step <= Given(24, 0.05).longest_step


def test_a_memory_that_holds_nothing_is_told():
    with pytest.raises(DoesNotFit, match=r"0\.001 GB are too little.* needs 0\.0 GB"):
        sized([100, 100, 100], 1e9, Given(0.001, 24), Plain())


# time


def test_steps_and_validations_fit_into_the_time_and_fill_most_of_it():
    lines = proposed(hours=8)
    steps, every = lines["train.steps"].value, lines["train.validate_every"].value
    patch, batch = lines["train.patch"].value, lines["train.batch"].value
    assert steps % every == 0
    validation = 10 * Plain().validation_seconds([n + 12 for n in LUNGS_MM], patch, 32)
    seconds = steps * Plain().seconds(patch, batch, 32) + steps // every * validation
    assert 0.8 * 8 * 3600 < seconds <= 8 * 3600


def test_a_measured_step_goes_before_an_estimated_one():
    fast, slow = (proposed(step_seconds=s)["train.steps"] for s in (1.0, 4.0))
    assert fast.value == pytest.approx(0.9 * 24 * 3600, rel=0.15)
    assert slow.value == pytest.approx(fast.value / 4, rel=0.15)
    assert "4 s a step (measured)" in slow.why


def test_nobody_is_sent_to_train_for_ever():
    line = proposed(hours=10_000)["train.steps"]
    assert line.value == 250_000
    assert "about as many as nnU-Net trains" in line.why


def test_a_gpu_begins_with_whole_patches():
    lines = proposed()
    assert lines["train.early.steps"].value == 0
    assert "train.early.patch" not in lines


def test_a_cpu_spends_half_of_its_time_with_small_patches():
    lines = proposed(gpu=False, hours=2)
    patch, batch, width = (lines[f"train.{k}"].value for k in ("patch", "batch", "width"))
    early = {k: lines[f"train.early.{k}"].value for k in ("patch", "batch", "steps")}
    assert early["batch"] == 2 * batch
    assert all(n % 16 == 0 and n <= m for n, m in zip(early["patch"], patch, strict=True))
    small = early["steps"] * Plain().seconds(early["patch"], early["batch"], width)
    late = lines["train.steps"].value - early["steps"]
    assert small == pytest.approx(late * Plain().seconds(patch, batch, width), rel=0.05)


def test_too_little_time_is_told():
    with pytest.raises(DoesNotFit, match="too short: a step takes 900"):
        proposed(hours=0.1, step_seconds=900)


# the rest


def test_the_learning_rate_stays():
    assert not proposed()["train.learning_rate"].changed


def with_hu(artery, vein=100, lung=-850):
    found = cohort()
    rng = np.random.default_rng(0)
    for kind, middle in (("artery core", artery), ("vein core", vein), ("lung", lung)):
        found.hu[kind].add(rng.normal(middle, 20, 10_000))
    return {line.key: line for line in propose(found, DEMO, Given(24, 24), Plain())}


def test_windows_stay_where_they_hide_nothing():
    lines = with_hu(300)
    assert not lines["train.blood_window"].changed
    assert not lines["train.hu_window"].changed


def test_arteries_brighter_than_the_blood_window_raise_its_end():
    line = with_hu(620)["train.blood_window"]
    assert line.value == [0.0, 700.0]
    assert line.why == "100% of artery cores and 0% of vein cores lies above 450 HU"


def test_lung_darker_than_the_window_lowers_its_end():
    assert with_hu(300, lung=-1000)["train.hu_window"].value == [-1100.0, 400.0]


def test_some_dark_voxels_in_a_core_are_no_blood():
    assert with_hu(300, vein=20)["train.blood_window"].value == [0.0, 450.0]


def test_every_line_has_a_reason():
    assert all(line.why for line in proposed().values())
