"""How a synthetic chest compares with real ones, measured from its voxels.

    python benchmarks/phantom_anatomy.py --case adult --seed 2501 --spacing 0.7

Renders a realistic case at full size and prints each measure beside the range found in public
masks of real patients on a 0.7 mm grid. Everything is measured as it was on the real masks:
vessels of both kinds together inside the lungs, thinned to centrelines, radii from the
distance map. The time and memory are those of rendering, not of measuring.
"""

from __future__ import annotations

import argparse

import numpy as np
from measuring import heading, parsed, peak_gigabytes, row, timed
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from skimage.morphology import skeletonize

from lacaf.params.phantom import Phantom
from lacaf.phantom.render import Rendered, render

#: Ranges in real patients: lungs of three, vessels of eight, airways of seven.
REAL = {
    "lungs, ml": (3900, 5200),
    "vessels in lungs, ml": (34, 196),
    "vessel centreline, m": (9.5, 20),
    "vessel branch points": (307, 1172),
    "vessel radius 5 %, mm": (0, 0.7),
    "vessel radius 50 %, mm": (0.7, 1.4),
    "vessel radius 95 %, mm": (1.7, 3.6),
    "airways, ml": (43, 98),
    "airway centreline, m": (1.1, 2.7),
    "airway branch points": (37, 138),
    "airway radius 5 %, mm": (0.7, 1.0),
    "airway radius 50 %, mm": (1.2, 2.0),
    "airway radius 95 %, mm": (5, 8.5),
}
#: What rendering may cost.
LIMITS = {"seconds": (0, 180), "processor seconds": (0, 180), "peak memory, GB": (0, 6)}


def centrelines(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> dict[str, float]:
    """Length (m), branch points and radii (mm) of the tubes in a mask ``(Z, Y, X)``."""
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    mask = np.pad(mask[box], 1)
    radius = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    line = skeletonize(mask)
    neighbours = ndimage.convolve(line.astype(np.uint8), np.ones((3, 3, 3), np.uint8)) - 1
    branch = line & (neighbours >= 3)
    five, half, most = np.percentile(radius[line], (5, 50, 95))
    return {
        "centreline, m": length_mm(line, spacing_mm) / 1000,
        "branch points": int(ndimage.label(branch, np.ones((3, 3, 3)))[1]),
        "radius 5 %, mm": float(five),
        "radius 50 %, mm": float(half),
        "radius 95 %, mm": float(most),
    }


def length_mm(line: np.ndarray, spacing_mm: tuple[float, float, float]) -> float:
    """Length of a skeleton: its shortest spanning forest, so that corners count once."""
    number = np.full(line.shape, -1)
    places = np.argwhere(line)
    number[line] = np.arange(len(places))
    rows, columns, weights = [], [], []
    for shift in np.ndindex(3, 3, 3):
        step = np.array(shift) - 1
        if tuple(step) <= (0, 0, 0):
            continue
        other = number[tuple((places + step).T)]
        there = np.flatnonzero(other >= 0)
        rows.append(there)
        columns.append(other[there])
        weights.append(np.full(len(there), np.linalg.norm(step * spacing_mm)))
    graph = sparse.coo_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))),
        shape=(len(places), len(places)),
    )
    return float(csgraph.minimum_spanning_tree(graph.tocsr()).sum())


def measure(case: Rendered) -> dict[str, float]:
    """All measures of :data:`REAL`."""
    grid = case.image.grid
    lungs = case.lungs.array > 0
    vessels = (case.labels.array > 0) & lungs
    airways = case.airways.array == 1
    result = {
        "lungs, ml": lungs.sum() * grid.voxel_ml,
        "vessels in lungs, ml": vessels.sum() * grid.voxel_ml,
        "airways, ml": airways.sum() * grid.voxel_ml,
    }
    for name, mask in (("vessel", vessels), ("airway", airways)):
        found = centrelines(mask, grid.spacing_mm)
        result |= {f"{name} {key}": value for key, value in found.items()}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", default="adult")
    parser.add_argument("--seed", type=int, default=2501)
    parser.add_argument("--spacing", type=float, default=0.7)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is an adult")
    chosen = parsed(parser, spacing=3.0, scale=0.7)
    phantom = Phantom(
        kind="realistic", seed=chosen.seed, spacing_mm=chosen.spacing, scale=chosen.scale
    )
    with timed() as seconds:
        case = render(chosen.case, phantom)
    cost = {
        "seconds": seconds["wall"],
        "processor seconds": seconds["processor"],
        "peak memory, GB": peak_gigabytes(),
    }
    spacing = " × ".join(f"{s:.3f}" for s in case.image.grid.spacing_mm)
    shape = " × ".join(map(str, case.image.array.shape))
    print(f"case {chosen.case}, seed {chosen.seed}: {shape} voxels (z, y, x) of {spacing} mm\n")
    heading("measure", "phantom", "real", "")
    found = measure(case) | cost
    for name, (low, high) in (REAL | LIMITS).items():
        verdict = "inside" if low <= round(found[name], 2) <= high else "OUTSIDE"
        row(name, f"{found[name]:.4g}", f"{low}–{high}", verdict)


if __name__ == "__main__":
    main()
