"""What is known of each voxel of a case, in one byte: facts, of which a training makes its own.

Which voxels a class is learnt from is for the training to decide (``lacaf.model.supervision``);
what stage prepare stores holds whatever it decides. Each function takes and gives NumPy arrays
and tensors alike.

| bits | hold |
|---|---|
| 0 to 4 | the label: 0 background, the classes' values, 31 unknown |
| 5 and 6 | deep in a lung: 0 in neither, 1 in the left, 2 in the right one; 3 no image at all |
| 7 | whether the voxel is on the tubed skeleton of its vessel |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lacaf.classes import BY_NAME, TABLE, UNKNOWN
from lacaf.fault import Fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: What stands for an unknown label in five bits, and how many classes these leave room for.
UNKNOWN_LABEL = 31
MOST_CLASSES = UNKNOWN_LABEL - 1
DEEP_SHIFT, SKELETON_SHIFT = 5, 7
#: Deep in no lung: the voxel is none of the image's, but lies beyond its edge. Prepare stores none
#: of them; patches that reach beyond the image, or are turned, hold some.
NO_IMAGE = 3
#: All that is known of such a voxel.
BEYOND = UNKNOWN_LABEL | NO_IMAGE << DEEP_SHIFT


def packed(
    labels: NDArray, deep: NDArray[np.uint8], skeleton: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """One byte a voxel.

    Args:
        labels: ``(Z, Y, X)`` canonical labels: 0, the classes' values, 255 unknown.
        deep: the same shape, 0, 1 deep in the left lung, 2 in the right one.
        skeleton: the same shape.

    Raises:
        Fault: there are more classes than a byte has room for.
    """
    import numpy as np

    if len(TABLE) > MOST_CLASSES:
        raise Fault(
            f"there are {len(TABLE)} classes, and what is known of a voxel has room for "
            f"{MOST_CLASSES}; leave some out of classes.TABLE, or widen lacaf.facts"
        )
    label = np.where(labels == UNKNOWN, UNKNOWN_LABEL, labels).astype(np.uint8)
    line = skeleton.astype(np.uint8) << SKELETON_SHIFT
    return (label | deep << DEEP_SHIFT | line).astype(np.uint8, copy=False)


def label_of(facts: Any) -> Any:
    """The label: 0 background, the classes' values, ``UNKNOWN_LABEL``."""
    return facts & UNKNOWN_LABEL


def deep_of(facts: Any) -> Any:
    """In which lung a voxel lies deep: 0 neither, 1 the left, 2 the right one; or NO_IMAGE."""
    return facts >> DEEP_SHIFT & 3


def skeleton_of(facts: Any) -> Any:
    """Whether a voxel is on the tubed skeleton of its vessel."""
    return facts >> SKELETON_SHIFT > 0


def mirrored() -> NDArray[np.uint8]:
    """``(256,)``: what becomes of each byte when left and right change places."""
    import numpy as np

    before = np.arange(256, dtype=np.uint8)
    label, deep = label_of(before), deep_of(before)
    partner = np.arange(UNKNOWN_LABEL + 1, dtype=np.uint8)
    for row in TABLE:
        partner[row.value] = BY_NAME[row.mirror].value
    exchanged = np.array([0, 2, 1, 3], np.uint8)[deep]
    skeleton = before >> SKELETON_SHIFT << SKELETON_SHIFT
    return partner[label] | exchanged << DEEP_SHIFT | skeleton
