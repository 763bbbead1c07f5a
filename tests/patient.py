"""A synthetic patient with the textbook's great vessels, and whose each of them is."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.spatial import cKDTree

from lacaf import volume
from lacaf.classes import TABLE
from lacaf.coverage import lung_distances_mm
from lacaf.grid import Grid
from lacaf.params.phantom import Phantom
from lacaf.phantom.render import build, render
from lacaf.volume import Volume, resample

PHANTOM = Phantom(kind="demo", seed=11, spacing_mm=2.5, scale=0.8)
WORKING_MM = 2.5
LEFT, RIGHT, BOTH = 1, 2, 3


@dataclass(frozen=True)
class Patient:
    """The CT with its truth, and what crop would leave.

    ``codes``: 1 arteries, 2 veins; ``whose``: which lung a vessel leads to, by the tree it was
    drawn from: 1, 2, 3 both (the trunk), 0 no vessel; all on the CT's grid.
    """

    image: Volume
    codes: Volume
    lungs: Volume
    whose: np.ndarray
    working: Volume
    working_lungs: Volume

    def side(self, name):
        """What an expert draws who labels one lung: all that leads to it."""
        if name == "both":
            return self.codes
        mine = self.whose == (LEFT if name == "left" else RIGHT)
        return Volume(np.where(mine, self.codes.array, 0).astype(np.uint8), self.codes.grid)


@cache
def patient() -> Patient:
    rendered = render("phantom", PHANTOM)
    code = {"artery": 1, "vein": 2}
    of_label = np.array([0, *(code.get(row.vessel, 0) for row in TABLE)], np.uint8)
    codes = of_label[rendered.labels.array]
    grid = rendered.image.grid
    places = grid.to_mm(np.argwhere(rendered.lungs.array > 0))
    working = volume.upright_grid_around(places, WORKING_MM, 6.0)
    seen = resample(rendered.image, working, fill=-1000.0).array
    return Patient(
        rendered.image,
        Volume(codes, grid),
        rendered.lungs,
        _whose(codes, grid),
        Volume(np.rint(seen).astype(np.int16), working),
        resample(rendered.lungs, working, "nearest"),
    )


def _whose(codes: np.ndarray, grid: Grid) -> np.ndarray:
    """By the nearest segment of the tree: whose tips lie behind it."""
    anatomy, _ = build("phantom", PHANTOM)
    out = np.zeros(codes.shape, np.uint8)
    for value, tree in ((1, anatomy.arteries), (2, anatomy.veins)):
        tips = tree.children == 0
        behind = np.stack([tips & (tree.points[:, 0] > 0), tips & (tree.points[:, 0] < 0)])
        for node in range(len(tips) - 1, -1, -1):
            if tree.parent[node] >= 0:
                behind[:, tree.parent[node]] |= behind[:, node]
        inner = np.flatnonzero(tree.parent >= 0)
        share = np.linspace(0, 1, 8)[:, None, None]
        start, end = tree.points[tree.parent[inner]], tree.points[inner]
        points = (start + share * (end - start)).reshape(-1, 3)
        nearest = cKDTree(points).query(grid.to_mm(np.argwhere(codes == value)))[1]
        node = np.tile(inner, len(share))[nearest]
        out[codes == value] = LEFT * behind[0, node] + RIGHT * behind[1, node]
    return out


def distances(lungs: Volume):
    return lung_distances_mm(lungs.array, lungs.grid)
