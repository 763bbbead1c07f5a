"""The tubed skeleton of each vessel, on which Skeleton Recall looks for what was found.

Kirchhoff 2024 (Skeleton Recall Loss, section 3.2): the skeleton of each class's mask, made wider
twice, as far as the mask goes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import TABLE

#: How often a skeleton is made a voxel wider to each side.
TUBED = 2


def tubed_skeleton(labels: NDArray) -> NDArray[np.bool_]:
    """Whether each voxel is on the tubed skeleton of the class it is labelled as.

    Args:
        labels: ``(Z, Y, X)`` canonical labels.
    """
    from scipy import ndimage

    tubed = np.zeros(labels.shape, bool)
    for row in TABLE:
        mask = labels == row.value
        boxes = ndimage.find_objects(mask.view(np.uint8))
        if boxes:
            part = mask[boxes[0]]
            wide = ndimage.binary_dilation(_skeleton(part), iterations=TUBED)
            tubed[boxes[0]] |= wide & part
    return tubed


def _skeleton(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The skeleton of a mask, something of each of its pieces.

    Of a bar whose sides are an even number of voxels wide, scikit-image's thinning leaves nothing:
    there it is the voxels that lie deepest among their neighbours.
    """
    from scipy import ndimage
    from skimage.morphology import skeletonize

    line = skeletonize(np.pad(mask, 1))[1:-1, 1:-1, 1:-1] > 0
    pieces, count = ndimage.label(mask, np.ones((3, 3, 3)))
    empty = np.ones(count + 1, bool)
    empty[np.unique(pieces[line])] = empty[0] = False
    lost = empty[pieces]
    if lost.any():
        depth = ndimage.distance_transform_edt(np.pad(lost, 1))[1:-1, 1:-1, 1:-1]
        line |= lost & (depth >= ndimage.maximum_filter(depth, 3))
    return line
