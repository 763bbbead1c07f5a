"""A thorax whose right answer is known: HU and lungs as functions of the place in the patient."""

from itertools import permutations, product

import numpy as np

from lacaf.classes import class_value
from lacaf.grid import Grid
from lacaf.volume import Volume

ORIENTATIONS = [(p, f) for p in permutations(range(3)) for f in product((1, -1), repeat=3)]

#: The working grid around both lungs.
WORKING = Grid.upright((62, 44, 70), 3.0, (-106.0, -66.0, -86.0))

#: Centre and half axes, mm, LPS. The right lung is larger; the heart dents the left one.
LEFT = ((55, 0, 0), (38, 60, 78))
RIGHT = ((-58, 0, 5), (45, 62, 88))
HEART = ((22, -20, -30), (34, 34, 40))
BODY = ((0, 0, 0), (125, 85, 400))


def ellipsoid(points, centre, half):
    return (((points - np.array(centre)) / np.array(half)) ** 2).sum(axis=-1) < 1


def lungs_at(points):
    """1 in the left, 2 in the right lung, by the patient's own coordinates."""
    heart = ellipsoid(points, *HEART)
    out = np.zeros(points.shape[:-1], np.uint8)
    out[ellipsoid(points, *LEFT) & ~heart] = 1
    out[ellipsoid(points, *RIGHT) & ~heart] = 2
    return out


def vessels_at(points):
    """Rods along x in each lung, from the hilum outwards: 1 arteries (above), 2 veins (below)."""
    x, y, z = np.moveaxis(points, -1, 0)
    out = np.zeros(points.shape[:-1], np.uint8)
    reach = (np.abs(x) < 78) & (np.abs(x) > 22)
    for value, heights in ((1, (45.0, 25.0)), (2, (5.0, -20.0))):
        for height in heights:
            out[reach & (np.hypot(y - 15.0, z - height) < 5.0)] = value
    return out


def hu_at(points, lung_hu=-850.0):
    """Room, body with a table below, lungs, heart, windpipe with two main bronchi, vessels."""
    x, y, z = np.moveaxis(points, -1, 0)
    hu = np.full(points.shape[:-1], -1000.0)
    hu[ellipsoid(points, *BODY)] = 30.0
    hu[(y > 95) & (y < 101)] = -300.0  # table top
    hu[(y > 118) & (y < 124)] = -300.0  # and its underside, air between them
    lungs = lungs_at(points)
    hu[lungs > 0] = lung_hu
    trachea = (np.hypot(x, y - 5) < 8) & (z > 40)
    bronchi = (np.hypot(y - 5, z - 44 + 0.5 * np.abs(x)) < 5.5) & (np.abs(x) < 30)
    hu[trachea | bronchi] = -1000.0
    hu[(vessels_at(points) > 0) & (lungs > 0)] = 60.0
    return hu


def grid(axes=(0, 1, 2), flips=(1, 1, 1), spacing=(4.0, 4.0, 4.0), z_mm=(-130, 130)):
    """A grid over the thorax, its array axes along the patient's in the given way."""
    low, high = np.array([-140.0, -110.0, z_mm[0]]), np.array([140.0, 135.0, z_mm[1]])
    affine = np.eye(4)
    sizes = []
    corner = np.zeros(3)
    for column, (axis, flip, step) in enumerate(zip(axes, flips, spacing, strict=True)):
        affine[:3, column] = 0
        affine[axis, column] = flip * step
        sizes.append(int((high[axis] - low[axis]) / step) + 1)
        corner[axis] = low[axis] if flip > 0 else low[axis] + (sizes[-1] - 1) * step
    affine[:3, 3] = corner
    return Grid(tuple(sizes[::-1]), affine)


def positions(grid):
    return grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))


def image(grid, noise_hu=20.0, **kwargs):
    """The CT on a grid, with the scanner's noise."""
    hu = hu_at(positions(grid), **kwargs)
    noise = np.random.default_rng(0).normal(0, noise_hu, hu.shape)
    return Volume(np.rint(hu + noise).astype(np.int16), grid)


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def sided(points):
    """The canonical truth: vessels of the thorax by the nearest lung."""
    values = [[class_value(v, side) for side in ("left", "right")] for v in ("artery", "vein")]
    table = np.array([(0, 0), *values], np.uint8)
    return table[vessels_at(points), (points[..., 0] < 0).astype(int)]


def drawn(grid, side="both"):
    """What an expert drew on a grid: arteries 1, veins 2, of one side or both."""
    place = positions(grid)
    labels = vessels_at(place)
    if side != "both":
        labels[(place[..., 0] > 0) != (side == "left")] = 0
    return Volume(labels, grid)
