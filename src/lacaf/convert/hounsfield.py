"""What makes numbers Hounsfield units: rescaled, not windowed, with air where air must be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lacaf.records import Refusal

AIR_HU = -1024
#: Vacuum is -1000 HU and noise seldom takes it below -1300; what is lower was never measured:
#: the corners outside the field of view (-2000, -2048, -3024 by vendor).
PADDING_BELOW_HU = -1500
#: A declared padding value above this would turn tissue into air, so it is not believed.
PADDING_AT_MOST_HU = -900
#: Any CT of a chest holds lung or air around the body.
AIR_BELOW_HU = -500
LEAST_AIR_SHARE = 0.001
HU_RANGE = (-32768, 32767)


@dataclass(frozen=True)
class Hounsfield:
    """HU of one slice or volume as int16, and how many voxels were padding, air, cut off."""

    array: NDArray[np.int16]
    padding: int
    air: int
    cut_off: int


def from_stored(
    stored: NDArray, slope: float, intercept: float, padding: tuple[int, int] | None
) -> Hounsfield:
    """Stored values to HU: ``stored * slope + intercept``, padding to air (-1024 HU).

    ``padding`` holds the lowest and highest stored value that is no measurement.
    """
    if slope == 1 and intercept == int(intercept):
        hu = np.add(stored, int(intercept), dtype=np.int32)
    else:
        hu = np.rint(stored * slope + intercept).astype(np.int32)
    empty = hu < PADDING_BELOW_HU
    if padding is not None:
        empty |= (stored >= padding[0]) & (stored <= padding[1])
    cut_off = int(np.count_nonzero(hu > HU_RANGE[1]))
    air = int(np.count_nonzero((hu < AIR_BELOW_HU) & ~empty))
    hu[empty] = AIR_HU
    array = np.clip(hu, *HU_RANGE).astype(np.int16)
    return Hounsfield(array, int(np.count_nonzero(empty)), air, cut_off)


def check_air(air: int, voxels: int, file: str) -> None:
    """Numbers without air are no HU of a chest: a mask, a window, a wrong intercept.

    Raises:
        Refusal: less than a thousandth of the voxels is between -1500 and -500 HU.
    """
    if air < LEAST_AIR_SHARE * voxels:
        raise Refusal(
            f"only {100 * air / voxels:.3f} % of the voxels lie between {PADDING_BELOW_HU} and "
            f"{AIR_BELOW_HU}: these are no Hounsfield units of a chest",
            expectation="lung and air near -1000 HU",
            remedy="hand over the CT itself, not windowed, not a mask, with its rescale values",
            file=file,
        )
