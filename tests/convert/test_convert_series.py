"""Of several CT series the declared rules choose one, or all are listed and none is guessed."""

import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from lacaf import volume

UIDS = {2: "2.25.7001", 3: "2.25.7002", 4: "2.25.7003"}


def copy_series(delivery, number, skip=0, **tags):
    """The same slices again as series ``number`` (by the order of file names), less some."""
    for path in delivery.slices()[skip:]:
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = UIDS[number]
        dataset.SOPInstanceUID += f".{number}"
        dataset.PixelData = (dataset.pixel_array + np.uint16(number)).tobytes()  # to be told by
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path.with_name(f"{path.name}_{number}"))


def first_series(delivery):
    """The delivery, whose ``slices`` stay those of its first series when others come."""
    files = delivery.slices()
    delivery.slices = lambda: files
    return delivery


@pytest.fixture
def several(deliver):
    """Series 1 STANDARD 3 mm, 2 B70f 3 mm, 3 B31f 3 mm, 4 B31f 5 mm; as many slices each."""
    delivery = first_series(deliver(storage="unsigned -1024"))
    copy_series(delivery, 2, ConvolutionKernel="B70f")
    copy_series(delivery, 3, ConvolutionKernel=["B31f", "3"])
    copy_series(delivery, 4, ConvolutionKernel="B31f", SliceThickness="5")
    return delivery


def chosen(run, record):
    """Which series was taken, told by its voxels: the record's word alone would not do."""
    assert record["status"] == "ok", record
    shift = {1: 0, 2: 2, 3: 3, 4: 4}
    lowest = volume.read(run.folder / "image.nii.gz").array
    (number,) = [n for n, more in shift.items() if (lowest == 2000 + more).any()]
    return number


def test_equal_series_are_listed_without_private_data_and_none_is_taken(several, run):
    refusal = run(several.case)["refusal"]
    assert refusal["finding"] == (
        "4 series are equally good (series 1: 26 slices, kernel STANDARD, 3 mm thick; series 2: "
        "26 slices, kernel B70f, 3 mm thick; series 3: 26 slices, kernel B31f, 3 mm thick; "
        "series 4: 26 slices, kernel B31f, 5 mm thick)"
    )
    assert "column series of the case table" in refusal["remedy"]
    assert "2.25" not in str(refusal)


@pytest.mark.parametrize(
    ("rules", "number", "why"),
    [
        ({"prefer_kernels": ["B70f"]}, 2, "the preferred kernel"),
        ({"prefer_kernels": ["Br4*", "b7*", "STANDARD"]}, 2, "the preferred kernel"),
        ({"prefer_kernels": ["STANDARD", "B31f"]}, 1, "the preferred kernel"),
        (
            {"prefer_kernels": ["B31f"], "prefer_thickness_mm": 0.0},
            3,
            "the preferred thickness",
        ),
        ({"prefer_thickness_mm": 6.0}, 4, "the preferred thickness"),
    ],
)
def test_a_preference_decides(several, run, rules, number, why):
    record = run(several.case, **rules)
    assert chosen(run, record) == number
    assert record["chosen"]["series"] == number
    assert record["chosen"]["why"] == f"the axial CT series with {why}"
    assert record["chosen"]["candidates"] == 4
    assert record["left_aside"] == {"CT series that the rules do not prefer": 78}


def test_a_preference_that_nothing_matches_changes_nothing(several, run):
    record = run(several.case, prefer_kernels=["Qr40"])
    assert "4 series are equally good" in record["refusal"]["finding"]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("by", ["number", "uid"])
def test_the_case_table_may_name_a_series(several, run, number, by):
    uid = UIDS.get(number) or str(pydicom.dcmread(several.slices()[0]).SeriesInstanceUID)
    record = run(replace(several.case, series=uid if by == "uid" else str(number)))
    assert chosen(run, record) == number
    assert record["chosen"]["why"] == "the series that the case table names"
    assert record["left_aside"] == {"CT series that the case table does not name": 78}
    assert uid not in json.dumps(record)


@pytest.mark.parametrize("series", ["5", "2.25.9999"])
def test_a_series_that_is_not_there_is_refused_and_not_quoted(several, run, series):
    refusal = run(replace(several.case, series=series))["refusal"]
    assert "it does not hold the series that the case table names; it holds series 1:" in str(
        refusal
    )
    assert "9999" not in str(refusal)


def test_a_named_series_must_still_be_one(several, run):
    several.edit(lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 0, 0, -1]))
    refusal = run(replace(several.case, series="1"))["refusal"]
    assert "no axial CT series, beside 78 × CT series that the case table" in refusal["finding"]


def test_a_slice_or_two_more_are_no_reason(deliver, run):
    delivery = first_series(deliver())
    copy_series(delivery, 2, skip=2)
    assert "2 series are equally good" in run(delivery.case)["refusal"]["finding"]
    copy_series(delivery, 3, skip=4)
    for path in delivery.case.source.glob("*_2"):
        path.unlink()
    record = run(delivery.case)
    assert record["chosen"]["why"] == "the axial CT series with most slices"
    assert record["left_aside"] == {"CT series with fewer slices": 22}


def test_another_patients_series_does_no_harm_once_one_is_named(deliver, run):
    delivery = first_series(deliver())
    copy_series(delivery, 2, skip=4, PatientID="somebody else")
    assert run(delivery.case)["refusal"]["finding"] == "it holds CT of 2 patients"
    assert run(replace(delivery.case, series="1"))["status"] == "ok"


@pytest.mark.parametrize(
    "kind",
    [["DERIVED", "SECONDARY", "AXIAL", "CT_SOM5 MIP"], ["DERIVED", "SECONDARY", "SCREEN SAVE"]],
)
def test_projections_and_screenshots_are_no_slices(deliver, run, kind):
    delivery = first_series(deliver())
    copy_series(delivery, 2, ImageType=kind)
    record = run(delivery.case)
    assert record["status"] == "ok"
    assert record["left_aside"] == {"projection or screenshot": 26}


def test_processed_images_are_flagged(deliver, run):
    delivery = first_series(deliver())
    delivery.edit(lambda d: setattr(d, "ImageType", ["DERIVED", "SECONDARY", "AXIAL"]))
    assert run(delivery.case)["flags"] == [
        "ImageType is DERIVED: the images were processed after reconstruction"
    ]


def test_a_kernel_that_may_be_somebodys_word_is_compared_and_not_shown(deliver, run):
    delivery = first_series(deliver())
    copy_series(delivery, 2, ConvolutionKernel="Dr Doe's own")
    refusal = run(delivery.case)["refusal"]
    assert "series 2: 26 slices, kernel other" in refusal["finding"]
    record = run(delivery.case, prefer_kernels=["dr doe*"])
    assert record["chosen"]["series"] == 2
    assert "Doe" not in json.dumps(record)
