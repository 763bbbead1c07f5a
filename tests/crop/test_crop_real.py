"""Lungs in real CTs against what experts drew, and real data that cannot be cropped."""

import tarfile

import numpy as np
import pytest
from thorax import dice

from lacaf.crop.coarse import coarse
from lacaf.crop.lungs import find
from lacaf.crop.sampling import integer_hu, sample
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume, resample, upright_grid_around

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


def unpacked(archive, folder):
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder


def scores(lungs, truth):
    """DSC of the left and the right lung on the truth's grid."""
    found = resample(lungs, truth.grid, "nearest").array
    return [dice(found == value, truth.array == value) for value in (1, 2)]


@pytest.fixture(scope="module")
def screening(real_data):
    return series(real_data / "nlst-101287" / "dicom")


@pytest.fixture(scope="module")
def tumour_case(real_data, tmp_path_factory):
    """CT and contours of LUNG1-001: lungs (1 left, 2 right) and the tumour."""
    pydicom = pytest.importorskip("pydicom")
    archive = next((real_data / "lung1-rtstruct").glob("*.tar.xz"))
    root = unpacked(archive, tmp_path_factory.mktemp("lung1"))
    folder = next(p.parent for p in root.rglob("*.dcm"))
    image = series(folder)
    large = (pydicom.dcmread(p) for p in folder.iterdir() if p.stat().st_size > 600_000)
    structures = next(found for found in large if found.Modality == "RTSTRUCT")
    lungs = contours(structures, image.grid, {"Lung L": 1, "Lung R": 2})
    return image, Volume(lungs, image.grid), contours(structures, image.grid, {"GTV-1": 1}) > 0


def contours(structures, grid, values):
    """Contours as a mask; a pixel whose centre lies inside an odd number of them is in."""
    from skimage.draw import polygon

    names = {roi.ROINumber: roi.ROIName for roi in structures.StructureSetROISequence}
    out = np.zeros(grid.shape, np.uint8)
    for roi in structures.ROIContourSequence:
        value = values.get(names[roi.ReferencedROINumber])
        if value is None:
            continue
        mask = np.zeros(grid.shape, bool)
        for contour in roi.ContourSequence:
            index = grid.to_index(np.array(contour.ContourData, float).reshape(-1, 3))
            rows, columns = polygon(index[:, 1], index[:, 2], grid.shape[1:])
            mask[round(index[0, 0]), rows, columns] ^= True
        out[mask] = value
    return out


def test_a_low_dose_screening_ct(cropped, screening):
    details, working, lungs = cropped(screening)
    assert 1500 < details["lungs_ml"]["left"] < details["lungs_ml"]["right"] < 3500
    assert working.array.min() >= -1024, "padding of -2048 is gone"
    assert details["flags"] == []
    facts = details["orientation"]
    assert facts["couch"] == "behind"
    assert facts["left_right"]["against"] == 0
    # gas of the bowel, at the left and front below the domes, is no lung
    bowel = Grid.upright((1, 1, 1), 1.0, (66.0, -62.0, 935.0))
    near = working.grid.to_index(bowel.corners_mm()[:1]).round().astype(int)[0]
    part = tuple(slice(max(n - 8, 0), n + 9) for n in near)
    assert not ((working.array[part] < -950) & (lungs.array[part] > 0)).any()


def test_the_slit_of_air_over_a_couch_is_no_trachea(screening):
    found = find(coarse(screening), 100.0)
    y = {
        name: np.nonzero(mask)[1] for name, mask in (("tree", found.airways), ("lung", found.mask))
    }
    assert y["tree"].max() < np.quantile(y["lung"], 0.9)
    assert np.nonzero(found.airways)[0].mean() > np.nonzero(found.mask)[0].mean()


def test_a_tumour_case_against_the_contours_of_the_radiotherapists(cropped, tumour_case):
    """The contours leave out the tumour, which we leave out or take in by its place.

    So the left lung is measured as drawn, and without what the experts call tumour.
    """
    image, truth, tumour = tumour_case
    details, _, lungs = cropped(image)
    assert min(scores(lungs, truth)) >= 0.95
    found = resample(lungs, truth.grid, "nearest").array
    beside = ~tumour
    for value in (1, 2):
        assert dice((found == value) & beside, (truth.array == value) & beside) >= 0.95
    assert details["flags"] == []
    assert details["orientation"]["left_right"]["against"] == 0


def cip(real_data):
    folder = real_data / "cip-10002K"
    mask = next(folder.glob("*_leftLungRightLung.nrrd"))
    image = as_volume(sitk.ReadImage(str(folder / "ct-64.nrrd")))
    drawn = as_volume(sitk.ReadImage(str(mask)))  # 2 right, 3 left
    coded = Volume(np.array([0, 0, 2, 1], np.uint8)[drawn.array], drawn.grid)
    return image, coded, mask


def test_a_ct_of_four_millimetre_voxels_against_its_lung_mask(cropped, real_data):
    image, truth, _ = cip(real_data)
    details, _, lungs = cropped(image)
    assert min(scores(lungs, truth)) >= 0.97
    assert details["orientation"]["couch"] == "behind", "a couch of foam is seen and no lung"


def test_the_given_mask_of_a_data_set_in_its_own_numbers(cropped, real_data):
    image, truth, path = cip(real_data)
    details, _, lungs = cropped(image, masks=[path], lungs="given", spacing_mm=2.0)
    assert min(scores(lungs, truth)) > 0.985
    assert details["method"]["values"] == [2, 3]


@pytest.mark.parametrize(
    ("flips", "words"),
    [
        ((-1, 1, 1), "the lungs stand on their heads"),
        ((1, -1, 1), "bone in the midline lies in front of the lungs' middle"),
        ((1, -1, -1), "the couch in front"),
        ((1, 1, -1), "5 of 5 signs are contrary"),
    ],
)
def test_a_real_ct_whose_axes_were_flipped(cropped, screening, flips, words):
    place = tuple(slice(None, None, f) for f in flips)
    small = sample(screening, upright_grid_around(screening.grid.corners_mm(), 2.5))
    spoilt = integer_hu(Volume(np.ascontiguousarray(small.array[place]), small.grid))
    if "signs" in words:
        details, _, _ = cropped(spoilt, spacing_mm=4.0)
        assert any(words in flag for flag in details["flags"])
    else:
        with pytest.raises(Refusal, match=words):
            cropped(spoilt, spacing_mm=4.0)


def test_an_abdomen_is_refused(cropped, real_data):
    path = real_data / "ts-example-abdomen" / "example_ct.nii.gz"
    with pytest.raises(Refusal, match="at least 100 ml each"):
        cropped(as_volume(sitk.ReadImage(str(path))))


def test_a_heart_scan_that_cuts_the_lungs_is_refused(cropped, real_data):
    path = real_data / "ts-pulmonary-report" / "ct_cropped.nii.gz"
    with pytest.raises(Refusal, match="cut off"):
        cropped(as_volume(sitk.ReadImage(str(path))))


@pytest.mark.parametrize("patient", ["0001", "0002", "0003"])
def test_a_slab_of_a_chest_is_refused(cropped, real_data, tmp_path, patient):
    archive = real_data / "lidc-small-slices" / "lidc_small.tar.xz"
    root = unpacked(archive, tmp_path / "lidc")
    folder = next(p for p in root.rglob(f"*{patient}*") if p.is_dir())
    folder = next(p.parent for p in folder.rglob("*.dcm"))
    with pytest.raises(Refusal, match=r"cut off at the|ml of lung|ml each"):
        cropped(series(folder))


def test_a_head_is_refused(cropped, real_data, tmp_path):
    archive = real_data / "gantry-tilt-head" / "ge_tilt.tar.xz"
    files = [p for p in unpacked(archive, tmp_path / "head").rglob("*") if p.is_file()]
    pydicom = pytest.importorskip("pydicom")
    slices = sorted((pydicom.dcmread(p) for p in files), key=lambda s: s.ImagePositionPatient[2])
    hu = np.stack([s.pixel_array * s.RescaleSlope + s.RescaleIntercept for s in slices])
    spacing = (*map(float, slices[0].PixelSpacing), 5.0)
    with pytest.raises(Refusal, match="ml of lung in the image"):
        cropped(Volume(hu.astype(np.int16), Grid.upright(hu.shape, spacing)))
