"""Segments lie where their frames say, whatever the order, the gaps and the direction."""

import numpy as np
import pytest
from label_objects import FRAME, SERIES, save, segmentation
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian
from scipy.spatial.transform import Rotation
from thorax import ORIENTATIONS

from lacaf.convert.dicom_labels import Identity, read
from lacaf.dicom import deflated
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.phantom.handling import reordered
from lacaf.volume import Volume, resample

CT = Identity(SERIES, FRAME)
UPRIGHT = Grid.upright((9, 14, 18), (0.8, 1.1, 2.5), (-20.0, 10.0, -300.0))
NAMES = {"artery": "artery", "vein": "vein"}


def vessels(grid=UPRIGHT):
    """Two masks without any symmetry, with empty slices at both ends and in the middle."""
    rng = np.random.default_rng(7)
    artery, vein = rng.random((2, *grid.shape)) < 0.2
    artery[[0, 1, 4, 8]] = False
    vein[[0, 3, 4]] = False
    return {"Artery": artery, "Vein": vein & ~artery}


def oblique(grid):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", (7, -11, 23), degrees=True).as_matrix()
    return Grid(grid.shape, affine @ grid.affine)


def read_back(tmp_path, dataset, grid=UPRIGHT, identity=CT, patterns=None):
    path = save(dataset, tmp_path / "seg.dcm")
    return read(path, patterns or NAMES, grid, identity)


def refused(*args, **kwargs):
    with pytest.raises(Refusal) as fault:
        read_back(*args, **kwargs)
    return str(fault.value)


def backwards(count):
    return range(count - 1, -1, -1)


def shuffled(count):
    return np.random.default_rng(1).permutation(count)


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
@pytest.mark.parametrize("grid", [UPRIGHT, oblique(UPRIGHT)], ids=["upright", "oblique"])
def test_every_voxel_keeps_its_place_in_every_orientation_of_the_segmentation(
    tmp_path, axes, flips, grid
):
    """The CT stays; the segmentation's slices, rows and columns run along any axis, any way."""
    truth = vessels(grid)
    stored = {
        name: reordered(Volume(array, grid), axes, [f < 0 for f in flips])
        for name, array in truth.items()
    }
    arrays = {name: part.array for name, part in stored.items()}
    dataset = segmentation(arrays, stored["Artery"].grid, order=shuffled)
    parts, facts, flags = read_back(tmp_path, dataset, grid)
    for name, array in truth.items():
        assert np.array_equal(parts[name.lower()].array > 0, array)
        assert parts[name.lower()].grid.same_as(grid)
    assert facts["named"]["artery"]["on_image_grid"]
    assert flags == []


@pytest.mark.parametrize("order", [None, backwards, shuffled])
@pytest.mark.parametrize("keep_empty", [True, False])
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_frames_in_any_order_with_or_without_the_empty_ones(tmp_path, order, keep_empty, kind):
    truth = vessels()
    dataset = segmentation(truth, UPRIGHT, kind, keep_empty, order)
    parts, facts, flags = read_back(tmp_path, dataset)
    assert np.array_equal(parts["artery"].array > 0, truth["Artery"])
    assert np.array_equal(parts["vein"].array > 0, truth["Vein"])
    assert facts["named"]["vein"]["type"] == kind
    assert any("fractions" in flag for flag in flags) == (kind == "FRACTIONAL")


def test_a_fraction_belongs_from_one_half_on(tmp_path):
    share = np.zeros(UPRIGHT.shape)
    share[3, 2, 2:7] = (0.2, 0.45, 0.5, 0.55, 1.0)
    parts, _, _ = read_back(tmp_path, segmentation({"Artery": share}, UPRIGHT, "FRACTIONAL"))
    assert np.flatnonzero(parts["artery"].array[3, 2]).tolist() == [4, 5, 6]


def test_one_frame_alone(tmp_path):
    array = np.zeros(UPRIGHT.shape, bool)
    array[5, 3:9, 4:7] = True
    parts, _, _ = read_back(tmp_path, segmentation({"Artery": array}, UPRIGHT))
    assert np.array_equal(parts["artery"].array > 0, array)


def test_a_grid_of_its_own_keeps_its_voxels_and_is_flagged(tmp_path):
    """A segmentation at another spacing: left-out frames are empty, up to the CT's ends."""
    fine = Grid.upright((30, 25, 30), (0.5, 0.6, 0.75), (-19.8, 10.2, -299.7))
    z, y, x = np.indices(fine.shape)
    ball = (z - 14) ** 2 + (y - 12) ** 2 + (x - 16) ** 2 < 64
    ball[14] = False  # an empty frame in the middle is left out, too
    parts, facts, flags = read_back(tmp_path, segmentation({"Artery": ball}, fine))
    got = parts["artery"]
    assert not facts["named"]["artery"]["on_image_grid"]
    assert "grid of their own" in flags[0]
    assert got.array.sum() == ball.sum()
    back = resample(got, fine, "nearest").array > 0
    assert np.array_equal(back, ball)
    assert (got.grid.to_index(UPRIGHT.corners_mm())[:, 0] > -0.5).all()
    assert (got.grid.to_index(UPRIGHT.corners_mm())[:, 0] < got.array.shape[0] - 0.5).all()


class TestRefused:
    def test_another_series(self, tmp_path):
        dataset = segmentation(vessels(), UPRIGHT, series="2.25.12")
        assert "another series" in refused(tmp_path, dataset)

    def test_another_frame_of_reference(self, tmp_path):
        dataset = segmentation(vessels(), UPRIGHT, frame="2.25.23")
        assert "another frame of reference" in refused(tmp_path, dataset)

    def test_another_place(self, tmp_path):
        away = Grid.upright(UPRIGHT.shape, (0.8, 1.1, 2.5), (-20.0, 10.0, -290.0))
        message = refused(tmp_path, segmentation(vessels(away), away))
        assert "of its voxels lie inside the CT" in message

    def test_frames_without_a_place(self, tmp_path):
        dataset = segmentation(vessels(), UPRIGHT)
        del dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
        assert "no usable position" in refused(tmp_path, dataset)

    def test_frames_that_make_no_volume(self, tmp_path):
        fine = Grid.upright((9, 14, 18), (0.7, 1.1, 2.5), (-20.0, 10.0, -300.0))
        dataset = segmentation(vessels(), fine)
        place = dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0]
        place.ImagePositionPatient[2] += 1.1
        assert "make no volume" in refused(tmp_path, dataset)

    def test_a_frame_turned_in_its_own_plane(self, tmp_path):
        fine = Grid.upright((9, 14, 18), (0.7, 1.1, 2.5), (-20.0, 10.0, -300.0))
        dataset = segmentation(vessels(), fine)
        turned = Dataset()
        turned.ImageOrientationPatient = [0, 1, 0, -1, 0, 0]
        dataset.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence = [turned]
        assert "make no volume" in refused(tmp_path, dataset)

    def test_absurd_numbers_ask_for_no_memory(self, tmp_path):
        dataset = segmentation(vessels(), UPRIGHT)
        dataset.NumberOfFrames = 2**31 - 1
        assert "2147483647 x 14 x 18 voxels" in refused(tmp_path, dataset)
        fine = Grid.upright((9, 14, 18), (0.7, 1.1, 2.5), (-20.0, 10.0, -300.0))
        dataset = segmentation(vessels(), fine)
        measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        measures.SpacingBetweenSlices = "0.0000025"
        assert "x 14 x 18 voxels" in refused(tmp_path, dataset)

    def test_a_deflated_file_that_would_fill_the_memory(self, tmp_path, monkeypatch):
        dataset = segmentation(vessels(), UPRIGHT)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        assert read_back(tmp_path, dataset)[0].keys() == {"artery", "vein"}
        monkeypatch.setattr(deflated, "MOST_BYTES", 1000)
        assert "no RTSTRUCT or DICOM-SEG is there, beside 1" in refused(tmp_path, dataset)

    def test_two_segments_of_one_number(self, tmp_path):
        dataset = segmentation(vessels(), UPRIGHT)
        dataset.SegmentSequence[1].SegmentNumber = 1
        assert "one number twice" in refused(tmp_path, dataset)

    def test_pixels_cut_short(self, tmp_path):
        dataset = segmentation(vessels(), UPRIGHT)
        dataset.PixelData = dataset.PixelData[:-40]
        assert "its pixels cannot be read" in refused(tmp_path, dataset)

    def test_fewer_descriptions_than_frames(self, tmp_path):
        dataset = segmentation(vessels(), UPRIGHT)
        dataset.PerFrameFunctionalGroupsSequence.pop()
        assert "frames and" in refused(tmp_path, dataset)

    def test_an_empty_segment(self, tmp_path):
        truth = vessels()
        truth["Artery"][:] = False
        assert "the segment is empty" in refused(tmp_path, segmentation(truth, UPRIGHT))

    def test_a_message_shows_no_name_and_no_uid(self, tmp_path):
        dataset = segmentation({"Jane Doe": vessels()["Vein"]}, UPRIGHT)
        message = refused(tmp_path, dataset)
        assert "fits" in message
        assert "Jane" not in message
        assert "2.25" not in message


def test_what_highdicom_writes(tmp_path, deliver, settings):
    """The reference implementation's own file, its source images in no order."""
    import pydicom
    from highdicom.seg import Segmentation, SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.uid import generate_uid

    from lacaf import volume

    delivery = deliver(swap=True, flip_x=True)
    truth = volume.read(delivery.truth / "labels.nii.gz")
    order = np.random.default_rng(2).permutation(len(truth.array))
    sources = [pydicom.dcmread(delivery.slices()[i]) for i in order]
    at = [round(truth.grid.to_index(np.array(s.ImagePositionPatient, float))[0]) for s in sources]
    described = SegmentDescription(
        segment_number=1,
        segment_label="Artery",
        segmented_property_category=CodedConcept("85756007", "SCT", "Tissue"),
        segmented_property_type=CodedConcept("51114001", "SCT", "Artery"),
        algorithm_type="MANUAL",
    )
    dataset = Segmentation(
        source_images=sources,
        pixel_array=(truth.array[at] == 1).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[described],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        omit_empty_frames=True,
    )
    dataset.save_as(tmp_path / "seg.dcm")
    ct = Identity(sources[0].SeriesInstanceUID, sources[0].FrameOfReferenceUID)
    parts, _, flags = read(tmp_path / "seg.dcm", {"artery": "artery"}, truth.grid, ct)
    assert flags == []
    assert np.array_equal(parts["artery"].array > 0, truth.array == 1)
