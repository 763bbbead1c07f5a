"""Another contrast phase: arteries and veins exchange how bright they are, where both are labelled.

Most of a hospital's CTs are timed alike, arteries bright and veins less so, or the other way
round. A network that is shown one phase alone learns that what is brighter is an artery, and has
every vessel wrong in a patient whose blood came later. The labels say which voxels to change.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lacaf.classes import ARTERY_VEIN, values_of
from lacaf.facts import UNKNOWN_LABEL, deep_of, label_of

#: HU of lung without vessels, of which the voxels at a vessel's edge hold a part.
LUNG_HU = -850.0
#: Of the voxels of a kind so many are darker than its blood: the edges are, and thin vessels.
CORE = 0.9
#: Voxels of each kind without which nobody can say how bright its blood is.
LEAST_VOXELS = 30
#: Darker blood than this is none: only edges of vessels lie in the patch.
LEAST_HU = -100.0
#: Fraction of a patch that may be unlabelled lung, whose vessels would keep their brightness.
MOST_UNKNOWN = 0.05

KINDS = [values_of(vessel=vessel) for vessel in ARTERY_VEIN]


def exchange(hu: Tensor, facts: Tensor) -> None:
    """Give arteries the brightness of veins and veins that of arteries, in place.

    A voxel at the edge of a vessel, in the lung around it too, changes by the part of it that is
    blood, so that edges stay as sharp as they were. What cannot be exchanged truly stays as it is:
    a patch in which a kind is not labelled, or hardly there, or in which unlabelled lung lies.

    Args:
        hu: ``(z, y, x)`` float, HU.
        facts: the same shape, see :mod:`lacaf.facts`.
    """
    label, deep = label_of(facts), deep_of(facts)
    unknown = ((label == UNKNOWN_LABEL) & ((deep == 1) | (deep == 2))).float().mean()
    kinds = [torch.isin(label, torch.tensor(v, dtype=label.dtype, device=hu.device)) for v in KINDS]
    if min(int(kind.sum()) for kind in kinds) < LEAST_VOXELS or unknown > MOST_UNKNOWN:
        return
    blood = [_brightness(hu[kind]) for kind in kinds]
    if min(blood) < LEAST_HU:
        return
    vessel = kinds[0] | kinds[1]
    near = [functional.avg_pool3d(kind[None].float(), 3, 1, 1)[0] for kind in kinds]
    # The edge, one voxel wide, belongs to the kind of which more lies around.
    edge = [~vessel & (near[0] >= near[1]) & (near[0] > 0), ~vessel & (near[1] > near[0])]
    changes = []
    for own, rim, here, there in zip(kinds, edge, blood, blood[::-1], strict=True):
        part = ((hu - LUNG_HU) / (here - LUNG_HU)).clamp(0, 1)
        changes.append((there - here) * part * (own | rim))
    hu += changes[0] + changes[1]


def _brightness(hu: Tensor) -> float:
    """HU of the blood among the voxels of a kind."""
    return float(hu.kthvalue(max(1, round(CORE * len(hu)))).values)
