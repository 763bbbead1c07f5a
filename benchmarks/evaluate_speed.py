"""How fast and how lean evaluate is: ours beside MONAI and scikit-image, in one run.

    python benchmarks/evaluate_speed.py                        # 160 x 192 x 192, under a minute
    python benchmarks/evaluate_speed.py --shape 400 512 512    # a whole CT, some minutes

Both compute, for the four classes of one synthetic case with trees as thin as real ones and for
the five groups that they make: DSC, sensitivity, precision, NSD (subvoxel, 1 and 2 mm), HD95,
ASSD, Betti numbers, clDice, length detected (by calibre too), and confusion of vessels and
sides. Ours also counts branches, generations and false branches, for which the peers have no
function. Each runs in a process of its own, so that its peak of memory is its own; ours before
and after theirs. The scores that both define alike are compared. ``--only ours`` leaves the other
out.
"""

import argparse
import contextlib
import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import heading, in_a_process, parsed, row, tell, timed

from lacaf.classes import SIDES, TABLE, class_value, values_of
from lacaf.grid import Grid
from lacaf.volume import Volume, read, write

SPACING_MM = (0.7, 0.7, 0.7)  # x, y, z
VESSELS = ("artery", "vein")
#: What is drawn and scored: arteries and veins of either side.
DRAWN = tuple(one for one in TABLE if one.vessel in VESSELS and one.side)
NAMES = tuple(one.name for one in DRAWN)
EDGES_MM = (1.0, 2.0, 4.0)


def grow(box_mm, root_mm, rng, radius_mm):
    """A random tree in a box: segments (start, end, radius), radii by Murray's law."""
    low, high = box_mm
    segments, tips = [], [(np.array(root_mm), rng.normal(size=3), radius_mm)]
    while tips:
        start, direction, radius = tips.pop()
        goal = rng.uniform(low, high)
        direction = direction / np.linalg.norm(direction) + (goal - start) / np.ptp(box_mm)
        end = start + direction / np.linalg.norm(direction) * radius * rng.uniform(4, 9)
        end = np.clip(end, low, high)
        segments.append((start, end, radius))
        fraction = rng.uniform(0.25, 0.5)
        for child in (radius * fraction ** (1 / 3), radius * (1 - fraction) ** (1 / 3)):
            if child > 0.6:
                tips.append((end, end - start + rng.normal(size=3) * radius, child))
    return segments


def draw(labels, segments, value, spacing_mm):
    """Draw the segments as chains of balls; spacing in array order."""
    for start, end, radius in segments:
        for t in np.linspace(0, 1, max(2, int(np.linalg.norm(end - start) / 0.35))):
            centre = (start + t * (end - start)) / spacing_mm
            reach = radius / spacing_mm
            low = np.maximum(np.ceil(centre - reach), 0).astype(int)
            high = np.minimum(np.floor(centre + reach) + 1, labels.shape).astype(int)
            axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
            zz, yy, xx = np.meshgrid(*axes, indexing="ij")
            offset = (np.stack([zz, yy, xx], -1) - centre) * spacing_mm
            ball = (offset**2).sum(-1) <= radius**2
            labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))][ball] = value


def case(shape, seed=0):
    """A reference and a prediction of it: drawn thicker, without some branches, some swapped."""
    rng = np.random.default_rng(seed)
    grid = Grid.upright(tuple(shape), SPACING_MM)
    spacing = np.array(grid.spacing_mm)
    size = np.array(shape) * spacing
    reference, prediction = (np.zeros(shape, np.uint8) for _ in range(2))
    for one in DRAWN:
        left, value = one.side == "left", one.value
        other = class_value(next(vessel for vessel in VESSELS if vessel != one.vessel), one.side)
        low = size * (0.1, 0.2, 0.52 if left else 0.08)
        high = size * (0.9, 0.8, 0.92 if left else 0.48)
        root = (low + high) / 2
        segments = grow((low, high), root, rng, 5.5 * min(shape) / 400)
        draw(reference, segments, value, spacing)
        for start, end, radius in segments:
            kind = rng.uniform()
            if kind < 0.9 or radius > 3:
                said = other if kind < 0.05 and radius < 3 else value
                draw(prediction, [(start, end, radius + rng.uniform(-0.1, 0.4))], said, spacing)
    return Volume(prediction, grid), Volume(reference, grid)


def ours(folder):
    from lacaf.evaluate import evaluate

    return evaluate(folder / "prediction.nii.gz", folder / "reference.nii.gz", None)["against"][
        "labelled"
    ]


#: The scores that both give by the same definition.
SHARED = ("dsc", "sensitivity", "precision", "nsd_1mm", "nsd_2mm", "hd95_mm", "assd_mm")
SHARED += tuple(f"{volume}_b{i}" for volume in ("reference", "prediction") for i in range(3))


def theirs(folder):
    """The same numbers by the functions that MONAI, scikit-image and SciPy have for them.

    Dice, NSD at 1 and 2 mm, HD95 and ASSD by MONAI; components, cavities and Euler number,
    skeletons and (by SciPy's distances) radii by scikit-image; the rest is counting. Each subject
    is cut to its box first, as ours is. Branches and generations have no function there.
    """
    prediction, reference = (read(folder / f"{n}.nii.gz") for n in ("prediction", "reference"))
    spacing = list(reference.grid.spacing_mm)
    subjects = {one.name: (one.value,) for one in DRAWN}
    groups = {vessel: values_of(vessel=vessel) for vessel in VESSELS}
    groups |= {side: values_of(side=side) for side in SIDES}
    groups["vessel"] = tuple(one.value for one in DRAWN)
    scores, lines = {}, {}
    for name, values in {**subjects, **groups}.items():
        pair = [np.isin(volume.array, values) for volume in (prediction, reference)]
        box = bounding_box(pair[0] | pair[1])
        pair = [np.pad(mask[box], 1) for mask in pair]
        scores[name] = surfaces(*pair, spacing) | counts(*pair)
        for which, mask in zip(("prediction", "reference"), pair, strict=True):
            scores[name] |= dict(zip((f"{which}_b{i}" for i in range(3)), betti(mask), strict=True))
        if name in subjects:
            lines[name] = skeletons(*pair, spacing, [s.start - 1 for s in box])
        scores[name] |= trees(
            [line for of, line in lines.items() if set(subjects[of]) <= set(values)],
            prediction.array,
            reference.array,
            values,
        )
    return {"subjects": scores, "confusion": confusion(lines, prediction.array)}


def bounding_box(mask):
    from scipy import ndimage

    return ndimage.find_objects(mask.astype(np.uint8), max_label=1)[0]


def surfaces(prediction, reference, spacing):
    import torch
    from monai import metrics

    pair = [torch.from_numpy(a)[None, None] for a in (prediction, reference)]
    options = {"include_background": True, "spacing": spacing}
    found = {"dsc": metrics.compute_dice(*pair, include_background=True)}
    for mm in (1, 2):
        found[f"nsd_{mm}mm"] = metrics.compute_surface_dice(
            *pair, [float(mm)], use_subvoxels=True, **options
        )
    found["hd95_mm"] = metrics.compute_hausdorff_distance(*pair, percentile=95, **options)
    found["assd_mm"] = metrics.compute_average_surface_distance(*pair, symmetric=True, **options)
    return {key: float(value) for key, value in found.items()}


def counts(prediction, reference):
    common = (prediction & reference).sum()
    return {
        "sensitivity": float(common / reference.sum()),
        "precision": float(common / prediction.sum()),
    }


def betti(mask):
    from skimage.measure import euler_number, label

    components = int(label(mask, connectivity=3, return_num=True)[1])
    cavities = int(label(~mask, connectivity=1, return_num=True)[1]) - 1
    return components, components + cavities - int(euler_number(mask, connectivity=3)), cavities


def skeletons(prediction, reference, spacing, origin):
    """Voxels of both centrelines in the image, and the radius at those of the reference."""
    from scipy import ndimage
    from skimage.morphology import skeletonize

    points = [np.argwhere(skeletonize(mask)) for mask in (prediction, reference)]
    radius = ndimage.distance_transform_edt(reference, sampling=spacing)[tuple(points[1].T)]
    return *(p + origin for p in points), radius - min(spacing) / 2


def trees(lines, prediction, reference, values):
    own, wanted, radius = (np.concatenate(part) for part in zip(*lines, strict=True))
    right = np.isin(reference[tuple(own.T)], values)
    found = np.isin(prediction[tuple(wanted.T)], values)
    total = right.mean() + found.mean()
    band = np.digitize(radius, EDGES_MM)
    return {
        "cldice": float(2 * right.mean() * found.mean() / total),
        "tree_detected": float(found.mean()),
        "by_calibre": [float(found[band == i].mean()) for i in range(len(EDGES_MM) + 1)],
    }


def confusion(lines, prediction):
    """Fraction of each reference centreline called the other vessel, or the other side."""
    found = {}
    for one in DRAWN:
        said = prediction[tuple(lines[one.name][1].T)]
        same = values_of(vessel=one.vessel), values_of(side=one.side)
        found[one.name] = [float(((said > 0) & ~np.isin(said, own)).mean()) for own in same]
    return found


def warm_up(which):
    modules = {
        "ours": ["cc3d", "edt", "scipy.sparse.csgraph", "scipy.spatial"],
        "theirs": ["monai.metrics"],
    }
    shared = ["nibabel", "scipy.ndimage", "skimage.measure", "skimage.morphology"]
    for name in [*shared, *modules[which]]:
        importlib.import_module(name)


def measure(which, folder):
    """Seconds of the clock and of the CPU, peak memory and scores of one of the two.

    From files to numbers; libraries are loaded before the clock starts.
    """
    work = {"ours": ours, "theirs": theirs}[which]
    with contextlib.redirect_stdout(sys.stderr):
        warm_up(which)
    with timed() as seconds:
        scores = work(folder)
    tell(seconds | {"scores": scores})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(160, 192, 192), help="z y x")
    parser.add_argument("--only", choices=("ours", "theirs"))
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parsed(parser, shape=(96, 96, 96))
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prediction, reference = case(options.shape)
        write(prediction, folder / "prediction.nii.gz")
        write(reference, folder / "reference.nii.gz")
        voxels = np.bincount(reference.array.ravel(), minlength=len(TABLE) + 1)
        ml = (
            f"{voxels[one.value] * reference.grid.voxel_ml:.1f} ml of {one.name}" for one in DRAWN
        )
        print(" × ".join(map(str, options.shape)), "voxels (z, y, x):", *ml, "\n", flush=True)
        results = {"ours": [], "theirs": []}
        heading("", "wall s", "processor s", "peak, GB")
        for which in [options.only] if options.only else ["ours", "theirs", "ours"]:
            found = in_a_process(sys.executable, __file__, "--measure", which, name)
            results[which].append(found)
            row(which, *(f"{found[key]:.2f}" for key in ("wall", "processor", "gigabytes")))
    if all(results.values()):
        compare(**results)


def compare(ours, theirs):
    """Time as a fraction, and the largest difference of each score that both define alike.

    Ours ran before and after theirs, so that a machine that grows busy does not decide.
    """
    keys = ("wall", "processor", "gigabytes")
    fractions = (np.mean([run[key] for run in ours]) / theirs[0][key] for key in keys)
    row("**ours / theirs**", *(f"**{fraction:.3f}**" for fraction in fractions))
    print()
    heading("score", "differs by at most")
    mine = ours[0]["scores"]
    for key in SHARED:
        gaps = [
            abs((mine["classes"] | mine["groups"])[name][key] - entry[key])
            for name, entry in theirs[0]["scores"]["subjects"].items()
        ]
        row(key, f"{max(gaps):.1e}")


if __name__ == "__main__":
    main()
