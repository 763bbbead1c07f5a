"""What scanners make: real CTs are converted, or refused for what is really wrong with them."""

import time

import numpy as np
import pytest

from lacaf import volume
from lacaf.cases import Case


def a_ct(path, labels=None):
    coding, side = ("artery_only", "both") if labels else (None, "")
    return Case("case1", "patient1", path, labels, coding, side, "predict")


def test_jpeg_ls_with_undeclared_padding(run, real_data):
    start = time.perf_counter()
    record = run(a_ct(real_data / "nlst-101287"))
    print(f"nlst-101287: {time.perf_counter() - start:.1f} s")
    image = volume.read(run.folder / "image.nii.gz")
    assert image.grid.shape == (143, 512, 512)
    assert image.grid.spacing_mm == pytest.approx((2.0, 0.54, 0.54))
    assert record["image"]["orientation"] == "LPS"
    assert image.array.min() > -1500
    assert 0.1 < record["chosen"]["padding_share"] < 0.3
    assert record["left_aside"] == {"not DICOM": 2}


def test_a_packed_folder_of_ct_contours_plan_and_dose(run, real_data):
    (packed,) = (real_data / "lung1-rtstruct").glob("*.tar.xz")
    record = run(a_ct(packed))
    assert record["status"] == "ok"
    assert record["left_aside"] == {"RTDOSE": 1, "RTPLAN": 1, "RTSTRUCT": 1}
    assert record["image"]["shape_zyx"] == [134, 512, 512]
    assert record["image"]["spacing_mm_zyx"] == pytest.approx([3.0, 0.97656, 0.97656], abs=1e-4)
    assert record["image"]["hu_range"] == [-1024, 3034]


def test_nrrd_and_dicom_of_one_scan_agree_voxel_by_voxel(run, real_data):
    folder = real_data / "cip-10002K"
    assert run(a_ct(folder / "ct-64Dicom"))["kind"] == "dicom"
    dicom = volume.read(run.folder / "image.nii.gz")
    assert run(a_ct(folder / "ct-64.nrrd"))["kind"] == "nrrd"
    nrrd = volume.read(run.folder / "image.nii.gz")
    assert np.array_equal(dicom.array, nrrd.array)
    assert np.abs(dicom.grid.corners_mm() - nrrd.grid.corners_mm()).max() < 0.05


def test_a_cropped_nifti_with_labels_on_another_grid(run, real_data):
    folder = real_data / "ts-pulmonary-report"
    record = run(a_ct(folder / "ct_cropped.nii.gz", folder / "heart.nii.gz"))
    assert record["status"] == "ok"
    assert record["labels"]["files"]["labels.nii.gz"]["on_image_grid"] is False
    record = run(a_ct(folder / "ct_cropped.nii.gz", folder / "pulmonary_artery.nii.gz"))
    assert record["labels"]["files"]["labels.nii.gz"]["on_image_grid"] is True
    assert record["labels"]["files"]["labels.nii.gz"]["voxels"] == {"1": 14261}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("gantry-tilt-head/ge_tilt.tar.xz", "gantry tilt: the slices are stacked 18.5 degrees"),
        ("sbu-mixed-planes", "5 × CT that is not axial"),
        ("lidc-small-slices/lidc_small.tar.xz", "too few slices (series 1: 16 slices"),
        ("ct-transfer-syntaxes", "too few slices"),
        ("ts-pulmonary-report/heart.nii.gz", "no Hounsfield units of a chest"),
    ],
)
def test_what_is_no_chest_volume_is_refused_for_its_reason(run, real_data, source, reason):
    record = run(a_ct(real_data / source))
    assert record["status"] == "refused"
    assert reason in record["refusal"]["finding"]


def test_a_tilt_that_is_resampled_does_not_hide_uneven_spacing(run, real_data):
    record = run(a_ct(real_data / "gantry-tilt-head" / "ge_tilt.tar.xz"), tilt="resample")
    assert "gap" in record["refusal"]["finding"]
