"""How exact the lungs are: against experts, another tool's mask and synthetic truth.

    python benchmarks/crop_accuracy.py              # lungs
    python benchmarks/crop_accuracy.py --vessels    # thin vessels to the working grid and back

Lungs are scored on the reference's own grid: as the stage writes them on the working grid of 2 mm
(nearest voxel), and decided on the CT's own voxels. Beside them stands the plain way: the two
largest pieces of air below -400 HU that do not reach the image's sides, by slice. The real CTs
are read from ``LACAF_REAL_DATA`` with the readers of the tests.
"""

import argparse
import os
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from scipy import ndimage

REPOSITORY = Path(__file__).parents[1]
DATA = Path(os.environ.get("LACAF_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "crop")]
WORKING_MM = 2.0
#: A slice of the experts' left lung that holds a contour of nine points, 3 x 3 pixels.
BROKEN_SLICE = 43


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def found_lungs(image):
    """Lungs on the working grid, and on the CT's own voxels."""
    from lacaf.crop.coarse import coarse
    from lacaf.crop.lungs import find
    from lacaf.crop.sampling import integer_hu, sample
    from lacaf.crop.working import on_working, working_grid
    from lacaf.volume import Volume

    lungs = find(coarse(image), 100.0)
    grid = working_grid(lungs, WORKING_MM, 6.0, np.empty((0, 3)))
    working = Volume(on_working(lungs, integer_hu(sample(image, grid))), grid)
    return {"working grid": working, "CT's voxels": Volume(on_working(lungs, image), image.grid)}


def plain(image):
    """The two largest pieces of air, sides by the patient's axes."""
    from lacaf.volume import Volume

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
    """Print a line for each way; ``without`` are voxels that do not count."""
    from lacaf.volume import resample

    counted = np.ones(truth.array.shape, bool) if without is None else ~without
    for way, lungs in {"two largest pieces": plain(image), **found_lungs(image)}.items():
        found = resample(lungs, truth.grid, "nearest").array
        left, right = (dice((found == v) & counted, (truth.array == v) & counted) for v in (1, 2))
        print(f"| {name} | {way} | {left:.4f} | {right:.4f} |", flush=True)


def tumour_case():
    import pydicom
    from test_crop_real import contours, series

    from lacaf.volume import Volume

    archive = next((DATA / "lung1-rtstruct").glob("*.tar.xz"))
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(archive) as files:
            files.extractall(name, filter="data")
        folder = next(p.parent for p in Path(name).rglob("*.dcm"))
        image = series(folder)
        large = (pydicom.dcmread(p) for p in folder.iterdir() if p.stat().st_size > 600_000)
        structures = next(found for found in large if found.Modality == "RTSTRUCT")
    drawn = contours(structures, image.grid, {"Lung L": 1, "Lung R": 2})
    return image, Volume(drawn, image.grid), contours(structures, image.grid, {"GTV-1": 1}) > 0


def lungs():
    from chest import chest
    from test_crop_real import cip

    print("| CT | way | DSC left | DSC right |\n|---|---|---|---|")
    if DATA.is_dir():
        image, truth, tumour = tumour_case()
        share = (image.array[truth.array > 0] > -400).mean()
        score("LUNG1-001, as drawn", image, truth)
        score("LUNG1-001, without the tumour", image, truth, tumour)
        broken = np.zeros_like(tumour)
        broken[BROKEN_SLICE] = True
        score(f"LUNG1-001, without slice {BROKEN_SLICE} too", image, truth, tumour | broken)
        score("CIP 10002K", *cip(DATA)[:2])
    else:
        print(f"real CTs left out: {DATA} does not exist", file=sys.stderr)
    score("phantom, 3 mm", chest(3.0).image, chest(3.0).lungs)
    score("phantom, 1.5 mm", chest(1.5).image, chest(1.5).lungs)
    if DATA.is_dir():
        print(f"\n{share:.0%} of the contoured voxels of LUNG1-001 are denser than -400 HU")


def vessels():
    from test_crop_box import there_and_back, tree

    from lacaf.grid import Grid

    print("| CT, mm | working, mm | of the CT's finest | DSC, shares | DSC, labels |")
    print("|---|---|---|---|---|")
    for spacing in ((0.7, 0.7, 1.0), (0.54, 0.54, 2.0), (0.98, 0.98, 3.0)):
        stored = Grid.upright(tuple(int(50 / s) for s in spacing[::-1]), spacing)
        mask = tree(stored)
        ct = " x ".join(f"{s:g}" for s in spacing)
        for working in (0.5 * spacing[0], 0.7 * spacing[0], spacing[0], 1.0, 1.5, 2.0, 3.0):
            soft, hard = (there_and_back(mask, stored, working, h) for h in (False, True))
            share = working / min(spacing)
            print(f"| {ct} | {working:.2f} | {share:.2f} | {soft:.4f} | {hard:.4f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vessels", action="store_true")
    vessels() if parser.parse_args().vessels else lungs()


if __name__ == "__main__":
    main()
