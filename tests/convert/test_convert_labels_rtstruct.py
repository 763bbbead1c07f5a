"""Contours become the voxels whose centres they enclose, in whatever way the CT is stored."""

import tarfile

import numpy as np
import pydicom
import pytest
from label_objects import FRAME, SERIES, rtstruct, save
from phantom.simple import case_in
from scipy.spatial.transform import Rotation
from thorax import ORIENTATIONS, dice

from lacaf import records, volume
from lacaf.cases import Case
from lacaf.coding import Coding
from lacaf.convert import convert
from lacaf.convert.dicom_labels import Identity, read
from lacaf.dicom.polygons import Tally, filled
from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.phantom.handling import reordered
from lacaf.volume import Volume

CT = Identity(SERIES, FRAME)
UPRIGHT = Grid.upright((12, 40, 44), (1.0, 1.2, 2.0), (-20.0, 10.0, -300.0))
ARTERY = {"art*": "artery"}


def turned(grid, degrees):
    """The grid turned about the origin."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    return Grid(grid.shape, affine @ grid.affine)


def circle(centre, radius, slice_index, grid=UPRIGHT, points=90):
    """A polygon in a slice of a grid; centre and radius in mm along the slice's own axes."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False) + 0.1
    spacing = np.array(grid.spacing_mm[1:])
    plane = np.array(centre) + radius * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    index = np.column_stack([np.full(points, float(slice_index)), plane / spacing])
    return grid.to_mm(index)


def disc(centre, radius, slices, grid=UPRIGHT):
    """The voxels of such circles in the given slices."""
    z, y, x = np.indices(grid.shape)
    y, x = y * grid.spacing_mm[1], x * grid.spacing_mm[2]
    inside = np.hypot(y - centre[0], x - centre[1]) < radius
    return inside & np.isin(z, slices)


def drawn(tmp_path, contours, grid=UPRIGHT, identity=CT, patterns=None, **reference):
    path = save(rtstruct({"Artery": contours}, **reference), tmp_path / "rs.dcm")
    return read(path, patterns or ARTERY, grid, identity)


def mask_of(result):
    return result[0]["artery"].array > 0


def refused(*args, **kwargs):
    with pytest.raises(Refusal) as fault:
        drawn(*args, **kwargs)
    return str(fault.value)


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS)
@pytest.mark.parametrize("degrees", [(0, 0, 0), (7, -11, 23)], ids=["upright", "oblique"])
def test_a_contour_lies_where_it_was_drawn_in_every_orientation(tmp_path, axes, flips, degrees):
    drawn_on = turned(UPRIGHT, degrees)
    contours = [circle((20, 25), 9.3, z, drawn_on) for z in range(3, 9)]
    truth = reordered(Volume(disc((20, 25), 9.3, range(3, 9)), drawn_on), axes,
                      [f < 0 for f in flips])  # fmt: skip
    result = drawn(tmp_path, contours, truth.grid)
    assert dice(mask_of(result), truth.array) > 0.995
    assert result[0]["artery"].grid.same_as(truth.grid)
    assert result[2] == []


class TestOneSlice:
    SIZE = (30, 30)

    def region(self, *polygons, xor=False):
        self.tally = Tally()
        return filled([(np.array(p, float), xor) for p in polygons], self.SIZE, self.tally)

    def square(self, low, high):
        return [(low, low), (low, high), (high, high), (high, low)]

    def test_neighbours_share_no_pixel_and_leave_none_out(self):
        left = self.region([(2, 2), (2, 10), (20, 10), (20, 2)])
        right = self.region([(2, 10), (2, 25), (20, 25), (20, 10)])
        whole = self.region([(2, 2), (2, 25), (20, 25), (20, 2)])
        assert not (left & right).any()
        assert np.array_equal(left | right, whole)
        assert whole.sum() == 18 * 23

    @pytest.mark.parametrize("turn", [1, -1])
    def test_the_way_round_does_not_matter(self, turn):
        assert self.region(self.square(4.5, 9.5)[::turn]).sum() == 25

    def test_a_contour_inside_another_is_a_hole_and_one_inside_that_an_island(self):
        got = self.region(self.square(2, 26), self.square(6, 20), self.square(10, 14))
        assert got.sum() == 24**2 - 14**2 + 4**2
        assert self.tally.holes == 1

    def test_a_keyhole_is_a_hole(self):
        outer = [(2, 2), (2, 26), (26, 26), (26, 2), (14.3, 2)]
        inner = [(14.3, 7), (20, 7), (20, 21), (7, 21), (7, 7), (14.3, 7), (14.3, 2)]
        got = self.region(outer + inner)
        assert got.sum() == 24**2 - 13 * 14
        assert self.tally.holes == 0

    def test_declared_xor(self):
        got = self.region(self.square(2, 20), self.square(10, 25), xor=True)
        assert got.sum() == 18**2 + 15**2 - 2 * 10**2

    def test_a_contour_that_is_there_twice_is_no_hole(self):
        got = self.region(self.square(3, 9), self.square(3, 9))
        assert got.sum() == 36
        assert self.tally.repeated == 1

    def test_contours_that_overlap_in_part_are_joined(self):
        got = self.region(self.square(2, 12), self.square(8, 20))
        assert got.sum() == 10**2 + 12**2 - 4**2
        assert self.tally.overlapping == 1

    def test_what_lies_outside_the_slice_is_cut_off(self):
        assert self.region([(-5, -5), (-5, 4), (4, 4), (4, -5)]).sum() == 16
        assert self.region([(40, 40), (40, 50), (50, 50)]).sum() == 0

    def test_any_polygon_against_a_point_in_polygon_test(self):
        from matplotlib.path import Path

        rng = np.random.default_rng(3)
        centres = np.stack(np.indices(self.SIZE), axis=-1).reshape(-1, 2)
        for _ in range(30):
            angle = np.sort(rng.uniform(0, 2 * np.pi, 12))
            radius = rng.uniform(3, 14, 12)
            points = 15 + np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
            expected = Path(points).contains_points(centres).reshape(self.SIZE)
            assert np.array_equal(self.region(points), expected)


class TestBetweenSlices:
    def test_contours_on_every_second_slice_take_shape_in_between(self, tmp_path):
        contours = [circle((20, 20 + z), 8.0, z) for z in (2, 4, 6, 8)]
        result = drawn(tmp_path, contours)
        got = mask_of(result)
        assert sorted(set(np.nonzero(got)[0])) == list(range(2, 9))
        for z in range(2, 9):
            assert dice(got[z], disc((20, 20 + z), 8.0, [z])[z]) > 0.93
        assert "contours 4.00 mm apart on slices 2.00 mm apart" in result[2][0]

    def test_a_vessel_that_ends_and_begins_anew_is_not_bridged(self, tmp_path):
        contours = [circle((20, 20), 6.0, z) for z in (1, 2, 3, 7, 8)]
        got = mask_of(drawn(tmp_path, contours))
        assert sorted(set(np.nonzero(got)[0])) == [1, 2, 3, 7, 8]

    def test_planes_between_the_slices(self, tmp_path):
        contours = [circle((20, 20), 8.0, z + 0.5) for z in range(3, 8)]
        result = drawn(tmp_path, contours)
        got = mask_of(result)
        assert sorted(set(np.nonzero(got)[0])) == [4, 5, 6, 7]
        assert dice(got, disc((20, 20), 8.0, [4, 5, 6, 7])) > 0.99
        assert len(result[2]) == 1

    def test_rounded_coordinates_are_on_their_slice(self, tmp_path):
        contours = [
            np.round(circle((20, 20), 8.0, z), 1) + np.array([0, 0, 0.04]) for z in range(3, 8)
        ]
        result = drawn(tmp_path, contours)
        assert dice(mask_of(result), disc((20, 20), 8.0, range(3, 8))) > 0.98
        assert result[2] == []


class TestRefused:
    CONTOURS = (circle((20, 20), 8.0, 4), circle((20, 20), 8.0, 5))

    def test_another_series(self, tmp_path):
        message = refused(tmp_path, self.CONTOURS, series="2.25.12")
        assert "none drawn on this CT: another series" in message
        assert "2.25" not in message

    def test_another_frame_of_reference(self, tmp_path):
        assert "another frame of reference" in refused(tmp_path, self.CONTOURS, frame="2.25.23")

    def test_contours_across_the_slices(self, tmp_path):
        aslant = circle((20, 20), 8.0, 5, turned(UPRIGHT, (0, 30, 0)))
        aslant += UPRIGHT.corners_mm().mean(axis=0) - aslant.mean(axis=0)
        assert "does not lie in the planes of the CT" in refused(tmp_path, [aslant])

    def test_contours_in_another_plane_of_the_ct_are_fine(self, tmp_path):
        other = reordered(Volume(disc((20, 20), 8.0, [4, 5, 6]), UPRIGHT), (2, 1, 0), (0, 0, 0))
        contours = [circle((20, 20), 8.0, z) for z in (4, 5, 6)]
        assert dice(mask_of(drawn(tmp_path, contours, other.grid)), other.array) > 0.99

    def test_contours_above_the_ct(self, tmp_path):
        high = [circle((20, 20), 8.0, z) for z in (10, 11, 12, 13)]
        assert "2 of 4 planes of contours lie above or below" in refused(tmp_path, high)

    def test_points_and_lines(self, tmp_path):
        point = (circle((20, 20), 8.0, 5)[:1], "POINT")
        line = (circle((20, 20), 8.0, 5), "OPEN_PLANAR")
        assert "no closed contour (2 points or lines)" in refused(tmp_path, [point, line])

    @pytest.mark.parametrize(
        ("contours", "told"),
        [
            ([circle((20, 20), 18.0, 5)] * 200, "cover one "),
            ([np.tile(circle((20, 20), 18.0, 5, points=4)[[1, 3]], (600, 1))] * 4, "cover one "),
            ([circle((20, 20), 8.0, 2 + 0.03 * n, points=5) for n in range(200)], "planes and"),
        ],
        ids=["many contours", "back and forth", "many planes"],
    )
    def test_contours_made_to_fill_the_memory(self, tmp_path, contours, told):
        assert told in refused(tmp_path, contours)

    def test_half_a_point(self, tmp_path):
        dataset = rtstruct({"Artery": self.CONTOURS})
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        contour.ContourData = contour.ContourData[:-1]
        path = save(dataset, tmp_path / "rs.dcm")
        with pytest.raises(Refusal, match="a contour has 269 coordinates"):
            read(path, ARTERY, UPRIGHT, CT)

    def test_no_name_fits_and_none_is_shown(self, tmp_path):
        message = refused(tmp_path, self.CONTOURS, patterns={"ven*": "vein"})
        assert "none of its 1 names fits `ven*`" in message
        assert "Artery" not in message

    def test_a_folder_without_labels(self, tmp_path):
        (tmp_path / "notes.txt").write_text("nothing")
        with pytest.raises(Refusal, match="no RTSTRUCT or DICOM-SEG is there"):
            read(tmp_path, ARTERY, UPRIGHT, CT)


def test_several_names(tmp_path):
    regions = {
        "Artery L": [circle((14, 14), 5.0, 4)],
        "Artery R": [circle((14, 32), 5.0, 4)],
        "Vein": [circle((34, 20), 5.0, 4)],
        "Jane Doe": [circle((20, 20), 3.0, 4)],
    }
    path = save(rtstruct(regions), tmp_path / "rs.dcm")
    with pytest.raises(Refusal, match="2 contours or segments fit `artery"):
        read(path, {"artery*": "artery"}, UPRIGHT, CT)
    with pytest.raises(Refusal, match="another pattern fit the same name"):
        read(path, {"vein": "vein", "ve*": "vein"}, UPRIGHT, CT)
    wanted = {"artery l": "artery", "artery r": "artery", "vein": "vein"}
    parts, facts, _ = read(path, wanted, UPRIGHT, CT)
    both = disc((14, 14), 5.0, [4]) | disc((14, 32), 5.0, [4])
    assert dice(parts["artery"].array > 0, both) > 0.99
    assert facts["other_names"] == 1
    assert "Jane" not in str(facts)


def test_without_a_word_on_the_ct_the_place_counts_and_is_flagged(tmp_path):
    contours = [circle((20, 20), 8.0, 4)]
    assert "it is not said" in drawn(tmp_path, contours, series=None)[2][0]
    assert "CT came without UIDs" in drawn(tmp_path, contours, identity=None)[2][0]


def test_vessels_thinner_than_a_voxel_are_counted(tmp_path):
    contours = [circle((20, 20), 8.0, 4), circle((10.6, 10.5), 0.3, 4)]
    assert drawn(tmp_path, contours)[2] == [
        "`art*`: 1 contours enclose no voxel's centre: vessels thinner than a voxel"
    ]


def test_from_a_series_to_a_file_a_meaning(deliver, run, settings, tmp_path):
    delivery = deliver()
    head = pydicom.dcmread(delivery.slices()[0], stop_before_pixels=True)
    truth = volume.read(delivery.truth / "labels.nii.gz")
    grid = truth.grid
    contours = [circle((30, 25), 8.0, z, grid) for z in (5, 6, 7)]
    save(
        rtstruct({"Left artery": contours}, head.SeriesInstanceUID, head.FrameOfReferenceUID),
        delivery.case.source / "RS001",
    )
    coding = Coding(names={"left art*": "left_artery"})
    case = case_in(tmp_path / "raw", "mine", "both", "dicom")
    assert case.labels == case.source, "labels in the folder of the CT"
    record = records.carry_out(
        "convert",
        case.case,
        run.folder,
        {},
        lambda folder: convert(case, settings.convert, coding, folder),
    )
    assert record["status"] == "ok", record
    assert record["labels"]["named"]["left art*"]["contours"] == 3
    got = volume.read(run.folder / "labels_left_artery.nii.gz")
    assert got.grid.same_as(grid)
    assert dice(got.array > 0, disc((30, 25), 8.0, [5, 6, 7], grid)) > 0.98


def test_the_experts_lungs_of_a_real_patient(real_data, run, settings, tmp_path):
    """LUNG1-001 through the stage, against another rasterisation and the polygons' own area."""
    archive = real_data / "lung1-rtstruct" / "LUNG1-001_20180209_CT.tar.xz"
    if not archive.exists():
        pytest.skip(f"{archive.name} is not here")
    source = tmp_path / "source"
    with tarfile.open(archive) as held:
        held.extractall(source, filter="data")
    # any two meanings will do for two regions
    coding = Coding(names={"lung l": "left_artery", "lung r": "right_artery"})
    case = Case("lung1", "lung1", source, source, "mine", "both", "train")
    folder = run.folder
    record = records.carry_out(
        "convert", case.case, folder, {}, lambda out: convert(case, settings.convert, coding, out)
    )
    assert record["status"] == "ok", record
    regions, grid = contours_of(source), volume.read_grid(folder / "image.nii.gz")
    for name, meaning in coding.names.items():
        got = volume.read(folder / f"labels_{meaning}.nii.gz").array > 0
        polygons = [grid.to_index(points) for points in regions[name]]
        assert dice(got, filled_by_matplotlib(polygons, grid.shape)) > 0.9999
        if not record["labels"]["named"][name]["holes"]:
            assert got.sum() == pytest.approx(sum(map(area, polygons)), rel=0.002)


def contours_of(folder):
    """Points (mm) of every contour of every region of the folder's RTSTRUCT, by name."""
    heads = (pydicom.dcmread(p) for p in folder.rglob("*.dcm"))
    structures = next(d for d in heads if d.Modality == "RTSTRUCT")
    number = {int(r.ROINumber): r.ROIName.lower() for r in structures.StructureSetROISequence}
    return {
        number[int(region.ReferencedROINumber)]: [
            np.array(c.ContourData, float).reshape(-1, 3) for c in region.ContourSequence
        ]
        for region in structures.ROIContourSequence
    }


def filled_by_matplotlib(polygons, shape):
    from matplotlib.path import Path

    out = np.zeros(shape, bool)
    for points in polygons:
        low = np.floor(points[:, 1:].min(axis=0)).astype(int)
        high = np.ceil(points[:, 1:].max(axis=0)).astype(int) + 1
        pixels = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
        inside = Path(points[:, 1:]).contains_points(pixels.reshape(-1, 2))
        here = out[round(points[0, 0]), low[0] : high[0], low[1] : high[1]]
        here ^= inside.reshape(pixels.shape[:2])
    return out


def area(points):
    """Pixels that a polygon covers, by the shoelace formula."""
    (y, x), (next_y, next_x) = points[:, 1:].T, np.roll(points[:, 1:], -1, axis=0).T
    return abs(np.sum(x * next_y - next_x * y)) / 2
