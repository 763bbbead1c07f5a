"""Lung masks that came with the data, in any coding: their numbers name no side, places do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf import volume
from lacaf.crop.coarse import AIR_BELOW_HU, COARSE_MM, Coarse
from lacaf.crop.parting import into_two, sided
from lacaf.fault import Refusal, machines_fault
from lacaf.volume import Volume, resample, upright_grid_around

FILE = "the lung mask"
#: At least this fraction of the mask is air in the CT, the rest vessels and consolidations.
AIR_FRACTION = 0.6
#: A value with less than this fraction of the mask is no lung: specks, an airway.
LUNG_FRACTION = 0.15


def read(
    paths: list[Path], image: Volume, copy: Coarse
) -> tuple[Volume, dict[str, Any], list[str]]:
    """The given lungs as 1 left and 2 right on their own grid, facts and flags.

    A mask with two large values has a lung in each (1 and 2, 2 and 3, …); one with a single
    value is parted in two; one with more (lobes) too. Which is the left one is told by the
    patient's axes.

    Raises:
        Refusal: no file or several, no integers, or a mask that does not lie on this CT's
            lungs.
    """
    if len(paths) != 1:
        raise Refusal(
            f"{len(paths) or 'no'} lung masks lie beside the source",
            expectation="one file lungs.nii.gz (or .nii, .nrrd, .mha, .mhd), or <case>_lungs.* "
            "where several cases share a folder",
            remedy="put it there, or set crop.lungs to classical",
            file=FILE,
        )
    found = _read(paths[0])
    counts = _counts(found.array)
    if not counts:
        raise _unfit("it is empty")
    _check_place(found, image, copy)
    large = [v for v, n in counts.items() if n >= LUNG_FRACTION * sum(counts.values())]
    if len(large) == 2:
        parts = (found.array == large[0]) + 2 * (found.array == large[1]).astype(np.uint8)
        numbered, how = Volume(parts.astype(np.uint8), found.grid), "two values"
    else:
        numbered, how = _parted(found, copy), "parted"
    upright = _upright(numbered)
    sides = sided(upright.array, upright.grid)
    if ((sides != upright.array) & (sides > 0)).any():
        swap = np.array([0, 2, 1], np.uint8)
        numbered = Volume(swap[numbered.array], numbered.grid)
    return numbered, {"parting": how, "values": list(counts)}, []


def _read(path: Path) -> Volume:
    """A mask from NIfTI, NRRD or MHA, as integers."""
    try:
        mask = volume.read(path)
    except Exception as error:  # readers raise whatever they like on a broken file
        if machines_fault(error):
            raise
        raise _unfit(f"it cannot be read ({type(error).__name__})") from None
    if volume.non_integers(mask.array):
        raise _unfit("it holds fractions or NaN")
    numbers = mask.array if mask.array.dtype.kind in "iu" else mask.array.astype(np.int32)
    return Volume(numbers, mask.grid)


def _counts(array: NDArray) -> dict[int, int]:
    """Voxels of each value but 0; slice by slice, since masks may be large."""
    counts: Counter[int] = Counter()
    for plane in array:
        values, number = np.unique(plane, return_counts=True)
        counts.update(dict(zip(values.tolist(), number.tolist(), strict=True)))
    del counts[0]
    return dict(sorted(counts.items()))


def _unfit(finding: str) -> Refusal:
    return Refusal(
        finding,
        expectation="a mask of this CT's lungs: integers, one a lung or one for both",
        remedy="check that mask and CT are of one scan, or set crop.lungs to classical",
        file=FILE,
    )


def _check_place(mask: Volume, image: Volume, copy: Coarse) -> None:
    """The mask lies in the image, and on air."""
    lung = Volume((mask.array != 0).astype(np.uint8), mask.grid)
    box = ndimage.find_objects(lung.array)[0]
    ends = np.array([[part.start, part.stop - 1] for part in box]).T
    index = image.grid.to_index(lung.grid.to_mm(ends.astype(float)))
    if (index < -1.5).any() or (index > np.array(image.grid.shape) + 0.5).any():
        raise _unfit("it reaches beyond the CT")
    here = resample(lung, copy.grid, "nearest").array > 0
    fraction = float((copy.hu[here] < AIR_BELOW_HU).mean()) if here.any() else 0.0
    if fraction < AIR_FRACTION:
        raise _unfit(f"{fraction:.0%} of it is air in the CT, less than {AIR_FRACTION:.0%}")


def _parted(mask: Volume, copy: Coarse) -> Volume:
    """A mask without sides, in two: found on the coarse grid, carried over to its own."""
    coarse = resample(Volume((mask.array != 0).astype(np.uint8), mask.grid), copy.grid, "nearest")
    pieces, _ = ndimage.label(coarse.array)
    order = np.argsort(-np.bincount(pieces.ravel())[1:]) + 1
    rank = np.zeros(len(order) + 1, np.uint32)
    rank[order] = np.arange(1, len(order) + 1)
    parts, _ = into_two(rank[pieces], copy.grid, copy.midline_index(), 0.0)
    nearest = ndimage.distance_transform_edt(
        parts == 0, return_distances=False, return_indices=True
    )
    spread = Volume(parts[tuple(nearest)], copy.grid)
    sides: NDArray[np.uint8] = resample(spread, mask.grid, "nearest").array
    return Volume(np.where(mask.array != 0, sides, 0).astype(np.uint8), mask.grid)


def _upright(mask: Volume) -> Volume:
    """A mask along the patient's axes, coarse: enough to tell sides."""
    grid = upright_grid_around(mask.grid.corners_mm(), COARSE_MM)
    return resample(mask, grid, "nearest")
