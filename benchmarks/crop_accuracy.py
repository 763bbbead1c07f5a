"""How exact the lungs are: against experts, another tool's mask and synthetic truth.

    python benchmarks/crop_accuracy.py              # lungs
    python benchmarks/crop_accuracy.py --vessels    # thin vessels to the working grid and back

Lungs are scored on the reference's own grid: as the stage writes them on the working grid of 2 mm
(nearest voxel), and decided on the CT's own voxels. Beside them stands the plain way: the two
largest pieces of air below -400 HU that do not reach the image's sides, by slice. The real CTs
are read from ``LACAF_REAL_DATA`` with the readers of the tests.
"""

import argparse
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from measuring import REAL_DATA, REPOSITORY, heading, parsed, row
from scipy import ndimage

from lacaf.crop.coarse import coarse
from lacaf.crop.lungs import find
from lacaf.crop.sampling import sample
from lacaf.crop.working import on_working, working_grid
from lacaf.grid import Grid
from lacaf.volume import Volume, resample

sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "crop")]
WORKING_MM = 2.0
#: Of a CT, x y z; the working grids by themselves and as multiples of the CT's finest.
CT_MM = ((0.7, 0.7, 1.0), (0.54, 0.54, 2.0), (0.98, 0.98, 3.0))
GRIDS_MM, MULTIPLES = (1.0, 1.5, 2.0, 3.0), (0.5, 0.7, 1.0)
#: A slice of the experts' left lung that holds a contour of nine points, 3 x 3 pixels.
BROKEN_SLICE = 43


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def found_lungs(image):
    """Lungs on the working grid, and on the CT's own voxels."""
    lungs = find(coarse(image), 100.0)
    grid = working_grid(lungs, WORKING_MM, 6.0, np.empty((0, 3)))
    hu = np.rint(sample(image, grid).array).astype(np.int16)
    working = Volume(on_working(lungs, Volume(hu, grid)), grid)
    return {"working grid": working, "CT's voxels": Volume(on_working(lungs, image), image.grid)}


def plain(image):
    """The two largest pieces of air, sides by the patient's axes."""
    air = image.array < -400
    flat = np.zeros((3, 3, 3), bool)
    flat[1] = ndimage.generate_binary_structure(2, 1)
    regions, count = ndimage.label(air, structure=flat)
    rim = np.zeros(count + 1, bool)
    for face in (regions[:, 0], regions[:, -1], regions[:, :, 0], regions[:, :, -1]):
        rim[np.unique(face)] = True
    pieces, _ = ndimage.label(air & ~rim[regions])
    size = np.bincount(pieces.ravel())
    size[0] = 0
    two = np.argsort(-size)[:2]
    x = [image.grid.to_mm(np.argwhere(pieces == n).mean(axis=0))[0] for n in two]
    left, right = two if x[0] > x[1] else two[::-1]
    mask = (pieces == left) + 2 * (pieces == right)
    return Volume(mask.astype(np.uint8), image.grid)


def score(name, image, truth, without=None):
    """Print a row for each way; ``without`` are voxels that do not count."""
    counted = np.ones(truth.array.shape, bool) if without is None else ~without
    for way, lungs in {"two largest pieces": plain(image), **found_lungs(image)}.items():
        found = resample(lungs, truth.grid, "nearest").array
        left, right = (dice((found == v) & counted, (truth.array == v) & counted) for v in (1, 2))
        row(name, way, f"{left:.4f}", f"{right:.4f}")


def tumour_case():
    import pydicom
    from test_crop_real import contours, series

    archive = next((REAL_DATA / "lung1-rtstruct").glob("*.tar.xz"))
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(archive) as files:
            files.extractall(name, filter="data")
        folder = next(p.parent for p in Path(name).rglob("*.dcm"))
        image = series(folder)
        large = (pydicom.dcmread(p) for p in folder.iterdir() if p.stat().st_size > 600_000)
        structures = next(found for found in large if found.Modality == "RTSTRUCT")
    drawn = contours(structures, image.grid, {"Lung L": 1, "Lung R": 2})
    return image, Volume(drawn, image.grid), contours(structures, image.grid, {"GTV-1": 1}) > 0


def real_lungs():
    from test_crop_real import cip

    image, truth, tumour = tumour_case()
    score("LUNG1-001, as drawn", image, truth)
    score("LUNG1-001, without the tumour", image, truth, tumour)
    broken = np.zeros_like(tumour)
    broken[BROKEN_SLICE] = True
    score(f"LUNG1-001, without slice {BROKEN_SLICE} too", image, truth, tumour | broken)
    score("CIP 10002K", *cip(REAL_DATA)[:2])
    return (image.array[truth.array > 0] > -400).mean()


def lungs(phantoms_mm, real):
    from chest import chest

    heading("CT", "way", "DSC left", "DSC right")
    dense = real_lungs() if real and REAL_DATA.is_dir() else None
    for spacing_mm in phantoms_mm:
        score(f"phantom, {spacing_mm:g} mm", chest(spacing_mm).image, chest(spacing_mm).lungs)
    if dense is not None:
        print(f"\n{dense:.0%} of the contoured voxels of LUNG1-001 are denser than -400 HU")
    elif real:
        print(f"\nleft out: the real CTs, {REAL_DATA} is not here (set LACAF_REAL_DATA)")


def vessels(spacings_mm, grids_mm):
    from test_crop_box import there_and_back, tree

    heading("CT, mm", "working, mm", "of the CT's finest", "DSC, fractions", "DSC, labels")
    for spacing in spacings_mm:
        stored = Grid.upright(tuple(int(50 / s) for s in spacing[::-1]), spacing)
        mask = tree(stored)
        ct = " x ".join(f"{s:g}" for s in spacing)
        for working in (*(m * spacing[0] for m in MULTIPLES), *grids_mm):
            soft, hard = (there_and_back(mask, stored, working, h) for h in (False, True))
            multiple = working / min(spacing)
            row(ct, f"{working:.2f}", f"{multiple:.2f}", f"{soft:.4f}", f"{hard:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vessels", action="store_true", help="thin vessels, not lungs")
    options = parsed(parser)
    if options.smallest:
        lungs((3.0,), real=False)
        print()
        vessels(CT_MM[-1:], GRIDS_MM[-1:])
    elif options.vessels:
        vessels(CT_MM, GRIDS_MM)
    else:
        lungs((3.0, 1.5), real=True)


if __name__ == "__main__":
    main()
