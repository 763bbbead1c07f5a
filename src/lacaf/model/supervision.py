"""From what is known of voxels to what a class is learnt from: the supervisions by name.

Each is one function and one entry of the registry. It is given what is known, all of it on the
device, and says of every class what its target is and where that is to be learnt. Naming one
must not load torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lacaf.classes import TABLE
from lacaf.facts import NO_IMAGE, UNKNOWN_LABEL

if TYPE_CHECKING:
    from torch import Tensor

    Learnt = tuple[Tensor, Tensor]

#: The value of ``deep`` in the lung of the other side, for each class; none for one without.
OTHER_LUNG = [{"left": 2, "right": 1, "": -1}[row.side] for row in TABLE]


@dataclass(frozen=True)
class Supervision:
    """An entry of the registry.

    Attributes:
        of: ``label`` and ``deep`` ``(B, z, y, x)`` uint8, see :mod:`lacaf.facts`, and ``covered``
            ``(B, K)`` bool, the classes that are labelled or known to be absent, to targets and
            validity ``(B, K, z, y, x)`` bool. Where it is not valid, a target is False.
        about: one line for the reference page.
        everywhere: whether the unlabelled lung teaches too, so that patches are drawn from it.
        teacher: whether the average of the weights teaches what is not valid.
    """

    of: Callable[[Tensor, Tensor, Tensor], Learnt]
    about: str
    everywhere: bool = False
    teacher: bool = False


def as_background(label: Tensor, deep: Tensor, covered: Tensor) -> Learnt:
    """What nobody labelled is background: for comparison, it is not true."""
    targets = _targets(label)
    return targets, (deep != NO_IMAGE)[:, None].expand_as(targets)


def masked(label: Tensor, deep: Tensor, covered: Tensor) -> Learnt:
    """A class is valid where a voxel is labelled as any class, for it cannot be two; and, if it
    is covered, wherever the label is known."""
    known = (label != UNKNOWN_LABEL)[:, None]
    vessel = known & (label > 0)[:, None]
    valid = vessel | (known & covered[:, :, None, None, None])
    return _targets(label), valid


def side(label: Tensor, deep: Tensor, covered: Tensor) -> Learnt:
    """Besides, a left vessel cannot be deep in the right lung, nor a right one in the left.

    The rule of :func:`lacaf.coverage.targets_and_validity`, to the bit.
    """
    import torch

    targets, valid = masked(label, deep, covered)
    other = torch.tensor(OTHER_LUNG, device=deep.device, dtype=torch.int16).view(-1, 1, 1, 1)
    return targets, valid | (deep[:, None] == other)


def _targets(label: Tensor) -> Tensor:
    """``(B, K, z, y, x)`` bool; False for all classes where the label is unknown."""
    import torch

    values = [row.value for row in TABLE]
    wanted = torch.tensor(values, device=label.device, dtype=label.dtype).view(-1, 1, 1, 1)
    return label[:, None] == wanted


SUPERVISIONS = {
    "as_background": Supervision(
        as_background,
        "what nobody labelled is background, as in the released code; to compare with",
        everywhere=True,
    ),
    "masked": Supervision(masked, "a class is learnt where it is labelled or known to be absent"),
    "side": Supervision(
        side, "masked, and no left vessel lies deep in the right lung, nor the reverse"
    ),
    "teacher": Supervision(
        side,
        "side, and what it leaves unknown is learnt from the weights' average",
        everywhere=True,
        teacher=True,
    ),
}
