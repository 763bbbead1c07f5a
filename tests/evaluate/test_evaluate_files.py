"""Any two label volumes: formats, orders of axes, codings, coverage."""

from itertools import permutations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from lacaf.classes import CLASSES
from lacaf.evaluate import coding, evaluate, read_coverage, scales_of
from lacaf.evaluate.scoring import Scales
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume, write

TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def oblique(grid):
    affine = grid.affine.copy()
    affine[:3, :3] = TURN @ affine[:3, :3]
    return Grid(grid.shape, affine)


def write_itk(array, grid, path):
    image = sitk.GetImageFromArray(array)
    spacing = np.linalg.norm(grid.affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetDirection((grid.affine[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, path)


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".mhd", ".nii"])
def test_every_format_gives_the_same_scores(tmp_path, labels, oblique, ending):
    prediction = np.roll(labels, 1, axis=1)
    write(Volume(labels, oblique), tmp_path / "reference.nii.gz")
    write(Volume(prediction, oblique), tmp_path / "prediction.nii.gz")
    path = tmp_path / f"other{ending}"
    if ending == ".nii":
        write(Volume(prediction, oblique), path)
    else:
        write_itk(prediction, oblique, path)
    scores = [
        evaluate(p, tmp_path / "reference.nii.gz", None)["against"]["labelled"]
        for p in (tmp_path / "prediction.nii.gz", path)
    ]
    for name in CLASSES:
        for metric in ("dsc", "nsd_1mm", "hd95_mm", "assd_mm", "cldice"):
            one, two = (s["classes"][name][metric] for s in scores)
            assert one == pytest.approx(two, abs=1e-5)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("mirrored", [(), (0,), (1, 2), (0, 1, 2)])
def test_the_order_in_which_axes_are_stored_does_not_matter(
    tmp_path, labels, oblique, order, mirrored
):
    """The same voxels at the same places in the patient; asymmetric, so that a mix-up shows."""
    labels[4:10, 20:30, 5:12] = 3
    stored = np.flip(labels.transpose(order), mirrored)
    first = np.zeros(3)  # the voxel of the original that is stored first
    affine = np.eye(4)
    for position, axis in enumerate(order):
        back = position in mirrored
        first[axis] = labels.shape[axis] - 1 if back else 0
        affine[:3, 2 - position] = oblique.affine[:3, 2 - axis] * (-1 if back else 1)
    affine[:3, 3] = oblique.to_mm(first)
    paths = tmp_path / "prediction.nii.gz", tmp_path / "reference.nii.gz"
    write(Volume(stored, Grid(stored.shape, affine)), paths[0])
    write(Volume(labels, oblique), paths[1])
    assert evaluate(*paths, None)["against"]["labelled"]["mean"]["dsc"] == 1


@pytest.mark.parametrize("content", [b"", b"this is no image", b"NRRD0004\ntype: nonsense\n\n"])
def test_a_broken_nrrd_is_refused_without_its_name(tmp_path, content):
    broken = tmp_path / "Doe_John.nrrd"
    broken.write_bytes(content)
    with pytest.raises(Refusal, match="the prediction: it cannot be read") as fault:
        evaluate(broken, broken, None)
    assert "Doe" not in str(fault.value)


def test_four_axes_are_refused(tmp_path):
    sitk.WriteImage(sitk.Image([4, 4, 4, 2], sitk.sitkUInt8), tmp_path / "series.nrrd")
    with pytest.raises(Refusal, match="the volume has 4 axes"):
        evaluate(tmp_path / "series.nrrd", tmp_path / "series.nrrd", None)


def test_volumes_that_know_no_sides_have_two_classes(pair, labels):
    two = np.where(labels > 0, 2 - labels % 2, 0).astype(np.uint8)
    details = evaluate(*pair(two, two), None, coding=coding("artery1_vein2", {}))
    assert details["classes"] == ["artery", "vein"]
    scores = details["against"]["labelled"]
    assert list(scores["classes"]) == ["artery", "vein"]
    assert scores["mean"]["dsc"] == 1
    assert scores["classes"]["artery"]["reference_b0"] == 2
    assert scores["identity"]["both"]["accuracy"] == 1


def test_another_order_is_another_coding(pair, labels):
    mine = np.where(labels > 0, 2 - labels % 2, 0).astype(np.uint8)
    theirs = np.where(labels > 0, 1 + labels % 2, 0).astype(np.uint8)
    paths = pair(theirs, mine)
    ours, others = coding("artery1_vein2", {}), coding("vein1_artery2", {})
    right = evaluate(*paths, None, coding=ours, prediction_coding=others)
    wrong = evaluate(*paths, None, coding=ours)
    assert right["against"]["labelled"]["mean"]["dsc"] == 1
    assert wrong["against"]["labelled"]["mean"]["dsc"] == 0


def test_a_prediction_with_sides_is_compared_with_a_reference_without(pair, labels):
    two = np.where(labels > 0, 2 - labels % 2, 0).astype(np.uint8)
    two[:, :, :10] = 7
    details = evaluate(
        *pair(labels, two),
        None,
        coding=coding("1=artery, 2=vein, 7=unknown", {}),
        prediction_coding=coding("four_classes", {}),
    )
    scores = details["against"]["labelled"]
    assert scores["classes"]["artery"]["dsc"] == scores["classes"]["vein"]["dsc"] == 1
    assert scores["classes"]["artery"]["reference_b0"] == 1  # the other artery is unknown


def test_negative_values_and_other_structures_may_be_declared(pair, labels):
    reference = labels.astype(np.int16)
    reference[:, :, :30] = -999
    reference[reference == 0] = 1000
    reference[0] = 0
    spoken = coding("1=left_artery,2=left_vein,1000=other,-999=unknown", {})
    details = evaluate(*pair(np.where(labels > 2, 0, labels), reference), None, coding=spoken)
    entries = details["against"]["labelled"]["classes"]
    assert entries["left_artery"]["dsc"] == entries["left_vein"]["dsc"] == 1
    assert entries["right_artery"]["state"] == entries["right_vein"]["state"] == "unknown"


def test_of_what_a_coding_cannot_express_nothing_is_known(pair, labels):
    arteries = (labels % 2).astype(np.uint8)
    scores = evaluate(*pair(arteries, arteries), None, coding=coding("1=artery", {}))
    classes = scores["against"]["labelled"]["classes"]
    assert classes["vein"]["state"] == "unknown"
    assert classes["vein"]["dsc"] is None
    assert scores["against"]["labelled"]["mean"]["dsc"] == 1


def test_a_value_that_was_not_declared_is_refused_not_dropped(pair, labels):
    paths = pair(labels, labels)
    with pytest.raises(Refusal, match=r"the prediction: holds the value\(s\) 3, 4; expected lab"):
        evaluate(*paths, None, coding=coding("artery1_vein2", {}))
    gap = np.where(labels == 2, 7, labels).astype(np.uint8)
    with pytest.raises(Refusal, match=r"the reference: holds the value\(s\) 7"):
        evaluate(
            *pair(labels, gap),
            None,
            coding=coding("1=artery,3=vein,9=other,4=other", {}),
            prediction_coding=coding("four_classes", {}),
        )


def test_values_may_be_as_large_as_a_program_likes(tmp_path, pair, labels):
    """A table with room for all values between them would take 4 GB."""
    far = np.array([0, 2_000_000_000, *[-2_000_000_000] * 3], np.int32)
    paths = pair(far[labels], labels)
    there = coding("2000000000=left_artery,-2000000000=other", {})
    scores = evaluate(*paths, None, prediction_coding=there)["against"]["labelled"]
    assert [scores["classes"][name]["dsc"] for name in CLASSES] == [1, 0, 0, 0]
    with pytest.raises(Refusal, match=r"prediction: holds the value.s. -2e\+09; expected"):
        evaluate(*paths, None, prediction_coding=coding("2000000000=left_artery", {}))


@pytest.mark.parametrize("kind", [[("R", "u1"), ("G", "u1"), ("B", "u1")], "complex64"])
def test_colours_and_complex_numbers_are_no_labels(tmp_path, kind):
    path = tmp_path / "labels.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.dtype(kind)), np.eye(4)), path)
    with pytest.raises(Refusal, match="prediction: the volume holds colours or complex"):
        evaluate(path, path, None)


@pytest.mark.parametrize("text", ["nonsense", "1=aorta", "x=artery", "1=artery,", "0=artery"])
def test_a_coding_that_cannot_be_understood_is_refused(text):
    with pytest.raises(Refusal, match="coding"):
        coding(text, {})


def test_a_coding_of_several_files_is_no_coding_of_a_volume(pair, labels):
    with pytest.raises(Refusal, match="does not say what label values mean"):
        evaluate(*pair(labels, labels), None, coding=coding("file_per_vessel", {}))


@pytest.mark.parametrize("content", ['{"left_artery": "yes"}', '{"aorta": "labelled"}', "[]", "x"])
def test_a_coverage_that_cannot_be_understood_is_refused(tmp_path, content):
    (tmp_path / "coverage.json").write_text(content)
    with pytest.raises(Refusal, match="the coverage: it does not say what is labelled"):
        read_coverage(tmp_path / "coverage.json")


def test_a_class_that_the_coverage_does_not_name_is_unknown(tmp_path, pair, labels):
    (tmp_path / "coverage.json").write_text('{"left_artery": "labelled", "left_vein": "absent"}')
    states = read_coverage(tmp_path / "coverage.json")
    scores = evaluate(*pair(labels, labels), states)["against"]["labelled"]
    found = {name: entry["state"] for name, entry in scores["classes"].items()}
    expected = ("labelled", "absent", "unknown", "unknown")
    assert found == dict(zip(CLASSES, expected, strict=True))


def test_what_is_known_of_arteries_is_known_of_both_sides(pair, labels):
    scores = evaluate(*pair(labels, labels), {"artery": "labelled"})["against"]["labelled"]
    found = {name: entry["state"] for name, entry in scores["classes"].items()}
    expected = ("labelled", "unknown", "labelled", "unknown")
    assert found == dict(zip(CLASSES, expected, strict=True))


def test_scales_are_the_defaults_or_what_was_asked_for():
    assert scales_of(None) == Scales([1.0, 2.0], (1.0, 2.0, 4.0))
    assert scales_of(None, [3.0, 0.5, 3.0]).nsd_tolerances_mm == [0.5, 3.0]
    with pytest.raises(Refusal, match="tolerance"):
        scales_of(None, [0.0])
    for length in (np.nan, np.inf):
        with pytest.raises(Refusal, match="tolerance"):
            scales_of(None, [1.0, length])


def test_real_masks_of_two_grids_are_refused(real_data):
    folder = real_data / "med-rad-lungs/TumorTargetEnvironments/Patient4"
    vessels, fissures = folder / "vessels.nii.gz", folder / "fissures.nii.gz"
    with pytest.raises(Refusal, match=r"prediction has .* voxels of .* reference has .* voxels"):
        evaluate(fissures, vessels, None, coding=coding("1=artery", {}))
