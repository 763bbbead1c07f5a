"""What converted CTs may be like when stage crop gets them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from chest import chest, couch_in_front, darkened, image, misread, roomy, turned
from odd.kind import Kind, carried_out, settings
from scipy import ndimage
from thorax import dice, positions

from lacaf import volume
from lacaf.grid import Grid
from lacaf.volume import Volume, resample

CT_MM, WORKING_MM = 3.0, 4.0
UPRIGHT = (0, 1, 2)


def crop(
    stored: Volume,
    folder: Path,
    masks: Sequence[Path] = (),
    truth: Volume | None = None,
    lungs: str = "classical",
    coding: str = "",
) -> dict[str, Any]:
    """The record of stage crop; the lungs are compared with the truth where it is given."""
    from lacaf.crop import crop as stage

    source = folder / "convert"
    source.mkdir(exist_ok=True)
    volume.write(stored, source / "image.nii.gz")
    section = settings().crop.model_copy(update={"lungs": lungs, "spacing_mm": WORKING_MM})
    meant = settings().all_codings().get(coding)
    record = carried_out("crop", folder, lambda out: stage(section, meant, source, out, masks))
    if record["status"] == "ok" and truth is not None:
        found = volume.read(folder / "crop" / "case1" / "lungs.nii.gz")
        found = resample(found, truth.grid, "nearest").array
        for value in (1, 2):
            assert dice(found == value, truth.array == value) > 0.92
    return record


def ct() -> Volume:
    return image(CT_MM)


def lungs() -> Volume:
    return chest(CT_MM).lungs


def place(stored: Volume) -> tuple:
    """x, y and z of every voxel, mm."""
    return tuple(np.moveaxis(positions(stored.grid), -1, 0))


def part(stored: Volume, slices: slice) -> Volume:
    """Some slices of a CT, where they are."""
    affine = stored.grid.affine.copy()
    affine[:3, 3] = stored.grid.to_mm(np.array([slices.start or 0, 0, 0]))
    array = stored.array[slices].copy()
    return Volume(array, Grid(array.shape, affine))


def as_it_is(folder: Path) -> dict[str, Any]:
    return crop(ct(), folder, truth=lungs())


def oblique(folder: Path) -> dict[str, Any]:
    return crop(turned(roomy(CT_MM), 20), folder)


def prone(folder: Path) -> dict[str, Any]:
    return crop(couch_in_front(roomy(CT_MM)), folder, truth=lungs())


def mirrored(folder: Path) -> dict[str, Any]:
    return crop(misread(ct(), UPRIGHT, (1, 1, -1)), folder)


def rows_flipped(folder: Path) -> dict[str, Any]:
    return crop(misread(ct(), UPRIGHT, (1, -1, 1)), folder)


def wrong_patient_position(folder: Path) -> dict[str, Any]:
    return crop(misread(ct(), UPRIGHT, (1, -1, -1)), folder)


def slices_from_the_wrong_end(folder: Path) -> dict[str, Any]:
    return crop(misread(ct(), UPRIGHT, (-1, 1, 1)), folder)


def coronal_as_axial(folder: Path) -> dict[str, Any]:
    return crop(misread(ct(), (1, 0, 2), (1, 1, 1)), folder)


def sagittal_as_axial(folder: Path) -> dict[str, Any]:
    return crop(misread(ct(), (2, 0, 1), (1, 1, 1)), folder)


def belly(folder: Path) -> dict[str, Any]:
    return crop(part(roomy(CT_MM), slice(0, 27)), folder)


def upper_half(folder: Path) -> dict[str, Any]:
    return crop(part(ct(), slice(len(ct().array) // 2, None)), folder)


def last_centimetre_missing(folder: Path) -> dict[str, Any]:
    lowest = int(np.nonzero(lungs().array)[0].min())
    return crop(part(ct(), slice(lowest + 4, None)), folder)


def narrow_view(folder: Path) -> dict[str, Any]:
    stored = ct()
    x, y, _ = place(stored)
    stored.array[np.hypot(x, y) > 75] = -1024
    return crop(stored, folder)


def grazing_view(folder: Path) -> dict[str, Any]:
    stored = ct()
    x, y, _ = place(stored)
    away = np.hypot(x + 45, y - 10)
    stored.array[away > np.quantile(away[lungs().array == 1], 0.99)] = -1024
    return crop(stored, folder, truth=lungs())


def one_lung(folder: Path) -> dict[str, Any]:
    stored = ct()
    stored.array[lungs().array == 1] = 30
    return crop(stored, folder)


def effusion(folder: Path) -> dict[str, Any]:
    stored, truth = ct(), lungs()
    y = place(stored)[1]
    fluid = (truth.array == 1) & (y > np.median(y[truth.array == 1]))
    stored.array[fluid] = 10
    aerated = Volume(np.where(fluid, 0, truth.array), truth.grid)
    return crop(stored, folder, truth=aerated)


def touching(folder: Path) -> dict[str, Any]:
    stored, truth = ct(), lungs()
    _, y, z = place(stored)
    lung = truth.array > 0
    height = (z > np.quantile(z[lung], 0.5)) & (z < np.quantile(z[lung], 0.8))
    gap = ndimage.binary_closing(lung, np.ones((1, 1, 25))) & ~lung & height
    stored.array[gap & (np.abs(y - np.quantile(y[lung], 0.2)) < 5)] = -850
    record = crop(stored, folder, truth=truth)
    assert record["method"]["parting"].startswith("parted")
    return record


def emphysema(folder: Path) -> dict[str, Any]:
    return crop(darkened(ct(), lungs().array, 0.6), folder, truth=lungs())


def foam(folder: Path) -> dict[str, Any]:
    stored = roomy(CT_MM)
    firm = np.flatnonzero((stored.array > 0).any(axis=(0, 2)))[-1]
    x = np.abs(place(stored)[0][0, 0])
    stored.array[:, firm + 4 :] = -1000
    stored.array[:, firm + 4 : firm + 19, x < 200] = -250
    stored.array[:, firm + 6 : firm + 17, x < 190] = -900
    return crop(stored, folder, truth=lungs())


def no_trachea(folder: Path) -> dict[str, Any]:
    stored = ct()
    tube = ndimage.binary_dilation(chest(CT_MM).airways.array > 0, iterations=2)
    stored.array[tube & (lungs().array == 0)] = 30
    return crop(stored, folder, truth=lungs())


def shifted_hu(folder: Path) -> dict[str, Any]:
    stored = ct()
    return crop(Volume(stored.array + np.int16(1024), stored.grid), folder)


def nothing_but_air(folder: Path) -> dict[str, Any]:
    return crop(Volume(np.full_like(ct().array, -1000), ct().grid), folder)


def a_number_everywhere(folder: Path) -> dict[str, Any]:
    return crop(Volume(np.zeros_like(ct().array), ct().grid), folder)


def stray_label(folder: Path) -> dict[str, Any]:
    stored = ct()
    labels = np.zeros(stored.array.shape, np.uint8)
    z, y, x = np.argwhere(lungs().array > 0).max(axis=0)
    labels[z, y, x + 4] = 2
    (folder / "convert").mkdir()
    volume.write(Volume(labels, stored.grid), folder / "convert" / "labels.nii.gz")
    return crop(stored, folder, truth=lungs(), coding="artery1_vein2")


def given(mask: Volume | None, folder: Path, right: bool = True) -> dict[str, Any]:
    """Crop with a mask that came with the data."""
    paths = []
    if mask is not None:
        paths = [folder / "lungs.nii.gz"]
        volume.write(mask, paths[0])
    return crop(ct(), folder, paths, lungs() if right else None, "given")


def mask_in_other_numbers(folder: Path) -> dict[str, Any]:
    return given(Volume(np.array([0, 20, 10], np.uint8)[lungs().array], lungs().grid), folder)


def mask_of_one_number(folder: Path) -> dict[str, Any]:
    return given(Volume((lungs().array > 0).astype(np.uint8), lungs().grid), folder)


def no_mask(folder: Path) -> dict[str, Any]:
    return given(None, folder)


def empty_mask(folder: Path) -> dict[str, Any]:
    return given(Volume(np.zeros_like(lungs().array), lungs().grid), folder)


def mirrored_mask(folder: Path) -> dict[str, Any]:
    """Front to back, so that it lies on spine and ribs."""
    return given(Volume(lungs().array[:, ::-1].copy(), lungs().grid), folder, right=False)


def mask_of_another_scan(folder: Path) -> dict[str, Any]:
    affine = lungs().grid.affine.copy()
    affine[2, 3] += 500
    return given(Volume(lungs().array, Grid(lungs().grid.shape, affine)), folder)


def mask_of_fractions(folder: Path) -> dict[str, Any]:
    return given(Volume(lungs().array * np.float32(0.4), lungs().grid), folder)


KINDS = [
    Kind("chest", "crop", "a chest", "accepted", (), as_it_is),
    Kind("chest-oblique", "crop", "a chest on a grid turned by 20°", "accepted", (), oblique),
    Kind("prone", "crop", "the couch in front of the chest", "flagged", ("lying prone",), prone),
    Kind(
        "mirrored-chest",
        "crop",
        "a mirrored file (or situs inversus)",
        "flagged",
        ("left and right look exchanged", "signs are contrary"),
        mirrored,
    ),
    Kind(
        "rows-flipped",
        "crop",
        "rows stored from back to front under a header that says otherwise",
        "refused",
        ("bone in the midline lies in front",),
        rows_flipped,
    ),
    Kind(
        "wrong-patient-position",
        "crop",
        "a header that is turned by 180° about the body's axis",
        "refused",
        ("bone in the midline lies in front", "the couch in front"),
        wrong_patient_position,
    ),
    Kind(
        "upside-down",
        "crop",
        "slices from the head downwards under a header that says upwards",
        "refused",
        ("stand on their heads",),
        slices_from_the_wrong_end,
    ),
    Kind(
        "coronal-as-axial",
        "crop",
        "coronal slices under a header that says axial",
        "refused",
        ("cut at its front and back",),
        coronal_as_axial,
    ),
    Kind(
        "sagittal-as-axial",
        "crop",
        "sagittal slices under a header that says axial",
        "refused",
        (),
        sagittal_as_axial,
    ),
    Kind("belly", "crop", "the belly with the tips of the lungs", "refused", (), belly),
    Kind(
        "upper-half",
        "crop",
        "the upper half of the chest",
        "refused",
        ("cut off at the bottom",),
        upper_half,
    ),
    Kind(
        "last-centimetre",
        "crop",
        "the lowest centimetre of the lungs is not in the image",
        "flagged",
        ("lungs reach the bottom of the image",),
        last_centimetre_missing,
    ),
    Kind(
        "narrow-view",
        "crop",
        "a round field of view for heart or spine",
        "refused",
        ("field of view cuts the lungs",),
        narrow_view,
    ),
    Kind(
        "grazing-view",
        "crop",
        "a round field of view that grazes a lung",
        "flagged",
        ("edge of the field of view",),
        grazing_view,
    ),
    Kind("one-lung", "crop", "a lung is missing", "refused", (), one_lung),
    Kind(
        "effusion",
        "crop",
        "fluid fills half of a lung",
        "flagged",
        ("the left lung is small",),
        effusion,
    ),
    Kind(
        "touching-lungs", "crop", "lungs that touch each other in front", "accepted", (), touching
    ),
    Kind("emphysema", "crop", "emphysema in 60 % of the lungs", "accepted", (), emphysema),
    Kind("foam", "crop", "a couch of foam as light as lung", "accepted", (), foam),
    Kind(
        "no-trachea",
        "crop",
        "a trachea full of fluid",
        "flagged",
        ("no trachea found",),
        no_trachea,
    ),
    Kind(
        "stored-values",
        "crop",
        "stored values instead of HU (1024 too high)",
        "refused",
        ("there is no air",),
        shifted_hu,
    ),
    Kind(
        "only-air",
        "crop",
        "an image of air alone",
        "refused",
        ("nothing but air",),
        nothing_but_air,
    ),
    Kind("constant", "crop", "the same value everywhere", "refused", (), a_number_everywhere),
    Kind(
        "stray-label",
        "crop",
        "a labelled vessel outside the lungs' box",
        "flagged",
        ("labelled vessels lie outside the lungs' box",),
        stray_label,
    ),
    Kind(
        "mask-numbers",
        "crop",
        "a given lung mask in numbers of its own",
        "accepted",
        (),
        mask_in_other_numbers,
    ),
    Kind(
        "mask-one-number",
        "crop",
        "a given mask with one number for both lungs",
        "accepted",
        (),
        mask_of_one_number,
    ),
    Kind("mask-none", "crop", "`given` without a mask", "refused", ("no lung masks",), no_mask),
    Kind("mask-empty", "crop", "a given mask that is empty", "refused", ("empty",), empty_mask),
    Kind(
        "mask-mirrored",
        "crop",
        "a given mask that is mirrored front to back",
        "refused",
        ("of it is air in the CT",),
        mirrored_mask,
    ),
    Kind(
        "mask-elsewhere",
        "crop",
        "a given mask of another scan",
        "refused",
        ("reaches beyond the CT",),
        mask_of_another_scan,
    ),
    Kind(
        "mask-fractions",
        "crop",
        "a given mask that was interpolated",
        "refused",
        ("fractions",),
        mask_of_fractions,
    ),
]
