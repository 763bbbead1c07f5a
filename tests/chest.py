"""A synthetic chest with bones, airways, couch and known lungs, and ways to spoil it."""

from functools import cache

import numpy as np
from scipy import ndimage

from lacaf.grid import Grid
from lacaf.params.phantom import Phantom
from lacaf.phantom.render import Rendered, render
from lacaf.volume import Volume, resample


@cache
def chest(spacing_mm: float = 3.0) -> Rendered:
    """One adult, always the same."""
    return render("chest", Phantom(kind="realistic", seed=7, spacing_mm=spacing_mm, scale=1.0))


def image(spacing_mm: float = 3.0) -> Volume:
    """A copy of the CT that may be written to."""
    found = chest(spacing_mm).image
    return Volume(found.array.copy(), found.grid)


def roomy(spacing_mm: float = 4.0, room_vox: int = 15) -> Volume:
    """The CT with a longer body and more air around, to be turned and laid anew."""
    stored = chest(spacing_mm).image
    ends = np.where(stored.array[[0, -1]] < -400, 40, stored.array[[0, -1]])
    ends[:, stored.array[len(stored.array) // 2] < -900] = -1000
    body = [np.repeat(end[None], room_vox, axis=0) for end in ends]
    array = np.concatenate([body[0], stored.array, body[1]])
    sides = ((0, 0), (room_vox, room_vox), (room_vox, room_vox))
    array = np.pad(array, sides, constant_values=-1000)
    affine = stored.grid.affine.copy()
    affine[:3, 3] = stored.grid.to_mm(np.full(3, -float(room_vox)))
    return Volume(array.astype(np.int16), Grid(array.shape, affine))


def misread(stored: Volume, axes: tuple, flips: tuple) -> Volume:
    """The voxels in another order under a header that says they are upright."""
    array = stored.array.transpose(axes)[tuple(slice(None, None, f) for f in flips)]
    spacing = tuple(stored.grid.spacing_mm[a] for a in axes)
    return Volume(np.ascontiguousarray(array), Grid.upright(array.shape, spacing[::-1]))


def couch_in_front(stored: Volume) -> Volume:
    """The couch taken from the back and laid before the chest, as in a prone patient."""
    array = stored.array.copy()
    firm = array > 0
    back = int(np.flatnonzero(firm.any(axis=(0, 2)))[-1]) + 3
    array[:, back:] = -1000
    front = int(np.flatnonzero((array > -300).any(axis=(0, 2)))[0])
    off = np.abs(np.arange(array.shape[2]) - array.shape[2] / 2) * stored.grid.spacing_mm[2]
    array[:, front - 7 : front - 5, off < 150] = -200
    return Volume(array, stored.grid)


def turned(stored: Volume, degrees: float) -> Volume:
    """The same patient seen on a grid that is turned about the long and the cross axis."""
    angle = np.radians(degrees)
    about_z, about_x = np.eye(4), np.eye(4)
    about_z[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    about_x[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    grid = Grid(stored.grid.shape, about_z @ about_x @ stored.grid.affine)
    seen = resample(stored, grid, fill=-1024).array
    return Volume(np.rint(seen).astype(np.int16), grid)


def darkened(stored: Volume, lungs: np.ndarray, share: float) -> Volume:
    """Emphysema: so large a part of the lungs' tissue, in patches, is almost free of tissue."""
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.normal(size=lungs.shape), 4)
    holes = (lungs > 0) & (stored.array < -700)
    holes &= field > np.quantile(field[holes], 1 - share)
    array = stored.array.copy()
    array[holes] = rng.normal(-975, 12, int(holes.sum()))
    return Volume(array, stored.grid)
