"""Is this a pair of whole lungs? Sizes, and lungs that end where the image ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lacaf.crop.lungs import Lungs
from lacaf.fault import Refusal

#: Lung on an outer face of the image, as a fraction of its largest section along that axis.
CUT_FLAG, CUT_REFUSE = 0.02, 0.5
#: Lung that borders on what the scanner did not see, as a fraction of the lungs' surface.
UNSEEN_FLAG, UNSEEN_REFUSE = 0.005, 0.25
#: Lung borders on the unseen if it comes so near on the coarse grid: no chest wall is thinner.
NEAR_UNSEEN_VOX = 3
#: The left lung holds 42 to 50 % of the air of two healthy ones; beyond these shares one of them
#: has lost a third of its volume or more.
LEFT_FRACTION = (0.36, 0.57)

FACES = (("bottom", "top"), ("front", "back"), ("right side", "left side"))


def check(lungs: Lungs, unseen: NDArray[np.bool_], min_lung_ml: float) -> list[str]:
    """Flags on the size and completeness of the lungs.

    Raises:
        Refusal: a lung is missing or too small, or most of a lung is cut off.
    """
    _check_size(lungs, min_lung_ml)
    lung = lungs.mask > 0
    return _cut_at_the_ends(lung) + _cut_by_the_view(lung, unseen) + _uneven(lungs)


def _check_size(lungs: Lungs, min_lung_ml: float) -> None:
    volumes = lungs.volumes_ml()
    if min(volumes.values()) >= min_lung_ml:
        return
    raise Refusal(
        f"left lung {volumes['left']:.0f} ml, right lung {volumes['right']:.0f} ml",
        expectation=f"at least {min_lung_ml:.0f} ml each",
        remedy="leave the case out if a lung is missing or collapsed "
        "(crop.min_lung_ml sets the limit)",
    )


def _uneven(lungs: Lungs) -> list[str]:
    """A flag where one lung holds far less than its part."""
    volumes = lungs.volumes_ml()
    fraction = volumes["left"] / sum(volumes.values())
    if LEFT_FRACTION[0] <= fraction <= LEFT_FRACTION[1]:
        return []
    small = "left" if fraction < LEFT_FRACTION[0] else "right"
    return [
        f"the {small} lung is small (left {volumes['left']:.0f} ml, right "
        f"{volumes['right']:.0f} ml): collapse, effusion, a large consolidation or an operation; "
        "vessels in what is not aerated count as outside the lung"
    ]


def _cut_at_the_ends(lung: NDArray[np.bool_]) -> list[str]:
    """Flags where a lung reaches the image's end; most of a lung cut off is refused.

    Many good scans miss the last centimetre of a lung: such a case is used and flagged. If the
    section at the end is over half of the largest, a large part of the vessels is not there,
    and neither the sides nor the volumes can be trusted.
    """
    flags = []
    for axis, names in enumerate(FACES):
        sections = lung.sum(axis=tuple(a for a in range(3) if a != axis))
        for position, name in zip((0, -1), names, strict=True):
            fraction = float(sections[position] / sections.max())
            if fraction > CUT_REFUSE:
                raise Refusal(
                    f"the lungs are cut off at the {name} of the image "
                    f"({fraction:.0%} of their largest section lies on its last slice)",
                    expectation="whole lungs",
                    remedy="use a series that covers the chest, or leave the case out",
                )
            if fraction > CUT_FLAG:
                flags.append(f"lungs reach the {name} of the image ({fraction:.0%} of a section)")
    return flags


def _cut_by_the_view(lung: NDArray[np.bool_], unseen: NDArray[np.bool_]) -> list[str]:
    """The same where a round field of view, not the image's end, cuts the lungs."""
    if not unseen.any():
        return []
    surface = lung & ~ndimage.binary_erosion(lung, border_value=1)
    near = ndimage.binary_dilation(unseen, iterations=NEAR_UNSEEN_VOX)
    fraction = float((surface & near).sum() / max(int(surface.sum()), 1))
    if fraction > UNSEEN_REFUSE:
        raise Refusal(
            f"the scanner's field of view cuts the lungs ({fraction:.0%} of their surface lies on "
            "its edge)",
            expectation="whole lungs",
            remedy="reconstruct with a field of view that holds the chest, or leave the case out",
        )
    if fraction > UNSEEN_FLAG:
        return [f"lungs reach the edge of the field of view ({fraction:.1%} of their surface)"]
    return []
