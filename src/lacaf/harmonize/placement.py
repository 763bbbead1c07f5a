"""Do the labels lie in their place, or would they fit the CT far better elsewhere?

Vessels are denser than the lung around them. The mean of that excess under the labels is taken
for every shift of the labels at once (a cross-correlation by FFT), and for the labels mirrored
along each axis of the body. A tree of vessels has no symmetry: mirrored or shifted by more than
its own thickness it lies on nothing (docs/harmonize.md has the numbers).

Written by hand because registration libraries search for the best place and stop there; here
the question is how much better it is than the given one and than all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lacaf.fault import Refusal
from lacaf.grid import Grid
from lacaf.volume import Volume, low_passed, resample

#: Resolution of the search, mm: coarse, for the excess is wide, and quick.
SEARCH_MM = 2.5
#: The excess is that over the mean of the lung around, a Gaussian of this width, mm.
SURROUNDINGS_MM = 6.0
#: HU that count: air to contrast-filled blood; bone and metal count as much as blood.
HU_RANGE = (-1000, 200)
#: Shifts up to this are searched, mm.
FARTHEST_MM = 60.0
#: A place is one that fits from this mean excess on, HU. True labels have 180 to 380, on a CT of
#: 4 mm voxels 40; mirrored ones at most 70, there less than 10, at the best of all shifts.
LEAST_HU = 30.0
#: Refused: another place fits so many times better. About 2.5 mm off for vessels of 2 to 4 mm.
REFUSED_GAIN = 1.4
#: Flagged: another place fits so many times better. About 1 mm off.
FLAGGED_GAIN = 1.08

#: A tree of vessels fits one place: shifts this far from the best, mm, give less than this fraction
#: of it. What fits many places (a blob, a lung) says nothing of its own.
APART_MM, NEXT_FRACTION = 10.0, 0.5
#: A fit of this much elsewhere is beyond doubt, and the reason for all else that is doubtful, HU.
CERTAIN_HU = 100.0

AXES = ("head to feet", "front to back", "left to right")  # of the array, z y x


@dataclass(frozen=True)
class Placement:
    """How well labels lie where they are, and where they would lie best.

    Attributes:
        here_hu: mean excess under the labels as they lie, HU.
        best_hu: the same where they would lie best.
        next_hu: the best of the shifts at least APART_MM away from there.
        shift_mm: what would bring them there, LPS, mm, to a tenth.
        mirrored: axes along which they would have to be mirrored first; see AXES.
    """

    here_hu: float
    best_hu: float
    next_hu: float
    shift_mm: tuple[float, float, float]
    mirrored: tuple[str, ...]

    @property
    def gain(self) -> float:
        """How many times better the labels would fit where they fit best."""
        return self.best_hu / max(self.here_hu, 1.0)

    @property
    def one_place(self) -> bool:
        """Whether they fit one place alone, as a tree does; a blob fits many."""
        return self.best_hu >= LEAST_HU and self.next_hu < NEXT_FRACTION * self.best_hu

    @property
    def certainly_elsewhere(self) -> bool:
        """Whether they belong there beyond doubt."""
        return self.one_place and self.best_hu >= CERTAIN_HU and self.gain >= REFUSED_GAIN

    def facts(self) -> dict[str, Any]:
        """For the record."""
        return {
            "here_hu": round(self.here_hu, 1),
            "best_hu": round(self.best_hu, 1),
            "next_hu": round(self.next_hu, 1),
            "shift_mm_lps": list(self.shift_mm),
            "mirrored": list(self.mirrored),
        }


def find(vessel: NDArray[np.bool_], lungs: NDArray, image: Volume) -> Placement:
    """Where the labelled vessels fit best among all shifts, and mirrored if they fit badly.

    Args:
        vessel: ``(Z, Y, X)`` labelled vessels on the working grid.
        lungs: the lungs on it; only the excess inside them counts.
        image: the CT on it, HU.
    """
    from scipy import fft

    grid = _search_grid(image.grid)
    excess = _excess(image, lungs > 0, grid)
    mask = _coarse(vessel, image.grid, grid)
    reach = int(np.ceil(FARTHEST_MM / SEARCH_MM))
    # padded by the reach alone: what wraps around is beyond the shifts that are looked at
    shape = [fft.next_fast_len(n + reach, real=True) for n in grid.shape]
    spectrum = fft.rfftn(excess, shape)
    total = max(float(mask.sum()), 1e-6)

    def search(flips: tuple[int, ...]) -> tuple[float, Peak]:
        other = np.conj(fft.rfftn(np.flip(mask, flips) if flips else mask, shape))
        found = fft.irfftn(spectrum * other, shape) / total
        return float(found[0, 0, 0]), _peak(found, reach)

    here, best = search(())
    mirrored: tuple[int, ...] = ()
    if best.hu < CERTAIN_HU or here < best.hu / REFUSED_GAIN:
        for flips in (f for n in (1, 2, 3) for f in _flips(n)):
            other = search(flips)[1]
            if other.hu > max(REFUSED_GAIN * best.hu, LEAST_HU):
                best, mirrored = other, flips
    x, y, z = (round(float(v), 1) + 0.0 for v in (best.shift_vox * SEARCH_MM)[::-1])  # no -0.0
    where = tuple(AXES[a] for a in mirrored)
    return Placement(here, best.hu, best.next_hu, (x, y, z), where)


def check(placement: Placement, *, refuse: bool) -> list[str]:
    """Flags of labels that fit better elsewhere; a Refusal if far better.

    Raises:
        Refusal: mirrored, or shifted by much, and ``refuse`` says so.
    """
    here, best = placement.here_hu, placement.best_hu
    if not placement.one_place or placement.gain < FLAGGED_GAIN:
        return []
    where = "shifted by " + ", ".join(f"{v:.1f}" for v in placement.shift_mm) + " mm (x, y, z)"
    if placement.mirrored:
        where = f"mirrored {' and '.join(placement.mirrored)} and {where}"
    finding = (
        f"where they lie, the labels are {here:.0f} HU denser than their surroundings; {where} "
        f"they would be {best:.0f} HU denser"
    )
    if placement.gain < REFUSED_GAIN and not placement.mirrored:
        return [finding]
    if not refuse:
        return [f"labels mirrored or shifted against the image? {finding}"]
    raise Refusal(
        f"mirrored or shifted against the image: {finding}",
        expectation="labels in the place of their image",
        remedy="export the labels with the geometry of their image; where the drawing is right "
        "all the same, set harmonize.doubtful to flag",
        file="the label file",
    )


def _flips(count: int) -> list[tuple[int, ...]]:
    """Combinations of ``count`` axes to mirror along."""
    chosen = (tuple(a for a in range(3) if f[a]) for f in product((0, 1), repeat=3))
    return [axes for axes in chosen if len(axes) == count]


def _search_grid(grid: Grid) -> Grid:
    """The working grid at SEARCH_MM (it is upright)."""
    corners = grid.corners_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    x, y, z = (int(n) + 1 for n in np.floor((high - low) / SEARCH_MM))
    return Grid.upright((z, y, x), SEARCH_MM, tuple(low))


def _coarse(array: NDArray, grid: Grid, to: Grid) -> NDArray[np.float32]:
    return resample(low_passed(Volume(array, grid), to), to).array


def _excess(image: Volume, lungs: NDArray[np.bool_], to: Grid) -> NDArray[np.float32]:
    """HU above the mean of the lung around, in the lungs; 0 elsewhere."""
    from scipy import ndimage

    hu = _coarse(np.clip(image.array, *HU_RANGE), image.grid, to)
    lung = (_coarse(lungs, image.grid, to) > 0.5).astype(np.float32)
    width = SURROUNDINGS_MM / SEARCH_MM
    around = ndimage.gaussian_filter(hu * lung, width, truncate=2.5)
    around /= np.maximum(ndimage.gaussian_filter(lung, width, truncate=2.5), 1e-3)
    return (hu - around) * lung


@dataclass(frozen=True, eq=False)
class Peak:
    """The best of all shifts: its value, the shift in voxels, and the best of the shifts apart."""

    hu: float
    shift_vox: NDArray[np.float64]
    next_hu: float


def _peak(found: NDArray, reach: int) -> Peak:
    """The highest value within the reach; its place between the voxels by parabolas."""
    for axis, size in enumerate(found.shape):
        shifts = np.arange(size)
        found = found.compress((shifts <= reach) | (shifts >= size - reach), axis=axis)
    index = np.unravel_index(int(found.argmax()), found.shape)
    found = np.roll(found, [n // 2 - i for i, n in zip(index, found.shape, strict=True)], (0, 1, 2))
    middle = tuple(n // 2 for n in found.shape)
    place = np.array(index, float)
    for axis in range(3):
        before, here, after = (
            float(found[tuple(m + d * (a == axis) for a, m in enumerate(middle))])
            for d in (-1, 0, 1)
        )
        bend = before - 2 * here + after
        if bend < 0:
            place[axis] += float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
    sizes = np.array(found.shape)
    apart = found.copy()
    near = int(np.ceil(APART_MM / SEARCH_MM))
    apart[tuple(slice(max(m - near, 0), m + near + 1) for m in middle)] = -np.inf
    shift = np.where(place > sizes / 2, place - sizes, place)
    return Peak(float(found[middle]), shift, float(apart.max()))
