"""One slice of a validation case beside what was drawn and what was found, to watch a training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lacaf.classes import TABLE
from lacaf.model.inputs import ALL
from lacaf.train.prepared import Prepared

#: Of the colours over the slice.
OPACITY = 0.7
#: Grey of what is unknown in the expert's picture.
UNKNOWN_GREY = 90


def picture(case: Prepared, probability: NDArray, window: Sequence[float]) -> NDArray[np.uint8]:
    """The coronal slice with most labelled vessel, as ``(rows, columns, 3)``.

    Head up, the patient's left on the right: left the labels (where nothing is known, grey),
    right what the network finds.

    Args:
        case: a validation case.
        probability: ``(K, Z, Y, X)``.
        window: HU that become black and white.
    """
    vessel = np.zeros(case.shape[1], int)
    for start in range(0, case.shape[0], 32):
        targets, _ = case.learnt((slice(start, start + 32), *ALL[1:]))
        vessel += targets.any(0).sum((0, 2))
    row = int(vessel.argmax())
    plane = (slice(None), slice(row, row + 1), slice(None))
    cut = case.cut(plane)
    targets, valid = (a[:, :, 0] for a in case.learnt(plane))
    grey = np.clip((cut.hu[:, 0].astype(np.float32) - window[0]) / (window[1] - window[0]), 0, 1)
    base = np.repeat((255 * grey)[..., None], 3, 2)
    drawn = base.copy()
    drawn[~valid.any(0)] = drawn[~valid.any(0)] / 2 + UNKNOWN_GREY / 2
    panels = [_painted(drawn, targets), _painted(base, probability[:, :, row] > 0.5)]
    side_by_side = np.concatenate(panels, 1)[::-1].round().astype(np.uint8)
    scale = max(1, 400 // side_by_side.shape[0])
    return np.ascontiguousarray(side_by_side.repeat(scale, 0).repeat(scale, 1))


def _painted(grey: NDArray, classes: NDArray) -> NDArray:
    """A slice with the colours of classes ``(K, z, x)`` over it."""
    painted = grey.copy()
    for row, plane in zip(TABLE, classes, strict=True):
        colour = np.array([int(row.colours["safe"][i : i + 2], 16) for i in (1, 3, 5)])
        painted[plane] = (1 - OPACITY) * painted[plane] + OPACITY * colour
    return painted
