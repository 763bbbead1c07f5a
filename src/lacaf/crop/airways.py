"""Trachea and main bronchi: found so that they can be left out of the lungs.

Written by hand because what finds airways well are networks, which need weights and minutes;
here a coarse tree in a second is enough.
"""

from __future__ import annotations

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf.crop.coarse import in_slice

#: Cross-section of a trachea, mm², from a child's to a wide adult's.
TRACHEA_MM2 = (25.0, 900.0)
#: How far a trachea may lie from the middle of the body, mm.
OFF_MIDLINE_MM = 40.0
#: Least length of a tube to count as a trachea, mm.
TRACHEA_LENGTH_MM = 15.0
#: Almost a third of a trachea's voxels are darker than this, HU; the rest is blurred rim.
LUMEN_CORE_HU = -880
#: Lumen thresholds tried one after another, HU: each lets more of the bronchi in.
LUMEN_HU = range(-980, -849, 10)
#: A step that more than doubles the tree and adds at least this much has leaked into a lung, ml.
LEAK_ML = 12.0


def airways(
    hu: NDArray[np.float32], air: NDArray[np.bool_], spacing_mm: float, midline_index: float
) -> NDArray[np.bool_] | None:
    """Trachea and large bronchi with their partial-volume rim, or None if no trachea shows.

    A tube of dark air near the middle of the body is the seed; region growing with a rising
    threshold follows the lumen until it would leak into the parenchyma (the explosion-controlled
    growing of Mori et al., IEEE TMI 15:1996, in its simplest form).

    Args:
        hu: ``(Z, Y, X)`` upright isotropic, HU.
        air: voxels of air inside the body.
        spacing_mm: of the grid.
        midline_index: x index of the body's middle.
    """
    seed = _trachea(hu, air, spacing_mm, midline_index)
    if seed is None:
        return None
    voxel_ml = spacing_mm**3 / 1000
    tree = seed
    for threshold in LUMEN_HU:
        lumen = cc3d.connected_components(seed | (air & (hu < threshold)), connectivity=6)
        touched = np.zeros(int(lumen.max()) + 1, bool)
        touched[np.unique(lumen[seed])] = True
        grown = touched[lumen]
        added_ml = (grown.sum() - tree.sum()) * voxel_ml
        if added_ml > LEAK_ML and grown.sum() > 2 * tree.sum():
            break
        tree = grown
    return ndimage.binary_dilation(tree, iterations=1) & air


def _trachea(
    hu: NDArray[np.float32], air: NDArray[np.bool_], spacing_mm: float, midline_index: float
) -> NDArray[np.bool_] | None:
    """The longest tube of dark air near the midline, or None."""
    slices, count = ndimage.label(air, structure=in_slice())
    if not count:
        return None
    where = np.nonzero(air)
    number = slices[where]
    voxels = np.bincount(number, minlength=count + 1)
    area_mm2 = voxels * spacing_mm**2
    x = np.bincount(number, where[2], minlength=count + 1) / np.maximum(voxels, 1)
    dark = np.bincount(number, hu[where] < -900, minlength=count + 1) > 0
    small = (area_mm2 > TRACHEA_MM2[0]) & (area_mm2 < TRACHEA_MM2[1]) & dark
    central = np.abs(x - midline_index) * spacing_mm < OFF_MIDLINE_MM
    small[0] = False
    tubes, count = ndimage.label((small & central)[slices])
    best, longest = None, TRACHEA_LENGTH_MM
    for number, box in enumerate(ndimage.find_objects(tubes), start=1):
        length = (box[0].stop - box[0].start) * spacing_mm
        tube = tubes[box] == number
        if length >= longest and np.percentile(hu[box][tube], 30) < LUMEN_CORE_HU:
            best, longest = number, length
    return None if best is None else tubes == best
