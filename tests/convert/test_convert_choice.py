"""What comes in beside the CT does not matter, and the form it comes in neither."""

import shutil
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from lacaf import volume


def converted(run):
    return volume.read(run.folder / "image.nii.gz")


def another_series(delivery, count, name, **tags):
    for path in delivery.slices()[:count]:
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = f"2.25.{len(name)}{count}"
        dataset.SOPInstanceUID += f".{count}"
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path.with_name(path.name + name))


def test_the_largest_axial_ct_is_chosen_and_the_rest_is_counted(deliver, run):
    delivery = deliver(stray="both")
    run(delivery.case)
    alone = converted(run)
    another_series(delivery, 22, "few")
    another_series(delivery, 26, "coronal", ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    another_series(delivery, 26, "mr", Modality="MR")
    another_series(delivery, 3, "screens", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    copied = delivery.slices()[0]
    shutil.copy(copied, copied.with_name("copy of it"))
    record = run(delivery.case)
    assert record["status"] == "ok", record
    assert record["chosen"]["why"] == "the axial CT series with most slices"
    assert (record["chosen"]["slices"], record["chosen"]["candidates"]) == (26, 2)
    assert record["left_aside"] == {
        "CT series with fewer slices": 22,
        "CT that is not axial": 26,
        "MR": 26,
        "exact copy of another file": 1,
        "localizer": 1,
        "not DICOM": 1,
        "secondary capture": 3,
    }
    assert np.array_equal(converted(run).array, alone.array)
    assert converted(run).grid.same_as(alone.grid)


def test_the_record_says_what_came_in(deliver, run):
    record = run(deliver(storage="unsigned -1024", syntax="jpeg-ls", swap=True).case)
    assert record["kind"] == "dicom"
    assert record["chosen"] == {
        "why": "the only axial CT series",
        "series": 1,
        "candidates": 1,
        "slices": 26,
        "modality": "CT",
        "kernel": "STANDARD",
        "slice_thickness_mm": 3.0,
        "transfer_syntax": ["JPEG-LS Lossless Image Compression"],
        "rescale": [{"slope": 1.0, "intercept": -1024.0}],
        "padding_share": 0.0,
    }
    assert record["image"]["shape_zyx"] == [26, 44, 30]
    assert record["image"]["spacing_mm_zyx"] == [3.0, 2.0, 2.4]
    assert record["image"]["orientation"] == "PLI"
    assert record["flags"] == []


def test_an_archive_is_as_good_as_its_folder(deliver, run, tmp_path):
    delivery = deliver(nested=True)
    run(delivery.case)
    expected = converted(run)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in delivery.case.source.rglob("IM*"):
            archive.write(path, f"../{path.name}")  # a path that must not be followed
    for name in ("a.tar", "a.tar.gz", "a.tar.xz"):
        with tarfile.open(tmp_path / name, "w:" + name.partition("tar")[2].strip(".")) as archive:
            archive.add(delivery.case.source, "deep/er")
    for name in ("a.zip", "a.tar", "a.tar.gz", "a.tar.xz"):
        record = run(replace(delivery.case, source=tmp_path / name))
        assert record["archive"] == name[2:5], record
        assert np.array_equal(converted(run).array, expected.array)
        assert converted(run).grid.same_as(expected.grid)


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "ct.mhd"])
def test_volume_files_give_the_same_voxels_in_the_same_places(deliver, run, tmp_path, name):
    delivery = deliver(flip_x=True, turn_degrees=(1.0, 2.0, 3.0))
    run(delivery.case)
    expected = converted(run)
    path = tmp_path / "file" / name
    path.parent.mkdir()
    if ".nii" in name:
        volume.write(expected, path)
    else:
        image = sitk.GetImageFromArray(expected.array)
        spacing = np.array(expected.grid.spacing_mm[::-1])
        image.SetSpacing(spacing.tolist())
        image.SetDirection((expected.grid.affine[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(expected.grid.affine[:3, 3].tolist())
        sitk.WriteImage(image, str(path))
    for source in (path, path.parent):  # the file, or the folder that holds it alone
        record = run(replace(delivery.case, source=source))
        assert record["status"] == "ok", record
        assert record["kind"] == name.split(".")[1].replace("nii", "nifti").replace("mhd", "mha")
        assert np.array_equal(converted(run).array, expected.array)
        assert converted(run).grid.same_as(expected.grid)


def test_fractions_of_a_hu_are_rounded_and_flagged(deliver, run, phantom, tmp_path):
    image = phantom.image
    volume.write(volume.Volume(image.array + np.float32(0.25), image.grid), tmp_path / "a.nii.gz")
    record = run(replace(deliver().case, source=tmp_path / "a.nii.gz"))
    assert record["flags"] == ["fractions of a HU were rounded"]
    assert np.array_equal(converted(run).array, image.array)


@pytest.mark.parametrize(
    ("stored", "declared"),
    [(-2000, None), (-3024, None), (-2000, -2000), (-1200, -1200), (-1200, 65536 - 1200)],
)
def test_padding_outside_the_field_of_view_becomes_air(deliver, run, stored, declared):
    def pad(dataset):
        pixels = dataset.pixel_array.copy()
        pixels[:3] = stored
        dataset.PixelData = pixels.tobytes()
        if declared:
            dataset.add_new("PixelPaddingValue", "SS" if declared < 0 else "US", declared)

    delivery = deliver(storage="signed 0")
    run(delivery.case)
    plain = converted(run).array
    delivery.edit(pad)
    record = run(delivery.case)
    padded = converted(run).array
    assert (padded[:, :3] == -1024).all()
    assert np.array_equal(padded[:, 3:], plain[:, 3:])
    assert record["chosen"]["padding_share"] == pytest.approx(0.1)


def test_a_declared_padding_that_means_tissue_is_not_believed(deliver, run):
    delivery = deliver(storage="signed 0")
    run(delivery.case)
    plain = converted(run).array
    delivery.edit(lambda d: d.add_new("PixelPaddingValue", "SS", 40))
    record = run(delivery.case)
    assert np.array_equal(converted(run).array, plain)
    assert record["flags"] == ["PixelPaddingValue would be 40 HU, which is tissue; it was ignored"]


def test_a_fractional_slope_and_unused_high_bits_are_heeded(deliver, run):
    def store(dataset):
        stored = (dataset.pixel_array.astype(int) * 2).astype(np.uint16)
        dataset.BitsStored, dataset.HighBit = 13, 12
        dataset.PixelData = (stored | 0xE000).tobytes()  # an overlay in the unused bits
        dataset.RescaleSlope = "0.5"

    delivery = deliver(storage="unsigned -1024")
    run(delivery.case)
    plain = converted(run).array
    delivery.edit(store)
    run(delivery.case)
    assert np.array_equal(converted(run).array, plain)


def test_labels_keep_negative_and_unknown_values(deliver, run):
    delivery = deliver("artery1_vein2")
    labels = volume.read(delivery.case.labels)
    array = labels.array.astype(np.int16)
    array[0, 0, :5] = -999
    volume.write(volume.Volume(array, labels.grid), delivery.case.labels)
    record = run(delivery.case)
    assert record["labels"]["files"]["labels.nii.gz"]["voxels"]["-999"] == 5
    assert np.array_equal(volume.read(run.folder / "labels.nii.gz").array, array)
