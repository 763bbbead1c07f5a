"""What is found of a cohort: known by construction, and nothing of a test case."""

import shutil
import tracemalloc

import numpy as np
import pytest
from tubes import GRID
from whole_cohort import lay_out_whole, refuse

from lacaf.evaluate.centreline import centreline
from lacaf.fault import Missing
from lacaf.plan.fingerprint import NothingToPlan, boxed, core, fingerprint, medians
from lacaf.plan.spacing import kept

SPLITS = {"full": "train", "half": "train", "check": "val", "secret": "test", "new": "predict"}


@pytest.fixture
def project(tmp_path):
    """Of the cases that must not be opened there is nothing that could be."""
    cases = lay_out_whole(tmp_path, SPLITS, {"half": 1})
    for stage in ("convert", "crop", "harmonize", "prepare"):
        for name in ("secret", "new"):
            shutil.rmtree(tmp_path / stage / name)
    return tmp_path, cases


def found(project):
    data, cases = project
    return fingerprint(cases.values(), data, centreline)


def test_training_and_validation_cases_are_read_and_no_others(project):
    result = found(project)
    assert result.cases == {"train": 2, "val": 1}
    assert result.unopened == 2


def test_spacing_is_the_cts_and_lungs_are_measured_in_millimetres(project):
    result = found(project)
    assert result.spacing_mm == [(2.0, 4.0, 4.0)] * 3
    assert medians(result.lungs_mm) == (80.0, 64.0, 112.0)
    assert medians(result.grid_mm) == (96.0, 80.0, 128.0)


def test_coverage_is_counted_and_half_cases_told_from_full_ones(project):
    result = found(project)
    assert result.coverage["left_artery"] == {"labelled": 3, "absent": 0, "unknown": 0}
    assert result.coverage["right_vein"] == {"labelled": 2, "absent": 0, "unknown": 1}
    assert (result.full, result.half) == (2, 1)


def test_a_tube_three_voxels_wide_is_kept_by_a_grid_up_to_its_width(project):
    result = found(project)
    assert kept(result, 4.0, across=3) == pytest.approx(1, abs=0.1)
    assert kept(result, 4.0, across=4) == 0


def test_hu_of_vessels_and_lung_are_told_apart(project):
    hu = found(project).hu
    assert hu["artery core"].quantile(0.5) == pytest.approx(400, abs=5)
    assert hu["vein core"].quantile(0.5) == pytest.approx(150, abs=5)
    assert hu["lung"].quantile(0.5) == pytest.approx(-850, abs=5)
    assert hu["artery"].total > hu["artery core"].total > 0


def test_lung_that_nobody_labelled_says_nothing_of_the_lung(project):
    data, cases = project
    half = fingerprint([cases["half"]], data, centreline)
    full = fingerprint([cases["full"]], data, centreline)
    assert half.hu["lung"].total < 0.6 * full.hu["lung"].total
    assert half.hu["lung"].above(100) == 0


def test_a_refused_case_is_left_out_and_counted(project):
    data, _ = project
    refuse(data, "half")
    result = found(project)
    assert (result.cases["train"], result.refused) == (1, 1)
    assert len(result.spacing_mm) == 2


def test_a_case_that_was_not_harmonized_is_told(project):
    data, _ = project
    shutil.rmtree(data / "harmonize" / "half")
    with pytest.raises(Missing, match="run `snakemake"):
        found(project)


def test_without_a_usable_case_it_says_so(project):
    data, cases = project
    with pytest.raises(NothingToPlan, match="no case of split train or val"):
        fingerprint([cases["secret"]], data, centreline)


def test_more_cases_take_no_more_memory(tmp_path):
    cases = lay_out_whole(tmp_path, {f"c{n}": "train" for n in range(12)})
    fingerprint([cases["c0"]], tmp_path, centreline)  # what is loaded once

    def peak(count):
        tracemalloc.start()
        fingerprint(list(cases.values())[:count], tmp_path, centreline)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    smallest_array = np.prod(GRID.shape)  # of a case, at a byte a voxel
    assert peak(12) - peak(2) < 10 * smallest_array / 2


def test_a_core_is_what_has_six_neighbours():
    mask = np.zeros((7, 7, 7), bool)
    mask[1:6, 2:5, 2:5] = True
    expected = np.zeros_like(mask)
    expected[2:5, 3, 3] = True
    assert (core(mask) == expected).all()


def test_a_box_holds_all_with_a_rim():
    mask = np.zeros((9, 9, 9), bool)
    mask[2:4, 5, 6:8] = True
    box = boxed(mask)
    assert box.shape == (4, 3, 4)
    assert box.sum() == mask.sum()
    assert not any(box.take(end, axis).any() for axis in range(3) for end in (0, -1))
