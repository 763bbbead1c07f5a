"""What experts, programs and data sets may hand over as labels of a right CT."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from odd.kind import CASE, Kind, carried_out, settings
from patient import BOTH, LEFT, RIGHT, distances, patient
from scipy import ndimage

from lacaf import volume
from lacaf.cases import Case
from lacaf.classes import UNKNOWN
from lacaf.coding import Coding
from lacaf.grid import Grid
from lacaf.phantom.handling import reordered
from lacaf.volume import Volume, resample

Labels = Volume | Mapping[str, Volume]
CARVE = "carve14"


def harmonize(
    labels: Labels,
    folder: Path,
    coding: str = "artery1_vein2",
    side: str = "both",
    codings: Mapping[str, Coding] | None = None,
) -> dict[str, Any]:
    """The record of stage harmonize for labels (one file, or one a meaning) of the patient."""
    from lacaf.harmonize import harmonize as stage

    one = patient()
    converted, cropped = folder / "converted", folder / "cropped"
    files = {"labels": labels} if isinstance(labels, Volume) else labels
    for place in (converted, cropped):
        place.mkdir()
    volume.write(one.image, converted / "image.nii.gz")
    for name, part in files.items():
        volume.write(part, converted / f"{name}.nii.gz")
    volume.write(one.working, cropped / "image.nii.gz")
    volume.write(one.working_lungs, cropped / "lungs.nii.gz")
    case = Case(CASE, "patient1", Path("ct"), Path("labels"), coding, side, "train")  # type: ignore[arg-type]
    meant = {**settings().all_codings(), **(codings or {})}[coding]
    section = settings().harmonize
    return carried_out(
        "harmonize", folder, lambda out: stage(case, section, meant, converted, cropped, out)
    )


def values(array: np.ndarray) -> Volume:
    return Volume(array, patient().codes.grid)


def moved(labels: Volume, mm: tuple[float, float, float]) -> Volume:
    grid = Grid(labels.grid.shape, labels.grid.affine.copy())
    grid.affine[:3, 3] += mm
    return Volume(labels.array, grid)


def flipped(labels: Volume, *axes: int) -> Volume:
    return Volume(np.ascontiguousarray(np.flip(labels.array, axes)), labels.grid)


def exchanged() -> Volume:
    return values(np.array([0, 2, 1], np.uint8)[patient().codes.array])


def sided(right: np.ndarray) -> Volume:
    """Four classes, of the right side where ``right`` says so."""
    codes = patient().codes.array
    return values(np.where(codes > 0, codes + 2 * right, 0).astype(np.uint8))


def by_column() -> Volume:
    columns = np.arange(patient().codes.array.shape[2])
    return sided(columns >= len(columns) // 2)


def with_more(mask: np.ndarray) -> Volume:
    """The labels with arteries in this place, too."""
    return values(np.where(mask, 1, patient().codes.array).astype(np.uint8))


def places() -> np.ndarray:
    grid = patient().codes.grid
    return grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))


def windpipe() -> Volume:
    one = patient()
    air = (one.image.array < -900) & (one.lungs.array == 0)
    return with_more(air & (np.abs(places()[..., 0]) < 30) & (np.abs(places()[..., 1]) < 40))


def in_the_room() -> Volume:
    one = patient()
    air = (one.image.array < -900) & (np.minimum(*distances(one.lungs)) > 5)
    corners = one.working.grid.corners_mm()
    chest = ((places() > corners.min(axis=0)) & (places() < corners.max(axis=0))).all(axis=-1)
    return with_more(air & chest & (np.abs(places()[..., 0]) > 40))


def chest_wall() -> Volume:
    one = patient()
    beside = np.abs(places()[..., 0]) > np.abs(places()[..., 0][one.lungs.array > 0]).max() + 8
    return with_more(beside & (one.image.array > -200))


def lobe() -> Volume:
    return values(np.where(patient().lungs.array == LEFT, 1, 0).astype(np.uint8))


def airways() -> Volume:
    one = patient()
    dark = (one.image.array < -930) & (one.lungs.array > 0) & (one.codes.array == 0)
    return values(ndimage.binary_opening(dark).astype(np.uint8))


def too_wide() -> Volume:
    """Twice as many voxels as there are in vessels."""
    one = patient()
    wide = ndimage.grey_dilation(one.codes.array, size=(5, 5, 5))
    wide[np.random.default_rng(0).random(wide.shape) < 0.5] = 0
    return values(np.where(one.codes.array > 0, one.codes.array, wide).astype(np.uint8))


def lower_half_of_the_right() -> Volume:
    """The left lung, and of the right one what a fifth of its vessels are."""
    one = patient()
    codes = one.codes.array.copy()
    low = places()[..., 2] < np.quantile(places()[..., 2][one.whose == RIGHT], 0.2)
    codes[(one.whose == RIGHT) & ~low] = 0
    return values(codes)


def apart(change: Callable[[np.ndarray, np.ndarray], object] = lambda a, v: None) -> dict:
    """A file a vessel, after a change to the masks of arteries and veins."""
    codes = patient().codes.array
    artery, vein = (codes == 1).astype(np.uint8), (codes == 2).astype(np.uint8)
    change(artery, vein)
    return {"labels_artery": values(artery), "labels_vein": values(vein)}


def share(part: float) -> Callable[[np.ndarray, np.ndarray], None]:
    """Veins that claim this part of their own number from the arteries."""

    def change(artery: np.ndarray, vein: np.ndarray) -> None:
        vein.flat[np.flatnonzero(artery)[: int(part * vein.sum())]] = 1

    return change


def on_grid(grid: Grid) -> Volume:
    return resample(patient().codes, grid, "nearest")


def coarser(mm: float) -> Grid:
    return volume.upright_grid_around(patient().codes.grid.corners_mm(), mm)


def inner() -> Grid:
    """Voxels of the CT's own, without six at each end."""
    grid = patient().codes.grid
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_mm(np.array([6, 6, 6]))
    z, y, x = (n - 12 for n in grid.shape)
    return Grid((z, y, x), affine)


def kind(
    name: str, what: str, outcome: str, words: str, labels: Callable[[], Labels], *more: Any
) -> Kind:
    """A kind whose labels are made when it runs; ``more`` are coding, side and codings."""
    return Kind(name, "harmonize", what, outcome, (words,) if words else (),
                lambda folder: harmonize(labels(), folder, *more))  # type: ignore[arg-type] # fmt: skip


def right(folder: Path, labels: Volume, coding: str, side: str) -> dict[str, Any]:
    """Harmonized, and the labelled vessels in the lungs are the truth's."""
    one = patient()
    record = harmonize(labels, folder, coding, side)
    found = volume.read(folder / "harmonize" / CASE / "labels.nii.gz")
    truth = np.where(one.codes.array > 0, one.codes.array + 2 * (one.whose == RIGHT), 0)
    inside = (found.array != UNKNOWN) & (one.lungs.array > 0) & (one.whose != BOTH)
    assert inside.sum() > 1000
    assert (found.array[inside] == truth[inside]).mean() > 0.99
    return record


def accepted(
    name: str, what: str, labels: Callable[[], Volume], coding: str = "artery1_vein2",
    side: str = "both", words: str = "",
) -> Kind:  # fmt: skip
    """A kind that is odd and fine; flagged if it is to say something."""
    return Kind(name, "harmonize", what, "flagged" if words else "accepted",
                (words,) if words else (),
                lambda folder: right(folder, labels(), coding, side))  # fmt: skip


def half_named() -> Volume:
    """CARVE14's values; what lies in front is a vessel that nobody named."""
    named = places()[..., 1] > np.median(places()[..., 1])
    order = np.array([0, 2, 1], np.int16)[patient().codes.array]
    return values(np.where((order > 0) & ~named, -999, order).astype(np.int16))


def left_with_trunk() -> Volume:
    one = patient()
    trunk = (one.whose == BOTH) & (one.codes.array > 0)
    return values(np.where(trunk, 1, one.side("left").array).astype(np.uint8))


def left_in_part() -> Volume:
    """Nothing but arteries, where the coding has veins, too."""
    codes = patient().side("left").array
    return values(np.where(codes == 1, 1, 0).astype(np.uint8))


def far_from_the_lungs() -> Volume:
    one = patient()
    deep = np.minimum(*distances(one.lungs)) > 8
    blob = (np.linalg.norm(places() - (0, 20, -20), axis=-1) < 12) & deep
    return values(blob.astype(np.uint8))


def stored_otherwise() -> Volume:
    return reordered(patient().codes, (1, 2, 0), (True, False, True))


KINDS = [
    accepted("labels-in-another-order", "labels with their axes in another order than the CT's",
             stored_otherwise),
    accepted("labels-left-alone", "one lung labelled, and `auto` for the side",
             lambda: patient().side("left"), side="auto"),
    accepted("labels-left-with-trunk", "one lung labelled, and the pulmonary trunk with it",
             left_with_trunk, side="left"),
    accepted("labels-half-named", "vessels that nobody named (-999) beside named ones",
             half_named, CARVE),
    accepted("labels-smaller-than-the-ct", "labels on a part of the CT's own voxels",
             lambda: on_grid(inner())),
    accepted("labels-on-a-finer-grid", "labels on a finer grid than the CT's",
             lambda: on_grid(coarser(1.4)), words="on a grid of their own; resampled"),
    kind("labels-on-a-coarse-grid", "labels of 6 mm voxels on a CT of 2.5 mm", "flagged",
         "times as large as the image's", lambda: on_grid(coarser(6.0))),
    kind("labels-shifted-a-little", "labels 2 mm off", "flagged", "shifted by 0.0, 0.0, -2.",
         lambda: moved(patient().codes, (0, 0, 2.0))),
    kind("labels-too-wide", "vessels drawn with a brush that is too wide", "flagged",
         "drawn too wide", too_wide),
    kind("labels-without-veins", "no veins, though the coding has them", "flagged",
         "taken as not drawn, so unknown", left_in_part, "artery1_vein2", "left"),
    kind("labels-overlap-a-little", "1.5 % of the veins are drawn as arteries, too", "flagged",
         "unknown there", lambda: apart(share(0.015)), "file_per_vessel"),
    kind("labels-empty", "a label file without a labelled voxel", "refused",
         "no voxel is labelled as a vessel", lambda: values(np.zeros_like(patient().codes.array))),
    kind("labels-strange-values", "values that the coding does not know", "refused",
         "values that are not in the coding: 7", lambda: with_strange(7)),
    kind("labels-undeclared", "a set whose values nobody documented", "refused",
         "the values of this set are not documented", lambda: patient().codes, "kaggle_half_lung"),
    kind("labels-shifted", "labels 5 mm off", "refused", "shifted by -5.",
         lambda: moved(patient().codes, (5, 0, 0))),
    kind("labels-mirrored-sideways", "labels mirrored from left to right", "refused",
         "mirrored left to right", lambda: flipped(patient().codes, 2)),
    kind("labels-mirrored-sideways-auto", "one lung labelled and mirrored, `auto` for the side",
         "refused", "mirrored left to right", lambda: flipped(patient().side("left"), 2),
         "artery1_vein2", "auto"),
    kind("labels-upside-down", "labels with their slices in the reverse order", "refused",
         "mirrored head to feet", lambda: flipped(patient().codes, 0)),
    kind("labels-back-to-front", "labels mirrored from front to back", "refused",
         "mirrored front to back", lambda: flipped(patient().codes, 1)),
    kind("labels-ras-for-lps", "labels whose x and y point the other way (RAS taken for LPS)",
         "refused", "mirrored front to back and left to right",
         lambda: flipped(patient().codes, 1, 2)),
    kind("labels-elsewhere", "labels 20 cm away from the CT", "refused",
         "of the labelled voxels lie inside the image",
         lambda: moved(patient().codes, (200, 0, 0))),
    kind("labels-artery-for-vein", "arteries and veins exchanged", "refused",
         "artery and vein exchanged", exchanged),
    kind("labels-left-for-right", "left and right exchanged in four classes", "refused",
         "of the left vessels", lambda: sided(patient().whose == LEFT), "four_classes"),
    kind("labels-side-by-column", "sides by the array's column instead of the patient's", "refused",
         "of the left vessels", by_column, "four_classes"),
    kind("labels-other-lung", "the right lung drawn, the left one declared", "refused",
         "ml of vessels in the left lung", lambda: patient().side("right"), "artery1_vein2",
         "left"),
    kind("labels-one-lung-missing", "one lung drawn, both declared", "refused",
         "ml of vessels in the left lung", lambda: patient().side("right")),
    kind("labels-both-lungs", "both lungs drawn, one declared", "refused",
         "ml of vessels in the left lung", lambda: patient().codes, "artery1_vein2", "left"),
    kind("labels-a-lung-and-a-bit", "one lung and a fifth of the other, `auto` for the side",
         "refused", "ml of vessels in the left lung", lower_half_of_the_right, "artery1_vein2",
         "auto"),
    kind("labels-too-few", "a few voxels of vessel", "refused", "ml of vessels in the left lung",
         lambda: few(), "artery1_vein2", "auto"),
    kind("labels-of-a-lung", "a lung mask declared as arteries", "refused",
         "a lung or a lobe, no vessels", lobe, "artery_only", "left"),
    kind("labels-of-airways", "airways declared as arteries", "refused", "lung around", airways,
         "artery_only"),
    kind("labels-in-the-windpipe", "labels that run on into the windpipe", "flagged",
         "in air outside the lungs", windpipe),
    kind("labels-in-the-room", "labels outside the body", "refused", "in air outside the lungs",
         in_the_room),
    kind("labels-in-the-chest-wall", "labels in the chest wall, beside both lungs", "refused",
         "beyond the chest", chest_wall),
    kind("labels-of-the-heart", "a part of the heart declared as arteries", "refused",
         "of the labelled vessels lie in the lungs", far_from_the_lungs, "artery_only"),
    kind("labels-the-same-twice", "the same mask as arteries and as veins", "refused",
         "belong to two vessels", lambda: apart(lambda a, v: np.copyto(v, a)), "file_per_vessel"),
    kind("labels-overlap-a-lot", "a tenth of the veins is drawn as arteries, too", "refused",
         "belong to two vessels", lambda: apart(share(0.1)), "file_per_vessel"),
    kind("labels-a-file-is-missing", "no file of veins, though the coding has one", "refused",
         "not among the label files", lambda: {"labels_artery": apart()["labels_artery"]},
         "file_per_vessel"),
    kind("labels-on-two-grids", "arteries and veins on different grids", "refused",
         "a grid of its own", lambda: {**apart(), "labels_vein": on_grid(coarser(3.0))},
         "file_per_vessel"),
]  # fmt: skip


def with_strange(value: int) -> Volume:
    codes = patient().codes.array.copy()
    codes[0, 0, 0] = value
    return values(codes)


def few() -> Volume:
    codes = np.zeros_like(patient().codes.array)
    some = np.flatnonzero((patient().codes.array == 1) & (patient().lungs.array == LEFT))[:12]
    codes.flat[some] = 1
    return values(codes)
