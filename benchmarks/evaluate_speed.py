"""How fast and how lean evaluate is: ours beside MONAI and scikit-image, in one run.

    python benchmarks/evaluate_speed.py                        # 160 x 192 x 192, under a minute
    python benchmarks/evaluate_speed.py --shape 400 512 512    # a whole CT, some minutes

Both compute, for the four classes of one synthetic case with trees as thin as real ones: DSC,
NSD (subvoxel, 1 mm), HD95 and clDice. Each runs in a process of its own, so that its peak of
memory is its own. ``--only ours`` leaves the other out.
"""

import argparse
import contextlib
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lacaf.volume import Grid, Volume, read, write

SPACING_MM = (0.7, 0.7, 0.7)  # x, y, z
CLASSES = 4


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
        share = rng.uniform(0.25, 0.5)
        for child in (radius * share ** (1 / 3), radius * (1 - share) ** (1 / 3)):
            if child > 0.6:
                tips.append((end, end - start + rng.normal(size=3) * radius, child))
    return segments


def draw(labels, segments, value, spacing_mm):
    """Stamp the segments as chains of balls; spacing in array order."""
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
    for value in range(1, CLASSES + 1):
        left = value <= 2
        low = size * (0.1, 0.2, 0.52 if left else 0.08)
        high = size * (0.9, 0.8, 0.92 if left else 0.48)
        root = (low + high) / 2
        segments = grow((low, high), root, rng, 5.5 * min(shape) / 400)
        draw(reference, segments, value, spacing)
        for start, end, radius in segments:
            kind = rng.uniform()
            if kind < 0.9 or radius > 3:
                other = 1 + ((value - 1) ^ 1)
                said = other if kind < 0.05 and radius < 3 else value
                draw(prediction, [(start, end, radius + rng.uniform(-0.1, 0.4))], said, spacing)
    return Volume(prediction, grid), Volume(reference, grid)


def ours(folder):
    from lacaf.evaluate import evaluate

    details = evaluate(folder / "prediction.nii.gz", folder / "reference.nii.gz", None)
    classes = details["against"]["labelled"]["classes"]
    return {
        name: [entry[k] for k in ("dsc", "nsd", "hd95_mm", "cldice")]
        for name, entry in classes.items()
    }


def theirs(folder):
    """MONAI's Dice, NSD and HD95, and clDice on scikit-image's skeletons; whole volume."""
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice
    from skimage.morphology import skeletonize

    from lacaf.coverage import CLASSES as names

    prediction, reference = (read(folder / f"{n}.nii.gz") for n in ("prediction", "reference"))
    spacing = list(reference.grid.spacing_mm)
    scores = {}
    for value, name in enumerate(names, start=1):
        p, r = prediction.array == value, reference.array == value
        tp, tr = (torch.from_numpy(a)[None, None] for a in (p, r))
        options = {"include_background": True, "spacing": spacing}
        dice = compute_dice(tp, tr, include_background=True)
        nsd = compute_surface_dice(tp, tr, [1.0], use_subvoxels=True, **options)
        hd95 = compute_hausdorff_distance(tp, tr, percentile=95, **options)
        sp, sr = skeletonize(p), skeletonize(r)
        precision, sensitivity = (sp & r).sum() / sp.sum(), (sr & p).sum() / sr.sum()
        cldice = 2 * precision * sensitivity / (precision + sensitivity)
        scores[name] = [float(x) for x in (dice, nsd, hd95, cldice)]
    return scores


def warm_up(which):
    modules = {
        "ours": ["cc3d", "edt", "scipy.ndimage", "scipy.sparse.csgraph", "scipy.spatial"],
        "theirs": ["monai.metrics"],
    }
    for name in ["nibabel", "skimage.measure", "skimage.morphology", *modules[which]]:
        importlib.import_module(name)


def measure(which, folder):
    """Seconds, peak memory and scores of one of the two, from files to numbers.

    Libraries are loaded before the clock starts.
    """
    work = {"ours": ours, "theirs": theirs}[which]
    with contextlib.redirect_stdout(sys.stderr):
        warm_up(which)
    start = time.perf_counter()
    scores = work(folder)
    seconds = time.perf_counter() - start
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": seconds, "gigabytes": gigabytes, "scores": scores}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(160, 192, 192), help="z y x")
    parser.add_argument("--only", choices=("ours", "theirs"))
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prediction, reference = case(options.shape)
        write(prediction, folder / "prediction.nii.gz")
        write(reference, folder / "reference.nii.gz")
        millilitres = (
            np.bincount(reference.array.ravel(), minlength=5)[1:] * reference.grid.voxel_ml
        )
        print(f"grid {options.shape}, ml a class {np.round(millilitres, 1).tolist()}", flush=True)
        results = {}
        for which in [options.only] if options.only else ["ours", "theirs"]:
            command = [sys.executable, __file__, "--measure", which, name]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            results[which] = result = json.loads(output.splitlines()[-1])
            print(f"{which:7} {result['seconds']:8.1f} s {result['gigabytes']:6.2f} GB", flush=True)
            for label, scores in result["scores"].items():
                numbers = "  ".join(f"{x:8.4f}" for x in scores)
                print(f"        {label:13} DSC, NSD, HD95, clDice  {numbers}")
        if len(results) == 2:
            ratio = results["theirs"]["seconds"] / results["ours"]["seconds"]
            print(f"ours is {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
