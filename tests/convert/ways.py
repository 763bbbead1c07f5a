"""All the ways in which the axes of a grid can run through a patient, and a truth to check by."""

from itertools import permutations, product

import numpy as np
from scipy.spatial.transform import Rotation

from lacaf.grid import Grid
from lacaf.volume import Volume

#: How the array's x, y, z index run: axis of the patient (0 L, 1 P, 2 S) and direction.
FORTY_EIGHT = [(p, f) for p in permutations(range(3)) for f in product((1, -1), repeat=3)]
TURNS = {"straight": (0.0, 0.0, 0.0), "oblique": (11.0, -17.0, 23.0)}
#: Of the truth below, HU per mm along L, P, S: no two ways give the same volume.
SLOPE_HU = np.array([3.0, -5.0, 7.0])


def name(way):
    """A way as the letters to which its x, y and z index grow."""
    axes, flips = way
    return "".join("RAI"[a] if f < 0 else "LPS"[a] for a, f in zip(axes, flips, strict=True))


def axes_of(way, turn="straight"):
    """Unit directions of the x, y and z index, as columns."""
    axes, flips = way
    straight = np.eye(3)[:, list(axes)] * flips
    return Rotation.from_rotvec(TURNS[turn], degrees=True).as_matrix() @ straight


def grid_of(way, turn="straight", shape=(6, 8, 10), spacing=(1.5, 2.0, 3.0)):
    """A grid about the patient's middle; ``spacing`` is x, y, z."""
    affine = np.eye(4)
    affine[:3, :3] = axes_of(way, turn) * spacing
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape[::-1]) - 1) / 2 + (3.0, -7.0, 11.0)
    return Grid(shape, affine)


def truth(points_mm):
    """HU at places of the patient: linear, so interpolation must find it everywhere."""
    return np.asarray(points_mm) @ SLOPE_HU - 700


def places(grid):
    """LPS of all voxels ``(Z, Y, X, 3)``."""
    return grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))


def volume_of(way, turn="straight", **size):
    """The truth on a grid."""
    grid = grid_of(way, turn, **size)
    return Volume(np.rint(truth(places(grid))).astype(np.int16), grid)
