"""Lungs in real CTs against what experts drew."""

import tarfile

import numpy as np
import pytest
from thorax import dice

from lacaf.records import Refusal
from lacaf.volume import Grid, Volume, resample

sitk = pytest.importorskip("SimpleITK")


def as_volume(image):
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image)
    return Volume(array, Grid(array.shape, affine))


def series(folder):
    reader = sitk.ImageSeriesReader()
    names = [
        reader.GetGDCMSeriesFileNames(str(folder), i) for i in reader.GetGDCMSeriesIDs(str(folder))
    ]
    reader.SetFileNames(max(names, key=len))
    image = as_volume(reader.Execute())
    return Volume(image.array.astype(np.int16), image.grid)


def scores(lungs, truth):
    """DSC of the left and the right lung on the truth's grid."""
    found = resample(lungs, truth.grid, "nearest").array
    return [dice(found == value, truth.array == value) for value in (1, 2)]


def test_a_low_dose_screening_ct(cropped, real_data):
    details, working, _ = cropped(series(real_data / "nlst-101287" / "dicom"))
    assert 1500 < details["lungs_ml"]["left"] < details["lungs_ml"]["right"] < 3500
    assert working.array.min() >= -1024, "padding of -2048 is gone"


def test_a_tumour_case_against_the_contours_of_the_radiotherapists(cropped, real_data, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    with tarfile.open(next((real_data / "lung1-rtstruct").glob("*.tar.xz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = next(p.parent for p in tmp_path.rglob("*.dcm"))
    image = series(folder)
    structures = next(
        found
        for found in (pydicom.dcmread(p) for p in folder.iterdir() if p.stat().st_size > 600_000)
        if found.Modality == "RTSTRUCT"
    )
    truth = Volume(_contours(structures, image.grid), image.grid)
    _, _, lungs = cropped(image)
    assert min(scores(lungs, truth)) > 0.93


def _contours(structures, grid):
    from skimage.draw import polygon

    names = {roi.ROINumber: roi.ROIName for roi in structures.StructureSetROISequence}
    out = np.zeros(grid.shape, np.uint8)
    for roi in structures.ROIContourSequence:
        value = {"Lung L": 1, "Lung R": 2}.get(names[roi.ReferencedROINumber])
        if value is None:
            continue
        mask = np.zeros(grid.shape, bool)
        for contour in roi.ContourSequence:
            index = grid.to_index(np.array(contour.ContourData, float).reshape(-1, 3))
            rows, columns = polygon(index[:, 1], index[:, 2], grid.shape[1:])
            mask[round(index[0, 0]), rows, columns] ^= True
        out[mask] = value
    return out


def test_a_ct_of_four_millimetre_voxels_against_its_lung_mask(cropped, real_data):
    folder = real_data / "cip-10002K"
    image = as_volume(sitk.ReadImage(str(folder / "ct-64.nrrd")))
    drawn = as_volume(sitk.ReadImage(str(next(folder.glob("*_leftLungRightLung.nrrd")))))
    coded = Volume(np.array([0, 0, 2, 1], np.uint8)[drawn.array], drawn.grid)
    truth = resample(coded, image.grid, "nearest")
    _, _, lungs = cropped(image)
    assert min(scores(lungs, truth)) > 0.95


def test_an_abdomen_is_refused(cropped, real_data):
    path = real_data / "ts-example-abdomen" / "example_ct.nii.gz"
    with pytest.raises(Refusal, match="at least 100 ml each"):
        cropped(as_volume(sitk.ReadImage(str(path))))


def test_a_heart_scan_that_cuts_the_lungs_is_refused(cropped, real_data):
    path = real_data / "ts-pulmonary-report" / "ct_cropped.nii.gz"
    with pytest.raises(Refusal, match="cut off"):
        cropped(as_volume(sitk.ReadImage(str(path))))
