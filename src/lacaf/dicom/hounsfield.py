"""What makes numbers Hounsfield units: rescaled, not windowed, with air where air must be.

pydicom's `apply_rescale` gives float64 and leaves padding as it is; a table of the 65536 words is
quicker and gives the integers that are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lacaf.fault import Refusal

AIR_HU = -1024
#: Vacuum is -1000 HU and noise seldom takes it below -1300; what is lower was never measured:
#: the corners outside the field of view (-2000, -2048, -3024 by vendor).
PADDING_BELOW_HU = -1500
#: A declared padding value above this would turn tissue into air, so it is not believed.
PADDING_AT_MOST_HU = -900
#: Any CT of a chest holds lung or air around the body.
AIR_BELOW_HU = -500
LEAST_AIR_FRACTION = 0.001
HU_RANGE = (-32768, 32767)
#: Beyond every HU, and small enough to be an integer of 64 bits.
MOST_HU = 1e9
#: Bone and metal reach far above this in any chest, and air lies far below that.
SURELY_BONE_HU, SURELY_AIR_HU = 600, -900
#: So many voxels at the very end of the range are no accident: the rest was cut off.
CUT_FRACTION = 0.001


@dataclass(frozen=True)
class Hounsfield:
    """HU of one slice or volume as int16, and how many voxels were what.

    ``padding``: no measurement; ``air``: between -1500 and -500 HU and no padding; ``cut_off``:
    above 32767 HU; ``spare``: had bits set that BitsStored does not count.
    """

    array: NDArray[np.int16]
    padding: int
    air: int
    cut_off: int
    spare: int = 0


def from_stored(
    stored: NDArray, slope: float, intercept: float, padding: tuple[int, int] | None
) -> Hounsfield:
    """Stored values to HU: ``stored * slope + intercept``, padding to air (-1024 HU).

    ``padding`` holds the lowest and highest stored value that is no measurement.
    """
    hu, empty, beyond = _converted(stored, slope, intercept, padding)
    return Hounsfield(hu, *_counts(hu, empty), int(np.count_nonzero(beyond)))


def _converted(
    stored: NDArray, slope: float, intercept: float, padding: tuple[int, int] | None
) -> tuple[NDArray[np.int16], NDArray[np.bool_], NDArray[np.bool_]]:
    """HU as int16, where padding was, and where HU had to be cut off."""
    if slope == 1 and intercept == int(intercept) and stored.dtype.itemsize < 4:
        hu = np.add(stored, int(intercept), dtype=np.int64)
    else:
        hu = np.rint(np.clip(stored * slope + intercept, -MOST_HU, MOST_HU)).astype(np.int64)
    empty = hu < PADDING_BELOW_HU
    if padding is not None:
        empty |= (stored >= padding[0]) & (stored <= padding[1])
    hu[empty] = AIR_HU
    return np.clip(hu, *HU_RANGE).astype(np.int16), empty, hu > HU_RANGE[1]


def _counts(hu: NDArray[np.int16], empty: NDArray[np.bool_]) -> tuple[int, int]:
    """Voxels of padding and of air; padding has become air by now."""
    padding = int(np.count_nonzero(empty))
    return padding, int(np.count_nonzero(hu < AIR_BELOW_HU)) - padding


@dataclass(frozen=True)
class Table:
    """What each of the 65536 words of 16 bits means: looking up is quicker than reckoning.

    ``hu``: int16; ``empty``, ``beyond``, ``spare``: as in :class:`Hounsfield`, None where no
    word is so.
    """

    hu: NDArray[np.int16]
    empty: NDArray[np.bool_]
    beyond: NDArray[np.bool_] | None
    spare: NDArray[np.bool_] | None

    def of(self, words: NDArray[np.uint16], out: NDArray[np.int16]) -> Hounsfield:
        """HU of a slice of words, written to ``out`` (of the same shape)."""
        np.take(self.hu, words, out=out, mode="clip")
        counts = _counts(out, self.empty[words])
        beyond, spare = (
            0 if mask is None else int(np.count_nonzero(mask[words]))
            for mask in (self.beyond, self.spare)
        )
        return Hounsfield(out, *counts, beyond, spare)


@lru_cache(maxsize=16)
def table(
    bits: int, signed: bool, slope: float, intercept: float, padding: tuple[int, int] | None
) -> Table:
    """The table of words whose lowest ``bits`` bits hold a value; the others are left out.

    Args:
        bits: 1 to 16.
        signed: the highest of them is a sign (two's complement).
        slope, intercept, padding: as for :func:`from_stored`.
    """
    words = np.arange(65536, dtype=np.uint16)
    shift = 16 - bits
    kept = words << shift
    stored = (kept.view(np.int16) if signed else kept) >> shift
    hu, empty, beyond = _converted(stored, slope, intercept, padding)
    # A sign that is carried on into the spare bits is no second meaning.
    spare = (stored.view(np.uint16) != words) & (stored.astype(np.int32) & (2**bits - 1) != words)
    return Table(hu, empty, beyond if beyond.any() else None, spare if spare.any() else None)


def check_air(air: int, voxels: int, file: str) -> None:
    """Numbers without air are no HU of a chest: a mask, a window, a wrong intercept.

    Raises:
        Refusal: less than a thousandth of the voxels is between -1500 and -500 HU.
    """
    if air < LEAST_AIR_FRACTION * voxels:
        raise Refusal(
            f"only {100 * air / voxels:.3f} % of the voxels lie between {PADDING_BELOW_HU} and "
            f"{AIR_BELOW_HU}: these are no Hounsfield units of a chest",
            expectation="lung and air near -1000 HU",
            remedy="hand over the CT itself, not windowed, not a mask, with its rescale values",
            file=file,
        )


def window_flags(hu: NDArray[np.int16]) -> list[str]:
    """Flags of HU that look cut to a window: many voxels at the very end of a narrow range.

    Within the window they are still HU, so this is worth a look and no refusal.
    """
    low, high = int(hu.min()), int(hu.max())
    flags = []
    for end, narrow in ((high, high < SURELY_BONE_HU), (low, low > SURELY_AIR_HU)):
        fraction = np.count_nonzero(hu == end) / hu.size if narrow else 0.0
        if fraction > CUT_FRACTION:
            flags.append(
                f"{100 * fraction:.1f} % of the voxels hold exactly {end} HU, the end of the "
                "range: the image seems cut to a window"
            )
    return flags
