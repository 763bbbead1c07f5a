"""Each public set in its own format, from the file as it is handed over to the four classes."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from label_objects import rtstruct, save, segmentation
from patient import LEFT, RIGHT, patient

from lacaf import volume
from lacaf.classes import CLASSES, UNKNOWN
from lacaf.coding import Coding, builtin
from lacaf.convert.dicom_labels import Identity
from lacaf.convert.labels import convert_labels
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume, resample

CT = Identity("2.25.11", "2.25.22")


def coded(meaning):
    """The patient's labels with these values for artery and vein."""
    one = patient()
    return np.array([0, meaning["artery"], meaning["vein"]], np.int16)[one.codes.array]


def write_itk(array, grid, path):
    image = sitk.GetImageFromArray(array)
    spacing = np.array(grid.spacing_mm[::-1])
    image.SetSpacing(spacing.tolist())
    image.SetDirection((grid.affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(grid.affine[:3, 3].tolist())
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def through(desk):
    """Label files through convert and harmonize as the stages do it."""

    def run(path, coding, side="both", codings=None, **settings):
        one = patient()
        desk.lay_patient(one, Volume(np.zeros((2, 2, 2), np.uint8), Grid.upright((2, 2, 2), 1.0)))
        (desk.folder / "convert" / "labels.nii.gz").unlink()
        known = {**builtin(), **(codings or {})}
        convert_labels(path, known[coding], one.image, CT, desk.folder / "convert")
        return desk.harmonize(coding, side, codings, **settings)

    return run


def right_classes(got, share=0.95, vessels=(1, 2)):
    """Whether these vessels and their sides are the truth's wherever something is said."""
    one = patient()
    truth = np.zeros(one.codes.array.shape, np.uint8)
    for value, (code, side) in enumerate(((1, LEFT), (2, LEFT), (1, RIGHT), (2, RIGHT)), start=1):
        truth[(one.codes.array == code) & (one.whose == side)] = value
    found = got.labels.array
    inside = (one.lungs.array > 0) & (found != UNKNOWN) & np.isin(one.codes.array, vessels)
    return inside.any() and (found[inside] == truth[inside]).mean() > share


ALL = dict.fromkeys(CLASSES, "labelled")


def test_lacaf_four_classes(through, tmp_path):
    one = patient()
    four = np.where(one.codes.array > 0, one.codes.array + 2 * (one.whose == RIGHT), 0)
    volume.write(Volume(four.astype(np.uint8), one.codes.grid), tmp_path / "av.nii.gz")
    got = through(tmp_path / "av.nii.gz", "four_classes")
    assert got.coverage == ALL
    assert right_classes(got)


def test_lacaf_trap_sides_by_the_arrays_column(through, tmp_path):
    """Its code takes the first columns for the left: with LPS axes they are the right."""
    one = patient()
    column = np.arange(one.codes.array.shape[2]) < one.codes.array.shape[2] // 2
    four = np.where(one.codes.array > 0, one.codes.array + 2 * ~column, 0)
    volume.write(Volume(four.astype(np.uint8), one.codes.grid), tmp_path / "av.nii.gz")
    with pytest.raises(Refusal, match=r"of the left vessels .* ml lie in the right lung"):
        through(tmp_path / "av.nii.gz", "four_classes")


class TestHipas:
    def hand_over(self, folder, overlap=0.0, order=(2, 1, 0)):
        """.npz without a place, artery and vein apart, in an order that no document names."""
        one = patient()
        artery, vein = one.codes.array == 1, one.codes.array == 2
        if overlap:
            shared = np.flatnonzero(artery)[: int(overlap * vein.sum())]
            vein.flat[shared] = True
        for name, mask in (("artery", artery), ("vein", vein)):
            (folder / name).mkdir(parents=True)
            stored = np.ascontiguousarray(mask.transpose(order)[:, ::-1])
            np.savez_compressed(folder / name / "001.npz", data=stored)
        return folder

    def test_separate_arrays_with_the_usual_overlap(self, through, tmp_path):
        got = through(self.hand_over(tmp_path / "case", 0.015), "hipas")
        assert got.coverage == ALL
        assert right_classes(got)
        assert got.checks["overlap_share"] == pytest.approx(0.015, abs=0.001)
        assert any("belong to two vessels: unknown there" in flag for flag in got.flags)

    def test_more_overlap_than_the_set_is_known_for(self, through, tmp_path):
        with pytest.raises(Refusal, match=r"\([34]\.\d% of the smaller\) belong to two vessels"):
            through(self.hand_over(tmp_path / "case", 0.04), "hipas")

    def test_a_set_of_ones_own_may_be_known_for_more(self, through, tmp_path):
        mine = builtin()["hipas"].model_copy(update={"overlap_share": 0.06})
        got = through(self.hand_over(tmp_path / "case", 0.04), "hipas", codings={"hipas": mine})
        assert got.coverage == ALL


def test_airrc_on_a_crop_of_its_own_with_airways(through, tmp_path):
    """1 artery, 2 vein, 3 lumen, 4 wall at 1 mm on a crop: nothing is known beyond it."""
    one = patient()
    box = one.lungs.grid.to_mm(np.argwhere(one.lungs.array > 0))
    low, high = box.min(axis=0), box.max(axis=0) - (0, 0, 30)
    shape = tuple(int(n) for n in (high - low)[::-1])
    crop = Grid.upright(shape, 1.0, tuple(low))
    masks = resample(one.codes, crop, "nearest").array
    airway = (resample(one.image, crop, "linear").array < -940) & (masks == 0)
    masks = np.where(airway, 3, masks).astype(np.uint8)
    path = write_itk(masks, crop, tmp_path / "mask.nrrd")
    got = through(path, "airrc")
    assert got.coverage == ALL
    assert right_classes(got, 0.9)
    assert any("on a grid of their own" in flag for flag in got.flags)
    top = one.codes.grid.to_mm(np.argwhere(got.labels.array >= 0))[:, 2] > high[2] + 2
    assert (got.labels.array.ravel()[top] == UNKNOWN).all()


def test_parse_knows_nothing_of_veins(through, tmp_path):
    one = patient()
    arteries = (one.codes.array == 1).astype(np.uint8)
    volume.write(Volume(arteries, one.codes.grid), tmp_path / "label.nii.gz")
    got = through(tmp_path / "label.nii.gz", "parse2022")
    assert got.coverage == {c: "labelled" if "artery" in c else "unknown" for c in CLASSES}
    assert right_classes(got, vessels=(1,))


class TestCarve14:
    def hand_over(self, folder, named):
        """.mhd with 1 vein, 2 artery and -999 where nobody said which."""
        one = patient()
        values = coded({"artery": 2, "vein": 1})
        values[(values > 0) & ~named] = -999
        return write_itk(values, one.codes.grid, folder / "vessels.mhd")

    def test_the_order_is_its_own(self, through, tmp_path):
        whole = np.ones(patient().codes.array.shape, bool)
        got = through(self.hand_over(tmp_path, whole), "carve14")
        assert got.coverage == ALL
        assert right_classes(got)

    def test_the_usual_order_is_refused_by_anatomy(self, through, tmp_path):
        whole = np.ones(patient().codes.array.shape, bool)
        with pytest.raises(Refusal, match="artery and vein exchanged"):
            through(self.hand_over(tmp_path, whole), "artery1_vein2")

    def test_what_nobody_named_is_unknown(self, through, tmp_path):
        one = patient()
        y = one.codes.grid.to_mm(np.moveaxis(np.indices(one.codes.array.shape), 0, -1))[..., 1]
        got = through(self.hand_over(tmp_path, y > np.median(y)), "carve14")
        silent = (one.codes.array > 0) & (y <= np.median(y)) & (one.lungs.array > 0)
        assert (got.labels.array[silent] == UNKNOWN).all()
        assert right_classes(got)


def test_totalsegmentator_lung_vessels(through, tmp_path):
    one = patient()
    values = coded({"artery": 3, "vein": 4})
    air = (one.image.array < -940) & (one.lungs.array > 0) & (values == 0)
    values[air] = 1
    volume.write(Volume(values.astype(np.uint8), one.codes.grid), tmp_path / "lv.nii.gz")
    got = through(tmp_path / "lv.nii.gz", "totalsegmentator_lung_vessels")
    assert got.coverage == ALL
    assert right_classes(got)
    assert (got.labels.array[air] == 0).all()


class TestKaggle:
    """95 CT with a value for each of artery, vein and lung; nobody says which."""

    def hand_over(self, folder):
        one = patient()
        side = one.side("right")
        values = np.where(one.lungs.array == RIGHT, 30, 0).astype(np.uint8)
        values[side.array == 1], values[side.array == 2] = 10, 20
        volume.write(Volume(values, side.grid), folder / "label.nii.gz")
        return folder / "label.nii.gz"

    def test_undeclared_it_is_refused_and_shows_what_the_file_holds(self, through, tmp_path):
        with pytest.raises(Refusal) as fault:
            through(self.hand_over(tmp_path), "kaggle_half_lung", "auto")
        message = str(fault.value)
        assert "the values of this set are not documented; the file holds 10: " in message
        assert "30: " in message
        assert " of -8" in message.split("30: ")[1], "the lung is known by its HU"
        assert "codings" in message

    def test_declared_under_its_name_it_is_read(self, through, tmp_path):
        mine = Coding(values={10: "artery", 20: "vein", 30: "other"})
        got = through(
            self.hand_over(tmp_path), "kaggle_half_lung", "auto", {"kaggle_half_lung": mine}
        )
        assert got.labelled_side["found"] == "right"
        assert got.coverage == {
            c: "labelled" if c.startswith("right") else "unknown" for c in CLASSES
        }
        assert right_classes(got)


def test_one_file_a_vessel(through, tmp_path):
    one = patient()
    for value, name in ((1, "Artery_final.nii.gz"), (2, "veins.nii.gz")):
        mask = (one.codes.array == value).astype(np.uint8)
        volume.write(Volume(mask, one.codes.grid), tmp_path / name)
    got = through(tmp_path, "file_per_vessel")
    assert got.coverage == ALL
    assert right_classes(got)


def test_segments_by_name(through, tmp_path):
    one = patient()
    masks = {
        "Pulmonary artery": one.codes.array == 1,
        "Pulmonary vein": one.codes.array == 2,
        "Lung": one.lungs.array > 0,
    }
    path = save(segmentation(masks, one.codes.grid), tmp_path / "seg.dcm")
    got = through(path, "dicom_names")
    assert got.coverage == ALL
    assert right_classes(got)


def test_contours_by_name_and_side(through, tmp_path):
    """Squares around the vessels of each slice: the voxels' own outlines."""
    one = patient()
    grid = one.codes.grid
    regions = {}
    for code, vessel in ((1, "arteries"), (2, "veins")):
        mask = (one.codes.array == code) & (one.whose == LEFT)
        regions[f"Left {vessel}"] = [grid.to_mm(corners(*run)) for run in runs(mask)]
    path = save(rtstruct(regions), tmp_path / "rs.dcm")
    mine = Coding(names={"*left*arter*": "left_artery", "*left*vein*": "left_vein"})
    got = through(path, "left_alone", "left", {"left_alone": mine})
    assert got.coverage == {c: "labelled" if "left" in c else "unknown" for c in CLASSES}
    assert right_classes(got, 0.99)


def corners(z, y, first, last):
    """A run of voxels as a rectangle, in voxels."""
    low, high = y - 0.5, y + 0.5
    return np.array([(z, low, first), (z, low, last), (z, high, last), (z, high, first)])


def runs(mask):
    """Slice, row, first and last edge of each run of voxels along x."""
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (0, 0), (1, 1))), axis=2)
    starts, ends = np.argwhere(steps == 1), np.argwhere(steps == -1)
    return [(z, y, a - 0.5, b - 0.5) for (z, y, a), (_, _, b) in zip(starts, ends, strict=True)]


def test_every_shipped_set_is_tested_here():
    text = Path(__file__).read_text()
    sets = [name for name, coding in builtin().items() if coding.source]
    assert len(sets) == 6
    for name in sets:
        assert f'"{name}"' in text
