"""Bad input is refused with its reason; it never becomes a silently wrong volume."""

import shutil

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from lacaf import volume
from lacaf.cases import Case
from lacaf.grid import Grid
from lacaf.volume import Volume


def finding(record):
    """The refusal in one line; nothing may be left behind but the record."""
    assert record["status"] == "refused", record
    refusal = record["refusal"]
    assert refusal["stage"] == "convert"
    assert refusal["expectation"]
    assert refusal["remedy"]
    return f"{refusal['file']}: {refusal['finding']}"


def drop_slice(delivery):
    delivery.slices()[10].unlink()


def drop_slices(delivery):
    for path in delivery.slices()[5:]:
        path.unlink()


def repeat_place(delivery):
    twin = delivery.slices()[7].with_name("TWIN")
    shutil.copy(delivery.slices()[7], twin)
    dataset = pydicom.dcmread(twin)
    dataset.SOPInstanceUID = generate_uid()
    dataset.save_as(twin)


def tilt(delivery):
    def shift(dataset):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y + 0.2 * z, z]

    delivery.edit(shift)


def move_one(delivery):
    def shift(dataset):
        dataset.ImagePositionPatient[0] += 5

    delivery.edit(shift, slice(12, 13))


def space_unevenly(delivery):
    def shift(dataset):
        dataset.ImagePositionPatient[2] += 0.4

    delivery.edit(shift, slice(9, 10))


def mix_planes(delivery):
    delivery.edit(lambda d: setattr(d, "ImageOrientationPatient", [1, 0, 0, 0, 0, -1]), slice(4, 8))


def mix_matrix(delivery):
    def crop(dataset):
        dataset.PixelData = dataset.pixel_array[:-2].tobytes()
        dataset.Rows -= 2

    delivery.edit(crop, slice(3, 4))


def set_tags(which=slice(None), **tags):
    def change(delivery):
        def edit(dataset):
            for keyword, value in tags.items():
                if value is None:
                    delattr(dataset, keyword)
                else:
                    setattr(dataset, keyword, value)

        delivery.edit(edit, which)

    return change


def set_syntax(uid):
    """Claim another transfer syntax: written over in the file, as pydicom would not."""

    def change(delivery):
        for path in delivery.slices():
            old, new = b"1.2.840.10008.1.2.1\x00", uid.encode()
            content = path.read_bytes()
            at = content.index(old)
            length = len(new) + len(new) % 2
            new = new.ljust(length, b"\x00")
            group = int.from_bytes(content[140:144], "little") + length - len(old)
            content = content[:140] + group.to_bytes(4, "little") + content[144:]
            content = content[: at - 2] + length.to_bytes(2, "little") + new + content[at + 20 :]
            path.write_bytes(content)

    return change


def cut_file(delivery):
    path = delivery.slices()[6]
    path.write_bytes(path.read_bytes()[:-500])


def add_equal_series(delivery):
    for path in delivery.slices():
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = "2.25.4"
        dataset.SOPInstanceUID = generate_uid()
        dataset.ConvolutionKernel = "B70f"
        dataset.save_as(path.with_name(path.name + "b"))


def add_patient(delivery):
    for path in delivery.slices()[:22]:
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = "2.25.4"
        dataset.SOPInstanceUID = generate_uid()
        dataset.PatientID = "somebody else"
        dataset.save_as(path.with_name(path.name + "b"))


def keep_text_only(delivery):
    for path in delivery.slices():
        path.unlink()
    (delivery.case.source / "report.txt").write_text("nothing here")


LOSSY, NO_DECODER = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.100"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_slice, "missing slice: a gap of 6.00 mm after slice 10 of 25"),
        (drop_slices, "too few slices (series 1: 5 slices, kernel STANDARD, 3 mm thick)"),
        (repeat_place, "1 slices lie where another one lies, the first at slice 8"),
        (tilt, "gantry tilt: the slices are stacked 11.3 degrees off their normal"),
        (move_one, "slice 13 lies 5.00 mm beside the line of the others"),
        (space_unevenly, "uneven slice spacing: 2.600 to 3.400 mm, slice 10 is 0.400 mm off"),
        (mix_planes, "the slices lie in 2 different planes or directions"),
        (mix_matrix, "28x44 pixels of 2.4x2 mm, others have 30x44"),
        (set_tags(ImagePositionPatient=None), "ImagePositionPatient is missing"),
        (set_tags(PixelSpacing=None), "PixelSpacing is missing or unreadable in 26 of 26"),
        (set_tags(slice(2, 3), ImageOrientationPatient=None), "in 1 of 26 slices"),
        (set_tags(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "no axial CT series"),
        (set_tags(ImageOrientationPatient=[1, 0, 0, 0, 2, 0]), "no unit vectors"),
        (set_tags(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]), "26 × CT that is not axial"),
        (set_tags(PixelSpacing=[0.01, 0.01]), "its voxels measure 3 x 0.01 x 0.01 mm"),
        (set_tags(RescaleSlope=None), "not in Hounsfield units"),
        (set_tags(RescaleSlope=-1), "RescaleSlope is -1"),
        (set_tags(RescaleType="Z_EFF"), "RescaleType is not Hounsfield units"),
        (set_tags(RescaleIntercept=500), "no Hounsfield units of a chest"),
        (set_tags(PhotometricInterpretation="MONOCHROME1"), "not MONOCHROME2"),
        (set_syntax(LOSSY), "windowed or lossy pixels (12 bits, JPEG Baseline (Process 1))"),
        (set_syntax(NO_DECODER), "transfer syntax MPEG2 Main Profile / Main Level cannot"),
        (set_tags(Modality="MR"), "no axial CT series, beside 26 × MR"),
        (set_tags(Modality="DOE JOHN"), "beside 26 × other modality"),
        (set_tags(NumberOfFrames=30), "26 × CT with several frames in a file"),
        (cut_file, "its pixel data break off after 2140 of 2640 bytes"),
        (add_equal_series, "2 series are equally good (series 1: 26 slices, kernel STANDARD"),
        (add_patient, "it holds CT of 2 patients"),
        (keep_text_only, "it holds no DICOM file, 0 volume files and 1 other files"),
    ],
)
def test_a_broken_series_is_refused_with_its_reason(deliver, run, damage, message):
    delivery = deliver()
    assert run(delivery.case)["status"] == "ok"
    damage(delivery)
    text = finding(run(delivery.case))
    assert message in text
    assert "Phantasma" not in text
    assert [p.name for p in run.folder.iterdir()] == ["source.json"]


def test_a_broken_file_is_known_by_its_number_never_by_its_name(deliver, run):
    delivery = deliver()
    files = sorted(delivery.case.source.iterdir())
    files[11].rename(files[11].with_name(files[11].name + "_Doe_John"))
    path = files[11].with_name(files[11].name + "_Doe_John")
    path.write_bytes(path.read_bytes()[:-500])
    text = finding(run(delivery.case))
    assert text.startswith("DICOM file 12: ")
    assert "Doe" not in str(run.folder.joinpath("source.json").read_text())


# Volume files ---------------------------------------------------------------------------------


def a_file(path):
    return Case("case1", "patient1", path, None, None, "", "predict")


def nifti(path, array, affine=None, code=1):
    image = nib.Nifti1Image(array, np.diag([2, 2, 3, 1.0]) if affine is None else affine)
    image.set_sform(image.affine, code)
    image.set_qform(image.affine if affine is None else None, code)
    nib.save(image, path)


def thorax(phantom, dtype=np.int16):
    return phantom.image.array.T.astype(dtype)


def nan_voxel(path, phantom):
    array = thorax(phantom, np.float32)
    array[3, 3, 3] = np.nan
    nifti(path, array)


def sheared(path, phantom):
    affine = np.diag([2, 2, 3, 1.0])
    affine[1, 2] = 1.0
    nifti(path, thorax(phantom), affine)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (nan_voxel, "1 voxels are not finite"),
        (sheared, "gantry tilt: the slices are stacked 18.4 degrees off their normal"),
        (lambda p, f: nifti(p, thorax(f), code=0), "qform and sform codes are 0"),
        (
            lambda p, f: nifti(p, thorax(f)[..., None, None].repeat(2, 4)),
            "x2 voxels of 1 values: 4 axes",
        ),
        (lambda p, f: nifti(p, f.labels.array.T), "no Hounsfield units of a chest"),
        (lambda p, f: nifti(p, thorax(f) + 1024), "no Hounsfield units of a chest"),
        (lambda p, f: nifti(p, thorax(f)[:, :, :9]), "too few slices: 9 from feet to head"),
        (
            lambda p, f: nifti(p, thorax(f), np.diag([2e3, 2e3, 3e3, 1])),
            "measure 3000 x 2000 x 2000 mm",
        ),
        (lambda p, f: p.write_bytes(b"\x1f\x8b no gzip"), "cannot be read"),
    ],
)
def test_a_broken_nifti_is_refused_with_its_reason(run, phantom, tmp_path, write, message):
    path = tmp_path / "Doe_John.nii.gz"
    write(path, phantom)
    text = finding(run(a_file(path)))
    assert message in text
    assert "Doe" not in text


def test_a_nrrd_without_its_space_is_refused(run, phantom, tmp_path):
    path = tmp_path / "ct.nrrd"
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: {} {} {}\nencoding: raw\nendian: little\n"
    shape = phantom.image.array.shape[::-1]
    path.write_bytes(head.format(*shape).encode() + b"\n" + phantom.image.array.tobytes())
    assert "no `space` field" in finding(run(a_file(path)))


@pytest.mark.parametrize("name", ["ct.mha", "ct.nrrd", "ct.mhd"])
def test_a_broken_itk_file_is_refused(run, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"NRRD0004\nspace: left-posterior-superior\n\n")
    assert "cannot be read" in finding(run(a_file(path)))


def test_a_colour_image_is_refused(run, tmp_path):
    path = tmp_path / "ct.mha"
    sitk.WriteImage(sitk.Image([30, 30, 30], sitk.sitkVectorInt16, 3), str(path))
    assert "30x30x30 voxels of 3 values" in finding(run(a_file(path)))


def test_sources_that_are_missing_empty_broken_or_something_else(run, tmp_path):
    assert "there is no such file" in finding(run(a_file(tmp_path / "nowhere")))
    (tmp_path / "empty").mkdir()
    assert "it holds no files" in finding(run(a_file(tmp_path / "empty")))
    for name in ("ct.zip", "ct.tar.gz", "ct.tar.xz"):
        (tmp_path / name).write_bytes(b"this is no archive")
        assert "archive cannot be unpacked" in finding(run(a_file(tmp_path / name)))
    (tmp_path / "ct.pdf").write_bytes(b"%PDF")
    assert "it holds no DICOM file" in finding(run(a_file(tmp_path / "ct.pdf")))
    (tmp_path / "bare.dcm").write_bytes(b"\x08\x00 this only begins like DICOM" * 9)
    assert "refused" in run(a_file(tmp_path / "bare.dcm"))["status"]


# Labels ---------------------------------------------------------------------------------------


def rewrite(change):
    def damage(delivery):
        labels = volume.read(delivery.case.labels)
        volume.write(change(labels), delivery.case.labels)

    return damage


def moved(labels):
    grid = labels.grid
    affine = grid.affine.copy()
    affine[:3, 3] += 500
    return Volume(labels.array, Grid(grid.shape, affine))


def second_file(delivery):
    path = delivery.case.labels
    content = path.read_bytes()
    path.unlink()
    path.mkdir()
    for name in ("a.nii.gz", "b.nii.gz"):
        (path / name).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d.case.labels.unlink(), "the labels: there is no such file or folder"),
        (lambda d: d.case.labels.write_bytes(b"no gzip"), "the label file: it cannot be read"),
        (rewrite(lambda v: Volume(v.array * np.float32(0.5), v.grid)), "fractions or NaN"),
        (rewrite(moved), "only 0 % of the labelled voxels lie inside the image"),
        (second_file, "the labels: it is a folder with 2 volume files"),
    ],
)
def test_broken_labels_are_refused_with_their_reason(deliver, run, damage, message):
    delivery = deliver("artery1_vein2")
    damage(delivery)
    assert message in finding(run(delivery.case))


def test_a_folder_of_labels_must_fit_its_coding(deliver, run):
    delivery = deliver("file_per_vessel", "both", "labels")
    folder = delivery.case.labels
    shutil.copy(folder / "artery.nii.gz", folder / "artery_old.nii.gz")
    assert "several files match `artery`" in finding(run(delivery.case))
    for path in folder.iterdir():
        path.rename(path.with_name("x_" + path.name))
    assert "none of its 3 volume files matches `artery*`, `vein*`" in finding(run(delivery.case))
    shutil.rmtree(folder)
    folder.write_bytes(b"")
    assert "the labels: it is one file" in finding(run(delivery.case))
