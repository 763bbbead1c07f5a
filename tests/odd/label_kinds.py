"""In which form labels may come: contours, segments, arrays, files; convert must read or refuse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from label_objects import PERSON, rtstruct, save, segmentation
from odd.delivered import Delivered
from odd.kind import CASE, Kind, carried_out, settings
from patient import patient

from lacaf import volume
from lacaf.cases import Case
from lacaf.classes import SIDES, class_value
from lacaf.coding import Coding
from lacaf.grid import Grid
from lacaf.volume import Volume

NAMES = {"left_artery": "left_artery", "right_artery": "right_artery"}
CODINGS = {"named": Coding(names=NAMES)}


class Desk:
    """A delivered series, its UIDs, and the truth on its voxels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.delivered = Delivered(folder / "in", swap=True, flip_x=True)
        self.labels = folder / "in" / "labels"
        head = pydicom.dcmread(self.delivered.files[0], stop_before_pixels=True)
        self.uids = {"series": head.SeriesInstanceUID, "frame": head.FrameOfReferenceUID}
        self.truth = volume.read(folder / "in" / "truth" / "labels.nii.gz")

    @property
    def masks(self) -> dict[str, np.ndarray]:
        sides = {f"{side}_artery": class_value("artery", side) for side in SIDES}
        return {name: self.truth.array == value for name, value in sides.items()}

    def convert(self, coding: str) -> dict[str, Any]:
        from lacaf.convert import convert as stage

        meant = {**settings().all_codings(), **CODINGS}[coding]
        case = Case(CASE, "patient1", self.delivered.source, self.labels, coding, "both", "train")
        record = carried_out(
            "convert", self.folder, lambda out: stage(case, settings().convert, meant, out)
        )
        assert PERSON not in str(record)
        return record

    def check(self, share: float) -> None:
        """The converted labels are the truth's to this DSC."""
        for name, mask in self.masks.items():
            found = volume.read(self.folder / "convert" / CASE / f"labels_{name}.nii.gz")
            assert found.grid.same_as(self.truth.grid)
            got = found.array > 0
            assert 2 * (got & mask).sum() / (got.sum() + mask.sum()) >= share


def outlines(mask: np.ndarray, grid: Grid) -> list[np.ndarray]:
    """Contours of the voxels' runs along a row, mm."""
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (0, 0), (1, 1))), axis=2)
    drawn = []
    for (z, y, a), (_, _, b) in zip(np.argwhere(steps == 1), np.argwhere(steps == -1), strict=True):
        low, high, first, last = y - 0.5, y + 0.5, a - 0.5, b - 0.5
        drawn.append([(z, low, first), (z, low, last), (z, high, last), (z, high, first)])
    return [grid.to_mm(np.array(corners)) for corners in drawn]


def contours(
    change: Callable[[dict[str, Any]], object] = lambda regions: None, **more: Any
) -> Callable[[Desk], None]:
    """An RTSTRUCT of both arteries and a region named like the patient, after a change."""

    def write(desk: Desk) -> None:
        regions: dict[str, Any] = {
            name: outlines(mask, desk.truth.grid) for name, mask in desk.masks.items()
        }
        regions[PERSON] = regions["left_artery"][:1]
        change(regions)
        save(rtstruct(regions, **{**desk.uids, **more}), desk.labels / "rs.dcm")

    return write


def segments(
    change: Callable[[pydicom.Dataset], object] = lambda dataset: None, **more: Any
) -> Callable[[Desk], None]:
    """A DICOM-SEG of both arteries, after a change."""

    def write(desk: Desk) -> None:
        grid = more.pop("grid", None) or desk.truth.grid
        dataset = segmentation(desk.masks, grid, **{**desk.uids, **more})
        change(dataset)
        save(dataset, desk.labels / "seg.dcm")

    return write


def arrays(make: Callable[[np.ndarray], np.ndarray]) -> Callable[[Desk], None]:
    """HiPaS's arrays: every vessel is an artery."""

    def write(desk: Desk) -> None:
        desk.labels.mkdir()
        np.savez_compressed(desk.labels / "artery.npz", data=make(desk.truth.array > 0))

    return write


def arrays_of_a_patient(folder: Path) -> dict[str, Any]:
    """A CT as NIfTI with two arrays, turned and mirrored; each voxel must come home."""
    from lacaf.convert import convert as stage

    one = patient()
    volume.write(one.image, folder / "ct.nii.gz")
    (folder / "labels").mkdir()
    for value, name in ((1, "artery"), (2, "vein")):
        stored = (one.codes.array == value).transpose(2, 0, 1)[::-1, :, ::-1]
        np.savez_compressed(folder / "labels" / f"{name}.npz", data=stored)
    source, labels = folder / "ct.nii.gz", folder / "labels"
    case = Case(CASE, "patient1", source, labels, "hipas", "both", "train")
    meant = settings().all_codings()["hipas"]
    record = carried_out("convert", folder, lambda out: stage(case, settings().convert, meant, out))
    for value, name in ((1, "artery"), (2, "vein")):
        found = volume.read(folder / "convert" / CASE / f"labels_{name}.nii.gz")
        assert np.array_equal(found.array > 0, one.codes.array == value)
    return record


def file(make: Callable[[Volume], Volume], name: str = "av.nii.gz") -> Callable[[Desk], None]:
    def write(desk: Desk) -> None:
        desk.labels.mkdir(exist_ok=True)
        volume.write(make(desk.truth), desk.labels / name)

    return write


def shifted(grid: Grid, mm: tuple[float, float, float]) -> Grid:
    affine = grid.affine.copy()
    affine[:3, 3] += mm
    return Grid(grid.shape, affine)


def shuffled(count: int) -> np.ndarray:
    return np.random.default_rng(1).permutation(count)


def without_place(desk: Desk) -> None:
    file(lambda truth: truth)(desk)
    path = desk.labels / "av.nii.gz"
    image = nibabel.load(path)
    image.header["qform_code"] = image.header["sform_code"] = 0
    data = np.asanyarray(image.dataobj)
    bare = nibabel.Nifti1Image(data, None, image.header)
    bare.header["qform_code"] = bare.header["sform_code"] = 0
    nibabel.save(bare, path)


def two_files(desk: Desk) -> None:
    file(lambda truth: truth)(desk)
    file(lambda truth: truth, "old.nii.gz")(desk)


def among_the_slices(desk: Desk) -> None:
    desk.labels = desk.delivered.source
    contours()(desk)


def kind(
    name: str, what: str, outcome: str, words: str, write: Callable[[Desk], None],
    coding: str = "named", share: float | None = None,
) -> Kind:  # fmt: skip
    """A kind of labels; with ``share``, the result is compared with the truth."""

    def run(folder: Path) -> dict[str, Any]:
        desk = Desk(folder)
        write(desk)
        record = desk.convert(coding)
        if share is not None:
            desk.check(share)
        return record

    return Kind(name, "convert", what, outcome, (words,) if words else (), run)


def rename(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    return lambda regions: regions.__setitem__(new, regions.pop(old))


def double(regions: dict[str, Any]) -> None:
    regions["left_artery "] = regions["left_artery"]


def aslant(regions: dict[str, Any]) -> None:
    points = regions["left_artery"][0].copy()
    points[0] += (0, 0, 14)
    regions["left_artery"][0] = points


def as_points(regions: dict[str, Any]) -> None:
    regions["left_artery"] = [(points[:1], "POINT") for points in regions["left_artery"]]


def raised(regions: dict[str, Any]) -> None:
    regions["left_artery"] = [points + np.array([0, 0, 60]) for points in regions["left_artery"]]


def drop_place(dataset: pydicom.Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


def half(array: np.ndarray) -> np.ndarray:
    return 0.5 * array


KINDS = [
    kind("contours", "contours (RTSTRUCT) and other regions, one named like the patient",
         "accepted", "", contours(), share=1.0),
    kind("contours-among-slices", "an RTSTRUCT in the folder of the CT's slices", "accepted", "",
         among_the_slices, share=1.0),
    kind("contours-of-no-series", "contours that do not say on which CT they were drawn",
         "flagged", "it is not said to which CT", contours(series=None), share=1.0),
    kind("contours-of-another-series", "contours that were drawn on another series", "refused",
         "none drawn on this CT: another series", contours(series="2.25.1")),
    kind("contours-of-another-frame", "contours in another frame of reference", "refused",
         "another frame of reference", contours(frame="2.25.2")),
    kind("contours-of-no-such-name", "contours whose names the coding does not know", "refused",
         "names fits", contours(lambda regions: [rename(n, n[::-1])(regions) for n in NAMES])),
    kind("contours-of-one-name-twice", "two regions that one pattern fits", "refused",
         "2 contours or segments fit", contours(double)),
    kind("contours-aslant", "a contour that crosses slices", "refused",
         "does not lie in the planes", contours(aslant)),
    kind("contours-are-points", "points instead of contours", "refused", "no closed contour",
         contours(as_points)),
    kind("contours-above-the-ct", "contours above the CT's last slice", "refused",
         "lie above or below", contours(raised)),
    kind("segments", "segments (DICOM-SEG) without their empty frames, the others shuffled",
         "accepted", "", segments(order=shuffled), share=1.0),
    kind("segments-of-fractions", "segments of fractions", "flagged",
         "a voxel belongs to it from 50% on", segments(kind="FRACTIONAL"), share=1.0),
    kind("segments-of-another-series", "segments of another series", "refused", "another series",
         segments(series="2.25.1")),
    kind("segments-without-a-place", "a frame without a position", "refused",
         "no usable position", segments(drop_place)),
    kind("labels-no-dicom", "a folder without contours or segments", "refused",
         "no RTSTRUCT or DICOM-SEG", file(lambda truth: truth)),
    Kind("arrays-in-any-order", "convert", "arrays without geometry (HiPaS), their axes in any "
         "order", "flagged", ("as their contrast to it tells",), arrays_of_a_patient),
    kind("arrays-of-another-ct", "arrays of another number of slices", "refused",
         "in whatever order", arrays(lambda a: a[1:]), "hipas"),
    kind("arrays-that-fit-nothing", "arrays of another patient", "refused", "orders of axes",
         arrays(lambda a: np.roll(a, 9, axis=1)), "hipas"),
    kind("arrays-of-probabilities", "arrays of probabilities", "refused", "fractions or NaN",
         arrays(half), "hipas"),
    kind("labels-of-fractions", "labels that were resampled with interpolation", "refused",
         "fractions or NaN", file(lambda t: Volume(t.array * np.float32(0.7), t.grid)),
         "four_classes"),
    kind("labels-are-an-image", "the CT itself as labels", "refused", "values reach from",
         file(lambda t: Volume(t.array.astype(np.float32) * 1e12, t.grid)), "four_classes"),
    kind("labels-far-away", "labels in another place than the CT", "refused",
         "of the labelled voxels lie inside the image",
         file(lambda t: Volume(t.array, shifted(t.grid, (300, 0, 0)))), "four_classes"),
    kind("labels-without-a-place", "a label file that states no orientation", "refused",
         "states no orientation", without_place, "four_classes"),
    kind("labels-in-two-files", "two label files where one is expected", "refused",
         "a folder with 2 volume files", two_files, "four_classes"),
    kind("labels-missing", "no file where the table names one", "refused",
         "no such file or folder", lambda desk: None, "four_classes"),
]  # fmt: skip
