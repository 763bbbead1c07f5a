"""The same slice in sixteen encodings: the same HU, or a refusal that names the encoding."""

import numpy as np
import pydicom
import pytest

from lacaf import volume
from lacaf.cases import Case

IMPLICIT = "CTImage.dcm_LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm"
EXACT = [
    "CTImage.dcm",
    IMPLICIT,
    "CTImage.dcm_LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm",
    "CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm",
    "CTImage.dcm_DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99.dcm",
    "CTImage.dcm_RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm",
    "CTImage.dcm_JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57.dcm",
    "CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm",
    "CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm",
    "CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm",
]
FLAGGED = [
    "CTImage.dcm_JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81.dcm",
    "CTImage.dcm_JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91.dcm",
]
REFUSED = {
    "CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm": "JPEG Baseline",
    "CTImage.dcm_JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51.dcm": "JPEG Extended",
    "CTImage.dcm_JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm": "Spectral Selection",
    "CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm": "Full Progression",
}


@pytest.fixture
def converted(real_data, run, tmp_path):
    """Convert a series of two such slices, its pixels untouched: record and array."""

    def once(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        dataset = pydicom.dcmread(real_data / "ct-transfer-syntaxes" / name)
        for index in range(2):
            dataset.ImagePositionPatient[2] += 5
            dataset.SOPInstanceUID = f"2.25.{index}"
            dataset.save_as(folder / f"{index}.dcm")
        record = run(Case("case1", "p1", folder, None, None, "", "predict"), min_slices=2)
        image = run.folder / "image.nii.gz"
        return record, volume.read(image).array.astype(int) if image.exists() else None

    return once


@pytest.fixture
def plain(converted):
    return converted(IMPLICIT)[1]


def test_all_sixteen_are_here(real_data):
    found = {p.name for p in (real_data / "ct-transfer-syntaxes").glob("CTImage*")}
    assert found == {*EXACT, *FLAGGED, *REFUSED}


def test_the_slice_is_what_it_is_known_to_be(real_data, plain):
    stored = pydicom.dcmread(real_data / "ct-transfer-syntaxes" / IMPLICIT)
    values = stored.pixel_array.astype(int)
    assert (values.min(), values.max()) == (-2000, 2402)
    hu = values * int(stored.RescaleSlope) + int(stored.RescaleIntercept)
    assert np.array_equal(plain[0], np.where(hu < -1500, -1024, hu))
    assert np.array_equal(plain[0], plain[1])


@pytest.mark.parametrize("name", EXACT)
def test_an_encoding_without_loss_gives_the_same_hu(converted, plain, name):
    record, array = converted(name)
    assert record["status"] == "ok", record
    assert np.array_equal(array, plain)
    assert not [flag for flag in record["flags"] if "lossy" in flag]


@pytest.mark.parametrize("name", FLAGGED)
def test_mild_loss_is_flagged(converted, plain, name):
    record, array = converted(name)
    assert "lossy compression: HU are approximate" in record["flags"]
    assert np.abs(array - plain).mean() < 5


@pytest.mark.parametrize("name", REFUSED)
def test_jpeg_that_loses_hu_is_refused_by_name(converted, name):
    record, array = converted(name)
    assert array is None
    assert "not HU: windowed or lossy pixels" in record["refusal"]["finding"]
    assert REFUSED[name] in record["refusal"]["finding"]
